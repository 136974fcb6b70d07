"""HTTP/2 heads, bodies and frames that are wrong on purpose, in front of a backend that records
every byte: what is refused never reaches it, and the rest of the connection, or of the world, goes
on."""

import unittest

from hyperframe.frame import (ContinuationFrame, DataFrame, HeadersFrame, RstStreamFrame,
                              SettingsFrame, WindowUpdateFrame)

import h2client
import harness
import peers
from h2client import literals, raw_frame
from test_gate import proxy_config

GET = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/attack"), (b":authority", b"a")]
POST = [(b":method", b"POST"), *GET[1:]]
SMUGGLED = b"a\r\nHost: a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def get(*fields, **pseudo):
    """A head with these fields behind it; `path=None` leaves `:path` out."""
    head = [(name, pseudo.get(name[1:].decode(), value)) for name, value in GET]
    return [(name, value) for name, value in head if value is not None] + list(fields)


NAMES = [b"X-Upper", b"x y", b" x", b"x ", b"x:y", b"x\ry", b"x\ny", b"x\0y", b"x\x7fy", b"x\xe4",
         b"x\t", b"x(y)", b"", b"x\r\ny: z", b"x: y\r\nsmuggled"]
VALUES = [b"a\rb", b"a\nb", b"a\0b", b"a\x01b", b"a\x7fb", b" a", b"a ", b"\ta", b"a\t", b"a\r",
          b"\na", SMUGGLED, b"a\r\nTransfer-Encoding: chunked"]
CONNECTION_FIELDS = [
    (b"connection", b"close"), (b"connection", b"x-hop"), (b"keep-alive", b"timeout=5"),
    (b"proxy-connection", b"keep-alive"), (b"transfer-encoding", b"chunked"),
    (b"transfer-encoding", b"identity"), (b"upgrade", b"websocket"), (b"te", b"gzip"),
    (b"te", b"trailers, gzip"), (b"te", b"trailers;q=0.5"), (b"transfer_encoding", b"chunked"),
    (b"content_length", b"5"), (b"x_forwarded_for", b"8.8.8.8")]
PATHS = [b"", b"a", b"?a", b"a/b", b"*", b"/a b", b"/a#b", b"/a\\b", b"/a\x7fb", b"/a\tb", b"/\xff",
         b"/%", b"/%00", b"/a%zz", b"http://b/", b"//b/../\r\n", b"/ HTTP/1.1\r\nX: " + SMUGGLED,
         b"/a\0", b"b:443"]
AUTHORITIES = [b"a,b", b"a, b", b"user@a", b"user:pw@a", b"a/b", b"a b", b"a:x", b"a:65536",
               b"[::1", b"a?b", b"a#b", b"a\\b", b"\xe4", b"a\0b", b"a\r\nX: y", SMUGGLED]
METHODS = [b"", b"G T", b"G@T", b"GET\r\n", b"GET /smuggled HTTP/1.1\r\nX:", b"G\0T", b"\xe4"]
LENGTHS = [b"+0", b"-0", b"-1", b"0x0", b"0, 0", b"0,0", b"", b" ", b"0;0", b"0.0", b"five",
           b"18446744073709551616", b"9" * 40]

HEADS = {
    **{f"name {n!r}": get((n, b"y")) for n in NAMES},
    **{f"value {v!r}": get((b"x", v)) for v in VALUES},
    **{f"cookie {v!r}": get((b"cookie", v), (b"cookie", b"a=1")) for v in VALUES},
    **{f"field {f!r}": get(f) for f in CONNECTION_FIELDS},
    **{f":path {v!r}": get(path=v) for v in PATHS},
    **{f":authority {v!r}": get(authority=v) for v in AUTHORITIES},
    **{f"host {v!r}": get((b"host", v), authority=None) for v in AUTHORITIES},
    **{f":method {v!r}": get(method=v) for v in METHODS},
    **{f"content-length {v!r}": get((b"content-length", v)) for v in LENGTHS},
    **{f"without {n.decode()}": [(k, v) for k, v in GET if k != n]
       for n in (b":method", b":scheme", b":path", b":authority")},
    **{f"{n.decode()} twice": [*GET, (n, v)] for n, v in GET},
    "pseudo-field behind a field": [*GET[:3], (b"x", b"y"), GET[3]],
    "unknown pseudo-field": [*GET, (b":unknown", b"x")],
    "pseudo-field of an answer": [*GET, (b":status", b"200")],
    "empty pseudo-field name": [*GET, (b":", b"x")],
    "upper case in a pseudo-field": [*GET[:3], (b":Authority", b"a")],
    ":protocol without CONNECT": [*GET, (b":protocol", b"websocket")],
    "host unlike :authority": get((b"host", b"b")),
    "two hosts": get((b"host", b"a"), (b"host", b"a")),
    "empty :authority": get(authority=b""),
    "length of a body that does not come": get((b"content-length", b"5")),
    "two lengths": get((b"content-length", b"0"), (b"content-length", b"0")),
    "expectation": get((b"expect", b"200-ok")),
    "CONNECT": [(b":method", b"CONNECT"), (b":authority", b"a:443")],
    "CONNECT with a path": get(method=b"CONNECT"),
    "CONNECT for h2c": [*get(method=b"CONNECT"), (b":protocol", b"h2c")],
    "CONNECT for no token": [*get(method=b"CONNECT"), (b":protocol", b"web socket")],
    "CONNECT for a line": [*get(method=b"CONNECT"), (b":protocol", b"x\r\nX: y")],
    "TRACE": get(method=b"TRACE"),
    "too many fields": get(*[(b"x", b"y")] * 101),
    "too many crumbs": get(*[(b"cookie", b"a=1")] * 200),
    "too large a field": get((b"x", b"y" * 65536)),
    "too long a target": get(path=b"/" + b"a" * 8192),
}
REFUSALS = (400, 405, 414, 417, 431, 501)

CONNECTION_ERRORS = {
    "DATA on stream 0": raw_frame(0, 0, 0, b"x"),
    "HEADERS on stream 0": raw_frame(1, 5, 0, literals(GET)),
    "HEADERS on an even stream": raw_frame(1, 5, 2, literals(GET)),
    "DATA on an idle stream": raw_frame(0, 1, 9, b"x"),
    "RST_STREAM on an idle stream": raw_frame(3, 0, 9, b"\0\0\0\x08"),
    "RST_STREAM on stream 0": raw_frame(3, 0, 0, b"\0\0\0\x08"),
    "RST_STREAM of a wrong length": raw_frame(3, 0, 9, b"\0\0\0"),
    "WINDOW_UPDATE on an idle stream": raw_frame(8, 0, 9, b"\0\0\0\x01"),
    "WINDOW_UPDATE of nothing": raw_frame(8, 0, 0, b"\0\0\0\0"),
    "WINDOW_UPDATE of a wrong length": raw_frame(8, 0, 0, b"\0\0\1"),
    "window over 2^31 - 1": raw_frame(8, 0, 0, b"\x7f\xff\xff\xff") * 2,
    "PUSH_PROMISE": raw_frame(5, 4, 1, b"\0\0\0\x02" + literals(GET)),
    "CONTINUATION behind nothing": raw_frame(9, 4, 1, literals(GET)),
    "PING inside a head": raw_frame(1, 1, 7, literals(GET)) + raw_frame(6, 0, 0, b"12345678"),
    "another stream's CONTINUATION": raw_frame(1, 1, 7, literals(GET)) + raw_frame(9, 4, 9, b""),
    "PING of a wrong length": raw_frame(6, 0, 0, b"1234567"),
    "PING on a stream": raw_frame(6, 0, 1, b"12345678"),
    "SETTINGS of a wrong length": raw_frame(4, 0, 0, b"\0\1\0\0\0"),
    "SETTINGS on a stream": raw_frame(4, 0, 1),
    "SETTINGS acknowledgement with content": raw_frame(4, 1, 0, b"\0\1\0\0\0\0"),
    "ENABLE_PUSH of 2": raw_frame(4, 0, 0, b"\0\2\0\0\0\2"),
    "INITIAL_WINDOW_SIZE of 2^31": raw_frame(4, 0, 0, b"\0\4\x80\0\0\0"),
    "MAX_FRAME_SIZE of 1": raw_frame(4, 0, 0, b"\0\5\0\0\0\1"),
    "MAX_FRAME_SIZE of 2^24": raw_frame(4, 0, 0, b"\0\5\1\0\0\0"),
    "GOAWAY on a stream": raw_frame(7, 0, 1, b"\0" * 8),
    "GOAWAY of a wrong length": raw_frame(7, 0, 0, b"\0" * 7),
    "frame over 16 KiB": raw_frame(0, 0, 1, b"x" * 16385),
    "padding longer than the frame": raw_frame(1, 0xd, 7, b"\xff" + literals(GET)),
    "HPACK index 0": raw_frame(1, 5, 7, b"\x80"),
    "HPACK index beyond the table": raw_frame(1, 5, 7, b"\xff\x80\x80\x80\x01"),
    "HPACK table over the limit": raw_frame(1, 5, 7, b"\x3f\xe1\xff\x03" + literals(GET)),
    "HPACK string beyond the block": raw_frame(1, 5, 7, b"\x00\x7f\xff\xff\x03x"),
    "HPACK number without end": raw_frame(1, 5, 7, b"\xff" + b"\xff" * 50),
    "HPACK string that is no Huffman": raw_frame(1, 5, 7, b"\x00\x84\xff\xff\xff\xff\x01a"),
    "preface twice": h2client.PREFACE,
    "HTTP/1 behind the preface": b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
}


class Attack(unittest.TestCase):
    """One server and one backend for all; each test has a connection of its own."""

    @classmethod
    def setUpClass(cls):
        cls.backend = peers.Backend()
        cls.addClassCleanup(cls.backend.stop)
        cls.server = cls.enterClassContext(harness.Millrace(proxy_config(cls.backend)))

    def connect(self, **options):
        return h2client.Connection(self.server, **options)

    def assert_alive(self, client):
        self.assertEqual(client.get("/probe").status, 200)
        self.assertEqual(client.goaways, [])

    def assert_only_probes_arrived(self):
        received = self.backend.received_bytes
        self.assertNotIn(b"smuggled", received)
        self.assertEqual({r.target for r in self.backend.requests}, {"/probe"})


class Heads(Attack):
    def test_none_reaches_the_backend(self):
        for name, fields in HEADS.items():
            with self.subTest(name), self.connect() as client:
                before = self.backend.received_bytes
                block = literals(fields)
                stream_id = client.new_id()
                pieces = [block[i : i + 16384] for i in range(0, len(block), 16384)]
                frames = [client.headers_frame(stream_id, pieces[0], flags=())]
                frames += [ContinuationFrame(stream_id, piece) for piece in pieces[1:]]
                frames[-1].flags.add("END_HEADERS")
                client.send(*frames)
                answer = client.answer(stream_id)
                if answer.reset is None:
                    self.assertIn(answer.status, REFUSALS)
                else:
                    self.assertEqual(answer.reset, h2client.PROTOCOL_ERROR)
                self.assertEqual(self.backend.received_bytes, before)
                self.assert_alive(client)
        self.assert_only_probes_arrived()

    def test_what_is_forwarded_is_one_line_each(self):
        # Odd, and allowed.
        fields = get((b"x", b"a\tb"), (b"x", b"\xc3\xa4"), (b"x", b""), (b"x!#$%&'*+-.^_`|~", b"y"),
                     (b"te", b"trailers"), (b"content-length", b"0"), path=b"/probe")
        with self.connect() as client:
            answer = client.answer(client.request_block(literals(fields)))
            self.assertEqual(answer.status, 200)
            self.assert_alive(client)
        self.assert_only_probes_arrived()


class BodiesAndTrailers(Attack):
    def attack(self, fields, *frames, expect=(h2client.PROTOCOL_ERROR,)):
        with self.connect() as client:
            stream_id = client.request_block(literals(fields), end_stream=False)
            for frame in frames:
                frame.stream_id = stream_id
            client.send(*frames)
            answer = client.answer(stream_id)
            if answer.reset is not None:
                self.assertIn(answer.reset, expect)
            else:
                self.assertIn(answer.status, REFUSALS)
            self.assert_alive(client)
        self.assert_only_probes_arrived()

    def length(self, value):
        return [*POST, (b"content-length", value)]

    def test_less_than_the_length_said(self):
        self.attack(self.length(b"5"), DataFrame(1, b"hell", flags=["END_STREAM"]))

    def test_more_than_the_length_said(self):
        self.attack(self.length(b"5"), DataFrame(1, b"hello!", flags=["END_STREAM"]))

    def test_another_request_behind_the_length_said(self):
        with self.connect() as client:
            stream_id = client.request("POST", "/probe", [("content-length", "5")],
                                       end_stream=False)
            client.send(DataFrame(stream_id, b"hello"),
                        DataFrame(stream_id, b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"))
            client.until(lambda: client.streams[stream_id].over, "the end of the stream")
            self.assert_alive(client)
        self.assert_only_probes_arrived()

    def test_no_data_at_all(self):
        self.attack(self.length(b"5"), DataFrame(1, b"", flags=["END_STREAM"]))

    def test_trailers_too_early(self):
        self.attack(self.length(b"5"), DataFrame(1, b"hell"), HeadersFrame(
            1, literals([(b"x", b"y")]), flags=["END_HEADERS", "END_STREAM"]))

    def test_trailers_that_do_not_end_the_stream(self):
        self.attack(POST, HeadersFrame(1, literals([(b"x", b"y")]), flags=["END_HEADERS"]))

    def test_pseudo_fields_in_trailers(self):
        for field in ((b":path", b"/smuggled"), (b":status", b"200")):
            with self.subTest(field):
                self.attack(POST, HeadersFrame(1, literals([field]),
                                               flags=["END_HEADERS", "END_STREAM"]))

    def test_bad_trailers_are_never_passed_on(self):
        for field in (*((name, b"smuggled") for name in NAMES),
                      *((b"x-smuggled", value) for value in VALUES),
                      (b"transfer-encoding", b"smuggled"), (b"connection", b"smuggled")):
            with self.subTest(field), self.connect() as client:
                stream_id = client.request("POST", "/probe", end_stream=False)
                client.send(DataFrame(stream_id, b"x"), HeadersFrame(
                    stream_id, literals([field]), flags=["END_HEADERS", "END_STREAM"]))
                self.assertEqual(client.answer(stream_id).reset, h2client.PROTOCOL_ERROR)
                self.assert_alive(client)
        self.assert_only_probes_arrived()

    def test_a_body_that_is_chunks_stays_a_body(self):
        body = b"0\r\n\r\nGET /embedded HTTP/1.1\r\nHost: a\r\n\r\n"
        for fields in ([], [("content-length", str(len(body)))]):
            with self.connect() as client:
                self.assertEqual(client.post("/probe", body, fields).status, 200)
                self.assertEqual(self.backend.requests[-1].body, body)
                self.assert_alive(client)
        self.assertEqual({r.target for r in self.backend.requests}, {"/probe"})


class Frames(Attack):
    def test_errors_of_the_connection_end_it_with_goaway(self):
        with self.connect() as bystander:
            for name, data in CONNECTION_ERRORS.items():
                with self.subTest(name), self.connect() as client:
                    client.ping()
                    client.send_bytes(data)
                    self.assertNotIn(client.run_to_end()[-1:], ([], [h2client.NO_ERROR]))
                    self.assert_alive(bystander)
        self.assertNotIn(b"smuggled", self.backend.received_bytes)

    def test_what_is_to_be_ignored_is_ignored(self):
        with self.connect() as client:
            stream_id = client.request("POST", "/probe", end_stream=False)
            client.send(raw_frame(0xee, 0xff, 0, b"unknown"), raw_frame(0xee, 0xff, stream_id),
                        raw_frame(4, 0, 0, b"\xff\xff\0\0\0\0"),  # a setting that nobody knows
                        raw_frame(2, 0, stream_id, b"\0\0\0\0\x10"),  # PRIORITY
                        raw_frame(2, 0, 99, b"\0\0\0\0\x10"),
                        raw_frame(6, 0xfe, 0, b"12345678"))  # flags that nobody knows
            client.data(stream_id, b"x", end_stream=True)
            self.assertEqual(client.answer(stream_id).status, 200)
            self.assert_alive(client)

    def test_heads_on_streams_that_were_passed_over(self):
        with self.connect() as client:
            client.new_id()
            self.assert_alive(client)
            client.send(raw_frame(1, 5, 1, literals(GET)))
            self.assert_alive(client)
        self.assertNotIn(b"/attack", self.backend.received_bytes)

    def test_frames_of_streams_that_are_over(self):
        with self.connect() as client:
            self.assert_alive(client)
            client.send(WindowUpdateFrame(1, window_increment=1),
                        RstStreamFrame(1, h2client.CANCEL))
            self.assert_alive(client)

    def test_more_streams_than_allowed_are_refused(self):
        with self.connect() as client:
            client.ping()
            limit = client.settings[SettingsFrame.MAX_CONCURRENT_STREAMS]
            self.assertLessEqual(limit, 100)
            streams = [client.request("POST", "/attack", end_stream=False)
                       for _ in range(limit + 20)]
            client.run_to_end_or(lambda: all(client.streams[s].over for s in streams[limit:]))
            refused = [s for s in streams if client.streams[s].reset == h2client.REFUSED_STREAM]
            self.assertTrue(refused or client.goaways)
            self.assertFalse(set(refused) & set(streams[:limit]))


# The cases of its subclasses are what is run.
del Attack


if __name__ == "__main__":
    unittest.main()
