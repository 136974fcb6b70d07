"""The command line: what a user types, what comes back, and with which exit code (0 fine,
1 failure, 2 usage or configuration error)."""

import json
import os
import pathlib
import signal
import socket
import tempfile
import unittest

import harness
import peers


class Usage(unittest.TestCase):
    def test_version_names_the_program_and_a_version(self):
        result = harness.run("--version")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"^millrace \d+\.\d+\.\d+")
        self.assertEqual(result.stderr, "")

    def test_help_lists_the_commands(self):
        result = harness.run("--help")
        self.assertEqual(result.returncode, 0, result.stderr)
        for command in ("serve", "proxy", "check", "fetch", "status", "reload", "drain", "restart"):
            self.assertIn(command, result.stdout)

    def test_each_command_has_help(self):
        for command in ("serve", "proxy", "check", "fetch", "status", "reload", "drain", "restart"):
            with self.subTest(command):
                result = harness.run(command, "--help")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn("--", result.stdout)

    def test_unknown_command_is_a_usage_error(self):
        self.assert_usage_error("frobnicate", named="frobnicate")

    def test_unknown_option_is_a_usage_error(self):
        self.assert_usage_error("serve", "--frobnicate", named="--frobnicate")

    def test_proxy_without_target_is_a_usage_error(self):
        self.assert_usage_error("proxy", named="--to")

    def test_proxy_to_something_that_is_no_url_is_a_usage_error(self):
        self.assert_usage_error("proxy", "--to", "not a url", named="not a url")

    def test_set_of_an_unknown_key_is_a_usage_error(self):
        with tempfile.TemporaryDirectory() as directory:
            self.assert_usage_error("check", "--set", "server.thraeds=2", named="thraeds",
                                    cwd=directory)

    def assert_usage_error(self, *arguments, named, **options):
        result = harness.run(*arguments, **options)
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        self.assertIn(named, result.stderr)
        self.assertEqual(result.stdout, "")


class Check(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.file = pathlib.Path(directory.name, "millrace.toml")

    def check(self, text, *arguments):
        self.file.write_text(text)
        return harness.run("check", "-c", self.file, *arguments)

    def test_good_configuration(self):
        result = self.check('[server]\nlisten = ["127.0.0.1:0"]\n')
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_unknown_key_is_placed_and_a_suggestion_made(self):
        result = self.check('[server]\nlistne = ["127.0.0.1:0"]\n')
        self.assertEqual(result.returncode, 2)
        self.assertIn(f"{self.file}:2:1", result.stderr)
        self.assertIn("did you mean", result.stderr)
        self.assertIn("listen", result.stderr)

    def test_wrong_type_is_placed(self):
        result = self.check('[server]\nthreads = "many"\n')
        self.assertEqual(result.returncode, 2)
        self.assertIn(f"{self.file}:2:", result.stderr)

    def test_syntax_error_is_placed(self):
        result = self.check("[server\n")
        self.assertEqual(result.returncode, 2)
        self.assertIn(f"{self.file}:1:", result.stderr)

    def test_missing_file_is_named(self):
        result = harness.run("check", "-c", "/nonexistent/millrace.toml")
        self.assertEqual(result.returncode, 2)
        self.assertIn("/nonexistent/millrace.toml", result.stderr)

    def test_serve_refuses_what_check_refuses(self):
        self.file.write_text("[server]\nthreads = -1\n")
        result = harness.run("serve", "-c", self.file)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn(f"{self.file}:2:", result.stderr)

    def test_print_shows_the_effective_configuration(self):
        result = self.check("[server]\nthreads = 1\n", "--print", "--set", "server.threads=3")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"(?m)^threads = 3\b")
        self.assertRegex(result.stdout, r"(?m)^drain_timeout = ")

    def test_what_print_prints_can_be_read_back(self):
        printed = self.check("[server]\nthreads = 1\n", "--print")
        again = self.check(printed.stdout, "--print")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(again.stdout, printed.stdout)

    def test_example_configurations_are_good(self):
        examples = sorted((harness.ROOT / "conf").glob("*.toml"))
        self.assertTrue(examples)
        pki = harness.ROOT / "tests" / "config" / "pki"
        environment = dict(os.environ, CERTIFICATE=str(pki / "ecdsa.pem"),
                           CERTIFICATE_KEY=str(pki / "ecdsa.key"),
                           CERTIFICATE_AUTHORITY=str(pki / "rsa.pem"))
        for example in examples:
            with self.subTest(example.name):
                result = harness.run("check", "-c", example, env=environment)
                self.assertEqual(result.returncode, 0, result.stderr)


class Serve(unittest.TestCase):
    def test_ready_line_gives_the_bound_addresses(self):
        with harness.Millrace() as server:
            self.assertEqual(len(server.events("ready")), 1)
            self.assertEqual(len(server.listen), 1)
            self.assertNotEqual(server.port, 0)
            with socket.create_connection((server.host, server.port), harness.DEADLINE_S):
                pass
            self.assertEqual(harness.get(server.admin + "/readyz").status, 200)

    def test_status_gives_the_bound_addresses_too(self):
        with harness.Millrace() as server:
            response = harness.get(server.admin + "/status")
            self.assertEqual(response.status, 200)
            self.assertIn(server.address, json.dumps(response.json()))

    def test_two_listeners_are_both_bound(self):
        config = '[server]\nlisten = ["127.0.0.1:0", "127.0.0.1:0"]\n'
        with harness.Millrace(config) as server:
            self.assertEqual(len(set(server.listen)), 2)
            for address in server.listen:
                self.assertLess(harness.get(f"http://{address}/").status, 500)

    def test_log_is_json_when_it_is_not_a_terminal(self):
        with harness.Millrace() as server:
            harness.get(server.url + "/no-such-thing")
            self.assertEqual(server.terminate(), 0, server.tail())
            self.assertEqual(len(server.events()), len(server.log), server.tail())

    def test_sigterm_and_sigint_end_it_with_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name), harness.Millrace() as server:
                server.signal(number)
                self.assertEqual(server.wait(), 0, server.tail())
                with self.assertRaises(ConnectionRefusedError):
                    socket.create_connection((server.host, server.port))

    def test_busy_port_is_one_clear_line_and_exit_1(self):
        with harness.Millrace() as first:
            result = self.serve_on(first.address)
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn(first.address, result.stderr)
            self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
            # The first one did not lose its traffic to the second.
            self.assertLess(harness.get(first.url + "/").status, 500)

    def test_busy_port_of_another_program_is_exit_1(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            host, port = other.getsockname()
            result = self.serve_on(f"{host}:{port}")
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn(str(port), result.stderr)

    def test_busy_admin_port_is_exit_1(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            result = self.serve_on("127.0.0.1:0", admin=f"127.0.0.1:{port}")
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn(str(port), result.stderr)

    def serve_on(self, address, admin="127.0.0.1:0"):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(f'[server]\nlisten = ["{address}"]\n[admin]\nlisten = "{admin}"\n')
            file.flush()
            return harness.run("serve", "-c", file.name)

    def test_without_a_file_the_defaults_are_served(self):
        # No ./millrace.toml here; the ports are set because the default ones may be in use.
        arguments = ["serve", "--set", 'server.listen=["127.0.0.1:0"]',
                     "--set", 'admin.listen="127.0.0.1:0"']
        with tempfile.TemporaryDirectory() as directory:
            command = ["/usr/bin/env", "-C", directory, harness.BINARY, *arguments]
            with harness.Process(command, "millrace") as server:
                line = harness.wait_until(
                    lambda: next((x for x in server.log if '"ready"' in x), None), what="ready")
                address = json.loads(line)["listen"][0]
                self.assertEqual(harness.post(f"http://{address}/echo", b"hello").body, b"hello")
                self.assertEqual(server.terminate(), 0, server.tail())

    def test_file_in_the_working_directory_is_found(self):
        with tempfile.TemporaryDirectory() as directory:
            pathlib.Path(directory, "millrace.toml").write_text("[server]\nthreads = -7\n")
            result = harness.run("serve", cwd=directory)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn("millrace.toml:2:", result.stderr)

    def test_environment_is_substituted(self):
        config = '[server]\nlisten = ["127.0.0.1:${PORT_OF_TEST:-0}"]\n'
        with harness.Millrace(config) as server:
            self.assertNotEqual(server.port, 0)
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = str(other.getsockname()[1])
            with self.assertRaises(AssertionError):
                harness.Millrace(config, env={**os.environ, "PORT_OF_TEST": port})


class Proxy(unittest.TestCase):
    def test_proxy_needs_no_file(self):
        with peers.Backend() as backend:
            command = ["proxy", "--to", backend.url, "--listen", "127.0.0.1:0"]
            with harness.Millrace(command=command) as server:
                response = harness.get(server.url + "/some/path?q=1")
                self.assertEqual((response.status, response.body), (200, b"hello"))
                self.assertEqual(backend.requests[0].target, "/some/path?q=1")
                self.assertEqual(server.terminate(), 0, server.tail())


if __name__ == "__main__":
    unittest.main()
