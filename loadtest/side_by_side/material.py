"""What all contenders of a scenario serve and show: a file of 13 bytes and one certificate."""

import subprocess

HELLO = b"Hello, World!"


def prepare(directory, tls):
    """htdocs/plaintext; with `tls` cert.pem, key.pem and both in one file, made anew."""
    (directory / "htdocs").mkdir()
    (directory / "htdocs" / "plaintext").write_bytes(HELLO)
    if not tls:
        return
    key, certificate = directory / "key.pem", directory / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key,
                    "-out", certificate], check=True, capture_output=True)
    (directory / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
