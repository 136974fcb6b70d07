"""How long after uvicorn is ready the first answer comes through `millrace run`. Started by ./run."""

import argparse
import os
import pathlib
import signal
import socket
import sys
import tempfile
import threading
import time

import heavy
import harness

FOLDER = pathlib.Path(__file__).resolve().parent
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
POLL_S = 0.002
PROMISE_S = 1.0
UVICORN = ["uvicorn", "app:app", "--uds", "{socket}", "--log-level", "error", "--no-access-log"]


class Watch:
    """Asks at a unix socket every 2 ms, on a thread of its own, until it answers with 200."""

    def __init__(self, path):
        self.path = str(path)
        self.answered_at = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._over.is_set():
            try:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.settimeout(harness.DEADLINE_S)
                    probe.connect(self.path)
                    probe.sendall(REQUEST)
                    if probe.recv(4096).startswith(b"HTTP/1.1 200 "):
                        self.answered_at = time.monotonic()
                        return
            except OSError:
                pass  # it is not there yet
            time.sleep(POLL_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def wait(self):
        harness.wait_until(lambda: self.answered_at, what="uvicorn's own answer")
        return self.answered_at


def socket_of(pid):
    """The path that an instance was told; before its exec the command line is still Millrace's."""

    def told():
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        path = words[words.index("--uds") + 1] if "--uds" in words else ""
        return path.startswith("/") and path

    return harness.wait_until(told, what="uvicorn's command line")


def alone():
    """Seconds from the start of uvicorn by itself to its answer."""
    with tempfile.TemporaryDirectory(prefix="millrace-load-") as folder:
        path = f"{folder}/socket"
        begun = time.monotonic()
        command = [word.format(socket=path) for word in UVICORN]
        with Watch(path) as watch, harness.Process(command, "uvicorn", cwd=FOLDER) as process:
            answered = watch.wait()
            process.signal(signal.SIGTERM)
            process.wait()
        return answered - begun


def through_millrace():
    """(seconds from the start of millrace to the first answer through it, and of those, how many
    after uvicorn's own): a client asks as soon as Millrace listens, and waits."""
    begun = time.monotonic()
    with harness.Millrace(command=["run", "--listen", "127.0.0.1:0", "--set", "admin.listen=127.0.0.1:0",
                                   "--set", f"process.app.directory={FOLDER}", "--", *UVICORN]) as server:
        with server.client() as client:
            client.send(REQUEST)
            started = harness.wait_until(lambda: server.events("process_started"), what="uvicorn")
            with Watch(socket_of(started[0]["pid"])) as watch:
                response = client.receive_response()
                answered = time.monotonic()
                ready = watch.wait()
        if response.status != 200:
            sys.exit(f"loadtest/first_answer/run: status {response.status}\n{server.tail()}")
        server.terminate()
    return answered - begun, answered - ready


def milliseconds(seconds):
    return [f"{1000 * figure:.0f}" for figure in (heavy.median(seconds), max(seconds))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--import", type=float, default=0, dest="seconds", metavar="SECONDS",
                        help="that the application takes to be imported; requests wait 5 s at most")
    options = parser.parse_args()
    starts = options.starts
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "IMPORT_S": str(options.seconds)}
    own, whole, behind = [], [], []
    for _ in range(starts):  # in turns: the machine's moods are everybody's
        own.append(alone())
        total, after = through_millrace()
        whole.append(total)
        behind.append(after)
    heavy.table("The first answer", f"uvicorn on a unix socket, started {starts} times by itself and as often "
                f"by `millrace run`; its application takes {options.seconds:g} s to be imported. It is asked "
                f"at its own socket every {1000 * POLL_S:.0f} ms.",
                ["", "median, ms", "largest, ms"],
                [["uvicorn alone, from its start to its answer", *milliseconds(own)],
                 ["`millrace run`, from its start to the answer through it", *milliseconds(whole)],
                 ["of those: behind the answer of uvicorn's own socket", *milliseconds(behind)]])
    sys.exit(0 if max(behind) <= PROMISE_S else 1)


if __name__ == "__main__":
    main()
