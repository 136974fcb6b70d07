"""Resident memory of process trees."""

import contextlib
import pathlib
import resource
import threading
import time

from side_by_side import cpu

MIB = 1 << 20
SAMPLE_S = 0.1


def resident(pid):
    """Bytes of the process and its children."""
    return _resident_of(cpu.tree(pid))


def _resident_of(pids):
    total = 0
    for member in pids:
        with contextlib.suppress(OSError):
            pages = pathlib.Path(f"/proc/{member}/statm").read_text().split()[1]
            total += int(pages) * resource.getpagesize()
    return total


def settled(pid):
    """Resident memory once it has stopped moving, or after three seconds."""
    last = resident(pid)
    for _ in range(10):
        time.sleep(0.3)
        now = resident(pid)
        if abs(now - last) < 64 * 1024:
            return now
        last = now
    return last


class Peak(threading.Thread):
    """The peak of a server's resident memory above what it was; its processes are those of now."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self._pids = cpu.tree(pid)
        self._over = threading.Event()
        self._before = _resident_of(self._pids)
        self.growth = 0

    def run(self):
        while not self._over.wait(SAMPLE_S):
            self.growth = max(self.growth, _resident_of(self._pids) - self._before)

    def end(self):
        self._over.set()
        self.join()
