"""Every built-in endpoint as a user with curl meets it: answers, parameters, refusals."""

import hashlib
import math
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import unittest
import zlib

import harness

IMAGES = harness.ROOT / "tests" / "support" / "images"
PHOTO = (IMAGES / "raccoon.jpg").read_bytes()
SMALL = IMAGES / "small"
UTF8 = {**os.environ, "LC_ALL": "C.UTF-8"}
PROBLEM = "application/problem+json"
PATTERN = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.\n"


def tool(name):
    return unittest.skipUnless(shutil.which(name), f"{name} is not installed")


class EndpointTest(unittest.TestCase):
    CONFIG = ""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(harness.Millrace(cls.CONFIG))

    def get(self, path, headers=()):
        return harness.get(self.server.url + path, headers)

    def post(self, path, body=b"", headers=()):
        return harness.post(self.server.url + path, body, headers)

    def post_chunked(self, path, pieces):
        with self.server.client() as client:
            client.send(f"POST {path} HTTP/1.1\r\nHost: {self.server.address}\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n")
            for piece in pieces:
                client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            client.send("0\r\n\r\n")
            return client.receive_response("POST")

    def assert_problem(self, response, status, code, *words):
        """A problem document that says what is wrong; `words` are in its detail."""
        self.assertEqual((response.status, response.header("content-type")), (status, PROBLEM),
                         response.body)
        problem = response.json()
        self.assertEqual((problem["status"], problem["code"]), (status, code), problem)
        for field in ("type", "title", "detail", "instance"):
            self.assertTrue(problem[field], field)
        for word in words:
            self.assertIn(word, problem["detail"])

    def assert_timed(self, response):
        self.assertRegex(response.header("server-timing"),
                         r"^\w+;dur=[\d.]+(, \w+;dur=[\d.]+)+$")


class Everything(EndpointTest):
    ALLOWED = {"/": "GET, HEAD, OPTIONS", "/health": "GET, HEAD, OPTIONS",
               "/v1/image/grayscale": "GET, HEAD, POST, PUT, OPTIONS",
               "/v1/image/info": "GET, HEAD, POST, PUT, OPTIONS",
               "/v1/compute/wordcount": "GET, HEAD, POST, PUT, OPTIONS",
               "/v1/compute/sqrt-sum": "GET, HEAD, OPTIONS",
               "/v1/fetch": "GET, HEAD, POST, OPTIONS", "/delay": "GET, HEAD, POST, OPTIONS",
               "/echo": "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS",
               "/bytes": "GET, HEAD, OPTIONS", "/stream": "GET, HEAD, OPTIONS"}

    def test_index_lists_what_there_is(self):
        response = self.get("/")
        self.assertEqual((response.status, response.header("content-type")),
                         (200, "application/json"))
        listed = " ".join(entry["request"] for entry in response.json()["endpoints"])
        for path in set(self.ALLOWED) - {"/", "/health"}:
            self.assertIn(path, listed)

    def test_browsers_get_a_page(self):
        response = self.get("/", [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")])
        self.assertTrue(response.header("content-type").startswith("text/html"))
        self.assertIn(b"/v1/image/grayscale", response.body)

    def test_other_methods_get_405_and_what_is_allowed(self):
        for path, allow in self.ALLOWED.items():
            with self.subTest(path):
                response = harness.request(self.server.url + path, "PROPFIND")
                self.assert_problem(response, 405, "method_not_allowed")
                self.assertEqual(response.header("allow"), allow)

    def test_options_tells_what_is_allowed(self):
        for path, allow in self.ALLOWED.items():
            with self.subTest(path):
                response = harness.request(self.server.url + path, "OPTIONS")
                self.assertEqual((response.status, response.body), (204, b""))
                self.assertEqual(response.header("allow"), allow)

    def test_head_is_a_get_without_its_body(self):
        for path in ("/", "/health", "/echo", "/delay?ms=0", "/bytes?n=1000",
                     "/v1/compute/sqrt-sum?n=10"):
            with self.subTest(path), self.server.client() as client:
                get = client.request(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
                head = client.request(f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertEqual(head.status, get.status)
                for name in ("content-type", "content-length"):
                    self.assertEqual(head.header(name), get.header(name))
                # Nothing was left over for the next one.
                self.assertEqual(client.request("GET /health HTTP/1.1\r\nHost: a\r\n\r\n").body,
                                 b"ok\n")

    def test_unknown_paths_are_404(self):
        for path in ("/nothing", "/v1/image", "/v1/image/", "/v1/image/nothing", "/v1/compute/x",
                     "/v1/fetch/x", "/v2/image/info", "/echo/x", "/v1/image/info/"):
            with self.subTest(path):
                self.assert_problem(self.get(path), 404, "not_found")

    def test_errors_are_pages_for_browsers(self):
        response = self.get("/nothing", [("Accept", "text/html")])
        self.assertEqual(response.status, 404)
        self.assertTrue(response.header("content-type").startswith("text/html"))
        self.assertIn(b"404", response.body)
        # A program that takes anything gets what programs read.
        self.assert_problem(self.get("/nothing", [("Accept", "*/*")]), 404, "not_found")

    def test_error_pages_show_what_was_asked_as_text_only(self):
        response = self.get("/%3Cscript%3E'%22&amp;", [("Accept", "text/html")])
        self.assertEqual(response.status, 404)
        self.assertNotIn(b"<script>", response.body)

    def test_problem_names_the_request(self):
        response = self.get("/nothing?x=1", [("X-Request-Id", "abc-123")])
        self.assertEqual(response.json()["instance"], "/nothing")
        self.assertEqual(response.header("x-request-id"), "abc-123")

    def test_unusable_request_ids_are_replaced(self):
        for sent in ("a b", "x" * 129, "<script>", "ü"):
            with self.subTest(sent):
                got = self.get("/health", [("X-Request-Id", sent)]).header("x-request-id")
                self.assertRegex(got, r"^[0-9a-v]{20}$")
        longest = "x" * 128
        self.assertEqual(self.get("/health", [("X-Request-Id", longest)]).header("x-request-id"),
                         longest)


class Tools(EndpointTest):
    def test_health(self):
        self.assertEqual(self.get("/health").body, b"ok\n")

    def test_echo_returns_body_and_type(self):
        for body in (b"", b"hello", bytes(range(256)) * 2000):
            for type_ in ("text/plain; charset=utf-8", "image/x-mine"):
                response = self.post("/echo", body, [("Content-Type", type_)])
                self.assertEqual((response.status, response.body), (200, body))
                self.assertEqual(response.header("content-type"), type_)
        self.assertEqual(self.post("/echo", b"x").header("content-type"),
                         "application/octet-stream")

    def test_echo_returns_each_chunk_before_the_next_is_sent(self):
        with self.server.client() as client:
            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in (b"first", b"second", b"third"):
                client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
                client.receive_until(piece)
            client.send("0\r\n\r\n")
            client.receive_until(b"0\r\n\r\n")

    def test_delay(self):
        self.assertEqual(self.get("/delay?ms=30").body, b"waited 30 ms\n")
        for query in ("", "?ms=", "?ms=60001", "?ms=-1", "?ms=1e3", "?ms=1&ms=2"):
            with self.subTest(query):
                self.assert_problem(self.get("/delay" + query), 400, "bad_parameter", "ms")

    def test_bytes(self):
        for count in (0, 1, 63, 64, 65, 65_536, 65_537, 1_000_000):
            response = self.get(f"/bytes?n={count}")
            self.assertEqual(response.header("content-length"), str(count))
            whole = PATTERN * (count // len(PATTERN) + 1)
            self.assertEqual(response.body, whole[:count])
        for query in ("", "?n=1073741825", "?n=-1", "?n=x"):
            with self.subTest(query):
                self.assert_problem(self.get("/bytes" + query), 400, "bad_parameter", "1073741824")

    def test_stream_speaks_what_the_client_reads(self):
        path = "/stream?lines=2&interval_ms=0"
        for accept, type_, body in (
                ("*/*", "application/x-ndjson", b'{"line":1}\n{"line":2}\n'),
                ("text/plain", "text/plain", b"line 1\nline 2\n"),
                ("text/event-stream", "text/event-stream", b"data: line 1\n\ndata: line 2\n\n")):
            with self.subTest(accept):
                response = self.get(path, [("Accept", accept)])
                self.assertEqual((response.header("content-type"), response.body), (type_, body))
        self.assertEqual(self.get("/stream?lines=0").body, b"")
        self.assertEqual(self.get("/stream?lines=5000&interval_ms=0").body.count(b"\n"), 5000)
        self.assert_problem(self.get("/stream?lines=1000001"), 400, "bad_parameter", "lines")

    def test_stream_sends_each_line_at_once(self):
        # The second line is a minute away.
        with self.server.client() as client:
            client.send("GET /stream?lines=2&interval_ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n")
            client.receive_until(b'{"line":1}\n')


class WordCount(EndpointTest):
    CONFIG = '[compute]\nbody_max = "1MiB"\n'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        words = ["mill", "race", "größe", "水車", "naïve", "🦝", "a", "Ω", "water-wheel", "1.5"]
        random.seed(7)
        text = "".join(random.choice(words) + random.choice(["  ", " ", "\t", "\n", "\r\n", "\f"])
                       for _ in range(60_000))
        cls.text = text.encode()

    def by_wc(self, text):
        counts = subprocess.run(["wc", "-lwmc"], input=text, env=UTF8, check=True,
                                capture_output=True).stdout.split()
        return dict(zip(("lines", "words", "chars", "bytes"), map(int, counts)))

    def test_counts_are_those_of_wc(self):
        texts = [self.text, b"", b"\n", b"no end", b" ", b"a\n", "ünïcödé wörds\n".encode(),
                 "em\u2003space nb\u00a0sp ideographic\u3000space\n".encode()]
        for text in texts:
            with self.subTest(text[:20]):
                response = self.post("/v1/compute/wordcount", text)
                self.assertEqual(response.status, 200)
                self.assertEqual(response.json(), self.by_wc(text))
                self.assert_timed(response)

    def test_chunks_change_nothing(self):
        expected = self.by_wc(self.text)
        for size in (1, 7, 4096, 100_000):
            with self.subTest(size):
                # Small chunks cut words and characters, also those of four bytes.
                text = self.text if size > 100 else self.text[:20_000]
                pieces = (text[at : at + size] for at in range(0, len(text), size))
                counted = self.post_chunked("/v1/compute/wordcount", pieces).json()
                self.assertEqual(counted, expected if size > 100 else self.by_wc(text))

    def test_put_as_curl_minus_t_sends_it(self):
        response = harness.request(self.server.url + "/v1/compute/wordcount", "PUT", body=b"a b\n")
        self.assertEqual(response.json(), {"bytes": 4, "lines": 1, "words": 2, "chars": 4})

    def test_most_frequent_words(self):
        response = self.post("/v1/compute/wordcount?top=2", b"b a b c a b \xff\n")
        self.assertEqual(response.json()["top"],
                         [{"word": "b", "count": 3}, {"word": "a", "count": 2}])

    def test_parameters(self):
        for query in ("top=x", "top=1001", "top=-1", "top=%zz"):
            with self.subTest(query):
                response = self.post("/v1/compute/wordcount?" + query, b"a")
                self.assert_problem(response, 400, "bad_parameter")

    def test_no_body_is_an_error_that_says_what_to_do(self):
        self.assert_problem(self.get("/v1/compute/wordcount"), 400, "empty_body", "url=", "curl")

    def test_limit_of_the_body(self):
        limit = 1 << 20
        self.assertEqual(self.post("/v1/compute/wordcount", b"x" * limit).json()["bytes"], limit)
        response = self.post("/v1/compute/wordcount", b"x" * (limit + 1))
        self.assert_problem(response, 413, "body_too_large", "compute.body_max")
        with self.server.client() as client:
            client.send("POST /v1/compute/wordcount HTTP/1.1\r\nHost: a\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n100001\r\n" + "x" * (limit + 1))
            self.assert_problem(client.receive_response("POST"), 413, "body_too_large",
                                "compute.body_max")


class SqrtSum(EndpointTest):
    def test_sum_does_not_depend_on_the_number_of_tasks(self):
        exact = math.fsum(math.sqrt(i) for i in range(100_001))
        for tasks in ("", "&tasks=1", "&tasks=2", "&tasks=7", "&tasks=256"):
            response = self.get(f"/v1/compute/sqrt-sum?n=100001{tasks}")
            self.assertAlmostEqual(response.json()["sum"], exact, delta=exact * 1e-12)
            self.assert_timed(response)
        self.assertEqual(self.get("/v1/compute/sqrt-sum?n=0&tasks=3").json(),
                         {"n": 0, "tasks": 3, "sum": 0})
        self.assertEqual(self.get("/v1/compute/sqrt-sum?n=2&tasks=256").json()["sum"], 1)

    def test_parameters(self):
        for query in ("", "?n=", "?n=x", "?n=-1", "?n=10000000001", "?n=5&tasks=0",
                      "?n=5&tasks=257", "?n=5&n=6", "?n=0x10", "?n=99999999999999999999999"):
            with self.subTest(query):
                self.assert_problem(self.get("/v1/compute/sqrt-sum" + query), 400, "bad_parameter")

    def test_a_client_that_leaves_takes_its_work_with_it(self):
        with self.server.client() as client:
            client.send("GET /v1/compute/sqrt-sum?n=10000000000 HTTP/1.1\r\nHost: a\r\n\r\n")
            self.wait_for_running(lambda running: running > 0)
        self.wait_for_running(lambda running: running == 0)

    def wait_for_running(self, judge):
        harness.wait_until(lambda: judge(harness.get(self.server.admin + "/status").json()
                                         ["offload"]["running"]), what="the CPU pool")


class Images(EndpointTest):
    def gray(self, body, query=""):
        return self.post("/v1/image/grayscale" + query, body)

    @tool("jpegtran")
    @tool("djpeg")
    def test_jpeg_loses_nothing_but_its_colour(self):
        for name in (IMAGES / "raccoon.jpg", SMALL / "photo_420.jpg", SMALL / "photo_422.jpg",
                     SMALL / "photo_444.jpg", SMALL / "progressive_420.jpg",
                     SMALL / "restart_420.jpg", SMALL / "gray.jpg", SMALL / "photo_q100.jpg"):
            with self.subTest(name.name), tempfile.TemporaryDirectory() as directory:
                response = self.gray(name.read_bytes())
                self.assertEqual(response.status, 200)
                self.assertEqual(response.header("content-type"), "image/jpeg")
                self.assert_timed(response)
                ours, theirs = pathlib.Path(directory, "ours"), pathlib.Path(directory, "theirs")
                ours.write_bytes(response.body)
                subprocess.run(["jpegtran", "-grayscale", "-outfile", theirs, name], check=True)
                # The same coefficients decode to the same samples, whatever the entropy coding.
                self.assertEqual(self.samples(ours), self.samples(theirs))

    def samples(self, jpeg):
        return subprocess.run(["djpeg", "-pnm", "-dct", "int", jpeg], capture_output=True,
                              check=True).stdout

    def test_chunked_and_with_a_length_are_the_same(self):
        pieces = (PHOTO[at : at + 10_000] for at in range(0, len(PHOTO), 10_000))
        chunked = self.post_chunked("/v1/image/grayscale", pieces)
        self.assertEqual(hashlib.sha256(chunked.body).digest(),
                         hashlib.sha256(self.gray(PHOTO).body).digest())

    def test_png_stays_png_and_gets_one_channel(self):
        for name, channels in (("rgb.png", 1), ("rgba.png", 2), ("palette.png", 1),
                               ("rgb16.png", 1), ("gray.jpg", 1)):
            with self.subTest(name):
                image = (SMALL / name).read_bytes()
                before = self.post("/v1/image/info", image).json()
                response = self.gray(image)
                self.assertEqual(response.status, 200, response.body)
                after = self.post("/v1/image/info", response.body).json()
                self.assertEqual(after["channels"], channels)
                for same in ("format", "width", "height"):
                    self.assertEqual(after[same], before[same])

    def test_format_and_quality(self):
        image = (SMALL / "rgb.png").read_bytes()
        for query, type_ in (("?format=jpeg", "image/jpeg"), ("?format=jpg", "image/jpeg"),
                             ("?format=png", "image/png"), ("?method=linear", "image/png"),
                             ("?format=jpeg&quality=1", "image/jpeg"),
                             ("?quality=100&format=jpeg&method=luma", "image/jpeg")):
            with self.subTest(query):
                response = self.gray(image, query)
                self.assertEqual((response.status, response.header("content-type")), (200, type_))
        small, large = (len(self.gray(PHOTO, f"?quality={q}").body) for q in (10, 95))
        self.assertLess(small, large)

    def test_parameters(self):
        for query, word in (("?quality=0", "quality"), ("?quality=101", "quality"),
                            ("?format=gif", "format"), ("?method=magic", "luma or linear"),
                            ("?quality=10&quality=20", "quality")):
            with self.subTest(query):
                self.assert_problem(self.gray(PHOTO, query), 400, "bad_parameter", word)

    def test_info(self):
        response = self.post("/v1/image/info", PHOTO)
        self.assertEqual(response.header("content-type"), "application/json")
        self.assert_timed(response)
        info = response.json()
        self.assertEqual(set(info), {"format", "width", "height", "channels", "bits", "orientation",
                                     "progressive", "frames", "bytes"})
        self.assertEqual((info["format"], info["channels"], info["bytes"]),
                         ("jpeg", 3, len(PHOTO)))
        progressive = self.post("/v1/image/info", (SMALL / "progressive_420.jpg").read_bytes())
        self.assertTrue(progressive.json()["progressive"])
        animation = self.post("/v1/image/info", (SMALL / "animation.gif").read_bytes()).json()
        self.assertEqual(animation["format"], "gif")
        self.assertGreater(animation["frames"], 1)

    def test_what_is_no_image_is_refused(self):
        for path in ("/v1/image/grayscale", "/v1/image/info"):
            with self.subTest(path):
                self.assert_problem(self.post(path, b"just a text\n" * 1000), 415,
                                    "unsupported_media")
                self.assert_problem(self.post(path), 400, "empty_body")
                self.assert_problem(self.post_chunked(path, []), 400, "empty_body", "curl")
                self.assert_problem(self.get(path), 400, "empty_body", "url=")
        self.assert_problem(self.gray((SMALL / "animation.gif").read_bytes()), 415,
                            "unsupported_media")

    def test_damaged_images_are_422(self):
        png = (SMALL / "rgb.png").read_bytes()
        for name, body in {"half a JPEG": PHOTO[: len(PHOTO) // 2], "JPEG head": PHOTO[:20],
                           "half a PNG": png[: len(png) // 2], "PNG head": png[:20],
                           "flipped PNG": png[:200] + b"\0\0\0\0" + png[204:]}.items():
            with self.subTest(name):
                self.assert_problem(self.gray(body), 422, "malformed_media")

    def test_headers_that_promise_too_much_are_413_before_the_rest_is_there(self):
        jpeg = (b"\xff\xd8\xff\xc0\0\x11\x08\xff\xdc\xff\xdc\x03\x01\x22\0\x02\x11\x01\x03\x11\x01"
                + b"\xff\xdb\0\x43\0" + b"\1" * 64)
        png = (SMALL / "rgb.png").read_bytes()
        huge_png = png_with_size(png, 30_000, 30_000)
        before = self.server.rss_bytes()
        for name, image in (("jpeg", jpeg), ("png", huge_png)):
            with self.subTest(name):
                self.assert_problem(self.gray(image), 413, "media_too_large", "image.pixels_max")
                with self.server.client() as client:
                    # 60 MB are announced; what tells is in the first 64 KiB.
                    client.send("POST /v1/image/grayscale HTTP/1.1\r\nHost: a\r\n"
                                "Content-Length: 60000000\r\n\r\n")
                    client.send(image + b"\0" * 100_000)
                    self.assert_problem(client.receive_response("POST"), 413, "media_too_large")
        if not harness.SANITIZED:
            self.assertLess(self.server.rss_bytes() - before, 4 << 20)

    def test_refusals_leave_no_memory_behind(self):
        bodies = [PHOTO[:-1000], b"text" * 50_000, b"", PHOTO[:100]]
        for body in bodies:
            self.gray(body)
        before = self.server.rss_bytes()
        for _ in range(10):
            for body in bodies:
                self.assertIn(self.gray(body).status, (400, 415, 422))
        if not harness.SANITIZED:
            self.assertLess(self.server.rss_bytes() - before, 4 << 20)


def png_with_size(png, width, height):
    """The image with another size in its header, checksum right."""
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + png[24:29]
    return png[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png[33:]


class ImageLimits(EndpointTest):
    CONFIG = f'[image]\nbody_max = "{len(PHOTO)}B"\npixels_max = 100_000\n'

    def test_body_at_its_limit_and_above(self):
        small = (SMALL / "rgb.png").read_bytes()
        self.assertEqual(self.post("/v1/image/info", small.ljust(len(PHOTO), b"\0")).status, 200)
        self.assert_problem(self.post("/v1/image/info", PHOTO + b"x"), 413, "body_too_large",
                            "image.body_max")

    def test_pixels_above_their_limit(self):
        self.assert_problem(self.post("/v1/image/grayscale", PHOTO), 413, "media_too_large",
                            "image.pixels_max")
        small = (SMALL / "photo_420.jpg").read_bytes()
        self.assertEqual(self.post("/v1/image/grayscale", small).status, 200)

    def test_info_judges_by_the_image_and_not_by_the_size_of_its_file(self):
        image = png_with_size((SMALL / "rgb.png").read_bytes(), 30_000, 30_000)
        answers = [self.post("/v1/image/info", image.ljust(size, b"\0")).status
                   for size in (len(image), 60_000, 70_000, len(PHOTO))]
        self.assertEqual(answers, answers[:1] * 4)


class Routed(EndpointTest):
    CONFIG = """
[[route]]
match = { path = "/pictures/*" }
endpoint = "image"
[[route]]
match = { path = "/ping" }
endpoint = "health"
[[route]]
match = { path = "/old/*" }
redirect = { to = "/new/", status = 308 }
[[route]]
match = { path = "/teapot", method = ["GET"] }
respond = { status = 418, body = "short\\n", headers = { X-Stout = "yes" } }
"""

    def test_endpoints_live_where_the_configuration_says(self):
        self.assertEqual(self.post("/pictures/info", PHOTO).json()["format"], "jpeg")
        self.assertEqual(self.get("/ping").body, b"ok\n")
        for path in ("/v1/image/info", "/health", "/echo", "/"):
            self.assertEqual(self.get(path).status, 404, path)

    def test_redirect_and_fixed_answer(self):
        response = self.get("/old/thing")
        self.assertEqual((response.status, response.header("location")), (308, "/new/"))
        response = self.get("/teapot")
        self.assertEqual((response.status, response.body), (418, b"short\n"))
        self.assertEqual(response.header("x-stout"), "yes")
        response = self.post("/teapot")
        self.assertEqual((response.status, response.header("allow")), (405, "GET, HEAD, OPTIONS"))


if __name__ == "__main__":
    unittest.main()
