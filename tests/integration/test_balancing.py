"""Several targets: who gets what, who is left alone, who comes back. Judged by the backends."""

import json
import threading
import time
import unittest
import urllib.parse

import harness
import peers


def answer(status, body):
    return (f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


class Service:
    """A backend that says its name, and can be told to answer otherwise or stopped."""

    def __init__(self, name):
        self.name = name
        self.status = 200
        self.health = 200
        self.delay_s = 0
        self.backend = peers.Backend(self._answer)
        self.port = self.backend.port
        self.target = f"127.0.0.1:{self.port}"
        self.url = self.backend.url

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.backend.stop()

    def _answer(self, request):
        if request.target == "/healthz":
            return answer(self.health, "")
        time.sleep(self.delay_s)
        return answer(self.status, self.name)

    def stop(self):
        self.backend.stop()

    def start(self):
        self.backend = peers.Backend(self._answer, port=self.port)

    def requests(self):
        return [r for r in self.backend.requests if r.target != "/healthz"]


class BalancingTest(unittest.TestCase):
    def start(self, count=3, targets=None, server=(), **keys):
        """`count` services "a", "b"... and Millrace in front of them. `server`: lines for [server]."""
        self.services = [self.enterContext(Service("abcdefgh"[i])) for i in range(count)]
        wanted = targets(self.services) if targets else json.dumps([s.url for s in self.services])
        lines = [f"{key} = {value}" for key, value in keys.items()]
        self.server = self.enterContext(harness.Millrace("\n".join([
            "[server]", 'listen = ["127.0.0.1:0"]', "threads = 2", *server,
            "[upstream.api]", f"targets = {wanted}", *lines,
            "[[route]]", 'match = { path = "/*" }', 'upstream = "api"', ""])))

    def get(self, path="/", headers=()):
        return harness.get(self.server.url + path, headers)

    def names(self, count=30, path="/", headers=()):
        """Who answers `count` requests, all of which must succeed."""
        seen = []
        for _ in range(count):
            response = self.get(path, headers)
            self.assertEqual(response.status, 200, response.body)
            seen.append(response.body.decode())
        return seen

    def upstream(self):
        return harness.get(self.server.admin + "/upstreams").json()["upstreams"][0]

    def target(self, service):
        """What /upstreams says of it."""
        return next(t for t in self.upstream()["targets"] if t["target"] == service.target)

    def wait_for_state(self, service, state):
        harness.wait_until(lambda: self.target(service)["state"] == state,
                           what=f"{service.name} to be {state}")

    def change(self, service, action):
        target = urllib.parse.quote(service.target)
        response = harness.post(f"{self.server.admin}/upstreams/api/{action}?target={target}")
        self.assertEqual(response.status, 200, response.body)


class Balancers(BalancingTest):
    def test_everybody_gets_something(self):
        for balance in ("round_robin", "least_requests", "random_two", "ring_hash"):
            with self.subTest(balance=balance):
                hash_by = {"hash": '{ header = "X-Key" }'} if balance == "ring_hash" else {}
                self.start(balance=f'"{balance}"', **hash_by)
                seen = {self.get(headers=[("X-Key", str(i))]).body for i in range(40)}
                self.assertEqual(seen, {b"a", b"b", b"c"})

    def test_one_key_stays_at_one_target(self):
        self.start(balance='"ring_hash"', hash='{ cookie = "user" }')
        for user in ("x", "y", "z"):
            with self.subTest(user=user):
                self.assertEqual(len(set(self.names(8, headers=[("Cookie", f"user={user}")]))), 1)

    def test_weights(self):
        self.start(2, balance='"round_robin"', targets=lambda s: (
            f'[{{ url = "{s[0].url}", weight = 3 }}, "{s[1].url}"]'))
        seen = self.names(40)
        # Each of the two threads takes turns of its own.
        self.assertTrue(27 <= seen.count("a") <= 33, seen)

    def test_another_group_takes_over(self):
        self.start(2, targets=lambda s: (
            f'["{s[0].url}", {{ url = "{s[1].url}", priority = 1 }}]'))
        self.assertEqual(set(self.names(10)), {"a"})
        self.services[0].stop()
        self.assertEqual(set(self.names(10)), {"b"})
        self.wait_for_state(self.services[0], "ejected")
        self.assertEqual(self.services[1].requests()[-1].target, "/")

    def test_a_slow_target_gets_less(self):
        self.start(4)
        self.services[0].delay_s = 0.2
        results = []
        clients = [threading.Thread(
            target=lambda: results.extend(self.names(25))) for _ in range(8)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual(len(results), 200)
        self.assertLess(results.count("a"), 25)  # a fair share would be 50


class PassiveHealth(BalancingTest):
    def test_nobody_notices_that_one_is_killed(self):
        self.start(3)
        self.names(15)
        self.services[0].stop()
        self.assertEqual(set(self.names(60)), {"b", "c"})
        self.wait_for_state(self.services[0], "ejected")
        told = self.target(self.services[0])
        self.assertEqual((told["reason"], told["last_error"], told["ejections"]),
                         ("failures in a row", "connect_refused", 1))
        harness.wait_until(lambda: self.server.events("target_ejected"), what="the event")

    def test_it_comes_back(self):
        self.start(2, outlier='{ failures = 2, eject = "300ms" }')
        self.services[0].stop()
        while not self.server.events("target_ejected"):
            self.names(1)
        self.services[0].start()
        harness.wait_until(lambda: "a" in self.names(4), what="a to get requests again")

    def test_failing_answers_eject_and_others_do_not(self):
        self.start(2, balance='"round_robin"')
        self.services[0].status = 500
        for _ in range(30):
            self.get()
        self.assertEqual(self.target(self.services[0])["state"], "healthy")
        self.services[0].status = 503
        harness.wait_until(lambda: self.get() and self.server.events("target_ejected"),
                           what="a to be ejected")
        self.assertEqual(set(self.names(10)), {"b"})

    def test_the_only_target_is_never_left_alone(self):
        self.start(1)
        self.services[0].status = 503
        for _ in range(20):
            self.assertEqual(self.get().status, 503)
        self.assertEqual(len(self.services[0].requests()), 20)
        self.services[0].status = 200
        self.names(1)

    def test_flapping_costs_few_requests(self):
        self.start(2, outlier='{ eject = "2s" }')
        up, flips = True, time.monotonic() + 0.25
        for _ in range(400):
            if time.monotonic() > flips:
                up, flips = not up, flips + 0.25
                self.services[0].start() if up else self.services[0].stop()
            self.names(1)
            time.sleep(0.003)
        requests = sum(t["requests"] for t in self.upstream()["targets"])
        self.assertLessEqual(requests, 400 * 1.2)


class Breaker(BalancingTest):
    def test_an_upstream_that_fails_is_left_alone(self):
        self.start(2, breaker='{ failures = 6, open = "2s" }', balance='"round_robin"')
        for service in self.services:
            service.status = 502
        harness.wait_until(lambda: self.get().status == 503, what="the circuit to open")
        sent = sum(len(s.requests()) for s in self.services)
        self.assertEqual(sent, 6)
        refused = self.get()
        if refused.status == 503:
            self.assertEqual(refused.json()["code"], "circuit_open")
            self.assertIsNotNone(refused.header("retry-after"))
        for service in self.services:
            service.status = 200
        harness.wait_until(lambda: self.get().status == 200, what="the circuit to close")
        self.names(5)
        self.assertEqual(self.upstream()["breaker"], "closed")

    def test_the_impatience_of_a_client_is_nobody_s_failure(self):
        # Its own X-Request-Deadline passes, not a limit of ours: as when it leaves.
        self.start(2, server=['trusted_proxies = ["127.0.0.0/8"]'],
                   breaker='{ failures = 3, open = "1h" }', outlier="{ failures = 2 }")
        for service in self.services:
            service.delay_s = 1
        for _ in range(6):
            self.assertEqual(self.get(headers=[("X-Request-Deadline", "10")]).status, 504)
        self.assertEqual(self.get().status, 200)
        for service in self.services:
            self.assertEqual(self.target(service)["state"], "healthy")


class ActiveHealth(BalancingTest):
    CHECK = '{ path = "/healthz", interval = "100ms", timeout = "100ms", unhealthy = 2 }'

    def test_who_says_that_it_is_ill_gets_nothing(self):
        self.start(3, health=self.CHECK)
        self.services[0].health = 500
        self.wait_for_state(self.services[0], "unhealthy")
        self.assertEqual(self.target(self.services[0])["reason"], "health check: status 500")
        self.assertEqual(set(self.names(20)), {"b", "c"})
        self.services[0].health = 204
        self.wait_for_state(self.services[0], "healthy")
        harness.wait_until(lambda: "a" in self.names(4), what="a to get requests again")
        checks = [r for r in self.services[0].backend.requests if r.target == "/healthz"]
        self.assertEqual(checks[0].header("host"), self.services[0].target)

    def test_when_all_are_ill_all_are_used(self):
        self.start(2, health=self.CHECK)
        for service in self.services:
            service.health = 503
        for service in self.services:
            self.wait_for_state(service, "unhealthy")
        self.assertEqual(set(self.names(20)), {"a", "b"})

    def test_a_connection_is_enough_for_tcp(self):
        self.start(2, health='{ tcp = true, interval = "100ms", timeout = "100ms" }')
        self.services[0].health = 500
        self.services[1].stop()
        self.wait_for_state(self.services[1], "unhealthy")
        self.assertEqual(self.target(self.services[0])["state"], "healthy")


class Operator(BalancingTest):
    def test_drain_and_enable(self):
        self.start(2)
        self.change(self.services[0], "drain")
        self.assertEqual(self.target(self.services[0])["state"], "draining")
        self.assertEqual(set(self.names(20)), {"b"})
        self.change(self.services[1], "drain")
        response = self.get()
        self.assertEqual((response.status, response.json()["code"]), (503, "no_target"))
        self.change(self.services[0], "enable")
        self.assertEqual(set(self.names(10)), {"a"})

    def test_a_drained_target_finishes_what_it_has(self):
        self.start(2, balance='"round_robin"')
        self.services[0].delay_s = 0.5
        results = []
        clients = [threading.Thread(
            target=lambda: results.extend(self.names(1))) for _ in range(4)]
        for client in clients:
            client.start()
        harness.wait_until(lambda: self.target(self.services[0])["in_flight"] > 0,
                           what="a request in flight")
        self.change(self.services[0], "drain")
        for client in clients:
            client.join()
        self.assertIn("a", results)
        harness.wait_until(lambda: self.target(self.services[0])["in_flight"] == 0,
                           what="nothing in flight")

    def test_metrics_tell_of_targets(self):
        self.start(2)
        self.names(10)
        metrics = harness.get(self.server.admin + "/metrics").body.decode()
        counts = [float(line.rsplit(" ", 1)[1]) for line in metrics.splitlines()
                  if line.startswith('millrace_target_requests_total{upstream="api"')]
        self.assertEqual(sum(counts), 10)


class Sticky(BalancingTest):
    def test_a_client_keeps_its_target_while_it_is_there(self):
        self.start(3, sticky='{ cookie = "srv", ttl = "1h", secret = "s" }')
        first = self.get()
        cookie = first.header("set-cookie")
        self.assertRegex(cookie, r"^srv=[0-9a-f]{32}; Path=/; HttpOnly; SameSite=Lax; "
                                 r"Max-Age=3600$")
        mine = [("Cookie", cookie.split(";")[0])]
        self.assertEqual(set(self.names(12, headers=mine)), {first.body.decode()})
        self.assertIsNone(self.get(headers=mine).header("set-cookie"))
        service = next(s for s in self.services if s.name == first.body.decode())
        service.stop()
        moved = self.get(headers=mine)
        self.assertEqual(moved.status, 200)
        self.assertNotEqual(moved.body, first.body)
        self.assertNotEqual(moved.header("set-cookie").split(";")[0], cookie.split(";")[0])

    def test_a_cookie_that_says_nothing_is_harmless(self):
        self.start(2, sticky='{ cookie = "srv" }')
        self.names(3, headers=[("Cookie", "srv=nonsense")])


class Names(BalancingTest):
    def test_localhost_is_one_target(self):
        self.start(1, targets=lambda s: f'["http://localhost:{s[0].port}"]')
        self.names(3)
        self.assertEqual([t["target"] for t in self.upstream()["targets"]],
                         [f"localhost:{self.services[0].port}"])

    def test_a_service_that_nobody_knows_is_no_reason_not_to_start(self):
        self.start(0, targets=lambda s: '["srv:_http._tcp.nobody.invalid"]')
        response = self.get()
        self.assertEqual((response.status, response.json()["code"]), (503, "no_target"))


if __name__ == "__main__":
    unittest.main()
