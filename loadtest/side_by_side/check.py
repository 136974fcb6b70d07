"""Every contender's answer is looked at before it is measured: one that answers something else
would win for nothing."""

import socket
import ssl
import subprocess

from side_by_side.programs import Failed

TIMEOUT_S = 5
CURL = ("curl", "--silent", "--show-error", "--insecure", "--noproxy", "*", "--max-time",
        str(TIMEOUT_S))


def _version_option(scenario):
    if scenario.version == "1.1":
        return "--http1.1"
    return "--http2" if scenario.scheme == "https" else "--http2-prior-knowledge"


def _body_options(scenario):
    if not scenario.upload:
        return ()
    return ("--data-binary", "@-", "--header", "Expect:",
            "--header", "Content-Type: application/octet-stream")


def shortened(body):
    return f"{body!r}" if len(body) < 200 else f"{body[:100]!r}... ({len(body):,} bytes)"


def check_answer(server, scenario):
    command = [*CURL, _version_option(scenario), *_body_options(scenario), "--write-out",
               "\n%{http_code} %{http_version}", server.url + scenario.path]
    result = subprocess.run(command, input=bytes(scenario.upload), capture_output=True,
                            timeout=2 * TIMEOUT_S, check=False)
    if result.returncode != 0:
        raise Failed(f"{server.name} does not answer {scenario.path}: {result.stderr.decode()}")
    body, _, facts = result.stdout.rpartition(b"\n")
    if body != scenario.body:
        raise Failed(f"{server.name} answers {shortened(body)} instead of "
                     f"{shortened(scenario.body)}")
    if facts.decode() != f"200 {scenario.version}":
        raise Failed(f"{server.name} answers with {facts.decode()}, not 200 {scenario.version}")
    if scenario.scheme == "https" and (version := tls_version(server.port)) != "TLSv1.3":
        raise Failed(f"{server.name} speaks {version}, not TLSv1.3")


def tls_version(port):
    """What a server and Debian's OpenSSL agree on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
        with context.wrap_socket(connection, server_hostname="localhost") as tls:
            return tls.version()
