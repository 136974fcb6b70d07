"""TLS for clients: who gets which certificate, who comes back without a handshake, who is let in,
and what changes while the server runs."""

import contextlib
import os
import select
import signal
import socket
import ssl
import stat
import subprocess
import threading
import time
import unittest

import harness
import peers
import pki

HELLO = '''
[[route]]
match = { path = "/hello" }
respond = { status = 200, body = "hello" }
'''


class Tls(harness.RawClient):
    """A TLS connection; what the handshake came to is in `socket`, a SSLSocket."""

    def __init__(self, port, context, name="origin.test", session=None):
        super().__init__("127.0.0.1", port)
        try:
            self.socket = context.wrap_socket(self.socket, server_hostname=name, session=session)
        except BaseException:
            self.socket.close()
            raise

    def get(self, path="/hello", host="origin.test"):
        return self.request(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")

    def send_while_receiving(self, data):
        """From one thread: a SSLSocket must not be read and written by two at once."""
        self.socket.setblocking(False)
        unsent = memoryview(data)
        deadline = time.monotonic() + harness.DEADLINE_S
        while unsent:
            try:
                unsent = unsent[self.socket.send(unsent[:65536]):]
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                select.select([self.socket], [self.socket], [], 1)
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self._receive_more()
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(unsent)} bytes not sent in time")
        self.socket.settimeout(harness.DEADLINE_S)

    def subject(self):
        return dict(pair for part in self.socket.getpeercert()["subject"] for pair in part)[
            "commonName"]


class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = cls.enterClassContext(pki.Authority())
        cls.origin = cls.authority.issue(subject="origin")

    def serve(self, certificates=None, keys="", threads=1, rest=HELLO):
        entries = ", ".join(c if isinstance(c, str) else c.entry()
                            for c in certificates or [self.origin])
        self.server = self.enterContext(harness.Millrace(
            f'[server]\nlisten = []\nthreads = {threads}\n[[server.tls]]\n'
            f'listen = ["127.0.0.1:0"]\ncertificates = [{entries}]\n{keys}\n'
            f'[log]\nlevel = "debug"\n{rest}'))
        self.port = self.server.port
        return self.server

    def context(self, check=True, version=None, authority=None):
        context = ssl.create_default_context(cafile=(authority or self.authority).certificate)
        if not check:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if version:
            context.minimum_version = context.maximum_version = version
        return context

    def connect(self, context=None, **options):
        return self.enterContext(Tls(self.port, context or self.context(), **options))

    def refused(self, context, **options):
        """Whether the handshake fails, or what follows it: TLS 1.3 refuses a client after its end."""
        try:
            with Tls(self.port, context, **options) as client:
                client.get()
        except (ssl.SSLError, ConnectionError, AssertionError):
            return True
        return False

    def curl(self, *arguments):
        return subprocess.run(
            ["curl", "-sS", "--max-time", "20", "--cacert", self.authority.certificate,
             "--resolve", f"origin.test:{self.port}:127.0.0.1", *arguments],
            capture_output=True, text=True, check=False)


class Handshakes(TlsTest):
    def test_names_choose_the_certificate(self):
        wild = self.authority.issue("*.wild.test", "wild")
        exact = self.authority.issue("exact.wild.test", "exact")
        self.serve([self.origin, wild, exact])
        for name, subject in (("origin.test", "origin"), ("a.wild.test", "wild"),
                              ("A.WILD.test", "wild"), ("exact.wild.test", "exact")):
            client = self.connect(name=name)
            self.assertEqual(client.subject(), subject)
            self.assertEqual(client.get(host=name).status, 200)
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(name="a.b.wild.test")
        unnamed = self.context()
        unnamed.check_hostname = False
        self.assertEqual(self.connect(unnamed, name=None).subject(), "origin")

    def test_ecdsa_and_rsa_side_by_side(self):
        self.serve([self.authority.issue(subject="ecdsa"),
                    self.authority.issue(subject="rsa", kind="2048")])
        self.assertEqual(self.connect().subject(), "ecdsa")
        only_rsa = self.context(version=ssl.TLSVersion.TLSv1_2)
        only_rsa.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
        self.assertEqual(self.connect(only_rsa).subject(), "rsa")
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername",
             "origin.test", "-tls1_3", "-sigalgs", "RSA-PSS+SHA256"],
            input="", capture_output=True, text=True, timeout=30, check=False)
        self.assertIn("subject=CN = rsa", done.stdout)

    def test_versions_and_ciphers(self):
        self.serve()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(self.connect(self.context(version=version)).get().body, b"hello")
        old = self.context(version=ssl.TLSVersion.TLSv1_1)
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        self.assertTrue(self.refused(old))
        for weak in ("ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA"):
            context = self.context(version=ssl.TLSVersion.TLSv1_2)
            context.set_ciphers(weak)
            self.assertTrue(self.refused(context), weak)

    def test_key_exchange_is_on_curves(self):
        # A finite field of 8192 bits costs tens of milliseconds, and every client could ask for it.
        self.serve()
        for group, accepted in (("X25519", True), ("P-256", True), ("P-384", True),
                                ("ffdhe2048", False), ("ffdhe8192", False)):
            done = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername",
                 "origin.test", "-tls1_3", "-groups", group],
                input="", capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual("Cipher is TLS_AES" in done.stdout, accepted, group)

    def test_alpn_is_strict_and_ours_to_choose(self):
        self.serve()
        for offered, chosen in ((["http/1.1", "h2"], "h2"), (["h2"], "h2"),
                                (["spdy/1", "http/1.1"], "http/1.1"), ([], None)):
            context = self.context()
            if offered:
                context.set_alpn_protocols(offered)
            self.assertEqual(self.connect(context).socket.selected_alpn_protocol(), chosen)
        context = self.context()
        context.set_alpn_protocols(["ftp"])
        with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
            self.connect(context)

    def test_without_http2_it_is_not_offered(self):
        self.serve(keys="http2 = false")
        context = self.context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        client = self.connect(context)
        self.assertEqual(client.socket.selected_alpn_protocol(), "http/1.1")
        self.assertEqual(client.get().body, b"hello")

    def test_curl_speaks_both_versions(self):
        self.serve()
        for option, version in (("--http1.1", "1.1"), ("--http2", "2")):
            done = self.curl(option, "-w", " %{http_version}",
                             f"https://origin.test:{self.port}/hello")
            self.assertEqual(done.stdout, f"hello {version}", done.stderr)

    def test_a_developer_may_ignore_the_name(self):
        self.serve()
        done = self.curl("-k", f"https://127.0.0.1:{self.port}/hello")
        self.assertEqual(done.stdout, "hello", done.stderr)

    def test_an_ocsp_answer_is_stapled(self):
        answer = self.authority.ocsp(self.origin)
        self.serve([self.origin.entry(answer)])
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-status",
             "-servername", "origin.test"],
            input="", capture_output=True, text=True, timeout=30, check=False)
        self.assertIn("OCSP Response Status: successful", done.stdout)
        self.assertIn("Cert Status: good", done.stdout)

    def test_secrets_are_logged_on_demand(self):
        with pki.Authority() as scratch:
            file = scratch.directory / "keys.log"
            self.serve(keys=f'key_log = "{file}"')
            self.connect().get()
            self.assertIn("CLIENT_TRAFFIC_SECRET_0 ", file.read_text())
            self.assertEqual(stat.S_IMODE(os.stat(file).st_mode), 0o600)
            self.assertTrue(any("key_log" in e["warning"]
                                for e in self.server.events("config_warning")))

    def test_a_large_body_comes_through_both_ways(self):
        self.serve(rest='[[route]]\nmatch = { path = "/*" }\nendpoint = "tools"\n')
        body = os.urandom(3_000_001)
        client = self.connect()
        client.send(f"POST /echo HTTP/1.1\r\nHost: origin.test\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n")
        client.send_while_receiving(body)
        self.assertTrue(client.receive_response().body == body)

    def test_a_slow_reader_gets_everything(self):
        self.serve(rest='[[route]]\nmatch = { path = "/*" }\nendpoint = "tools"\n')
        client = self.connect()
        client.send("GET /bytes?n=10000000 HTTP/1.1\r\nHost: origin.test\r\n\r\n")
        harness.wait_until(lambda: harness.unsent_bytes(self.port, client.socket) > 0,
                           what="our side being full")
        self.assertEqual(len(client.receive_response().body), 10_000_000)


class Sessions(TlsTest):
    def test_tickets_are_good_on_every_thread(self):
        self.serve(threads=2)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context(version=version)
            with Tls(self.port, context) as first:
                first.get()
                session = first.socket.session
                self.assertFalse(first.socket.session_reused)
            for _ in range(20):
                with Tls(self.port, context, session=session) as again:
                    again.get()
                    self.assertTrue(again.socket.session_reused)
                    session = again.socket.session

    def test_one_ticket_is_sent(self):
        self.serve()
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-tls1_3", "-msg",
             "-ign_eof"], input="GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.stdout.count("NewSessionTicket"), 1)


class Clients(TlsTest):
    def with_certificate(self, identity, version):
        context = self.context(version=version)
        if identity:
            context.load_cert_chain(identity.certificate, identity.key)
        return context

    def test_who_is_let_in(self):
        member = self.authority.issue("client.test", "Ann")
        with pki.Authority() as others:
            stranger = others.issue("client.test", "Eve")
            for auth, nobody, foreign in (("optional", True, False), ("required", False, False)):
                self.serve(keys=f'client_ca = "{self.authority.certificate}"\n'
                                f'client_auth = "{auth}"')
                for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                    with self.subTest(auth=auth, version=version):
                        for identity, let_in in ((member, True), (None, nobody),
                                                 (stranger, foreign)):
                            context = self.with_certificate(identity, version)
                            self.assertEqual(self.refused(context), not let_in)

    def test_the_upstream_learns_the_subject(self):
        member = self.authority.issue("client.test", "Ann, of test")
        spoof = "X-Forwarded-Client-Subject: CN=root\r\n"
        with peers.Backend() as backend:
            self.serve(keys=f'client_ca = "{self.authority.certificate}"\n'
                            'client_auth = "optional"',
                       rest=f'[upstream.api]\ntargets = ["{backend.url}"]\n'
                            '[[route]]\nmatch = { path = "/*" }\nupstream = "api"\n')
            for identity, expected in ((member, ["CN=Ann\\, of test"]), (None, [])):
                client = self.connect(self.with_certificate(identity, None))
                client.request(f"GET / HTTP/1.1\r\nHost: origin.test\r\n{spoof}\r\n")
                self.assertEqual(backend.requests[-1].all("x-forwarded-client-subject"), expected)
                self.assertEqual(backend.requests[-1].header("x-forwarded-proto"), "https")

    def test_combinations_that_make_no_sense_are_errors(self):
        for keys, message in (('client_auth = "required"', "needs client_ca"),
                              (f'client_ca = "{self.authority.certificate}"', "has no effect")):
            with pki.Authority() as scratch:
                file = scratch.directory / "millrace.toml"
                file.write_text('[[server.tls]]\nlisten = ["127.0.0.1:0"]\n'
                                f'certificates = [{self.origin.entry()}]\n{keys}\n')
                done = harness.run("check", "-c", file)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)


class Misdirected(TlsTest):
    def test_other_hosts_are_sent_away_unless_the_certificate_has_them(self):
        both = self.authority.issue("origin.test,*.origin.test,127.0.0.1", "both")
        other = self.authority.issue("other.test", "other")
        self.serve([both, other])
        client = self.connect(name="origin.test")
        for host, status in (("origin.test", 200), ("ORIGIN.test:443", 200),
                             ("www.origin.test", 200), ("other.test", 421), ("other.test", 421),
                             ("127.0.0.1", 200), ("127.0.0.2", 421), ("origin.test", 200),
                             ("a.b.origin.test", 421)):
            answer = client.get(host=host)
            self.assertEqual(answer.status, status, host)
        self.assertEqual(client.get(host="other.test").json()["code"], "misdirected")

    def test_whoever_asked_for_the_name_itself_is_served(self):
        self.serve()
        client = self.connect(self.context(check=False), name="elsewhere.test")
        self.assertEqual(client.get(host="elsewhere.test").status, 200)
        self.assertEqual(client.get(host="origin.test").status, 200)
        self.assertEqual(client.get(host="third.test").status, 421)

    def test_without_a_name_nobody_is_judged(self):
        self.serve()
        client = self.connect(self.context(check=False), name=None)
        self.assertEqual(client.get(host="anything.test").status, 200)

    def test_a_resumed_session_is_judged_too(self):
        self.serve()
        context = self.context()
        with Tls(self.port, context) as first:
            first.get()
            session = first.socket.session
        client = self.connect(context, session=session)
        self.assertEqual(client.get().status, 200)
        self.assertTrue(client.socket.session_reused)
        self.assertEqual(client.get(host="other.test").status, 421)


class Reload(TlsTest):
    def setUp(self):
        self.old = self.authority.issue(subject="old")
        self.new = self.authority.issue(subject="new")
        self.current = self.authority.issue(subject="first")
        self.current.replace_by(self.old)

    def subject(self):
        with Tls(self.port, self.context()) as client:
            return client.subject()

    def reload(self, event, count=1):
        self.server.signal(signal.SIGHUP)
        return harness.wait_until(
            lambda: self.server.events(event)[count - 1:], what=event)[-1]

    def test_a_signal_loads_them_anew(self):
        self.serve([self.current], threads=2)
        client = self.connect()
        self.assertEqual(client.subject(), "old")
        self.current.replace_by(self.new)
        self.assertEqual(self.subject(), "old")
        self.reload("reloaded")
        harness.wait_until(lambda: [self.subject() for _ in range(8)] == ["new"] * 8,
                           what="the new certificate on every thread")
        self.assertEqual(client.get().status, 200, "the old connection lives on")

    def test_changed_files_are_found(self):
        self.serve([self.current], 'reload_interval = "1s"')
        self.assertEqual(self.subject(), "old")
        self.current.replace_by(self.new)
        harness.wait_until(lambda: self.subject() == "new", what="the new certificate")
        self.assertEqual(len(self.server.events("certificates_reload_failed")), 0)

    def test_a_bad_file_keeps_the_old_ones(self):
        self.serve([self.current])
        self.current.key.write_bytes(self.new.key.read_bytes())
        event = self.reload("config_error")
        self.assertIn("is not the key of", event["error"])
        self.assertEqual(self.subject(), "old")
        self.current.certificate.write_text("nonsense")
        event = self.reload("config_error", 2)
        self.assertIn("holds no certificate", event["error"])
        self.assertEqual(self.subject(), "old")
        self.current.replace_by(self.new)
        self.reload("reloaded")
        harness.wait_until(lambda: self.subject() == "new", what="the new certificate")

    def test_nobody_notices_a_hundred_reloads(self):
        self.serve([self.current], threads=2)
        stop = threading.Event()
        failures, served = [], []

        def load():
            context = self.context()
            while not stop.is_set():
                try:
                    with Tls(self.port, context) as client:
                        for _ in range(5):
                            served.append(client.get().status)
                except Exception as error:  # pylint: disable=broad-except
                    failures.append(error)

        workers = [threading.Thread(target=load) for _ in range(4)]
        for worker in workers:
            worker.start()
        for index in range(100):
            self.current.replace_by(self.new if index % 2 == 0 else self.old)
            self.reload("reloaded", index + 1)
        stop.set()
        for worker in workers:
            worker.join()
        self.assertEqual(failures, [])
        self.assertGreater(len(served), 100)
        self.assertEqual(set(served), {200})


class Floods(TlsTest):
    def test_a_silent_client_is_sent_away(self):
        self.serve(keys='handshake_timeout = "200ms"')
        with socket.create_connection(("127.0.0.1", self.port)) as silent:
            silent.settimeout(harness.DEADLINE_S)
            self.assertEqual(silent.recv(1), b"")
        with socket.create_connection(("127.0.0.1", self.port)) as half:
            half.settimeout(harness.DEADLINE_S)
            half.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(half.recv(1), b"")
        failed = harness.wait_until(lambda: self.server.events("tls_handshake_failed")[1:],
                                    what="the second failure")
        self.assertEqual(failed[0]["cause"], "tls_timeout")

    def test_many_silent_clients_are_in_nobodys_way(self):
        self.serve()
        silent = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(300)]
        began = time.monotonic()
        self.assertEqual(self.connect().get().status, 200)
        self.assertLess(time.monotonic() - began, 9)  # handshakes may take 10
        for one in silent:
            one.close()

    def test_a_flood_of_handshakes_leaves_connections_alive(self):
        self.serve([self.authority.issue(subject="slow", kind="3072")])
        client = self.connect()
        client.get()
        flood = [subprocess.Popen(
            ["openssl", "s_time", "-connect", f"127.0.0.1:{self.port}", "-new", "-time", "3"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(8)]
        answered = 0
        while any(process.poll() is None for process in flood):
            self.assertEqual(client.get().status, 200)
            answered += 1
        self.assertGreater(answered, 10)  # handshakes take turns with what is served

    def test_plain_http_is_refused(self):
        self.serve()
        with socket.create_connection(("127.0.0.1", self.port)) as plain:
            plain.settimeout(harness.DEADLINE_S)
            plain.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(plain.recv(1), b"")
        failed = harness.wait_until(lambda: self.server.events("tls_handshake_failed"),
                                    what="the failure")
        self.assertEqual((failed[0]["cause"], failed[0]["error"]), ("tls_failed", "http request"))


class Check(TlsTest):
    def check(self, certificates):
        with pki.Authority() as scratch:
            file = scratch.directory / "millrace.toml"
            file.write_text('[[server.tls]]\nlisten = ["127.0.0.1:0"]\n'
                            f'certificates = [{", ".join(c.entry() for c in certificates)}]\n')
            return harness.run("check", "-c", file)

    def test_certificates_that_end_soon_are_told(self):
        done = self.check([self.authority.issue(days=10)])
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"millrace.toml:3:\d+: warning: .*expires on \S+, in \d+ days?")
        done = self.check([self.origin])
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_hidden_certificate_is_told(self):
        done = self.check([self.origin, self.authority.issue(subject="twin")])
        self.assertEqual(done.returncode, 0)
        self.assertIn("certificates[1]: is never used", done.stderr)

    def test_the_log_tells_at_the_start(self):
        server = self.serve([self.authority.issue(days=10)])
        events = server.events("config_warning")
        self.assertEqual(len(events), 1)
        self.assertIn("expires on", events[0]["warning"])


if __name__ == "__main__":
    unittest.main()
