"""Services that Millrace starts and supervises itself: real uvicorn and gunicorn, real ends."""

import contextlib
import json
import os
import pathlib
import pwd
import signal
import subprocess
import tempfile
import threading
import unittest

import harness

# The request that asks tells the service what to do.
ASGI = '''
import asyncio, gc, os, sys, time
held = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["path"] == "/hang":
        time.sleep(600)
    if scope["path"] == "/deaf":
        for server in gc.get_objects():
            if isinstance(server, asyncio.base_events.Server):
                server.close()
    if scope["path"] == "/leak":
        held.append(bytearray(os.urandom(8)) * 1_000_000)
    headers = dict(scope["headers"])
    text = " ".join([GENERATION, str(os.getpid()), str(scope["client"] and scope["client"][0])])
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", str(len(text)).encode())]})
    await send({"type": "http.response.body", "body": text.encode()})
'''
WSGI = '''
import os

def app(environ, start_response):
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
'''
UVICORN = ["/usr/bin/uvicorn", "app:app", "--uds", "{socket}", "--log-level", "warning"]
GUNICORN = ["/usr/bin/gunicorn", "app:app", "--bind", "unix:{socket}", "--workers", "2",
            "--log-level", "warning"]
# Nothing is compiled to a file: two versions of a second are told apart.
ENVIRONMENT = 'environment = { PYTHONDONTWRITEBYTECODE = "1" }'


class Service(harness.Millrace):
    """Millrace with [process.ml], whose module app.py can be written anew."""

    def __init__(self, command, source=ASGI, keys="", upstream_keys=""):
        self.home = tempfile.TemporaryDirectory(prefix="millrace-test-")
        self.deploy(source)
        super().__init__(f"""
[process.ml]
command = {json.dumps(command)}
directory = "{self.home.name}"
{ENVIRONMENT}
{keys}
[upstream.ml]
process = "ml"
{upstream_keys}
[[route]]
match = {{ path = "/*" }}
upstream = "ml"
""")

    def __exit__(self, *arguments):
        # In order where possible: whoever is killed cannot remove the folder of its sockets.
        if self.alive():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.terminate()
        super().__exit__(*arguments)
        self.home.cleanup()

    def deploy(self, source=ASGI, generation="first"):
        text = f"GENERATION = {generation!r}\n{source}"
        pathlib.Path(self.home.name, "app.py").write_text(text)

    def status(self):
        return harness.get(self.admin + "/processes").json()["processes"][0]

    def serving(self):
        return [i for i in self.status()["instances"] if i["state"] == "serving"]

    def wait_for_workers(self, count=1):
        return harness.wait_until(lambda: (s := self.serving()) and len(s) == count and s,
                                  what=f"{count} serving\n{self.tail()}")

    def restart(self):
        response = harness.post(self.admin + "/processes/ml/restart")
        assert response.status == 202, response.head

    def ask(self, path="/", headers=()):
        """What the instance that answered says: generation, pid, client."""
        response = harness.get(self.url + path, headers)
        assert response.status == 200, (response.head, self.tail())
        return response.body.decode().split(" ")


class Load:
    """GETs, one after the other on each of some connections, until it is left."""

    def __init__(self, server, threads=4):
        self.server, self.failures, self.count = server, [], 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self):
        while not self._over.is_set():
            try:
                response = harness.get(self.server.url + "/")
                if response.status != 200:
                    self.failures.append(response.head)
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))
            self.count += 1

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        harness.wait_until(lambda: self.count > 10, what="requests")
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(harness.DEADLINE_S)


def gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def run_command(*arguments):
    return ["run", "--listen", "127.0.0.1:0", "--set", "admin.listen=127.0.0.1:0", *arguments]


class Run(unittest.TestCase):
    """`millrace run`, with no file at all."""

    def test_uvicorn_answers_and_ends_with_millrace(self):
        with tempfile.TemporaryDirectory() as home:
            pathlib.Path(home, "app.py").write_text("GENERATION = 'x'\n" + ASGI)
            with harness.Millrace(command=run_command(
                    "--workers", "2", "--set", f"process.app.directory={home}", "--",
                    *UVICORN)) as server:
                # The first request waits until somebody is there.
                response = harness.get(server.url + "/", [("X-Forwarded-For", "192.0.2.1")])
                self.assertEqual(response.status, 200, server.tail())
                # FORWARDED_ALLOW_IPS: uvicorn believes who sits at its socket.
                self.assertEqual(response.body.split(b" ")[2], b"127.0.0.1")
                pids = [e["pid"] for e in server.events("process_started")]
                self.assertEqual(len(pids), 2)
                server.signal(signal.SIGHUP)
                harness.wait_until(lambda: server.events("process_rolled_out"), what="a rollout")
                pids += [e["pid"] for e in server.events("process_started")]
                self.assertEqual(server.terminate(), 0, server.tail())
                self.assertTrue(all(gone(pid) for pid in pids))

    def test_a_killed_millrace_leaves_nobody_behind(self):
        with harness.Millrace(command=run_command("--", "/bin/sh", "-c", "exec sleep 600")) as server:
            pid = harness.wait_until(lambda: server.events("process_started"))[0]["pid"]
            server.kill()
            harness.wait_until(lambda: gone(pid), what="the child to end")

    def test_a_program_that_is_not_there(self):
        result = harness.run(*run_command("--", "no-such-program", "--uds", "{socket}"))
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, "millrace: process.app: there is no program "
                                        "\"no-such-program\" in PATH\n")

    def test_a_command_that_never_listens_ends_with_what_to_add(self):
        result = harness.run(*run_command("--set", "process.app.ready_timeout=200ms", "--",
                                          "sleep", "600"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("--uds {socket}", result.stderr)

    def test_long_lines_of_output_are_whole_up_to_16_kib(self):
        script = ("import time\n"
                  "for n in (16384, 16385): print('x' * n, flush=True)\n"
                  "time.sleep(600)")
        with harness.Millrace(command=run_command("--", "/usr/bin/python3", "-S", "-c",
                                                  script)) as server:
            lines = harness.wait_until(
                lambda: len(e := server.events("process_output")) == 3 and e, what="the output")
            self.assertEqual([len(e["line"]) for e in lines], [16384, 16384, 1])
            server.terminate()

    def test_usage(self):
        for arguments in (["run"], ["run", "--"], ["run", "--workers", "0", "--", "true"]):
            self.assertEqual(harness.run(*arguments).returncode, 2, arguments)


class Uvicorn(unittest.TestCase):
    def test_a_killed_worker_is_replaced(self):
        with Service(UVICORN, keys="workers = 2") as server:
            victim = server.wait_for_workers(2)[0]
            os.kill(victim["pid"], signal.SIGKILL)
            harness.wait_until(lambda: server.status()["exits"], what="the exit")
            for _ in range(10):
                self.assertNotEqual(int(server.ask()[1]), victim["pid"])
            server.wait_for_workers(2)
            status = server.status()
        self.assertEqual(status["exits"][0]["reason"], "killed by SIGKILL")
        self.assertEqual(status["exits"][0]["pid"], victim["pid"])
        self.assertEqual(status["failures"], 0)

    def test_keys_of_those_who_live_stay_when_one_is_replaced(self):
        with Service(UVICORN, keys="workers = 3", upstream_keys="""
balance = "ring_hash"
hash = { header = "X-Key" }""") as server:
            server.wait_for_workers(3)

            def places():
                return [int(server.ask(headers=[("X-Key", str(key))])[1]) for key in range(60)]

            before = places()
            victim = server.serving()[0]["pid"]
            os.kill(victim, signal.SIGKILL)
            harness.wait_until(lambda: server.status()["exits"], what="the exit")
            server.wait_for_workers(3)
            moved = [key for key, (old, new) in enumerate(zip(before, places()))
                     if old not in (victim, new)]
        self.assertEqual(moved, [])

    def test_the_only_worker_is_killed_and_requests_wait_for_the_next(self):
        with Service(UVICORN) as server:
            victim = server.wait_for_workers()[0]["pid"]
            os.kill(victim, signal.SIGKILL)
            harness.wait_until(lambda: gone(victim), what="its end")
            self.assertNotEqual(int(server.ask()[1]), victim)

    def test_who_waits_for_the_first_start_is_no_overload(self):
        # Nobody could do it faster: the queue is not empty because nobody is there yet.
        with tempfile.TemporaryDirectory(prefix="millrace-test-") as home:
            pathlib.Path(home, "app.py").write_text(f"GENERATION = 'first'\n{ASGI}")
            wait = f"while [ ! -e {home}/go ]; do sleep 0.02; done; exec \"$@\""
            with harness.Millrace(f"""
[process.ml]
command = {json.dumps(["/bin/sh", "-c", wait, "sh", *UVICORN])}
directory = "{home}"
[upstream.ml]
process = "ml"
queue = {{ timeout = "60s", overload_after = "1ms", overload_timeout = "1ms" }}
[[route]]
upstream = "ml"
""") as server:
                def queue():
                    return harness.get(server.admin + "/status").json()["queues"][0]

                clients = []
                for number in range(3):
                    clients.append(self.enterContext(server.client()))
                    clients[-1].send(f"GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")
                    harness.wait_until(
                        lambda: queue()["waiting"] == number + 1 or server.events("access"),
                        what=f"/{number} to wait")
                self.assertFalse(queue()["overloaded"])
                pathlib.Path(home, "go").touch()
                for client in clients:
                    self.assertEqual(client.receive_response().status, 200)
                    client.close()
                server.terminate()

    @unittest.skipUnless(os.geteuid() == 0, "only root may become somebody else")
    def test_another_user_takes_over_at_a_reload(self):
        def config(text, user):
            return text.replace(ENVIRONMENT, f'{ENVIRONMENT}\nuser = "{user}"')

        with Service(UVICORN) as server:
            text = server.config_file.read_text()
            os.chmod(server.home.name, 0o755)
            for user in "nobody", "daemon":
                server.write_config(config(text, user))
                self.assertEqual(harness.post(server.admin + "/reload").status, 200)
                uid = pwd.getpwnam(user).pw_uid
                harness.wait_until(
                    lambda: [os.stat(f"/proc/{i['pid']}").st_uid for i in server.serving()] == [uid],
                    what=f"{user} to serve\n{server.tail()}")
                self.assertEqual(server.ask()[0], "first")

    def test_rolling_restarts_under_load_fail_nothing(self):
        with Service(UVICORN, keys="workers = 2") as server:
            server.wait_for_workers(2)
            with Load(server) as load:
                for generation in ("second", "third"):
                    server.deploy(generation=generation)
                    before = server.status()["rollouts"]
                    server.restart()
                    harness.wait_until(lambda: server.status()["rollouts"] == before + 1,
                                       what="the rollout")
                    for _ in range(5):
                        self.assertEqual(server.ask()[0], generation)
            self.assertEqual(load.failures, [])

    def test_a_broken_deploy_keeps_the_old_ones(self):
        with Service(UVICORN, keys="workers = 2") as server:
            pids = {i["pid"] for i in server.wait_for_workers(2)}
            server.deploy("import no_such_module\n")
            with Load(server, 2) as load:
                server.restart()
                failed = harness.wait_until(lambda: server.events("process_rollout_failed"),
                                            what="the rollout to fail")
            self.assertIn("exited with status 1", failed[0]["error"])
            self.assertEqual(load.failures, [])
            self.assertEqual({i["pid"] for i in server.wait_for_workers(2)}, pids)
            lines = server.status()["exits"][0]["last_lines"]
            self.assertTrue(any("no_such_module" in line for line in lines), lines)

    def test_a_reload_refuses_what_cannot_be_started(self):
        with Service(UVICORN) as server:
            pid = server.wait_for_workers()[0]["pid"]
            good = server.config_file.read_text()

            def refused(old, new):
                text = good.replace(old, new)
                server.config_file.write_text(text)
                response = harness.post(server.admin + "/reload")
                self.assertEqual(response.status, 422, response.body)
                return text, response.json()["errors"][0]["text"]

            text, error = refused(ENVIRONMENT, 'user = "no-such-user"')
            line = 1 + text[:text.index("user =")].count("\n")
            self.assertIn(f"millrace.toml:{line}:8: error: process.ml.user: there is no user", error)
            _, error = refused("/usr/bin/uvicorn", "no-such-program")
            self.assertIn('there is no program "no-such-program" in PATH', error)
            self.assertEqual(server.serving()[0]["pid"], pid)
            self.assertEqual(server.events("process_rollout"), [])

    def test_a_changed_file_replaces_them(self):
        with Service(UVICORN, keys='watch = ["app.py"]') as server:
            server.wait_for_workers()
            # Relative to the configuration: a file that was not there before.
            (server.directory / "app.py").write_text("changed")
            server.deploy(generation="second")
            harness.wait_until(lambda: server.ask()[0] == "second", what="the new one")

    def test_one_that_leaks_is_replaced_without_a_failed_request(self):
        with Service(UVICORN, keys='recycle = { rss = "100MiB" }') as server:
            first = server.wait_for_workers()[0]["pid"]
            with Load(server, 2) as load:
                for _ in range(12):
                    server.ask("/leak")
                exits = harness.wait_until(lambda: server.status()["exits"], what="its end")
            self.assertEqual((exits[0]["pid"], exits[0]["cause"]), (first, "rss"))
            self.assertEqual(load.failures, [])

    def test_recycled_by_requests(self):
        with Service(UVICORN, keys="recycle = { requests = 20 }") as server:
            server.wait_for_workers()
            with Load(server, 2) as load:
                exits = harness.wait_until(lambda: server.status()["exits"], what="its end")
            self.assertEqual(exits[0]["cause"], "requests")
            self.assertEqual(load.failures, [])

    def test_where_a_hung_one_stood_is_in_the_log(self):
        with Service(UVICORN, keys='hang_timeout = "2s"') as server:
            server.wait_for_workers()
            with server.client() as client:
                client.send(f"GET /hang HTTP/1.1\r\nHost: {server.address}\r\n"
                            "X-Request-Id: the-one-that-hangs\r\n\r\n")
                hung = harness.wait_until(lambda: server.events("process_hung"), what="the verdict")
            self.assertEqual(hung[0]["requests"], "the-one-that-hangs")
            harness.wait_until(lambda: server.status()["exits"], what="its end")
            self.assertEqual(server.status()["exits"][0]["reason"], "killed by SIGABRT")
            harness.wait_until(
                lambda: any(e["pid"] == hung[0]["pid"] and "app.py" in e["line"]
                            and "in app" in e["line"] for e in server.events("process_output")),
                what="the stacks")
            self.assertNotEqual(int(server.ask()[1]), hung[0]["pid"])


    def test_one_that_listens_no_longer_is_replaced(self):
        # Its connections are not kept, so that the next request has to dial.
        with Service([*UVICORN, "--loop", "asyncio"],
                     upstream_keys="keepalive = { idle_max = 0 }") as server:
            victim = server.wait_for_workers()[0]["pid"]
            server.ask("/deaf")
            self.assertEqual(harness.get(server.url + "/").status, 502)
            exits = harness.wait_until(lambda: server.status()["exits"], what="its end")
            self.assertEqual((exits[0]["pid"], exits[0]["cause"]), (victim, "deaf"))
            self.assertEqual(server.events("process_deaf")[0]["pid"], victim)
            server.wait_for_workers()
            self.assertNotEqual(int(server.ask()[1]), victim)


class Gunicorn(unittest.TestCase):
    def test_serves_and_rolls_under_load(self):
        with Service(GUNICORN, WSGI) as server:
            server.wait_for_workers()
            with Load(server, 2) as load:
                server.restart()
                harness.wait_until(lambda: server.status()["rollouts"] == 1, what="the rollout")
            self.assertEqual(load.failures, [])
            master = server.wait_for_workers()[0]["pid"]
            self.assertNotEqual(int(server.ask()[0]), master, "a worker of its own answered")
            self.assertEqual(server.terminate(), 0)


class CrashLoop(unittest.TestCase):
    def test_it_is_told_and_waited_for(self):
        keys = 'alert = { command = ["/bin/sh", "-c", "echo told: $MILLRACE_ALERT"] }'
        with Service(["/bin/sh", "-c", "echo this is why >&2; exit 3"], keys=keys) as server:
            harness.wait_until(lambda: server.events("alert_output"), what="the alert")
            status = server.status()
            self.assertEqual(status["state"], "starting")
            self.assertEqual(status["last_error"], "exited with status 3: this is why")
            told = server.events("alert_output")[0]["line"]
            self.assertEqual(json.loads(told.removeprefix("told: "))["event"], "exited")
            self.assertEqual(harness.request(server.admin + "/processes/no/restart",
                                             "POST").status, 404)


if __name__ == "__main__":
    unittest.main()
