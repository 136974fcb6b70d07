"""A Flask service as people write them: what test_python_services.py puts behind Millrace.

fastapi_app.py answers the same requests the same way.
"""

import collections
import hashlib
import os
import threading

from flask import Flask, Response, jsonify, redirect, request

app = Flask(__name__)
released = collections.defaultdict(threading.Event)  # per stream: it may go on
LINE = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.\n"


@app.get("/describe")
@app.get("/describe/<path:rest>")
def describe(rest=""):
    """The request as the application sees it."""
    return jsonify(method=request.method, target=request.environ["RAW_URI"], pid=os.getpid(),
                   scheme=request.scheme, host=request.host, client=request.remote_addr,
                   headers=[[k.lower(), v] for k, v in request.headers])


@app.post("/json")
def add():
    numbers = request.get_json()
    return jsonify(sum=sum(numbers["numbers"]), note=numbers["note"]), 201


@app.route("/upload", methods=["POST", "PUT"])
def upload():
    digest, size = hashlib.sha256(), 0
    while piece := request.stream.read(65536):
        digest.update(piece)
        size += len(piece)
    return jsonify(sha256=digest.hexdigest(), bytes=size,
                   content_length=request.headers.get("Content-Length"),
                   transfer_encoding=request.headers.get("Transfer-Encoding"))


@app.post("/refuse")
def refuse():
    """Answers at once, whatever is still coming."""
    return jsonify(refused=True), 403


@app.get("/file")
def file():
    """A body with Content-Length."""
    headers = {"ETag": '"of the file"'}
    return Response(LINE * int(request.args["lines"]), headers=headers, mimetype="text/plain")


@app.get("/generated")
def generated():
    """A body of unknown length."""
    lines = int(request.args["lines"])
    pieces = (LINE * min(1000, lines - first) for first in range(0, lines, 1000))
    return Response(pieces, mimetype="text/plain")


@app.get("/moved")
def moved():
    return redirect("/describe?from=moved", 307)


@app.get("/login")
def login():
    response = jsonify(ok=True)
    response.set_cookie("session", "abc; def", httponly=True)
    response.set_cookie("theme", "dark", max_age=3600)
    return response


@app.get("/empty")
def empty():
    return "", 204


@app.get("/events")
def events():
    """The second event comes when somebody asks for /release: not before, not later."""
    name = request.args["name"]

    def stream():
        yield b"event: first\ndata: 1\n\n"
        released[name].wait()
        yield b"event: second\ndata: 2\n\n"

    return Response(stream(), mimetype="text/event-stream")


@app.post("/release")
def release():
    released[request.args["name"]].set()
    return "", 204


@app.get("/failure")
def failure():
    return jsonify(detail="this service says so itself"), 503, {"Retry-After": "7"}
