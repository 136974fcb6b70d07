"""What all contenders of a scenario, or the backend behind them, serve and show: files and
certificates."""

import subprocess

HELLO = b"Hello, World!"
LARGE = bytes(range(256)) * 4096  # 1 MiB
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def prepare(directory, tls):
    """htdocs/plaintext and htdocs/large; with `tls` cert.pem, key.pem and both in one file, made
    anew."""
    (directory / "htdocs").mkdir()
    (directory / "htdocs" / "plaintext").write_bytes(HELLO)
    (directory / "htdocs" / "large").write_bytes(LARGE)
    if not tls:
        return
    key, certificate = directory / "key.pem", directory / "cert.pem"
    _openssl("req", "-x509", *NEW_KEY, "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key,
             "-out", certificate)
    (directory / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())


def prepare_service(directory):
    """authority.pem, and service.pem with service.key: signed by it, for the name localhost."""
    authority, authority_key = directory / "authority.pem", directory / "authority.key"
    request, extensions = directory / "service.csr", directory / "service.ext"
    _openssl("req", "-x509", *NEW_KEY, "-days", "2", "-subj", "/CN=Load test authority",
             "-keyout", authority_key, "-out", authority)
    _openssl("req", *NEW_KEY, "-subj", "/CN=localhost", "-keyout", directory / "service.key",
             "-out", request)
    extensions.write_text("basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost\n")
    _openssl("x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key,
             "-CAcreateserial", "-days", "2", "-extfile", extensions,
             "-out", directory / "service.pem")


def _openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
