"""A FastAPI service as people write them: what test_python_services.py puts behind Millrace.

flask_app.py answers the same requests the same way.
"""

import asyncio
import collections
import hashlib
import os

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

app = FastAPI()
released = collections.defaultdict(asyncio.Event)  # per stream: it may go on
LINE = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.\n"


def described(request):
    """The request as the application sees it."""
    scope = request.scope
    target = scope["raw_path"].decode("ascii")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("ascii")
    return {"method": request.method, "target": target, "pid": os.getpid(),
            "scheme": request.url.scheme, "host": request.url.netloc,
            "client": request.client and request.client.host,
            "headers": [[k.decode("latin-1").lower(), v.decode("latin-1")]
                        for k, v in request.headers.raw]}


@app.get("/describe")
@app.get("/describe/{rest:path}")
async def describe(request: Request):
    return described(request)


@app.post("/json")
async def add(request: Request):
    numbers = await request.json()
    return JSONResponse({"sum": sum(numbers["numbers"]), "note": numbers["note"]}, 201)


@app.post("/upload")
@app.put("/upload")
async def upload(request: Request):
    digest, size = hashlib.sha256(), 0
    async for piece in request.stream():
        digest.update(piece)
        size += len(piece)
    return {"sha256": digest.hexdigest(), "bytes": size,
            "content_length": request.headers.get("content-length"),
            "transfer_encoding": request.headers.get("transfer-encoding")}


@app.post("/refuse")
async def refuse():
    """Answers at once, whatever is still coming."""
    return JSONResponse({"refused": True}, 403)


@app.api_route("/file", methods=["GET", "HEAD"])
async def file(request: Request, lines: int):
    """A body with Content-Length."""
    headers = {"Content-Length": str(lines * len(LINE)), "ETag": '"of the file"'}
    return Response(b"" if request.method == "HEAD" else LINE * lines, headers=headers,
                    media_type="text/plain")


@app.get("/generated")
async def generated(lines: int):
    """A body of unknown length."""

    async def pieces():
        for first in range(0, lines, 1000):
            yield LINE * min(1000, lines - first)

    return StreamingResponse(pieces(), media_type="text/plain")


@app.get("/moved")
async def moved():
    return RedirectResponse("/describe?from=moved", status_code=307)


@app.get("/login")
async def login():
    response = JSONResponse({"ok": True})
    response.set_cookie("session", "abc; def", httponly=True)
    response.set_cookie("theme", "dark", max_age=3600)
    return response


@app.get("/empty")
async def empty():
    return Response(status_code=204)


@app.get("/events")
async def events(name: str):
    """The second event comes when somebody asks for /release: not before, not later."""

    async def stream():
        yield b"event: first\ndata: 1\n\n"
        await released[name].wait()
        yield b"event: second\ndata: 2\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.post("/release")
async def release(name: str):
    released[name].set()
    return Response(status_code=204)


@app.get("/failure")
async def failure():
    return JSONResponse({"detail": "this service says so itself"}, 503, {"Retry-After": "7"})
