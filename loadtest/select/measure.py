"""Selects one value in a thousand from much JSON. Started by ./run."""

import argparse
import json
import socket
import sys
import threading
import urllib.request

import heavy
import harness

CONFIG = """
[server]
listen = ["127.0.0.1:0"]
threads = 1
[fetch]
allow_networks = ["127.0.0.0/8"]
timeout = { total = "10m" }
[[route]]
match = { path = "/v1/fetch/*" }
endpoint = "fetch"
"""


def objects():
    """A thousand objects, about 170 bytes each; the last one has what is selected."""
    for i in range(1000):
        one = {"id": i, "name": f"thing number {i}", "price": i * 1.25, "in_stock": i % 2 == 0,
               "tags": ["red", "\u00fcber", "new"], "text": "lorem ipsum dolor sit amet, consectetur"}
        if i == 999:
            one["rare"] = i
        yield json.dumps(one, ensure_ascii=False)


class Form:
    """How the objects make a body, and what selects from it."""

    def __init__(self, name, media_type, path, begin, between, end):
        self.name, self.media_type, self.path = name, media_type, path
        self.begin, self.end = begin, end
        self.block = (between.join(objects()) + between).encode()
        self.last = (between.join(objects()) + end).encode()


FORMS = (Form("JSON array", "application/json", "$[*].rare", b"[", ",", "]"),
         Form("NDJSON", "application/x-ndjson", "/rare", b"", "\n", "\n"))


class Origin:
    """Sends a body of about `size` bytes once, as fast as it is taken."""

    def __init__(self, form, size):
        self.form = form
        self.blocks = size // len(form.block)
        self.size = len(form.begin) + self.blocks * len(form.block) + len(form.last)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        connection, _ = self.listener.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nConnection: close\r\n"
                           b"Content-Length: %d\r\n\r\n" % (self.form.media_type.encode(), self.size))
        connection.sendall(self.form.begin)
        for _ in range(self.blocks):
            connection.sendall(self.form.block)
        connection.sendall(self.form.last)
        connection.close()


def measure(form, size):
    """A row of the table."""
    origin = Origin(form, size)
    batch = json.dumps({"requests": [{"url": origin.url, "select": form.path, "timeout": "10m"}]})
    with harness.Millrace(CONFIG) as server:
        urllib.request.urlopen(server.admin + "/metrics").read()
        request = urllib.request.Request(server.url + "/v1/fetch/batch", batch.encode(),
                                         {"Content-Type": "application/json"})
        before = heavy.processor_seconds(server)
        with heavy.PeakMemory(server) as memory:
            line = json.loads(urllib.request.urlopen(request, timeout=600).readline())
        cpu = heavy.processor_seconds(server) - before
    if line.get("selected") != [999] * (origin.blocks + 1):
        sys.exit(f"{form.name}: wrong: {str(line)[:300]}")
    seconds = line["timing_us"]["total"] / 1e6
    return [form.name, f"{origin.size / heavy.GIB:.1f}", f"{origin.size / 1e6 / cpu:.0f}",
            f"{origin.size / 1e6 / seconds:.0f}", f"{memory.growth / heavy.MIB:.1f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=2)
    size = int(parser.parse_args().gib * heavy.GIB)
    heavy.table("`select` from a large answer",
                "Of a batch, one item; network and parser on one thread.",
                ["answer", "GiB", "MB per CPU second", "MB/s", "growth of memory, MiB"],
                [measure(form, size) for form in FORMS])


if __name__ == "__main__":
    main()
