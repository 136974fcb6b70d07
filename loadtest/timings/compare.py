"""The phases of `timing_us` beside the server's own clock. Started by ./run."""

import argparse
import json
import pathlib
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import heavy
import harness
from side_by_side import material

PAUSE_S = 0.1
TOLERANCE = 0.05
BODY = b"x" * 1000


class Origin:
    """Answers one request per connection, slowly; notes how long each phase took here."""

    def __init__(self, directory):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{self.listener.getsockname()[1]}/"
        self.seen = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            plain, _ = self.listener.accept()
            accepted = time.monotonic()
            time.sleep(PAUSE_S)
            with self.context.wrap_socket(plain, server_side=True) as connection:
                ready = time.monotonic()
                while b"\r\n\r\n" not in connection.recv(65536):
                    pass
                asked = time.monotonic()
                time.sleep(PAUSE_S)
                connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                                   % (2 * len(BODY)) + BODY)
                began = time.monotonic()
                time.sleep(PAUSE_S)
                connection.sendall(BODY)
                ended = time.monotonic()
            self.seen.append({"tls": ready - accepted, "wait": began - asked, "receive": ended - began,
                              "total": ended - accepted})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fetches", type=int, default=50)
    fetches = parser.parse_args().fetches
    directory = pathlib.Path(tempfile.mkdtemp(prefix="millrace-timings-"))
    material.prepare(directory, True)
    origin = Origin(directory)
    done = subprocess.run([harness.BINARY, "fetch", "--quiet", "--parallel", "1", "--cacert",
                           directory / "cert.pem"], input=f"{origin.url}\n" * fetches, check=True,
                          capture_output=True, text=True, timeout=300)
    ours = [json.loads(line)["timing_us"] for line in done.stdout.splitlines()]
    harness.wait_until(lambda: len(origin.seen) == fetches, what="the last note")
    rows, good = [], True
    for phase in ("tls", "wait", "receive", "total"):
        # What waited for its turn, and what came before the connection, the server cannot know.
        mine = statistics.median(
            t[phase] - (t["queue"] + t["dns"] + t["connect"] if phase == "total" else 0)
            for t in ours) / 1e6
        theirs = statistics.median(seen[phase] for seen in origin.seen)
        good = good and abs(mine / theirs - 1) <= TOLERANCE
        rows.append([phase, f"{mine * 1000:.2f}", f"{theirs * 1000:.2f}", f"{mine / theirs:.3f}"])
    heavy.table("Phases by both clocks", f"HTTP/1.1 over TLS; medians of {fetches} fetches.",
                ["phase", "timing_us, ms", "the server's clock, ms", "ratio"], rows)
    sums = all(sum(v for k, v in t.items() if k != "total") == t["total"] for t in ours)
    print(f"\nPhases sum to the total exactly in all {len(ours)}: {'yes' if sums else 'no'}.")
    sys.exit(0 if good and sums else 1)


if __name__ == "__main__":
    main()
