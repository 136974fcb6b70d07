"""PROXY headers in front of HTTP and TLS: who is believed, what the backend and the log see of the
client, and what becomes of connections whose header is missing, late or wrong."""

import os
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import unittest

import harness
import peers

CLIENT = "192.0.2.7"
LINE = f"PROXY TCP4 {CLIENT} 198.51.100.1 56324 443\r\n".encode()
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
GET = b"GET /path HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"


def block(command=1, kind=0x11, tail=b""):
    ends = socket.inet_aton(CLIENT) + socket.inet_aton("198.51.100.1") + struct.pack(">HH", 56324, 443)
    content = ends + tail
    return SIGNATURE + bytes([0x20 | command, kind]) + struct.pack(">H", len(content)) + content


BLOCK = block()


class ProxyProtocolTest(unittest.TestCase):
    def start(self, mode, trusted='["127.0.0.0/8"]', server_keys="", more=""):
        self.backend = self.enterContext(peers.Backend())
        self.server = self.enterContext(harness.Millrace(f'''
            [server]
            listen = ["127.0.0.1:0"]
            trusted_proxies = {trusted}
            proxy_protocol = "{mode}"
            {server_keys}
            {more}
            [upstream.backend]
            targets = ["{self.backend.url}"]
            [[route]]
            match = {{ path = "/*" }}
            upstream = "backend"
            '''))

    def forwarded_for(self, connection_bytes):
        """X-Forwarded-For at the backend, after one request behind these bytes."""
        with self.server.client() as client:
            client.send(connection_bytes)
            response = client.request(GET)
        self.assertEqual((response.status, response.body), (200, b"hello"))
        return self.backend.requests[-1].all("x-forwarded-for")

    def logged_clients(self):
        return [line["client"] for line in self.server.events() if "client" in line]

    def assert_closed_unanswered(self, connection_bytes):
        before = len(self.backend.requests)
        with self.server.client() as client:
            client.send(connection_bytes)
            self.assertTrue(client.is_closed())
        self.assertEqual(len(self.backend.requests), before)

    def wait_for_reason(self, reason):
        harness.wait_until(
            lambda: any(line["reason"] == reason and line["peer"].startswith("127.0.0.1:")
                        for line in self.server.events("proxy_header_refused")), what=reason)


class Believed(ProxyProtocolTest):
    def test_backend_and_log_see_the_client_of_the_header(self):
        for mode in ("optional", "required"):
            with self.subTest(mode):
                self.start(mode)
                # The client of the header is no trusted proxy: what it said of itself is gone.
                self.assertEqual(self.forwarded_for(LINE), [CLIENT])
                self.assertEqual(self.forwarded_for(BLOCK), [CLIENT])
                harness.wait_until(lambda: self.logged_clients() == [CLIENT, CLIENT],
                                   what="two access lines")

    def test_a_trusted_client_of_the_header_is_believed_in_turn(self):
        self.start("required", trusted='["127.0.0.0/8", "192.0.2.0/24"]')
        self.assertEqual(self.forwarded_for(LINE), [f"203.0.113.9, {CLIENT}"])

    def test_health_checks_keep_the_address_of_the_connection(self):
        self.start("required")
        for header in (b"PROXY UNKNOWN\r\n", block(command=0), SIGNATURE + b"\x20\0\0\0"):
            self.assertEqual(self.forwarded_for(header), ["203.0.113.9, 127.0.0.1"])

    def test_every_request_of_the_connection_has_its_client(self):
        self.start("required")
        with self.server.client() as client:
            client.send(BLOCK + GET + GET)
            for _ in range(2):
                self.assertEqual(client.receive_response().status, 200)
            self.assertEqual(client.request(GET).status, 200)
        for received in self.backend.requests:
            self.assertEqual(received.all("x-forwarded-for"), [CLIENT])

    def test_split_anywhere(self):
        self.start("required")
        long_block = block(tail=b"\x04" + struct.pack(">H", 3000) + b"p" * 3000)
        for header in (LINE, BLOCK):
            with self.server.client() as client:
                client.send_bytewise(header + GET)
                self.assertEqual(client.receive_response().status, 200)
            self.assertEqual(self.backend.requests[-1].all("x-forwarded-for"), [CLIENT])
        for header in (LINE, BLOCK, long_block):
            for cut in (1, 13, len(header) - 1):
                with self.server.client() as client:
                    client.send(header[:cut])
                    # The server has nothing to say yet; what it does with half a header it does now.
                    client.socket.settimeout(0.02)
                    with self.assertRaises(TimeoutError):
                        client.socket.recv(1)
                    client.socket.settimeout(harness.DEADLINE_S)
                    client.send(header[cut:] + GET)
                    self.assertEqual(client.receive_response().status, 200)


class Refused(ProxyProtocolTest):
    def test_optional_takes_connections_without_a_header(self):
        self.start("optional")
        self.assertEqual(self.forwarded_for(b""), ["203.0.113.9, 127.0.0.1"])

    def test_a_header_that_nobody_asked_for_is_a_bad_request(self):
        for mode, trusted in (("off", '["127.0.0.0/8"]'), ("optional", '["10.0.0.0/8"]')):
            for header in (LINE, BLOCK):
                with self.subTest(mode=mode, header=header):
                    self.start(mode, trusted)
                    with self.server.client() as client:
                        client.send(header + GET)
                        self.assertEqual(client.receive_response().status, 400)
                        self.assertTrue(client.is_closed())
                    self.assertEqual(self.backend.received_bytes, b"")

    def test_required_closes_everybody_else(self):
        self.start("required", trusted='["10.0.0.0/8"]')
        for header in (LINE, BLOCK, b""):
            self.assert_closed_unanswered(header + GET)
        self.wait_for_reason("the peer is not in server.trusted_proxies")

    def test_required_closes_what_has_no_header(self):
        self.start("required")
        self.assert_closed_unanswered(GET)
        self.wait_for_reason("there is none")

    def test_malformed_headers_are_closed(self):
        for mode in ("optional", "required"):
            self.start(mode)
            for header in (b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
                           b"PROXY TCP4 192.0.2.07 198.51.100.1 56324 443\r\n",
                           b"PROXY " + b"x" * 200, block(command=2), block(kind=0x51),
                           SIGNATURE + b"\x21\x11\0\x0b" + b"x" * 11, block(tail=b"\x04\0\x09")):
                with self.subTest(mode=mode, header=header):
                    self.assert_closed_unanswered(header + GET)
            self.wait_for_reason("malformed")

    def test_late_headers_are_closed(self):
        self.start("required", server_keys='head_timeout = "500ms"')
        for begun in (b"", LINE[:20], BLOCK[:20]):
            began = time.monotonic()
            self.assert_closed_unanswered(begun)
            self.assertLess(time.monotonic() - began, 8)  # 500 ms is set, 10 s is the default
        self.wait_for_reason("not complete within server.head_timeout")

    def test_clients_that_leave_early_cost_nothing(self):
        self.start("required")
        for begun in (b"", b"P", LINE[:20], BLOCK[:14]):
            with self.server.client() as client:
                client.send(begun)
                client.finish_sending()
                self.assertTrue(client.is_closed())
        self.assertEqual(self.server.events("proxy_header_refused"), [])
        self.assertEqual(self.forwarded_for(LINE), [CLIENT])


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
class InFrontOfTls(ProxyProtocolTest):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.certificate = os.path.join(directory.name, "cert.pem")
        cls.key = os.path.join(directory.name, "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", cls.key, "-out", cls.certificate, "-days", "2", "-subj",
             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
            check=True, capture_output=True)

    def answer_behind(self, header):
        context = ssl.create_default_context(cafile=self.certificate)
        host, port = self.server.listen[1].rsplit(":", 1)
        plain = socket.create_connection((host, int(port)), harness.DEADLINE_S)
        plain.sendall(header)
        with context.wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(GET.replace(b"Host: a", b"Host: localhost\r\nConnection: close"))
            data = b""
            while piece := client.recv(65536):
                data += piece
        return data

    def test_the_header_comes_before_the_handshake(self):
        for mode in ("optional", "required"):
            self.start(mode, more=f'''
                [[server.tls]]
                listen = ["127.0.0.1:0"]
                certificates = [{{ certificate = "{self.certificate}", key = "{self.key}" }}]
                ''')
            for header in (LINE, BLOCK):
                with self.subTest(mode=mode, header=header):
                    self.assertTrue(self.answer_behind(header).startswith(b"HTTP/1.1 200"))
                    received = self.backend.requests[-1]
                    self.assertEqual(received.all("x-forwarded-for"), [CLIENT])
                    self.assertEqual(received.all("x-forwarded-proto"), ["https"])
        with self.assertRaises(OSError):
            self.answer_behind(b"")


if __name__ == "__main__":
    unittest.main()
