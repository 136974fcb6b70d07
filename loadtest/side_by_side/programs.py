"""Programs: the machine's, the peers under build/peers, and our own, compiled when needed."""

import os
import pathlib
import platform
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PEERS = ROOT / "build" / "peers"
FLAGS = ("-std=c++20", "-O2", "-Wall", "-Wextra")


class Failed(Exception):
    """The run cannot be trusted or cannot go on; the message says why."""


def require(*names):
    if missing := [name for name in names if not shutil.which(name)]:
        raise Failed(f"{missing[0]} is missing: run scripts/setup --test")


def find_peer(name):
    """What scripts/setup unpacked, or what the machine has; None without either."""
    for folder in ("sbin", "bin"):
        if (path := PEERS / name / "usr" / folder / name).exists():
            return str(path)
    return shutil.which(name)


def environment_of(name):
    """With the libraries that were unpacked for a peer because the machine lacks them."""
    folder = PEERS / name / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
    return {**os.environ, "LD_LIBRARY_PATH": str(folder)} if folder.is_dir() else dict(os.environ)


def _compiler():
    command = f'. "{ROOT}/scripts/lib/common.sh"; find_compiler'
    result = subprocess.run(["bash", "-c", command], text=True, capture_output=True, check=False)
    if not result.stdout:
        raise Failed("no compiler: run scripts/setup")
    return result.stdout.split()


def compiled(source, libraries=()):
    """The path of the program made of one C++ file; compiled when the file is newer."""
    program = PEERS / source.stem
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return str(program)
    PEERS.mkdir(parents=True, exist_ok=True)
    unfinished = program.with_suffix(f".{os.getpid()}")
    result = subprocess.run([*_compiler(), *FLAGS, "-o", unfinished, source, *libraries],
                            text=True, capture_output=True, check=False)
    if result.returncode != 0:
        raise Failed(f"{source.name} does not compile:\n{result.stderr}")
    unfinished.rename(program)
    return str(program)


def connections():
    """The client of loadtest/clients/connections.cpp."""
    return compiled(ROOT / "loadtest" / "clients" / "connections.cpp", ("-lssl", "-lcrypto"))
