"""How many requests an upstream is asked at once, who waits, and what they are told."""

import json
import threading
import unittest

import harness
import peers

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def to_toml(targets):
    """A list of URLs, or of tables."""
    def one(target):
        if isinstance(target, str):
            return json.dumps(target)
        return "{ " + ", ".join(f"{k} = {json.dumps(v)}" for k, v in target.items()) + " }"

    return f"[{', '.join(map(one, targets))}]"


def config(targets, threads=2, **keys):
    lines = [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(["[server]", 'listen = ["127.0.0.1:0"]', f"threads = {threads}",
                      "[upstream.backend]", f"targets = {to_toml(targets)}", *lines,
                      "[[route]]", 'match = { path = "/*" }', 'upstream = "backend"', ""])


class AdmissionTest(unittest.TestCase):
    def start(self, threads=2, **keys):
        """A backend whose answers wait for a permit of self.answers."""
        self.answers = threading.Semaphore(0)
        self.most, self.now, self.lock = 0, 0, threading.Lock()
        self.backend = self.enterContext(peers.Backend(self.answer))
        self.server = self.enterContext(
            harness.Millrace(config([self.backend.url], threads, **keys)))
        self.addCleanup(self.answers.release, 1000)

    def answer(self, request):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.answers.acquire(timeout=harness.DEADLINE_S)
        with self.lock:
            self.now -= 1
        return OK

    def queue(self):
        return json.loads(harness.get(self.server.admin + "/status").body)["queues"][0]

    def send(self, path="/", method="GET"):
        """A request on a connection of its own, which is given back."""
        client = self.server.client()
        self.addCleanup(client.close)
        client.send(f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        return client

    def send_and_wait(self, path, waiting):
        client = self.send(path)
        harness.wait_until(lambda: self.queue()["waiting"] == waiting, what=f"{path} to wait")
        return client

    def occupy(self, count):
        clients = [self.send(f"/first{number}") for number in range(count)]
        harness.wait_until(lambda: len(self.backend.requests) == count, what="the first requests")
        return clients

    def assert_refused(self, response, code):
        self.assertEqual((response.status, response.json()["code"]), (503, code))
        self.assertGreaterEqual(int(response.header("retry-after")), 1)


class Limits(AdmissionTest):
    def test_no_more_at_once_and_all_are_answered(self):
        self.start(concurrency=3)
        first = self.occupy(3)
        others = [self.send(f"/{number}") for number in range(20)]
        harness.wait_until(lambda: self.queue()["waiting"] == 20, what="the queue")
        self.assertEqual(self.queue()["in_flight"], 3)
        self.answers.release(23)
        for client in first + others:
            self.assertEqual(client.receive_response().status, 200)
        self.assertEqual((self.most, len(self.backend.requests)), (3, 23))
        harness.wait_until(lambda: self.queue()["in_flight"] == 0, what="the permits")

    def test_first_come_first_served(self):
        self.start(concurrency=1)
        first = self.occupy(1)
        others = [self.send_and_wait(f"/{number}", number + 1) for number in range(6)]
        self.answers.release(7)
        for client in first + others:
            self.assertEqual(client.receive_response().status, 200)
        self.assertEqual([r.target for r in self.backend.requests[1:]],
                         [f"/{number}" for number in range(6)])

    def test_the_wait_is_told_upstream(self):
        self.start(concurrency=1)
        first = self.occupy(1)[0]
        second = self.send_and_wait("/second", 1)
        self.answers.release(2)
        first.receive_response()
        second.receive_response()
        self.assertIsNone(self.backend.requests[0].header("x-queue-time"))
        self.assertRegex(self.backend.requests[1].header("x-queue-time"), r"\A[0-9]+\Z")

    def test_each_target_has_its_limit(self):
        seen = [[], []]
        release = threading.Event()
        self.addCleanup(release.set)

        def answer(which):
            def wait(request):
                seen[which].append(request.target)
                release.wait(harness.DEADLINE_S)
                return OK
            return wait

        backends = [self.enterContext(peers.Backend(answer(which))) for which in range(2)]
        self.server = self.enterContext(harness.Millrace(
            config([b.url for b in backends], target_concurrency=2)))
        clients = [self.send(f"/{number}") for number in range(7)]
        harness.wait_until(lambda: self.queue()["waiting"] == 3, what="the queue")
        harness.wait_until(lambda: [len(s) for s in seen] == [2, 2], what="the targets")
        self.assertEqual(self.queue()["limit"], 4)
        release.set()
        for client in clients:
            self.assertEqual(client.receive_response().status, 200)


class BusyTargets(AdmissionTest):
    """Who waits for a place at one target occupies nothing at the others."""

    def start_two(self, targets=None, **keys):
        """Backends with one place each. What asks for /held waits for self.release."""
        self.release = threading.Event()
        self.addCleanup(self.release.set)

        def answer(request):
            if request.target == "/held":
                self.release.wait(harness.DEADLINE_S)
            return OK

        self.backends = [self.enterContext(peers.Backend(answer)) for _ in range(2)]
        urls = [backend.url for backend in self.backends]
        self.server = self.enterContext(harness.Millrace(
            config(targets(*urls) if targets else urls, threads=1, target_concurrency=1, **keys)))

    def send_key(self, path, key):
        client = self.server.client()
        self.addCleanup(client.close)
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nX-Key: {key}\r\n\r\n")
        return client

    def wait_for(self, count):
        harness.wait_until(lambda: (q := self.queue())["waiting"] + q["in_flight"] == count,
                           what=f"{count} requests in queue and flight")

    def keys(self):
        """For each backend a key that leads there."""
        found = [None, None]
        for key in range(200):
            before = [len(backend.requests) for backend in self.backends]
            self.assertEqual(self.send_key("/", key).receive_response().status, 200)
            at = [len(b.requests) > n for b, n in zip(self.backends, before)].index(True)
            found[at] = key
            if None not in found:
                return found
        raise AssertionError("all keys lead to one target")

    def test_a_key_whose_target_is_busy_holds_up_no_other_key(self):
        self.start_two(balance='"ring_hash"', hash='{ header = "X-Key" }',
                       queue='{ timeout = "60s" }')
        busy, free = self.keys()
        held = self.send_key("/held", busy)
        self.wait_for(1)
        waits = self.send_key("/waits", busy)
        self.wait_for(2)
        self.assertEqual(self.send_key("/", free).receive_response().status, 200)
        self.release.set()
        self.assertEqual(held.receive_response().status, 200)
        self.assertEqual(waits.receive_response().status, 200)

    def test_who_waits_for_a_target_that_is_drained_goes_to_another(self):
        self.start_two(balance='"ring_hash"', hash='{ header = "X-Key" }')
        busy, _ = self.keys()
        held = self.send_key("/held", busy)
        self.wait_for(1)
        waits = self.send_key("/waits", busy)
        self.wait_for(2)
        target = self.backends[0].url.removeprefix("http://")
        harness.post(f"{self.server.admin}/upstreams/backend/drain?target={target}")
        self.assertEqual(waits.receive_response().status, 200)
        self.assertEqual(self.backends[1].requests[-1].target, "/waits")
        self.release.set()
        self.assertEqual(held.receive_response().status, 200)

    def test_turns_go_on_beside_a_busy_target(self):
        self.start_two(lambda heavy, light: [{"url": heavy, "weight": 3}, {"url": light}],
                       balance='"round_robin"', queue='{ timeout = "10s" }')
        held = self.send("/held")
        harness.wait_until(lambda: self.backends[0].requests, what="the first request")
        for _ in range(6):
            self.assertEqual(self.send().receive_response().status, 200)
        self.release.set()
        self.assertEqual(held.receive_response().status, 200)

    def test_the_wait_for_a_target_is_told_too(self):
        self.start_two(lambda first, second: [{"url": first}, {"url": second, "priority": 1}])
        held = self.send("/held")
        self.wait_for(1)
        second = self.send("/second")
        harness.wait_until(lambda: self.queue()["waiting"] == 1, what="the second one to wait")
        self.release.set()
        for client in held, second:
            self.assertEqual(client.receive_response().status, 200)
        self.assertRegex(self.backends[0].requests[1].header("x-queue-time") or "none",
                         r"\A[0-9]+\Z")


class Reload(AdmissionTest):
    def test_what_is_under_way_counts_under_new_limits(self):
        for keys in ({"concurrency": 3}, {"concurrency": 2, "queue": "{ size = 7 }"},
                     {"concurrency": 2, "retry": "{ budget = 0.3 }"}):
            with self.subTest(keys):
                self.start(concurrency=2)
                self.occupy(2)
                self.server.write_config(config([self.backend.url], **keys))
                harness.post(self.server.admin + "/reload")
                for _ in range(4):
                    self.send()
                harness.wait_until(
                    lambda: len(self.backend.requests) + self.queue()["waiting"] == 6,
                    what="the others")
                harness.wait_until(lambda: self.most >= keys["concurrency"], what="them at work")
                self.assertEqual(self.most, keys["concurrency"])


class Refusals(AdmissionTest):
    def test_a_full_queue_refuses_at_once(self):
        self.start(concurrency=1, queue='{ size = 2 }')
        self.occupy(1)
        self.send_and_wait("/1", 1)
        self.send_and_wait("/2", 2)
        self.assert_refused(harness.get(self.server.url + "/3"), "queue_full")
        self.assert_refused(harness.post(self.server.url + "/4", b"body"), "queue_full")
        self.assertEqual(self.queue()["refused"], 2)
        self.assertEqual(len(self.backend.requests), 1)

    def test_no_queue_at_all(self):
        self.start(concurrency=1, queue='{ size = 0 }')
        self.occupy(1)
        self.assert_refused(harness.get(self.server.url + "/"), "queue_full")

    def test_who_waits_too_long_is_told(self):
        self.start(concurrency=1, queue='{ timeout = "50ms" }')
        self.occupy(1)
        self.assert_refused(harness.get(self.server.url + "/"), "queue_timeout")
        line = harness.wait_until(
            lambda: [e for e in self.server.events("access") if e["status"] == 503],
            what="the log")[0]
        self.assertEqual((line["cause"], line["attempts"]), ("queue_timeout", 0))
        self.assertEqual(self.queue()["timed_out"], 1)

    def test_the_departed_leave_the_queue(self):
        self.start(concurrency=1)
        first = self.occupy(1)[0]
        gone = self.send_and_wait("/gone", 1)
        last = self.send_and_wait("/last", 2)
        gone.close()
        harness.wait_until(lambda: self.queue()["waiting"] == 1, what="the departed to leave")
        self.answers.release(2)
        self.assertEqual(first.receive_response().status, 200)
        self.assertEqual(last.receive_response().status, 200)
        self.assertEqual([r.target for r in self.backend.requests], ["/first0", "/last"])
        line = harness.wait_until(
            lambda: [e for e in self.server.events("access") if e["target"] == "/gone"],
            what="its line in the log")[0]
        self.assertEqual((line["cause"], line["status"]), ("client_gone", 499))
        self.assertNotIn("wasted_us", line)


class Overload(AdmissionTest):
    def test_the_newest_first_once_the_queue_does_not_empty(self):
        self.start(threads=1, concurrency=1,
                   queue='{ overload_after = "1ms", overload_timeout = "20s" }')
        first = self.occupy(1)[0]
        others = [self.send_and_wait(f"/{number}", number + 1) for number in range(4)]
        self.assertTrue(self.queue()["overloaded"])
        self.answers.release(5)
        for client in [first] + others:
            self.assertEqual(client.receive_response().status, 200)
        self.assertEqual([r.target for r in self.backend.requests[1:]], ["/3", "/2", "/1", "/0"])

    def test_nobody_waits_for_long_then(self):
        self.start(concurrency=1, queue='{ overload_after = "1ms", overload_timeout = "20ms" }')
        self.occupy(1)
        self.send_and_wait("/waits", 1)
        harness.wait_until(lambda: self.queue()["overloaded"], what="overload")
        self.assert_refused(harness.get(self.server.url + "/"), "queue_timeout")
        self.assertEqual(self.queue()["waiting"], 1)


class Metrics(AdmissionTest):
    def test_an_autoscaler_sees_what_it_needs(self):
        self.start(concurrency=1)
        self.occupy(1)
        self.send_and_wait("/", 1)
        text = harness.get(self.server.admin + "/metrics").body.decode()
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if "backend" in line)
        for name, value in (("concurrency_limit", 1), ("in_flight", 1), ("queue_length", 1),
                            ("queued_total", 1), ("queue_full_total", 0)):
            self.assertEqual(float(values[f'millrace_upstream_{name}{{upstream="backend"}}']),
                             value, name)
        self.assertGreater(
            float(values['millrace_upstream_queue_oldest_seconds{upstream="backend"}']), 0)


if __name__ == "__main__":
    unittest.main()
