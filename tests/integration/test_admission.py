"""How many requests an upstream is asked at once, who waits, and what they are told."""

import json
import threading
import unittest

import harness
import peers

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def config(targets, threads=2, **keys):
    lines = [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(["[server]", 'listen = ["127.0.0.1:0"]', f"threads = {threads}",
                      "[upstream.backend]", f"targets = {json.dumps(targets)}", *lines,
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
