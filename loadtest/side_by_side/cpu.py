"""Processor time of process trees, and which processor does what."""

import os

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields of /proc/PID/stat after the name (which may hold anything), or None."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def tree(pid):
    """The process and all its living descendants."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(entry)):
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found, queue = [], [pid]
    while queue:
        current = queue.pop()
        found.append(current)
        queue += parents.get(current, [])
    return found


def consumed(pid):
    """(user seconds, system seconds) of the tree so far, all threads, to a tick of 10 ms."""
    user = system = 0
    for member in tree(pid):
        if fields := _stat(member):
            user += int(fields[11])
            system += int(fields[12])
    return user / TICKS_PER_SECOND, system / TICKS_PER_SECOND


class Placement:
    """Server and load generator on processors of their own, as far as there are enough."""

    def __init__(self):
        processors = sorted(os.sched_getaffinity(0))
        self.server = processors[0]
        self.load = processors[1 % len(processors)]
        self.backend = processors[2] if len(processors) > 2 else self.load

    def pinned(self, processor, command):
        return ["taskset", "-c", str(processor), *command]

    def __str__(self):
        text = f"server on processor {self.server}, load generator on {self.load}"
        if self.load == self.server:
            return text + ": ONE processor for both, absolute figures mean little"
        shared = " (shared with the load)" if self.backend == self.load else ""
        return text + f", the proxy's backend on {self.backend}{shared}"
