"""`millrace fetch`: URLs of arguments and of standard input, lines and files, and how it ends."""

import base64
import contextlib
import gzip
import json
import os
import pathlib
import pty
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

import harness
import peers
import pki

BODY = bytes(range(256)) * 4000  # a megabyte that is no text
HALF = len(BODY) // 2


def answer(body=b"", *lines, status="200 OK"):
    return b"\r\n".join([b"HTTP/1.1 " + status.encode(), *(line.encode() for line in lines),
                         b"Content-Length: %d" % len(body), b"", body])


class CliTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def backend(self, answer_=peers.HELLO, **options):
        if isinstance(answer_, bytes):
            return self.enterContext(peers.Backend(lambda request: answer_, **options))
        return self.enterContext(peers.Backend(answer_, **options))

    def run_fetch(self, *arguments, code=0, **options):
        """The lines that were printed, in the order of their index, and what was told."""
        options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
        if "input" in options:
            options.pop("stdin")
        result = harness.run("fetch", *arguments, **options)
        self.assertEqual(result.returncode, code, result.stdout[-2000:] + result.stderr)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        return sorted(lines, key=lambda line: line["index"]), result.stderr

    def start(self, *arguments, **options):
        process = subprocess.Popen([harness.BINARY, "fetch", *map(str, arguments)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def files(self):
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


class Lines(CliTest):
    def test_arguments(self):
        backend = self.backend(lambda request: answer(request.target.encode(), "ETag: \"x\""))
        lines, told = self.run_fetch(backend.url + "/a", backend.url + "/b", "--parallel", 1)
        self.assertEqual([line["body"] for line in lines], ["/a", "/b"])
        self.assertEqual(set(lines[0]), {"index", "url", "status", "headers", "body", "timing_us",
                                         "connection", "attempts"})
        self.assertEqual(lines[1]["connection"], {"reused": True, "protocol": "http/1.1"})
        self.assertRegex(told, r"^2 URLs: 2 succeeded, 0 failed; 4 B in [\d.]+ s\n$")

    def test_standard_input(self):
        backend = self.backend(lambda request: answer(request.target.encode()))
        text = f"{backend.url}/1\r\n\n# no URL\n  {backend.url}/2  \n{backend.url}/3"
        for arguments in ((), ("-",)):
            lines, _ = self.run_fetch(*arguments, input=text)
            self.assertEqual([line["body"] for line in lines], ["/1", "/2", "/3"])
        lines, _ = self.run_fetch(backend.url + "/0", "-", backend.url + "/4", input=text)
        self.assertEqual([line["body"] for line in lines], ["/0", "/1", "/2", "/3", "/4"])
        self.assertEqual(self.run_fetch(input="")[0], [])

    def test_lines_are_fetched_as_they_come(self):
        backend = self.backend(lambda request: answer(request.target.encode()))
        process = self.start(stdin=subprocess.PIPE)
        for n in range(3):
            process.stdin.write(f"{backend.url}/{n}\n".encode())
            process.stdin.flush()
            self.assertEqual(json.loads(process.stdout.readline())["body"], f"/{n}")
        process.stdin.close()
        self.assertEqual(process.wait(harness.DEADLINE_S), 0)

    def test_a_url_without_scheme_is_http(self):
        backend = self.backend()
        lines, _ = self.run_fetch(f"127.0.0.1:{backend.port}/x")
        self.assertEqual(lines[0]["url"], backend.url + "/x")

    def test_bodies(self):
        backend = self.backend(lambda request: {
            "/binary": answer(BODY), "/text": answer("größe\n".encode()),
            "/gzip": answer(gzip.compress(b"plain"), "Content-Encoding: gzip")}[request.target])
        lines, _ = self.run_fetch(*(backend.url + p for p in ("/binary", "/text", "/gzip")))
        self.assertEqual(base64.b64decode(lines[0]["body_base64"]), BODY)
        self.assertEqual([line["body"] for line in lines[1:]], ["größe\n", "plain"])

    def test_options_of_requests(self):
        backend = self.backend(lambda request: answer(request.body))
        data = self.folder / "data"
        data.write_bytes(b"\0from a file")
        url = backend.url
        self.assertEqual(self.run_fetch(url, "--data", "größe")[0][0]["body"], "größe")
        self.run_fetch(url, "-d", f"@{data}", "-X", "PUT", "-H", "X-A: 1", "-H", "User-Agent:me", url)
        self.run_fetch(url, "--method", "HEAD")
        first, put, _, head = backend.requests
        self.assertEqual((first.method, first.header("user-agent")), ("POST", "millrace"))
        self.assertEqual((put.method, put.body, put.header("x-a"), put.header("user-agent")),
                         ("PUT", b"\0from a file", "1", "me"))
        self.assertEqual(head.method, "HEAD")

    def test_select(self):
        backend = self.backend(answer(b'{"items": [{"id": 1},\n {"id": "b"}]}'))
        lines, _ = self.run_fetch(backend.url, "--select", "$.items[*].id")
        self.assertEqual((lines[0]["selected"], lines[0]["matched"]), ([1, "b"], 2))

    def test_redirects(self):
        backend = self.backend(lambda request: answer(b"end") if request.target == "/end" else
                               answer(b"", "Location: /end", status="302 Found"))
        lines, _ = self.run_fetch(backend.url)
        self.assertEqual((lines[0]["url"], lines[0]["body"]), (backend.url + "/end", "end"))
        lines, _ = self.run_fetch(backend.url, "--max-redirects", 0)
        self.assertEqual(lines[0]["status"], 302)

    def test_the_operators_urls_are_not_guarded(self):
        for url in (self.backend().url, f"http://localhost:{self.backend().port}"):
            self.assertEqual(self.run_fetch(url)[0][0]["body"], "hello")

    def test_parallel(self):
        everybody = threading.Barrier(20)

        def meet(request):
            everybody.wait(harness.DEADLINE_S)
            return answer(b"x")

        backend = self.backend(meet)
        lines, _ = self.run_fetch(*[backend.url] * 20, "--parallel", 20)
        self.assertEqual(len(lines), 20)

    def test_tls(self):
        authority = self.enterContext(pki.Authority())
        identity = authority.issue("127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate, identity.key)

        def play(connection):
            with contextlib.suppress(OSError), \
                    context.wrap_socket(connection.socket, server_side=True) as tls:
                tls.recv(65536)
                tls.sendall(peers.HELLO)
                tls.recv(65536)

        backend = self.backend(on_connection=play)
        url = f"https://127.0.0.1:{backend.port}/"
        self.assertEqual(self.run_fetch(url, "--cacert", authority.certificate)[0][0]["body"], "hello")
        self.assertEqual(self.run_fetch(url, "--insecure")[0][0]["body"], "hello")
        lines, _ = self.run_fetch(url, code=1)
        self.assertEqual(lines[0]["error"]["code"], "tls_failed")
        self.assertIn("certificate", lines[0]["error"]["detail"])


class Endings(CliTest):
    def test_one_that_fails_is_exit_code_1(self):
        good = self.backend()
        bad = self.backend(answer(b"no", status="404 Not Found"))
        lines, told = self.run_fetch(good.url, bad.url, "http://a b/", "ftp://x/", code=1)
        self.assertEqual([line.get("status") for line in lines], [200, 404, None, None])
        self.assertEqual([line["error"]["code"] for line in lines[2:]],
                         ["bad_parameter", "url_refused"])
        self.assertEqual(lines[3]["url"], "ftp://x/")
        self.assertIn("4 URLs: 1 succeeded, 3 failed;", told)

    def test_quiet(self):
        self.assertEqual(self.run_fetch(self.backend().url, "--quiet")[1], "")

    def test_usage(self):
        for arguments, named in ((("--parallel", 0), "--parallel"), (("--parallel", 257), "--parallel"),
                                 (("--retries", -1), "--retries"), (("-H", "no colon"), "--header"),
                                 (("-H", "Host: x"), "--header"), (("-H", "A: b\nC: d"), "--header"),
                                 (("--method", "BREW"), "--method"), (("--timeout", "x"), "--timeout"),
                                 (("--timeout", "0"), "--timeout"), (("--select", "$..x"), "--select"),
                                 (("--select", "/a", "--out", self.folder), "--select"),
                                 (("--data", "@/does/not/exist"), "--data"),
                                 (("--cacert", "/does/not/exist"), "--cacert"),
                                 (("--out", "/dev/null/x"), "--out"), (("--frob",), "--frob")):
            with self.subTest(arguments):
                lines, told = self.run_fetch("http://127.0.0.1:1/", *arguments, code=2)
                self.assertEqual(lines, [])
                self.assertIn(named, told)

    def test_timeout(self):
        mute = self.backend(on_connection=lambda connection: connection.wait_for_close())
        lines, _ = self.run_fetch(mute.url, "--timeout", "100ms", code=1)
        self.assertEqual(lines[0]["error"]["code"], "total_timeout")
        self.assertLessEqual(lines[0]["attempts"], 1)  # not tried again

    def test_a_reader_that_leaves_ends_it(self):
        backend = self.backend(answer(b"x" * 100_000))
        process = self.start(*[backend.url] * 200, "-q")
        process.stdout.read(10)
        process.stdout.close()
        self.assertEqual(process.wait(harness.DEADLINE_S), 1)
        self.assertLess(len(backend.requests), 200)
        process.stdout = None

    def interrupted(self, number):
        asked, ended = threading.Event(), threading.Event()

        def play(connection):
            request = connection.read_request()
            if request is None:
                return
            if request.target == "/done":
                connection.send(answer(b"done"))
                return
            asked.set()
            connection.wait_for_close()
            ended.set()

        backend = self.backend(on_connection=play)
        process = self.start(backend.url + "/done", *[backend.url + "/never"] * 5, "--parallel", 2)
        self.assertTrue(asked.wait(harness.DEADLINE_S))
        first = process.stdout.readline()
        process.send_signal(number)
        rest, told = process.communicate(timeout=harness.DEADLINE_S)
        self.assertEqual(process.returncode, 130)
        self.assertTrue(ended.wait(harness.DEADLINE_S))
        self.assertEqual((json.loads(first)["body"], rest), ("done", b""))
        self.assertIn(b"1 URL: 1 succeeded, 0 failed, 5 not done;", told)

    def test_signals_stop_it(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                self.interrupted(number)

    def test_a_signal_stops_waiting_for_input_and_output(self):
        process = self.start(stdin=subprocess.PIPE)
        backend = self.backend(answer(b"x" * 1_000_000))
        process.stdin.write(f"{backend.url}\n".encode())
        process.stdin.flush()
        process.stdout.read(1)  # nobody reads the rest, no more input comes
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(harness.DEADLINE_S), 130)


class Retries(CliTest):
    def failing(self, times, failure, then=peers.HELLO):
        left = [times]

        def play(request):
            left[0] -= 1
            return failure if left[0] >= 0 else then

        return self.backend(play)

    def test_what_may_pass_is_tried_again(self):
        for failure in (answer(b"", "Retry-After: 0", status="503 Unavailable"),
                        answer(b"", "Retry-After: 0", status="429 Too Many"),
                        answer(b"", "Retry-After: 0", status="502 Bad"), None):
            with self.subTest(failure):
                backend = self.failing(2, failure)
                lines, _ = self.run_fetch(backend.url)
                self.assertEqual((lines[0]["status"], lines[0]["attempts"]), (200, 3))
                self.assertEqual(len(backend.requests), 3)

    def test_no_more_often_than_asked(self):
        busy = answer(b"busy", "Retry-After: 0", status="503 Unavailable")
        for options, requests in (((), 3), (("--retries", 0), 1), (("--retries", 4), 5)):
            backend = self.failing(9, busy)
            lines, _ = self.run_fetch(backend.url, *options, code=1)
            self.assertEqual((lines[0]["status"], lines[0]["body"], len(backend.requests)),
                             (503, "busy", requests))

    def test_not_what_may_not_be_sent_twice(self):
        backend = self.failing(1, answer(b"", "Retry-After: 0", status="503 Unavailable"))
        self.run_fetch(backend.url, "--data", "x", code=1)
        self.assertEqual(len(backend.requests), 1)

    def test_not_for_a_server_that_wants_too_long(self):
        backend = self.failing(1, answer(b"", "Retry-After: 86400", status="503 Unavailable"))
        self.run_fetch(backend.url, code=1)
        self.assertEqual(len(backend.requests), 1)

    def test_nobody_there(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            lines, _ = self.run_fetch("http://127.0.0.1:%d/" % taken.getsockname()[1],
                                      "--retries", 1, code=1)
        self.assertEqual(lines[0]["error"]["code"], "connect_refused")


class Files(CliTest):
    def out(self, *arguments, **options):
        return self.run_fetch(*arguments, "--out", self.folder, **options)

    def test_bodies_go_into_files(self):
        backend = self.backend(lambda request: answer(BODY) if request.target == "/d/a.bin?x=1"
                               else answer(request.target.encode()))
        paths = ("/d/a.bin?x=1", "/e/a.bin", "/", "/..%2f..%2fup", "/%2e%2e/x", "/.hidden")
        lines, told = self.out(*(backend.url + path for path in paths), "--parallel", 1)
        files = self.files()
        self.assertEqual(files.pop("a.bin"), BODY)
        self.assertEqual(files.pop("a-2.bin"), b"/e/a.bin")
        self.assertEqual(files.pop("index.html"), b"/")
        self.assertEqual(files.pop("___.._up"), b"/..%2f..%2fup")
        self.assertEqual(files.pop("_hidden"), b"/.hidden")
        self.assertEqual(set(files), {"x"})
        self.assertEqual(sorted(p.name for p in self.folder.parent.glob("up*")), [])
        self.assertEqual((lines[0]["file"], lines[0]["bytes"]), (f"{self.folder}/a.bin", len(BODY)))
        self.assertNotIn("body", lines[0])
        self.assertIn("6 URLs: 6 succeeded", told)

    def test_the_folder_is_made(self):
        inner = self.folder / "a" / "b"
        self.run_fetch(self.backend().url + "/f", "--out", inner)
        self.assertEqual((inner / "f").read_bytes(), b"hello")

    def test_errors_make_no_files(self):
        backend = self.backend(answer(b"no such page", status="404 Not Found"))
        lines, _ = self.out(backend.url + "/f", code=1)
        self.assertEqual((lines[0]["status"], self.files()), (404, {}))
        self.assertNotIn("file", lines[0])

    def test_answers_without_a_body_replace_nothing(self):
        (self.folder / "f").write_bytes(b"kept")
        backend = self.backend(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.out(backend.url + "/f")
        head = self.backend(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        self.out(head.url + "/f", "--method", "HEAD")
        self.assertEqual(self.files(), {"f": b"kept"})
        empty = self.backend(answer(b""))
        self.out(empty.url + "/f")
        self.assertEqual(self.files(), {"f": b""})

    def test_links_are_not_followed(self):
        outside = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (outside / "kept").write_bytes(b"kept")
        for name in ("f", "f.part", "g.part.note"):
            (self.folder / name).symlink_to(outside / "kept")
        backend = self.backend(answer(b"new", "ETag: \"1\""))
        lines, _ = self.out(backend.url + "/f", code=1)
        self.assertEqual(lines[0]["error"]["code"], "io")
        (self.folder / "f.part").unlink()
        self.out(backend.url + "/f", backend.url + "/g")
        self.assertEqual((self.files()["f"], self.files()["g"]), (b"new", b"new"))
        self.assertFalse((self.folder / "f").is_symlink())
        self.assertEqual((outside / "kept").read_bytes(), b"kept")

    def test_codings_stay(self):
        coded = gzip.compress(b"text")
        backend = self.backend(answer(coded, "Content-Encoding: gzip"))
        self.out(backend.url + "/f.gz")
        self.assertEqual(self.files(), {"f.gz": coded})
        self.assertEqual(backend.requests[0].all("accept-encoding"), ["identity"])

    # -- resuming ---------------------------------------------------------------------------------

    def breaking(self, *fields, rest=None, times=1):
        """An origin that breaks off in the middle, so often, then gives what is asked for."""
        left = [times]

        def play(connection):
            while (request := connection.read_request()) is not None:
                with backend.lock:
                    backend.requests.append(request)
                left[0] -= 1
                if left[0] >= 0:
                    connection.send(answer(BODY, *fields)[:-(len(BODY) - HALF)])
                    return
                if request.header("range") is None or rest is None:
                    connection.send(answer(BODY, *fields))
                else:
                    connection.send(rest(request))

        backend = self.backend(on_connection=play)
        return backend

    @staticmethod
    def the_rest(request):
        start = int(re.fullmatch(r"bytes=(\d+)-", request.header("range"))[1])
        return answer(BODY[start:], f"Content-Range: bytes {start}-{len(BODY) - 1}/{len(BODY)}",
                      status="206 Partial Content")

    MODIFIED = ("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT",
                "Date: Mon, 07 Nov 1994 08:49:37 GMT")

    def test_resumed_by_the_next_try(self):
        for fields, validator in ((("ETag: \"v1\"",), '"v1"'),
                                  (self.MODIFIED, "Sun, 06 Nov 1994 08:49:37 GMT")):
            with self.subTest(validator):
                backend = self.breaking(*fields, rest=self.the_rest)
                lines, _ = self.out(backend.url + "/f")
                self.assertEqual(self.files(), {"f": BODY})
                self.assertEqual((lines[0]["status"], lines[0]["attempts"]), (206, 2))
                self.assertEqual((backend.requests[1].header("range"),
                                  backend.requests[1].header("if-range")),
                                 (f"bytes={HALF}-", validator))

    def test_resumed_by_the_next_run(self):
        backend = self.breaking("ETag: \"v1\"", rest=self.the_rest)
        self.out(backend.url + "/f", "--retries", 0, code=1)
        self.assertEqual(self.files()["f.part"], BODY[:HALF])
        self.assertEqual(set(self.files()), {"f.part", "f.part.note"})
        self.out(backend.url + "/f")
        self.assertEqual(self.files(), {"f": BODY})
        self.assertEqual(backend.requests[1].header("range"), f"bytes={HALF}-")

    def test_resumed_after_an_interruption(self):
        half, go_on = threading.Event(), [False]

        def play(connection):
            while (request := connection.read_request()) is not None:
                if go_on[0]:
                    connection.send(self.the_rest(request))
                    continue
                connection.send(answer(BODY, "ETag: \"v1\"")[:-(len(BODY) - HALF)])
                half.set()
                connection.wait_for_close()

        backend = self.backend(on_connection=play)
        process = self.start(backend.url + "/f", "--out", self.folder)
        self.assertTrue(half.wait(harness.DEADLINE_S))
        part = self.folder / "f.part"
        harness.wait_until(lambda: part.exists() and part.stat().st_size == HALF, what="the half")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(harness.DEADLINE_S), 130)
        go_on[0] = True
        self.out(backend.url + "/f")
        self.assertEqual(self.files(), {"f": BODY})

    def test_what_has_changed_comes_whole(self):
        other = b"other" * 1000
        for name, rest in (("200", lambda request: answer(other, "ETag: \"v2\"")),
                           ("416", lambda request: answer(b"", status="416 Range")),
                           ("wrong range", lambda request: answer(
                               b"x", "Content-Range: bytes 0-0/1", status="206 Partial Content"))):
            with self.subTest(name):
                backend = self.breaking("ETag: \"v1\"", rest=rest)
                self.out(backend.url + "/f", "--retries", 0, code=1)
                lines, _ = self.out(backend.url + "/f", "--retries", 0)
                self.assertEqual(self.files(), {"f": other if name == "200" else BODY})
                self.assertEqual(lines[0]["status"], 200)
                (self.folder / "f").unlink()

    def test_nothing_is_resumed_without_a_validator(self):
        for fields in ((), ("ETag: W/\"weak\"",),
                       ("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT",)):
            with self.subTest(fields):
                backend = self.breaking(*fields)
                self.out(backend.url + "/f", "--retries", 0, code=1)
                self.assertEqual(self.files(), {})
                self.out(backend.url + "/f")
                self.assertEqual(self.files(), {"f": BODY})
                self.assertEqual(backend.requests[1].all("range"), [])
                (self.folder / "f").unlink()

    def test_nor_for_another_url(self):
        backend = self.breaking("ETag: \"v1\"", rest=self.the_rest)
        self.out(backend.url + "/a/f", "--retries", 0, code=1)
        self.out(backend.url + "/b/f")
        self.assertEqual(backend.requests[1].all("range"), [])
        self.assertEqual(self.files(), {"f": BODY})

    def test_a_part_that_nobody_asked_for(self):
        backend = self.backend(answer(b"x", "Content-Range: bytes 5-5/9",
                                      status="206 Partial Content"))
        self.out(backend.url + "/f", code=1)
        self.assertEqual(self.files(), {})


class Terminal(CliTest):
    def test_progress(self):
        backend = self.backend(answer(b"x" * 2048))
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        process = self.start("-", "--out", self.folder, stdin=subprocess.PIPE)
        process.stdin.write(b"\n")  # not a terminal: nothing is drawn
        _, told = process.communicate(f"{backend.url}/0".encode(), timeout=harness.DEADLINE_S)
        self.assertNotIn(b"\r", told)

        gate = threading.Event()
        held = self.backend(lambda request: gate.wait(harness.DEADLINE_S) and answer(b"x" * 2048))
        process = subprocess.Popen([harness.BINARY, "fetch", backend.url + "/1", held.url + "/2"],
                                   stdout=subprocess.DEVNULL, stderr=slave, stdin=subprocess.DEVNULL)
        self.addCleanup(self.end, process)
        os.close(slave)
        seen = b""
        while b"1/2 [" not in seen:
            seen += os.read(master, 4096)
        gate.set()
        with contextlib.suppress(OSError):  # EIO: the other side has closed
            while chunk := os.read(master, 4096):
                seen += chunk
        self.assertEqual(process.wait(harness.DEADLINE_S), 0)
        self.assertRegex(seen, rb"\r1/2 \[=+> +\] 2\.0 KiB  [^\r]*/s  ETA \d+:\d\d\x1b\[K")
        self.assertTrue(seen.rstrip().endswith(b" s"), seen[-100:])
        self.assertIn(b"2 URLs: 2 succeeded", seen)


if __name__ == "__main__":
    unittest.main()
