"""What the tests of [[egress]] share: a server with a forward proxy, and origins over TLS."""

import http.server
import ssl
import threading
import types
import unittest

import harness
import peers

LOCAL = '"127.0.0.0/8", "::1/128"'


def config(fetch="", egress="", networks=LOCAL, server=""):
    """One thread: connections to origins can be counted. Texts of keys for the tables."""
    return f'''
[server]
listen = ["127.0.0.1:0"]
threads = 1
{server}
[fetch]
allow_networks = [{networks}]
{fetch}
[[egress]]
listen = "127.0.0.1:0"
{egress}
'''


class EgressTest(unittest.TestCase):
    CONFIG = config()

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(harness.Millrace(cls.CONFIG))
        cls.proxy = "http://" + cls.server.egress[0]
        host, port = cls.server.egress[0].rsplit(":", 1)
        cls.door = types.SimpleNamespace(host=host, port=int(port), address=cls.server.egress[0])

    def client(self):
        return self.enterContext(harness.RawClient(self.door.host, self.door.port))

    def backend(self, answer=peers.HELLO, **options):
        if isinstance(answer, bytes):
            return self.enterContext(peers.Backend(lambda request: answer, **options))
        return self.enterContext(peers.Backend(answer, **options))

    def ask(self, target, *fields, method="GET", body=b""):
        """One request on a connection of its own. `fields` are lines; Host is one of them or
        the proxy's."""
        if not any(field.lower().startswith("host:") for field in fields):
            fields = (f"Host: {self.door.address}", *fields)
        client = self.client()
        client.send("\r\n".join([f"{method} {target} HTTP/1.1", *fields, "", ""]))
        client.send(body)
        return client.receive_response(method)

    def assert_problem(self, response, status, code):
        self.assertEqual((response.status, response.header("content-type")),
                         (status, "application/problem+json"), response.body)
        self.assertEqual(response.json()["code"], code)

    def access(self, **wanted):
        """The access line that has these, once it is there."""
        return harness.wait_until(
            lambda: next((line for line in self.server.events("access")
                          if wanted.items() <= line.items()), None), what=f"a line with {wanted}")


class TlsOrigin:
    """An HTTPS origin that echoes, and counts its connections. A context manager."""

    def __init__(self, identity):
        origin = self
        self.connections = 0
        self.requests = []  # (method, path, headers)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                origin.requests.append((self.command, self.path, self.headers))
                origin.answer(self, body or b"over TLS")

            do_POST = do_GET

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self):
                origin.connections += 1
                return super().get_request()

            def handle_error(self, *_):
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate, identity.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True,
                                                  do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self.authority = f"localhost:{self.port}"
        self.url = f"https://{self.authority}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @staticmethod
    def answer(handler, body):
        """Redirects are asked for by the path: /to?LOCATION."""
        if handler.path.startswith("/to?"):
            handler.send_response(302)
            handler.send_header("Location", handler.path[4:])
            body = b""
        else:
            handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
