// A service on node:http2 without TLS, five streams per connection at a time: what test_node.py puts
// behind Millrace as an h2c:// target. Prints its port.
"use strict";

const crypto = require("crypto");
const http2 = require("http2");

const sessions = new Set();
let begun;
const server = http2.createServer({ settings: { maxConcurrentStreams: 5 } });

// The request as the service sees it, once its body is there.
function describe(stream, headers) {
  const hash = crypto.createHash("sha256");
  let bytes = 0;
  let trailers = {};
  stream.on("trailers", (fields) => { trailers = { ...fields }; });
  stream.on("data", (piece) => { hash.update(piece); bytes += piece.length; });
  stream.on("end", () => {
    stream.respond({ ":status": 200, "content-type": "application/json" });
    stream.end(JSON.stringify({ headers: { ...headers }, trailers, bytes, sha256: hash.digest("hex"),
                                port: stream.session.socket.remotePort }));
  });
}

// Piece by piece, with how many bytes it was behind it.
function echo(stream) {
  let bytes = 0;
  stream.on("data", (piece) => { bytes += piece.length; });
  stream.respond({ ":status": 200 }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "x-bytes": String(bytes) }));
  stream.pipe(stream);
}

function download(stream) {
  stream.respond({ ":status": 200, "content-length": 3000000 });
  stream.end(Buffer.alloc(3000000, "0123456789"));
}

function empty(stream) {
  stream.respond({ ":status": 204 }, { endStream: true });
}

function hints(stream) {
  stream.additionalHeaders({ ":status": 103, "link": "</style.css>; rel=preload; as=style" });
  stream.respond({ ":status": 200 });
  stream.end("after the hints");
}

function refuse(stream) {
  stream.respond({ ":status": 403, "content-length": 2 });
  stream.end("no");
}

function reset(stream) {
  stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
}

// An answer that goes no further, until somebody asks for it to /break off.
function begin(stream) {
  stream.respond({ ":status": 200 });
  stream.write("begun");
  begun = stream;
}

function breakOff(stream) {
  begun.destroy(new Error("broken off"));
  empty(stream);
}

// GOAWAY on all connections: what they have is finished.
function leave(stream) {
  for (const session of sessions) session.close();
  stream.respond({ ":status": 200 });
  stream.end("left");
}

const routes = { describe, echo, download, empty, hints, refuse, reset, begin, break: breakOff,
                 leave };

server.on("session", (session) => {
  sessions.add(session);
  session.on("close", () => sessions.delete(session));
});
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  const route = routes[headers[":path"].split(/[/?]/)[1]];
  if (route) return route(stream, headers);
  stream.respond({ ":status": 404 });
  stream.end("no such thing");
});
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
