"""The servers of this race: one of asyncio's own, gunicorn and uvicorn. What they count is the same:
POSTs, and of those the ones whose client had paused for about the close time.

gunicorn and uvicorn import this file as their application.
"""

import asyncio
import json
import os
import pathlib
import sys
import time
import urllib.request

NEAR_S = 0.05
CLOSE_S = float(os.environ.get("CLOSE_S", "2"))


class Count:
    """What one server process has seen."""

    def __init__(self, close_s):
        self.close_s = close_s
        self.posts = self.near = 0
        self._last_by_worker = {}

    def note(self, worker):
        now = time.monotonic()
        last = self._last_by_worker.get(worker)
        if last is not None and abs(now - last - self.close_s) <= NEAR_S:
            self.near += 1
        self._last_by_worker[worker] = now
        self.posts += 1

    def document(self):
        return json.dumps({"posts": self.posts, "near": self.near}).encode()


COUNT = Count(CLOSE_S)


def wsgi(environ, start_response):
    """gunicorn's application."""
    environ["wsgi.input"].read()
    body = COUNT.document()
    if environ["REQUEST_METHOD"] == "POST":
        COUNT.note(environ["HTTP_X_WORKER"])
        body = b"ok"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    """uvicorn's application."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    body = COUNT.document()
    if scope["method"] == "POST":
        COUNT.note(dict(scope["headers"])[b"x-worker"])
        body = b"ok"
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


class Frames(asyncio.Protocol):
    """HTTP by hand, with a close time that is exact."""

    def __init__(self, count):
        self._count = count
        self._held = b""
        self._transport = self._timer = None

    def connection_made(self, transport):
        self._transport = transport

    def connection_lost(self, _):
        if self._timer:
            self._timer.cancel()

    def data_received(self, data):
        if self._timer:
            self._timer.cancel()
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end].lower()
            size = end + 4 + int(field(head, b"content-length") or 0)
            if len(self._held) < size:
                break
            self._held = self._held[size:]
            self._answer(head)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._count.close_s, self._transport.close)

    def _answer(self, head):
        body = self._count.document()
        if head.startswith(b"post"):
            self._count.note(field(head, b"x-worker"))
            body = b"ok"
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def field(head, name):
    """Its value in a head in lower case; None without."""
    at = head.find(b"\r\n" + name + b": ")
    return None if at < 0 else head[at + len(name) + 4:].split(b"\r\n", 1)[0]


def serve_frames(port):
    """Until somebody ends the process."""
    async def serve():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Frames(COUNT), "127.0.0.1", port, backlog=4096)
        await server.serve_forever()
    asyncio.run(serve())


def command(kind, port, close_s):
    """How a server of this kind is started, in this folder."""
    whole = str(max(1, round(close_s)))
    bind = f"127.0.0.1:{port}"
    return {
        "frames": [sys.executable, __file__, str(port)],
        "gunicorn": ["gunicorn", "--bind", bind, "--worker-class", "gthread", "--threads", "32",
                     "--worker-connections", "8000", "--backlog", "4096", "--keep-alive", whole,
                     "--log-level", "error", "origins:wsgi"],
        "uvicorn": ["uvicorn", "--host", "127.0.0.1", "--port", str(port), "--backlog", "4096",
                    "--timeout-keep-alive", whole, "--log-level", "error", "--no-access-log",
                    "origins:asgi"],
    }[kind]


FOLDER = pathlib.Path(__file__).resolve().parent
KINDS = ("frames", "gunicorn", "uvicorn")


def counts(port):
    """What the server on this port has counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return json.load(answer)


if __name__ == "__main__":
    serve_frames(int(sys.argv[1]))
