"""What is started: answers every request with a line, once it has taken its time over the import."""

import os
import time

BODY = b"hello from the service\n"
time.sleep(float(os.environ.get("IMPORT_S", "0")))


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(BODY))]})
    await send({"type": "http.response.body", "body": BODY})
