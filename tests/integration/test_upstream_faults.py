"""What services and networks do wrong, and what clients of either protocol see of it: the answer,
its code, never a clean end of half an answer, one line in the log, and nothing left behind."""

import contextlib
import socket
import ssl
import threading
import unittest

import hpack
from hyperframe.frame import (DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame,
                              SettingsFrame)

import h2client
import harness
import peers
import pki
from test_proxy import CANNED, ProxyTest, config

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ABORTED = "aborted"


def ask_http1(server, method, body, on_head=lambda: None):
    """(status, code of the problem), or what came of a 200, or ABORTED."""
    with server.client() as client:
        client.send(f"{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        head = harness.Response(client.receive_until(b"\r\n\r\n"))
        on_head()
        try:
            if head.header("transfer-encoding") == "chunked":
                head.body = client._receive_chunked(head)
            else:
                head.body = client.receive_exactly(int(head.header("content-length")))
        except (AssertionError, ConnectionResetError):
            return ABORTED
        return outcome(head.status, head)


def ask_http2(server, method, body, on_head=lambda: None):
    with h2client.Connection(server) as client:
        stream = client.request(method, fields=[("content-length", str(len(body)))],
                                end_stream=not body)
        if body:
            client.data(stream, body.encode(), end_stream=True)
        begun = client.streams[stream]
        client.until(lambda: begun.status or begun.over, "the head")
        on_head()
        answer = client.answer(stream)
        if answer.reset is not None:
            return ABORTED
        parsed = harness.Response(b"HTTP/1.1 %d x\r\n\r\n" % answer.status)
        parsed.body = bytes(answer.body)
        return outcome(answer.status, parsed)


def outcome(status, response):
    return (status, response.json()["code"] if status >= 400 else response.body)


def reset(connection):
    """With an RST and nothing before it, as peers.Connection.reset() ends with one."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.socket.close()


class Faults(unittest.TestCase):
    def expect(self, targets, expected, method="GET", body="", on_head=lambda: None, **keys):
        """The same outcome over both protocols, a line in the log for each, and what was opened
        for them is given back."""
        with harness.Millrace(config(targets, **keys)) as server:
            idle = server.fds()
            for count, ask in enumerate((ask_http1, ask_http2), 1):
                with self.subTest(ask.__name__, method=method):
                    self.assertEqual(ask(server, method, body, on_head), expected)
                    lines = harness.wait_until(
                        lambda c=count: len(e := server.events("access")) == c and e,
                        what="the log")
                    if expected == ABORTED:
                        self.assertIn("cause", lines[-1])
                    elif expected[0] >= 400:
                        self.assertEqual(lines[-1]["cause"], expected[1])
            # One connection may wait for the next request.
            harness.wait_until(lambda: server.fds() <= idle + 1,
                               what="the descriptors to be given back")

    def play(self, script):
        return self.enterContext(peers.Backend(on_connection=script)).url


class NoConnection(Faults):
    def test_refused(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.expect(["http://127.0.0.1:%d" % taken.getsockname()[1]],
                        (502, "connect_refused"))

    def test_blackholed(self):
        # A full queue of connections: the kernel drops what comes then.
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as s:
            for _ in range(3):
                filler = s.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            self.expect(["http://127.0.0.1:%d" % full.getsockname()[1]], (504, "connect_timeout"),
                        timeout='{ connect = "500ms" }')

    def test_a_name_that_is_not(self):
        # Whether there is a name server here or not.
        with harness.Millrace(config(["http://nosuch.invalid"])) as server:
            status, code = ask_http1(server, "GET", "")
            self.assertIn((status, code), ((502, "dns_not_found"), (502, "dns_failed"),
                                           (504, "dns_timeout")))

    def test_the_next_target_answers(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            good = self.enterContext(peers.Backend()).url
            for method, body in (("GET", ""), ("POST", "body")):
                self.expect(["http://127.0.0.1:%d" % taken.getsockname()[1], good],
                            (200, b"hello"), method, body)


class BeforeTheAnswer(Faults):
    def counted(self, end):
        """Ends each connection once it has a request; how many that were."""
        self.asked = []

        def script(connection):
            self.asked.append(connection.read_request().method)
            end(connection)

        return self.play(script)

    def test_closed_or_reset(self):
        for end, code in ((peers.Connection.close, "upstream_closed"),
                          (reset, "upstream_reset")):
            target = self.counted(end)
            self.expect([target], (502, code))
            self.assertEqual(self.asked, ["GET"] * 4)  # each was sent again, once
            self.asked.clear()
            self.expect([target], (502, code), "POST", "body")
            self.assertEqual(self.asked, ["POST"] * 2)  # and these were not

    def test_closed_and_then_answered_elsewhere(self):
        target = self.counted(peers.Connection.close)
        good = self.enterContext(peers.Backend())
        self.expect([target, good.url], (200, b"hello"))
        self.expect([target, good.url], (200, b"hello"), "PUT", "body")
        self.assertEqual({r.body for r in good.requests if r.method == "PUT"}, {b"body"})

    def test_silence(self):
        def script(connection):
            connection.read_request()
            connection.wait_for_close()

        self.expect([self.play(script)], (504, "first_byte_timeout"),
                    timeout='{ first_byte = "100ms" }')

    def test_a_head_that_drips(self):
        def script(connection):
            connection.read_request()
            with contextlib.suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
                    connection.send(bytes([byte]))
                    if connection.closed.wait(0.01):
                        return

        self.expect([self.play(script)], (504, "first_byte_timeout"),
                    timeout='{ first_byte = "150ms" }')

    def test_the_whole_takes_too_long(self):
        def script(connection):
            connection.read_request()
            connection.wait_for_close()

        self.expect([self.play(script)], (504, "total_timeout"), timeout='{ total = "100ms" }')
        self.expect([self.play(script)], (504, "try_timeout"),
                    retry='{ attempts = 1, per_try = "60ms" }')


class InTheAnswer(Faults):
    def test_it_breaks_off(self):
        for answer in (HEAD + b"hello", CHUNKED + b"5\r\nhello\r\n", CHUNKED + b"9\r\nhello"):
            for end in (peers.Connection.close, reset):
                heard = threading.Semaphore(0)

                def script(connection, answer=answer, end=end, heard=heard):
                    connection.read_request()
                    connection.send(answer)
                    heard.acquire(timeout=harness.DEADLINE_S)  # a reset would overtake it
                    end(connection)

                self.expect([self.play(script)], ABORTED, on_head=heard.release)

    def test_it_stops(self):
        def script(connection):
            connection.read_request()
            connection.send(HEAD + b"hello")
            connection.wait_for_close()

        self.expect([self.play(script)], ABORTED, timeout='{ idle = "100ms" }')

    def test_a_slow_body_flows(self):
        def script(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            for byte in b"hello":
                connection.closed.wait(0.03)
                connection.send(bytes([byte]))

        self.expect([self.play(script)], (200, b"hello"), timeout='{ idle = "10s" }')


class Tls(Faults):
    def serve(self, identity):
        """A TLS server on loopback that answers everything; its port."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate, identity.key)

        def script(connection):
            with contextlib.suppress(OSError), \
                    context.wrap_socket(connection.socket, server_side=True) as secure:
                if secure.recv(65536):
                    secure.sendall(CANNED)

        return self.enterContext(peers.Backend(on_connection=script)).port

    def test_certificates(self):
        authority = self.enterContext(pki.Authority())
        stranger = self.enterContext(pki.Authority())
        good = authority.issue("127.0.0.1")
        ca = f'{{ ca = "{authority.certificate}" }}'
        self.expect([f"https://127.0.0.1:{self.serve(good)}"], (200, b"ok"), tls=ca)
        for name, identity in (("wrong name", authority.issue("other.test")),
                               ("unknown authority", stranger.issue("127.0.0.1")),
                               ("expired", authority.issue("127.0.0.1", days=-1))):
            with self.subTest(name):
                self.expect([f"https://127.0.0.1:{self.serve(identity)}"], (502, "tls_failed"),
                            tls=ca)

    def test_no_tls_at_all(self):
        def script(connection):
            connection.socket.recv(1)
            connection.send(peers.HELLO)

        target = self.play(script).replace("http:", "https:")
        self.expect([target], (502, "tls_failed"))

    def test_a_handshake_that_stalls(self):
        port = self.enterContext(peers.Backend(on_connection=peers.Connection.wait_for_close)).port
        self.expect([f"https://127.0.0.1:{port}"], (504, "tls_timeout"),
                    timeout='{ connect = "500ms" }')


class Http2Upstream(Faults):
    """An h2c service of hand-made frames: `answer(send, stream, count)` is called for each request,
    `count` counts them from 0."""

    def serve(self, answer):
        self.count, self.lock = 0, threading.Lock()

        def script(connection):
            sock, decoder = connection.socket, hpack.Decoder()
            exactly(sock, len(h2client.PREFACE))
            sock.sendall(SettingsFrame(0).serialize())

            def send(*frames):
                sock.sendall(b"".join(frame.serialize() for frame in frames))

            while (frame := read_frame(sock)) is not None:
                if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                    send(SettingsFrame(0, flags=["ACK"]))
                elif isinstance(frame, HeadersFrame):
                    decoder.decode(frame.data)
                    with self.lock:
                        count, self.count = self.count, self.count + 1
                    answer(send, frame.stream_id, count)

        backend = self.enterContext(peers.Backend(on_connection=script))
        return f"h2c://127.0.0.1:{backend.port}"

    def test_a_refused_stream_is_sent_again_whatever_it_is(self):
        for method, body in (("GET", ""), ("POST", "body")):
            def answer(send, stream, count):
                if count % 2 == 0:
                    send(RstStreamFrame(stream, error_code=h2client.REFUSED_STREAM))
                else:
                    send(*ok_frames(stream))

            self.expect([self.serve(answer)], (200, b"fine"), method, body)
            self.assertEqual(self.count, 4)

    def test_a_goaway_that_names_none_is_a_refusal(self):
        def answer(send, stream, count):
            if count % 2 == 0:
                send(GoAwayFrame(0, last_stream_id=0, error_code=h2client.NO_ERROR))
            else:
                send(*ok_frames(stream))

        self.expect([self.serve(answer)], (200, b"fine"), "POST", "body")
        self.assertEqual(self.count, 4)

    def test_a_reset_stream_may_have_been_processed(self):
        def answer(send, stream, count):
            send(RstStreamFrame(stream, error_code=h2client.CANCEL))

        target = self.serve(answer)
        self.expect([target], (502, "upstream_reset"), "POST", "body")
        self.assertEqual(self.count, 2)
        self.expect([target], (502, "upstream_reset"))
        self.assertEqual(self.count, 2 + 4)

    def test_a_reset_in_the_answer_is_an_abort(self):
        def answer(send, stream, count):
            head, _ = ok_frames(stream)
            send(head, DataFrame(stream, b"hal"),
                 RstStreamFrame(stream, error_code=h2client.CANCEL))

        self.expect([self.serve(answer)], ABORTED)


class BodiesBehindNone(ProxyTest):
    """Some services send the body of an answer to HEAD all the same (gunicorn does): coming late,
    it would be the answer to whoever is next on the connection."""

    POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned"

    def check(self, method, head):
        def play(connection):
            connection.read_request()
            if connection.index == 0:
                connection.send(head % len(self.POISON))
                if connection.read_request() is None:
                    return
                connection.send(self.POISON)
            connection.send(CANNED)

        self.start(on_connection=play)
        with self.server.client() as client:
            client.request(self.head(method))
            self.assertEqual(client.request(self.head()).body, b"ok")

    def test_head(self):
        self.check("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n")

    def test_no_content(self):
        self.check("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: %d\r\n\r\n")

    def test_not_modified(self):
        self.check("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: %d\r\n\r\n")


def exactly(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            return None
        data += piece
    return data


def read_frame(sock):
    head = exactly(sock, 9)
    if head is None:
        return None
    frame, length = Frame.parse_frame_header(memoryview(head))
    frame.parse_body(memoryview(exactly(sock, length) if length else b""))
    return frame


def ok_frames(stream):
    # Without a table that connections would have to share: literals only.
    head = HeadersFrame(stream, data=h2client.literals([(b":status", b"200")]),
                        flags=["END_HEADERS"])
    return head, DataFrame(stream, b"fine", flags=["END_STREAM"])


if __name__ == "__main__":
    unittest.main()
