// A service on plain node:http, as people write them: what test_node.py puts behind Millrace.
// Started with the milliseconds of its keepAliveTimeout; prints its port.
"use strict";

const crypto = require("crypto");
const http = require("http");

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const released = new Map(); // per stream of events: makes the second one
let begun;

// The request as the service sees it, once its body is there.
function describe(request, response) {
  const hash = crypto.createHash("sha256");
  let bytes = 0;
  request.on("data", (piece) => { hash.update(piece); bytes += piece.length; });
  request.on("end", () => {
    const body = JSON.stringify({
      method: request.method, url: request.url, version: request.httpVersion,
      port: request.socket.remotePort, fields: pairs(request.rawHeaders),
      trailers: pairs(request.rawTrailers), bytes, sha256: hash.digest("hex"),
    });
    response.writeHead(200, { "Content-Type": "application/json",
                              "Content-Length": Buffer.byteLength(body) });
    response.end(body);
  });
}

function pairs(flat) {
  const all = [];
  for (let i = 0; i < flat.length; i += 2) all.push([flat[i].toLowerCase(), flat[i + 1]]);
  return all;
}

// Piece by piece, in as many chunks as the request has.
function echo(request, response) {
  response.setHeader("Content-Type", request.headers["content-type"] || "text/plain");
  request.pipe(response);
}

function trailers(request, response) {
  response.writeHead(200, { "Trailer": "X-Sum, X-Late" });
  response.write("hello");
  response.addTrailers({ "X-Sum": "7", "X-Late": "yes" });
  response.end();
}

// The second event is made when somebody asks for /release: not before, not later.
function events(request, response, name) {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  response.write("data: first\n\n");
  released.set(name, () => response.end("data: second\n\n"));
}

function release(request, response, name) {
  released.get(name)();
  response.writeHead(204).end();
}

function hints(request, response) {
  response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" }, () => {
    response.end("after the hints");
  });
}

// An answer that goes no further, until somebody asks for it to /break off.
function begin(request, response) {
  response.write("begun");
  begun = response;
}

function breakOff(request, response) {
  begun.destroy();
  response.writeHead(204).end();
}

// Closes every connection that waits for a request; this one is not among them.
function closeIdle(request, response) {
  server.closeIdleConnections();
  response.end("closed");
}

const routes = { describe, echo, trailers, events, release, hints, begin, break: breakOff,
                 "close-idle": closeIdle };

const server = http.createServer({ keepAliveTimeout: Number(process.argv[2]) });
server.on("request", (request, response) => {
  const [, name, rest] = request.url.split(/[/?]/);
  // Says nothing of the time: Node leaves its own Keep-Alive out where Connection is given.
  if (rest === "silently") response.setHeader("Connection", "keep-alive");
  if (routes[name]) return routes[name](request, response, rest);
  response.writeHead(404, { "Content-Type": "text/plain" }).end("no such thing");
});

// No frames: whatever comes goes back. What came with the head is told in a field.
server.on("upgrade", (request, socket, head) => {
  socket.on("error", () => {});
  if (request.url === "/refuse") {
    return socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
  }
  const accept = crypto.createHash("sha1").update(request.headers["sec-websocket-key"] + GUID);
  socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
               `Sec-WebSocket-Accept: ${accept.digest("base64")}\r\nX-Early: ${head.length}\r\n\r\n`);
  if (request.url === "/bye") return socket.end("bye");
  socket.write(head);
  socket.pipe(socket);
});

server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
