"""HTTP/2 clients that cost more than they pay for: resets, frames without content, heads without
end, windows that never open. Their connection ends; nobody else notices, and memory stays where it
was."""

import contextlib
import threading
import time
import unittest

import hpack.hpack
from hyperframe.frame import (ContinuationFrame, DataFrame, HeadersFrame, PingFrame, PriorityFrame,
                              RstStreamFrame, SettingsFrame, WindowUpdateFrame)

import h2client
import harness
import peers
from h2client import ENHANCE_YOUR_CALM, literals, raw_frame
from test_http2_attacks import GET, POST

MIB = 1024 * 1024
# What a connection may cost while it attacks; the heap's own slack included.
GROWTH_MAX = 24 * MIB
BATCH = 50


class Bystander:
    """A well-behaved client on a connection of its own: asks until it is told to stop."""

    def __init__(self, server):
        self.answers = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(server,), daemon=True)

    def _run(self, server):
        with h2client.Connection(server) as client:
            while not self._stop.is_set():
                began = time.monotonic()
                status = client.get("/probe").status
                self.answers.append((status, time.monotonic() - began))

    def __enter__(self):
        self._thread.start()
        harness.wait_until(lambda: len(self.answers) > 5, what="the first answers")
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(harness.DEADLINE_S)


class Flood(unittest.TestCase):
    """One server, with short patience, and one backend that never answers /held."""

    @classmethod
    def setUpClass(cls):
        cls.release = threading.Event()
        cls.backend = peers.Backend(cls.answer)
        cls.addClassCleanup(cls.backend.stop)
        cls.addClassCleanup(cls.release.set)
        cls.server = cls.enterClassContext(harness.Millrace(f'''
            [server]
            listen = ["127.0.0.1:0"]
            threads = 1
            write_timeout = "2s"
            head_timeout = "2s"
            [upstream.backend]
            targets = ["{cls.backend.url}"]
            [[route]]
            match = {{ path = "/tools/*" }}
            endpoint = "tools"
            [[route]]
            match = {{ path = "/*" }}
            upstream = "backend"
        '''))

    @classmethod
    def answer(cls, request):
        if request.target == "/held":
            cls.release.wait(harness.DEADLINE_S)
        return peers.HELLO

    def connect(self, **options):
        return self.enterContext(h2client.Connection(self.server, **options))

    def flood(self, client, make, batches=400):
        """Sends make() over and over until the server has enough: the batches that it took, and the
        codes of its GOAWAYs. Everybody else is served meanwhile."""
        with Bystander(self.server) as bystander:
            before = self.server.rss_bytes()
            sent = 0
            with contextlib.suppress(h2client.Closed, OSError):
                while sent < batches and not client.goaways:
                    client.send_bytes(b"".join(make() for _ in range(BATCH)))
                    sent += 1
                    while client.readable(0):
                        client.read()
                client.ping()
            codes = client.run_to_end() if sent < batches or client.goaways else []
            growth = self.server.rss_bytes() - before
            answers = list(bystander.answers)
        self.assertLess(growth, GROWTH_MAX)
        self.assertEqual({status for status, _ in answers}, {200})
        self.assertLess(max(seconds for _, seconds in answers), 10)
        return sent, codes

    def assert_ended(self, client, make, batches=400):
        sent, codes = self.flood(client, make, batches)
        self.assertLess(sent, batches)
        self.assertEqual(codes[-1:], [ENHANCE_YOUR_CALM])

    def assert_ended_somehow(self, client, make):
        """Heads that come faster than the server can reset them are too many at once, too."""
        sent, codes = self.flood(client, make, 400)
        self.assertLess(sent, 400)
        self.assertNotIn(codes[-1:], ([], [h2client.NO_ERROR]))


class Resets(Flood):
    def test_rapid_reset(self):
        client = self.connect()
        before = len(self.backend.requests)

        def make():
            stream_id = client.new_id()
            return (client.headers_frame(stream_id, literals(GET)).serialize()
                    + RstStreamFrame(stream_id, h2client.CANCEL).serialize())

        self.assert_ended(client, make)
        attacks = [r for r in self.backend.requests[before:] if r.target == "/attack"]
        self.assertLess(len(attacks), 1000)

    def provoke(self, *frames, path=b"/held", head=HeadersFrame):
        """Resets that the server is made to send (CVE-2025-8671): the client sends none."""
        client = self.connect()
        fields = [(n, path if n == b":path" else v) for n, v in POST]

        def make():
            stream_id = client.new_id()
            opening = client.headers_frame(stream_id, literals(fields), end_stream=True)
            return opening.serialize() + b"".join(
                raw_frame(kind, flags, stream_id, payload) for kind, flags, payload in frames)

        self.assert_ended_somehow(client, make)
        harness.wait_until(lambda: all(
            c.closed.is_set() or b"/held" not in c.bytes or self.gone(c)
            for c in self.backend.connections), what="the cancelled requests")

    @staticmethod
    def gone(connection):
        with contextlib.suppress(OSError):
            connection.socket.settimeout(0)
            return connection.socket.recv(1, 0x2) == b""  # MSG_PEEK
        return False

    def test_window_update_of_nothing(self):
        self.provoke((8, 0, b"\0\0\0\0"))

    def test_window_over_its_limit(self):
        self.provoke((8, 0, b"\x7f\xff\xff\xff"))

    def test_head_behind_the_end(self):
        self.provoke((1, 5, literals([(b"x", b"y")])))

    def test_data_behind_the_end(self):
        self.provoke((0, 1, b"x"))

    def test_priority_of_a_wrong_length(self):
        self.provoke((2, 0, b"\0\0\0\0"))

    def test_bad_heads(self):
        client = self.connect()
        self.assert_ended_somehow(client, lambda: client.headers_frame(
            client.new_id(), literals([*GET, (b"X", b"y")])).serialize())

    def test_bodies_unlike_their_lengths(self):
        client = self.connect()

        def make():
            stream_id = client.new_id()
            head = client.headers_frame(stream_id, literals([*POST, (b"content-length", b"5")]),
                                        end_stream=False)
            return head.serialize() + DataFrame(stream_id, b"x", flags=["END_STREAM"]).serialize()

        self.assert_ended_somehow(client, make)

    def test_streams_that_depend_on_themselves(self):
        # Nobody looks at such priorities any more: the frames count as what they are, empty.
        client = self.connect()
        self.assert_ended(client, lambda: PriorityFrame(1, depends_on=1).serialize())


class EmptyFrames(Flood):
    def test_pings(self):
        self.assert_ended(self.connect(), PingFrame(0, b"12345678").serialize)

    def test_settings(self):
        self.assert_ended(self.connect(), SettingsFrame(0, {1: 4096}).serialize)

    def test_priorities(self):
        self.assert_ended(self.connect(), PriorityFrame(9, depends_on=7).serialize)

    def test_priority_updates(self):
        self.assert_ended(self.connect(), lambda: raw_frame(0x10, 0, 0, b"\0\0\0\1u=1"))

    def test_window_updates(self):
        self.assert_ended(self.connect(), WindowUpdateFrame(0, window_increment=1).serialize)

    def test_window_updates_of_a_stream(self):
        client = self.connect()
        stream_id = client.request("POST", "/held", end_stream=False)
        self.assert_ended(client, WindowUpdateFrame(stream_id, window_increment=1).serialize)

    def test_empty_data(self):
        client = self.connect()
        stream_id = client.request("POST", "/held", end_stream=False)
        self.assert_ended(client, DataFrame(stream_id, b"").serialize)

    def test_padding_alone(self):
        client = self.connect()
        stream_id = client.request("POST", "/held", end_stream=False)
        sent, codes = self.flood(client, DataFrame(stream_id, b"", flags=["PADDED"]).serialize)
        self.assertTrue(codes == [] or codes[-1] != h2client.NO_ERROR, (sent, codes))

    def test_unknown_frames(self):
        # Read and forgotten: they cost the client as much as us.
        self.flood(self.connect(), lambda: raw_frame(0xee, 0, 0))

    def test_pings_whose_answers_nobody_reads(self):
        client = self.connect(polite=False, receive_buffer=4096)
        before = self.server.rss_bytes()
        with contextlib.suppress(OSError):
            for _ in range(100):
                client.send_bytes(PingFrame(0, b"12345678").serialize() * 1000)
        self.assertLess(self.server.rss_bytes() - before, GROWTH_MAX)
        # GOAWAY stands behind what it does not read: no patience is left for that.
        self.assertIn(client.run_to_end()[-1:], ([], [ENHANCE_YOUR_CALM]))


class Heads(Flood):
    def test_continuations_without_end(self):
        for name, payload in (("empty", b""), ("small", literals([(b"x", b"y")])),
                              ("large", literals([(b"x", b"y" * 16000)]))):
            with self.subTest(name):
                client = self.connect()
                stream_id = client.new_id()
                client.send(client.headers_frame(stream_id, literals(GET), flags=()))
                sent, codes = self.flood(
                    client, ContinuationFrame(stream_id, payload).serialize)
                self.assertLess(sent, 400)
                self.assertNotEqual(codes[-1:], [h2client.NO_ERROR])

    def test_head_that_never_ends_meets_its_timeout(self):
        client = self.connect()
        client.ping()
        client.send(client.headers_frame(client.new_id(), literals(GET), flags=()))
        self.assertEqual(client.run_to_end()[-1:], [ENHANCE_YOUR_CALM])

    def test_hpack_bomb(self):
        # One entry of the table, large, and a block that says it again for each byte of its own.
        client = self.connect()
        value = b"y" * 4000
        entry = b"\x40" + bytes(hpack.hpack.encode_integer(1, 7)) + b"x" + bytes(
            hpack.hpack.encode_integer(len(value), 7)) + value
        self.assertEqual(client.answer(client.request_block(literals(GET) + entry)).status, 200)
        before = self.server.rss_bytes()
        for count in (16, 99, 1000, 12000):
            with self.subTest(count), contextlib.suppress(h2client.Closed, OSError):
                stream_id = client.request_block(literals(GET) + b"\xbe" * count)
                answer = client.answer(stream_id)
                self.assertTrue(answer.reset is not None or answer.status in (200, 431))
                if count > 16:
                    self.assertNotEqual(answer.status, 200)
        self.assertLess(self.server.rss_bytes() - before, GROWTH_MAX)
        self.assertEqual(self.connect().get("/probe").status, 200)

    def test_a_hundred_hpack_bombs_at_once(self):
        client = self.connect()
        value = b"y" * 4000
        entry = b"\x40" + bytes(hpack.hpack.encode_integer(1, 7)) + b"x" + bytes(
            hpack.hpack.encode_integer(len(value), 7)) + value
        fields = [(n, b"/held" if n == b":path" else v) for n, v in GET]
        client.ping()
        before = self.server.rss_bytes()
        client.request_block(literals(fields) + entry)
        for _ in range(95):
            client.request_block(literals(fields) + b"\xbe" * 14)
        client.ping()
        # Each reaches the backend's connection with 56 KB; what is kept here is the rest.
        self.assertLess(self.server.rss_bytes() - before, 2 * GROWTH_MAX)

    def test_empty_names(self):
        client = self.connect()
        block = literals([*GET, *[(b"", b"")] * 5000])
        with contextlib.suppress(h2client.Closed, OSError):
            answer = client.answer(client.request_block(block))
            self.assertTrue(answer.reset is not None or answer.status in (400, 431))
        self.assertEqual(self.connect().get("/probe").status, 200)

    def test_crumbs_of_cookies(self):
        client = self.connect()
        block = literals([*GET, *[(b"cookie", b"")] * 900])
        with contextlib.suppress(h2client.Closed, OSError):
            answer = client.answer(client.request_block(block))
            self.assertTrue(answer.reset is not None or answer.status == 431)
        self.assertEqual(self.connect().get("/probe").status, 200)


class Windows(Flood):
    def causes(self, path):
        return [e.get("cause") for e in self.server.events("access") if e["target"] == path]

    def assert_stalled(self, client, streams, path):
        """Every stream ends, or the connection does, and the log says why."""
        client.run_to_end_or(lambda: all(client.streams[s].over for s in streams))
        for stream_id in streams:
            self.assertFalse(client.streams[stream_id].ended)
        causes = harness.wait_until(lambda: len(self.causes(path)) == len(streams)
                                    and self.causes(path), what="the access log")
        self.assertEqual(set(causes), {"write_stalled"})

    def test_large_windows_may_be_given_back_bit_by_bit_and_late(self):
        """Go's client: windows of megabytes, and an update for every few kilobytes that it reads,
        long after they were sent."""
        size, step = 16 << 20, 4 << 10
        client = self.connect(polite=False, window=64 << 20,
                              settings={SettingsFrame.INITIAL_WINDOW_SIZE: 32 << 20})
        stream = client.request(path=f"/tools/bytes?n={size}")
        client.until(lambda: len(client.streams[stream].body) == size, "the body")
        updates = WindowUpdateFrame(0, window_increment=step).serialize() * (size // step)
        client.send_bytes(updates)
        client.ping()
        self.assertEqual(client.goaways, [])

    def test_an_answer_that_nobody_reads(self):
        client = self.connect(polite=False)
        path = "/tools/bytes?n=1000001"
        self.assert_stalled(client, [client.request(path=path)], path)

    def test_a_window_of_zero_over_many_answers(self):
        client = self.connect(polite=False, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0})
        path = "/tools/bytes?n=60001"
        before = self.server.rss_bytes()
        streams = [client.request(path=path) for _ in range(100)]
        client.ping()
        self.assertLess(self.server.rss_bytes() - before, GROWTH_MAX)
        client.run_to_end_or(lambda: all(client.streams[s].over for s in streams))
        self.assertFalse([s for s in streams if client.streams[s].ended])

    def test_windows_of_zero_again_and_again(self):
        client = self.connect(polite=False, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0})
        before = self.server.rss_bytes()
        give_up_at = time.monotonic() + harness.DEADLINE_S
        with contextlib.suppress(h2client.Closed, OSError):
            while time.monotonic() < give_up_at:
                stream_id = client.request(path="/tools/bytes?n=60002")
                client.ping()
                if client.streams[stream_id].over:
                    continue
        self.assertLess(time.monotonic(), give_up_at)
        self.assertLess(self.server.rss_bytes() - before, GROWTH_MAX)

    def test_a_window_opened_byte_by_byte(self):
        client = self.connect(polite=False, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 1})
        path = "/tools/bytes?n=10001"
        stream_id = client.request(path=path)
        stream = client.streams[stream_id]
        with contextlib.suppress(h2client.Closed, OSError):
            while not stream.over:
                size = len(stream.body)
                client.until(lambda: len(stream.body) > size or stream.over, "a byte")
                client.give_window(stream_id, 1)
        self.assertFalse(stream.ended)
        harness.wait_until(lambda: self.causes(path), what="the access log")

    def test_a_connection_that_takes_nothing(self):
        client = self.connect(polite=False, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1},
                              window=2**31 - 1, receive_buffer=4096)
        path = "/tools/bytes?n=100000001"
        client.request(path=path)
        causes = harness.wait_until(lambda: self.causes(path), what="the access log")
        self.assertEqual(causes, ["write_stalled"])


# The cases of its subclasses are what is run.
del Flood


if __name__ == "__main__":
    unittest.main()
