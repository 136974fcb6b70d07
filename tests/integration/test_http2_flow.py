"""HTTP/2 connections over time: windows are given back when somebody has taken the bytes,
priorities order what is ready, and connections end politely."""

import signal
import socket
import threading
import time
import unittest

from hyperframe.frame import (ContinuationFrame, DataFrame, HeadersFrame, RstStreamFrame,
                              SettingsFrame)

import h2client
import harness
import peers
from test_http2 import MIB, RESPOND, Http2Test, digest, pattern
from test_proxy import CANNED


def wait_until_full(server, client):
    """Until both sides' buffers are: what waits in the server's socket has stopped growing."""
    last = [0]

    def stopped():
        before, last[0] = last[0], harness.unsent_bytes(server.port, client.socket)
        return 0 < before == last[0]

    harness.wait_until(stopped, what="the sockets' being full")


class FlowControl(Http2Test):
    def fill(self, client, stream_id, body):
        """Sends until the window stays closed: a PING is answered behind all WINDOW_UPDATEs that
        there are. How much that was."""
        client.ping()
        sent = silent = 0
        while silent < 10 and sent < len(body):
            size = min(client.window, client.windows[stream_id], h2client.FRAME_BYTES,
                       len(body) - sent)
            silent = 0 if size else silent + 1
            if size:
                client.send(DataFrame(stream_id, body[sent : sent + size]))
                client.window -= size
                client.windows[stream_id] -= size
                sent += size
            else:
                client.ping()
        return sent

    def test_the_window_is_given_back_when_the_backend_has_taken_the_bytes(self):
        may_read, received = threading.Event(), []

        def play(connection):
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
            connection._until(b"\r\n\r\n")
            may_read.wait(harness.DEADLINE_S)
            whole = [connection.bytes[connection._taken :]]
            while sum(map(len, whole)) < len(body):
                whole.append(connection.socket.recv(65536))
            received.append(digest(b"".join(whole)))
            connection.send(CANNED)

        body = pattern(16 * MIB, 1)
        self.start(on_connection=play)
        self.addCleanup(may_read.set)
        client = self.connect()
        before = self.server.rss_bytes()
        stream_id = client.request("POST", fields=[("content-length", str(len(body)))],
                                   end_stream=False)
        sent = self.fill(client, stream_id, body)
        self.assertLess(sent, 8 * MIB)  # windows, and the kernel's buffers
        growth_max = (32 if harness.SANITIZED else 8) * MIB  # sanitizers keep what was freed
        self.assertLess(self.server.rss_bytes() - before, growth_max)
        may_read.set()
        client.upload({stream_id: body[sent:]})
        self.assertEqual(client.answer(stream_id).status, 200)
        self.assertEqual(received, [digest(body)])

    def test_one_unread_body_does_not_hold_up_the_others(self):
        done = threading.Event()
        self.addCleanup(done.set)

        def play(connection):
            while (head := connection._until(b"\r\n\r\n")) is not None:
                if b"/stuck" in head:
                    done.wait(harness.DEADLINE_S)
                    return
                connection._take(int(peers.Received(head, connection).header("content-length")))
                connection.send(CANNED)

        self.start(on_connection=play)
        client = self.connect()
        size = 16 * MIB
        stuck = client.request("POST", "/stuck", [("content-length", str(size))], end_stream=False)
        self.assertLess(self.fill(client, stuck, b"x" * size), size)
        for _ in range(3):
            answer = client.post("/free", b"y" * 1_000_000, [("content-length", "1000000")])
            self.assertEqual(answer.status, 200)

    def test_a_client_that_does_not_read_stops_the_backend(self):
        sent = [0]

        def play(connection):
            connection.read_request()
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 256 * 1024)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (24 * MIB))
            for _ in range(24):
                connection.send(b"x" * MIB)
                sent[0] += MIB

        self.start(on_connection=play)
        client = self.connect(polite=False)
        before = self.server.rss_bytes()
        stream_id = client.request()
        stream = client.streams[stream_id]
        client.until(lambda: len(stream.body) == h2client.DEFAULT_WINDOW, "a window of data")
        for _ in range(5):
            client.ping()
        self.assertEqual(len(stream.body), h2client.DEFAULT_WINDOW)
        self.assertLess(sent[0], 16 * MIB)
        self.assertLess(self.server.rss_bytes() - before, 8 * MIB)
        client.give_window(0, 24 * MIB)
        client.give_window(stream_id, 24 * MIB)
        self.assertEqual(len(client.answer(stream_id).body), 24 * MIB)

    def test_a_window_that_shrinks_below_zero_is_waited_for(self):
        self.serve()
        client = self.connect(polite=False)
        stream_id = client.request(path="/tools/bytes?n=100000")
        stream = client.streams[stream_id]
        client.until(lambda: len(stream.body) == h2client.DEFAULT_WINDOW, "a window of data")
        client.send(SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 10}))
        client.give_window(0, MIB)
        client.ping()
        client.give_window(stream_id, h2client.DEFAULT_WINDOW - 10)  # back to zero
        client.ping()
        self.assertEqual(len(stream.body), h2client.DEFAULT_WINDOW)
        client.give_window(stream_id, MIB)
        self.assertEqual(len(client.answer(stream_id).body), 100_000)


class HeldAnswers(Http2Test):
    """A client asks for more than it takes: handlers wait, so that answers do not pile up."""

    BODY = pattern(32 * 1024, 7).hex()[: 32 * 1024]

    def ask_for_many(self, count):
        self.serve(rest=f'''
            [[route]]
            match = {{ path = "/big" }}
            respond = {{ status = 200, body = "{self.BODY}" }}
            [[route]]
            match = {{ path = "/small" }}
            respond = {{ status = 200, body = "small" }}''')
        client = self.connect(polite=False, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0})
        before = self.server.rss_bytes()
        ids = [client.request(path="/big") for _ in range(count)]
        for _ in range(3):
            client.ping()
        if not harness.SANITIZED:
            self.assertLess(self.server.rss_bytes() - before, count * len(self.BODY) * 2 // 3)
        return client, ids

    def take(self, client, stream_id):
        client.give_window(0, len(self.BODY))
        client.give_window(stream_id, len(self.BODY))
        return client.answer(stream_id).body.decode()

    def test_all_of_them_come_when_windows_open(self):
        client, ids = self.ask_for_many(100)
        for stream_id in ids:
            self.assertEqual(self.take(client, stream_id), self.BODY)
        client.give_window(0, 5)
        small = client.request(path="/small")
        client.give_window(small, 5)
        self.assertEqual(client.answer(small).body, b"small")

    def test_those_that_wait_can_be_taken_back(self):
        client, ids = self.ask_for_many(60)
        for stream_id in ids[10:59]:
            client.send(RstStreamFrame(stream_id, h2client.CANCEL))
        client.ping()
        for stream_id in (*ids[:10], ids[59]):
            self.assertEqual(self.take(client, stream_id), self.BODY)
        harness.wait_until(lambda: len(self.server.events("access")) == 60, what="all lines")
        gone = [e for e in self.server.events("access") if e.get("cause") == "client_gone"]
        self.assertGreater(len(gone), 30)

    def test_pings_are_answered_while_handlers_wait_and_the_socket_is_full(self):
        self.serve(rest=f'''
            [[route]]
            match = {{ path = "/big" }}
            respond = {{ status = 200, body = "{self.BODY}" }}
            [[route]]
            match = {{ path = "/*" }}
            endpoint = "tools"''')
        client = self.connect(polite=False, window=2**31 - 1, receive_buffer=65536,
                              settings={SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1})
        total = 100 * MIB
        large = client.request(path=f"/bytes?n={total}")
        others = [client.request(path="/big") for _ in range(40)]
        wait_until_full(self.server, client)
        client.ping()
        self.assertLess(len(client.streams[large].body), total)
        for stream_id in (large, *others):
            self.assertEqual(client.answer(stream_id).status, 200)

    def test_a_client_that_leaves_frees_them(self):
        client, ids = self.ask_for_many(100)
        client.close()
        harness.wait_until(lambda: len(self.server.events("access")) == len(ids), what="all lines")


class BrokenOff(Http2Test):
    """Requests that turn out to be malformed behind their heads."""

    def test_nothing_but_the_answer_is_sent_of_an_answer_that_waits(self):
        body = pattern(32 * MIB, 3)
        answered = threading.Event()

        def play(connection):
            if b"/other" in connection._until(b"\r\n\r\n"):
                other = b"Z" * MIB
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(other))
                return connection.send(other)
            connection._take(1)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            answered.set()
            connection.send(body)

        for fault in (lambda i: DataFrame(i, b"x"),
                      lambda i: HeadersFrame(i, h2client.literals([(b"X", b"y")]),
                                             flags=["END_HEADERS", "END_STREAM"]),
                      lambda i: HeadersFrame(i, h2client.literals([(b"x", b"y")]),
                                             flags=["END_HEADERS"])):
            self.start(on_connection=play)
            client = self.connect(polite=False, window=2**31 - 1, receive_buffer=65536,
                                  settings={SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1})
            stream_id = client.request("POST", fields=[("content-length", "1")], end_stream=False)
            client.send(DataFrame(stream_id, b"x"))
            self.assertTrue(answered.wait(harness.DEADLINE_S))
            wait_until_full(self.server, client)
            client.send(fault(stream_id))
            harness.wait_until(lambda: self.server.events("access"), what="the request's end")
            # Takes over the memory that the other answer has left.
            self.assertEqual(len(harness.get(self.server.url + "/other").body), MIB)
            stream = client.answer(stream_id)
            self.assertEqual(stream.reset, h2client.PROTOCOL_ERROR)
            self.assertLess(len(stream.body), len(body))
            self.assertEqual(digest(stream.body), digest(body[: len(stream.body)]))
            answered.clear()

    def test_trailers_are_limited_in_bytes(self):
        self.start(CANNED)
        client = self.connect()
        stream_id = client.request("POST", end_stream=False)
        client.trailers(stream_id, [("x-large", "y" * 4000)] * 50)
        self.assertEqual(client.answer(stream_id).reset, h2client.PROTOCOL_ERROR)
        self.assertEqual(client.get("/").status, 200)

    def test_a_refused_head_is_no_open_head(self):
        self.serve(server='head_timeout = "3s"')
        client = self.connect()
        head = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"),
                (b":path", b"/tools/delay?ms=4500"), (b"x", b"y" * 60000)]
        block = h2client.literals(head)
        pieces = [block[i : i + 16384] for i in range(0, len(block), 16384)]
        ids = []
        for _ in range(40):
            ids.append(client.new_id())
            frames = [client.headers_frame(ids[-1], pieces[0], flags=())]
            frames += [ContinuationFrame(ids[-1], piece) for piece in pieces[1:]]
            frames[-1].flags.add("END_HEADERS")
            client.send(*frames)
        ends = [client.answer(stream_id) for stream_id in ids]
        refused = [end for end in ends if end.reset == h2client.REFUSED_STREAM]
        self.assertTrue(refused)
        self.assertEqual({end.status for end in ends if end.reset is None}, {200})
        self.assertEqual(client.goaways, [])


class Priorities(Http2Test):
    """One window for all streams, opened once there is data on each: who goes first?"""

    def order(self, client, streams):
        """Opens the connection's window by and by; the streams in the order of their ends."""
        client.ping()
        ended = []
        for _ in range(1000):
            client.give_window(0, 16384)
            client.ping()
            for stream_id in streams:
                if client.streams[stream_id].ended and stream_id not in ended:
                    ended.append(stream_id)
            if len(ended) == len(streams):
                return ended
        raise AssertionError(f"only {ended} of {streams} have ended")

    def blocked_client(self):
        """The connection's window is closed, those of streams are open."""
        self.serve()
        client = self.connect(
            polite=False, settings={SettingsFrame.INITIAL_WINDOW_SIZE: MIB})
        stream_id = client.request(path="/tools/bytes?n=65535")
        self.assertEqual(len(client.answer(stream_id).body), h2client.DEFAULT_WINDOW)
        return client

    def test_the_field_orders_what_is_ready(self):
        client = self.blocked_client()
        streams = {u: client.request(path="/tools/bytes?n=100000", fields=[("priority", f"u={u}")])
                   for u in (7, 3, 0, 5)}
        self.assertEqual(self.order(client, streams.values()), [streams[u] for u in (0, 3, 5, 7)])

    def test_priority_update_changes_it(self):
        client = self.blocked_client()
        first, second = (client.request(path="/tools/bytes?n=100000", fields=[("priority", "u=3")])
                         for _ in range(2))
        for stream_id, urgency in ((first, 6), (second, 1)):
            client.send(h2client.raw_frame(
                0x10, 0, 0, stream_id.to_bytes(4, "big") + b"u=%d" % urgency))
        self.assertEqual(self.order(client, (first, second)), [second, first])

    def test_incremental_ones_share(self):
        client = self.blocked_client()
        streams = [client.request(path="/tools/bytes?n=100000", fields=[("priority", "u=3, i")])
                   for _ in range(2)]
        client.give_window(0, 100_000)
        client.until(lambda: sum(len(client.streams[s].body) for s in streams) == 100_000,
                     "all that the window allows")
        for stream_id in streams:
            self.assertGreater(len(client.streams[stream_id].body), 20_000)


class Endings(Http2Test):
    def test_sigterm_says_goaway_twice_and_lets_streams_end(self):
        may_answer = threading.Event()

        def play(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
            may_answer.wait(harness.DEADLINE_S)
            connection.send(b"later")
            connection.wait_for_close()

        self.start(on_connection=play)
        client = self.connect()
        stream_id = client.request()
        stream = client.streams[stream_id]
        client.until(lambda: stream.body == b"first", "the first bytes")
        self.server.signal(signal.SIGTERM)
        client.until(lambda: len(client.goaways) == 2, "two GOAWAYs")
        self.assertEqual([(g.error_code, g.last_stream_id) for g in client.goaways],
                         [(h2client.NO_ERROR, 2**31 - 1), (h2client.NO_ERROR, stream_id)])
        may_answer.set()
        self.assertEqual(client.answer(stream_id).body, b"firstlater")
        client.run_to_end()
        client.close()
        self.assertEqual(self.server.wait(), 0)

    def test_a_stream_opened_between_the_two_is_served(self):
        client = self.serve()
        client.polite = False  # the second GOAWAY comes after the PING of the notice, or a second
        self.assertEqual(client.get("/hello").status, 200)
        self.server.signal(signal.SIGTERM)
        client.until(lambda: client.goaways, "the notice")
        answer = client.get("/hello")
        self.assertEqual((answer.status, answer.body), (200, b"hello"))
        client.run_to_end()
        client.close()
        self.assertEqual(client.goaways[-1].last_stream_id, 3)
        self.assertEqual(self.server.wait(), 0)

    def test_a_drain_that_takes_too_long_is_ended(self):
        client = self.serve('drain_timeout = "1s"')
        stream_id = client.request(path="/tools/delay?ms=50000")
        client.ping()
        self.server.signal(signal.SIGTERM)
        client.run_to_end()
        stream = client.streams[stream_id]
        self.assertTrue(stream.status == 503 or stream.reset is not None or not stream.over)
        self.assertEqual(self.server.wait(), 0)

    def test_an_idle_connection_ends_with_goaway(self):
        client = self.serve('idle_timeout = "1s"')
        began = time.monotonic()
        self.assertEqual(client.get("/hello").status, 200)
        self.assertEqual(client.run_to_end(), [h2client.NO_ERROR])
        self.assertLess(time.monotonic() - began, 15)

    def test_idle_begins_with_the_end_of_the_last_answer(self):
        self.server = self.enterContext(harness.Millrace(
            '[server]\nlisten = ["127.0.0.1:0"]\nidle_timeout = "2s"\n' + RESPOND))
        client = self.connect(polite=False)
        client.until(lambda: len(client.settings) > 0, "SETTINGS")
        client.send(SettingsFrame(0, flags=["ACK"]))
        stream_id = client.request(path="/tools/delay?ms=3000")  # nothing more is said by us
        self.assertEqual(client.answer(stream_id).status, 200)
        ended = time.monotonic()
        self.assertEqual(client.run_to_end(), [h2client.NO_ERROR])
        self.assertGreater(time.monotonic() - ended, 0.5)
        self.assertLess(time.monotonic() - ended, 15)

    def test_heads_that_are_never_far_apart_have_their_own_time_each(self):
        # Every read ends inside of a head, for longer than one may take.
        client = self.serve('head_timeout = "3s"')
        client.ping()
        client.polite = False  # nothing may come between the pieces
        began, rest, streams = time.monotonic(), b"", []
        while time.monotonic() < began + 3.8:
            streams.append(client.new_id())
            frame = client.headers_frame(streams[-1], client.block(path="/hello")).serialize()
            client.send_bytes(rest + frame[:11])
            rest = frame[11:]
            if len(streams) > 1:
                self.assertEqual(client.answer(streams[-2]).status, 200)
            client.readable(0.01)  # a pace: an impolite client's window has an end
        client.send_bytes(rest)
        self.assertEqual(client.answer(streams[-1]).status, 200)
        self.assertEqual(client.goaways, [])

    def test_a_client_that_leaves_cancels_everything(self):
        gone = []

        def play(connection):
            connection.read_request()
            if connection.wait_for_close():
                gone.append(time.monotonic())

        self.start(on_connection=play)
        client = self.connect()
        for _ in range(5):
            client.request()
        self.wait_for_connections(5)
        left = time.monotonic()
        client.close()
        harness.wait_until(lambda: len(gone) == 5, what="five ends")
        self.assertLess(max(gone) - left, 10)

    def wait_for_connections(self, count):
        harness.wait_until(lambda: sum(b"\r\n\r\n" in c.bytes for c in self.backend.connections)
                           == count, what=f"{count} requests")


if __name__ == "__main__":
    unittest.main()
