"""Waits until a Millrace process serves, then prints its URLs and curl lines to try.

    announce.py PID ROOT urls|curl

Beside the process rather than inside its output, so that its log goes to the terminal untouched.
The listening sockets are read from /proc; the one that answers /readyz with 200 is the admin
address, and then every public listener is bound too.
"""

import os
import re
import socket
import sys
import threading
import time
import urllib.error
import urllib.request

START_TIMEOUT_S = 30.0
POLL_INTERVAL_S = 0.05
PROBE_TIMEOUT_S = 2.0
DEFAULT_ADMIN_PORT = 9901
TCP_LISTEN = "0A"
# Public, permanent and tiny; /v1/fetch refuses private addresses, so nothing local would do.
PUBLIC_PAGE = "http://example.com/"


def socket_inodes(pid):
    """The inodes of the process's sockets; empty when it is gone."""
    inodes = set()
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            match = re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
            if match:
                inodes.add(match[1])
    except OSError:
        pass  # a descriptor closed between listdir and readlink: the next poll sees the rest
    return inodes


def parse_address(text):
    """'0100007F:1F90' -> ('127.0.0.1', 8080); the kernel prints 32-bit words in host order."""
    host, port = text.split(":")
    words = [bytes.fromhex(host[i : i + 8]) for i in range(0, len(host), 8)]
    raw = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    family = socket.AF_INET if len(raw) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, raw), int(port, 16)


def listeners(pid):
    """The TCP addresses the process listens on, the usual admin port first."""
    inodes = socket_inodes(pid)
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{pid}/net/{table}", encoding="ascii") as file:
                rows = [line.split() for line in file.readlines()[1:]]
        except OSError:
            continue
        found |= {parse_address(r[1]) for r in rows if r[3] == TCP_LISTEN and r[9] in inodes}
    return sorted(found, key=lambda address: (address[1] != DEFAULT_ADMIN_PORT, address[1]))


def url_of(address):
    """A URL that reaches the address from this machine."""
    host, port = address
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def answers(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=PROBE_TIMEOUT_S) as response:
            return response.status == 200
    except (OSError, urllib.error.URLError):
        return False


def is_millrace(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "millrace"
    except OSError:
        return False


def wait_until_serving(pid):
    """(public URLs, admin URL), or None when the process ended or took too long."""
    give_up_at = time.monotonic() + START_TIMEOUT_S
    started = False
    while time.monotonic() < give_up_at:
        if is_millrace(pid):
            started = True
            addresses = listeners(pid)
            admin = next((a for a in addresses if answers(url_of(a) + "/readyz")), None)
            if admin:
                public = [url_of(a) for a in listeners(pid) if a != admin]
                return public, url_of(admin)
        elif started or not os.path.exists(f"/proc/{pid}"):
            return None
        time.sleep(POLL_INTERVAL_S)
    return None


def photo(root):
    """A large photograph where the machine has one, else the tree's own."""
    backgrounds = "/usr/share/backgrounds/mate/nature"
    candidates = [os.path.join(backgrounds, name) for name in ("Dune.jpg", "Garden.jpg")]
    own = os.path.join(root, "tests/support/images/raccoon.jpg")
    return next((path for path in candidates if os.path.exists(path)), own)


class InternetCheck(threading.Thread):
    """Tries PUBLIC_PAGE's host while the server starts: a lookup has no deadline of its own."""

    def __init__(self):
        super().__init__(daemon=True)
        self._reached = False
        self.start()

    def run(self):
        try:
            host = PUBLIC_PAGE.split("/")[2]
            socket.create_connection((host, 80), timeout=PROBE_TIMEOUT_S).close()
            self._reached = True
        except OSError:
            pass

    def reached(self):
        self.join(PROBE_TIMEOUT_S)
        return self._reached


def curl_lines(base, root, internet):
    readme = os.path.join(root, "README.md")
    lines = [
        f"curl --data-binary @{photo(root)} -o gray.jpg {base}/v1/image/grayscale",
        f"curl --data-binary @{readme} '{base}/v1/compute/wordcount?top=3'",
    ]
    if internet.reached():
        lines.append(f"curl '{base}/v1/fetch?url={PUBLIC_PAGE}'")
    else:
        lines.append(f"curl --data 'hello' {base}/echo")
    return lines


def main():
    pid, root, hints = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    internet = InternetCheck() if hints == "curl" else None
    served = wait_until_serving(pid)
    if not served or not served[0]:
        return
    public, admin = served
    text = ["", "Millrace serves at " + " and ".join(public)]
    text.append(f"  admin: {admin}/status {admin}/metrics")
    if internet:
        text.append("Try, in another terminal:")
        text += ["  " + line for line in curl_lines(public[0], root, internet)]
    text += ["Ctrl-C drains and stops.", ""]
    print("\n".join(text), flush=True)


main()
