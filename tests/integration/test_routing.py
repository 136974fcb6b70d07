"""Routes: what they ask of a request, where they send it, under which path, in which shares, and
what `millrace explain` says of all that."""

import os
import subprocess
import tempfile
import threading
import unittest

import h2client
import harness
import peers

ROUTES = """
[[route]]
match = { path = "/plan/*", header = { X-Plan = "gold*" } }
rewrite = { strip_prefix = "/plan", add_prefix = "/gold" }
upstream = "first"
[[route]]
match = { path = "/plan/*", query = { plan = "gold" } }
rewrite = { path = "/query/*" }
upstream = "first"
[[route]]
match = { path = "/plan/*" }
upstream = "second"
[[route]]
match = { path = "/users/{id}/posts/*" }
rewrite = { path = "/v2/posts/of/{id}/*" }
upstream = "first"
[[route]]
match = { path = "/old/{id}/*" }
redirect = { to = "/new/{id}/*" }
[[route]]
match = { path = "/from/*" }
redirect = { to = "/*", status = 307 }
[[route]]
match = { path = "/secure/*" }
redirect = { to = "https://{host}{uri}", status = 301 }
[[route]]
match = { path = "/split" }
split = { first = 1, second = 1 }
[[route]]
match = { path = "/split/none" }
split = { first = 1, second = 0 }
[[route]]
match = { path = "/split/by" }
split = { first = 1, second = 1 }
split_by = { cookie = "user" }
[[route]]
match = { path = "/mirrored/*" }
rewrite = { strip_prefix = "/mirrored" }
upstream = "first"
mirror = { upstream = "second" }
[[route]]
match = { path = "/never/*" }
upstream = "first"
mirror = { upstream = "nobody" }
"""


def answer(name):
    return lambda request: (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
                            % (len(name), name.encode()))


def metrics(server):
    return harness.get(server.admin + "/metrics").body.decode()


class Routing(unittest.TestCase):
    def setUp(self):
        self.first = self.enterContext(peers.Backend(answer=answer("first")))
        self.second = self.enterContext(peers.Backend(answer=answer("second")))
        nobody = harness.free_port()
        self.server = self.enterContext(harness.Millrace(
            '[server]\nlisten = ["127.0.0.1:0"]\nthreads = 1\n'
            f'[upstream.first]\ntargets = ["{self.first.url}"]\n'
            f'[upstream.second]\ntargets = ["{self.second.url}"]\n'
            f'[upstream.nobody]\ntargets = ["http://127.0.0.1:{nobody}"]\n' + ROUTES))

    def get(self, path, headers=()):
        return harness.get(self.server.url + path, headers)

    def target_at_first(self, path, headers=()):
        self.assertEqual(self.get(path, headers).body, b"first")
        return self.first.requests[-1].target

    def test_fields_and_parameters_choose(self):
        self.assertEqual(self.target_at_first("/plan/a?b=c", [("x-plan", "golden")]), "/gold/a?b=c")
        self.assertEqual(self.first.requests[-1].all("x-forwarded-prefix"), ["/plan"])
        self.assertEqual(self.target_at_first("/plan/a?plan=gold"), "/query/a?plan=gold")
        self.assertEqual(self.first.requests[-1].all("x-forwarded-prefix"), [])
        self.assertEqual(self.get("/plan/a?plan=golden", [("x-plan", "silver")]).body, b"second")
        self.assertEqual(self.second.requests[-1].target, "/plan/a?plan=golden")

    def test_templates(self):
        self.assertEqual(self.target_at_first("/users/7%2F8/posts/a/b?x=%20"),
                         "/v2/posts/of/7%2F8/a/b?x=%20")
        self.assertEqual(self.target_at_first("/users/7/posts/"), "/v2/posts/of/7/")

    def test_nobody_says_what_was_taken_away_but_us(self):
        self.target_at_first("/mirrored/x", [("X-Forwarded-Prefix", "/evil")])
        self.assertEqual(self.first.requests[-1].all("x-forwarded-prefix"), ["/mirrored"])

    def test_over_http2(self):
        client = self.enterContext(h2client.Connection(self.server))
        response = client.get("/plan/a", [("x-plan", "gold")])
        self.assertEqual(response.status, 200)
        self.assertEqual(self.first.requests[-1].target, "/gold/a")

    def test_redirects(self):
        for path, status, to in (("/old/7/a?b", 308, "/new/7/a"), ("/old/7/", 308, "/new/7/"),
                                 ("/from/a", 307, "/a"), ("/from//evil.com/x", 307, "/evil.com/x"),
                                 ("/secure/a?b=c", 301, "https://127.0.0.1/secure/a?b=c")):
            with self.subTest(path):
                with self.server.client() as client:
                    response = client.request(f"GET {path} HTTP/1.1\r\n"
                                              f"Host: {self.server.address}\r\n\r\n")
                self.assertEqual((response.status, response.header("location")), (status, to))

    def test_shares(self):
        answers = [self.get("/split").body for _ in range(60)]
        self.assertEqual(set(answers), {b"first", b"second"})
        self.assertEqual({self.get("/split/none").body for _ in range(20)}, {b"first"})

    def test_who_belongs_together_stays_together(self):
        by_user = {}
        for user in range(40):
            answers = {self.get("/split/by", [("Cookie", f"user=u{user}")]).body for _ in range(3)}
            self.assertEqual(len(answers), 1)
            by_user[user] = answers.pop()
        self.assertEqual(set(by_user.values()), {b"first", b"second"})

    def test_a_mirror_gets_what_the_service_gets(self):
        headers = [("X-Mine", "1"), ("Content-Type", "text/plain")]
        response = harness.request(self.server.url + "/mirrored/a?b", "POST", headers, b"x" * 40000)
        self.assertEqual(response.body, b"first")
        harness.wait_until(lambda: self.second.requests, what="the copy")
        original, copy = self.first.requests[0], self.second.requests[0]
        self.assertEqual((copy.method, copy.target, copy.body),
                         (original.method, original.target, original.body))
        for name in ("x-mine", "content-type", "x-request-id", "x-forwarded-for", "host"):
            self.assertEqual(copy.all(name), original.all(name), name)
        self.assertEqual(len(self.first.requests), 1)

    def test_a_mirror_that_is_not_there_harms_nobody(self):
        for _ in range(5):
            self.assertEqual(self.get("/never/x").body, b"first")

    def test_what_is_not_held_is_not_mirrored(self):
        with self.server.client() as client:
            client.send("POST /mirrored/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                        "\r\n2\r\nab\r\n0\r\n\r\n")
            self.assertEqual(client.receive_response("POST").body, b"first")
        self.assertIn("millrace_mirror_dropped_total 1", metrics(self.server))
        self.assertEqual(self.second.requests, [])


class SlowMirror(unittest.TestCase):
    def test_nobody_waits_for_it_and_the_server_ends_without_it(self):
        done = threading.Event()
        self.addCleanup(done.set)

        def play(connection):
            connection.read_request()
            done.wait(harness.DEADLINE_S)

        slow = self.enterContext(peers.Backend(on_connection=play))
        quick = self.enterContext(peers.Backend(answer=answer("first")))
        server = harness.Millrace(
            '[server]\nlisten = ["127.0.0.1:0"]\nthreads = 1\n'
            f'[upstream.first]\ntargets = ["{quick.url}"]\n'
            f'[upstream.slow]\ntargets = ["{slow.url}"]\n'
            '[[route]]\nmatch = { path = "/*" }\nupstream = "first"\n'
            'mirror = { upstream = "slow" }\n')
        with server:
            for _ in range(300):
                self.assertEqual(harness.get(server.url + "/").body, b"first")
            # 256 wait there, and no more are made.
            self.assertIn("millrace_mirror_dropped_total 44", metrics(server))
            self.assertEqual(harness.post(server.admin + "/reload").status, 200)
            self.assertEqual(harness.get(server.url + "/").body, b"first")


class Explain(unittest.TestCase):
    CONFIG = ('[upstream.first]\ntargets = ["http://127.0.0.1:1"]\ntimeout = { total = "7s" }\n'
              '[upstream.second]\ntargets = ["http://127.0.0.1:2"]\n'
              '[upstream.nobody]\ntargets = ["http://127.0.0.1:3"]\n' + ROUTES)

    def explain(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "millrace.toml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.CONFIG)
            run = subprocess.run([harness.BINARY, "explain", *arguments, "-c", path],
                                 capture_output=True, text=True, timeout=harness.DEADLINE_S,
                                 check=False)
        return run.returncode, run.stdout, run.stderr

    def test_an_upstream(self):
        status, text, _ = self.explain("GET", "/plan/a?b=c", "-H", "X-Plan: gold")
        self.assertEqual(status, 0)
        lines = dict(line.split(None, 1) for line in text.splitlines())
        self.assertIn('header = { x-plan = "gold*" }', lines["route"])
        self.assertEqual(lines["sends"], "GET /gold/a?b=c")
        self.assertEqual(lines["upstream"], "first")
        self.assertEqual(lines["targets"], "http://127.0.0.1:1")
        self.assertTrue(lines["timeouts"].endswith("total 7s"), lines["timeouts"])

    def test_other_actions_and_other_ends(self):
        for arguments, status, what in (
                (("GET", "/old/1/x"), 0, "308 to /new/1/x"),
                (("GET", "http://example.com:81/secure/x#y"), 0, "https://example.com/secure/x"),
                (("GET", "/split"), 0, "second, 1 of 2"),
                (("GET", "/mirrored/x"), 0, "second, 100 % of requests"),
                (("GET", "/nowhere"), 1, "404 not_found"),
                (("GET", "/%zz"), 1, "400 bad_target")):
            with self.subTest(arguments):
                code, text, _ = self.explain(*arguments)
                self.assertEqual(code, status)
                self.assertIn(what, text)

    def test_what_is_no_question(self):
        self.assertEqual(self.explain("GET")[0], 2)
        self.assertEqual(self.explain("GET", "/", "-H", "nonsense")[0], 2)


if __name__ == "__main__":
    unittest.main()
