"""Certificates for TLS tests, made by the openssl command: an authority and what it has signed."""

import pathlib
import shutil
import subprocess
import tempfile


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True,
                          timeout=60, **options).stdout


class Identity:
    """A certificate and its key, as files."""

    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key

    def entry(self, ocsp=None):
        """As an element of server.tls.certificates."""
        more = f', ocsp = "{ocsp}"' if ocsp else ""
        return f'{{ certificate = "{self.certificate}", key = "{self.key}"{more} }}'

    def replace_by(self, other):
        """As a renewal does: each file is put in its place whole."""
        for mine, theirs in ((self.certificate, other.certificate), (self.key, other.key)):
            fresh = pathlib.Path(f"{mine}.new")
            shutil.copy(theirs, fresh)
            fresh.rename(mine)


class Authority:
    """A context manager: its folder goes with it."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="millrace-pki-"))
        self._count = 0
        self._key = self._make_key("ca", "ec")
        self.certificate = self.directory / "ca.pem"
        openssl("req", "-x509", "-new", "-key", self._key, "-subj", "/CN=test authority",
                "-days", 30, "-out", self.certificate,
                "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)

    def _make_key(self, name, kind):
        path = self.directory / f"{name}.key"
        if kind == "ec":
            openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", path)
        else:
            openssl("genrsa", "-out", path, kind)
        return path

    def issue(self, names="origin.test", subject="leaf", kind="ec", days=90):
        """`names`: separated by commas; `kind`: "ec" or the bits of an RSA key."""
        self._count += 1
        name = f"leaf{self._count}"
        key = self._make_key(name, kind)
        certificate, request, extensions = (self.directory / f"{name}.{suffix}"
                                            for suffix in ("pem", "csr", "ext"))
        openssl("req", "-new", "-key", key, "-subj", f"/CN={subject}", "-out", request)
        kinds = ((("IP:" if part[0].isdigit() else "DNS:") + part) for part in names.split(","))
        extensions.write_text(f"subjectAltName={','.join(kinds)}\n")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key,
                "-set_serial", 4096 + self._count, "-days", days, "-extfile", extensions,
                "-out", certificate)
        return Identity(certificate, key)

    def ocsp(self, identity, days=7):
        """A file with the authority's word that the certificate is good."""
        serial = openssl("x509", "-in", identity.certificate, "-noout", "-serial").decode()
        index, asked, answer = (self.directory / f"ocsp.{suffix}"
                                for suffix in ("txt", "req", "der"))
        index.write_text(f"V\t21000101000000Z\t\t{serial.strip().split('=')[1]}\tunknown\t/CN=x\n")
        openssl("ocsp", "-issuer", self.certificate, "-cert", identity.certificate, "-no_nonce",
                "-reqout", asked)
        openssl("ocsp", "-index", index, "-rsigner", self.certificate, "-rkey", self._key,
                "-CA", self.certificate, "-reqin", asked, "-ndays", days, "-respout", answer)
        return answer
