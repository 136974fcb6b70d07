"""An HTTP/2 client made by hand of hyperframe's frames and hpack: it can do everything right, and
every wrong thing on purpose. One thread: whoever waits for an answer reads the connection."""

import contextlib
import select
import socket
import struct

import hpack
from hyperframe.frame import (ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame,
                              PingFrame, PushPromiseFrame, RstStreamFrame, SettingsFrame,
                              WindowUpdateFrame)

import harness

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DEFAULT_WINDOW = 65535
FRAME_BYTES = 16384
NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR = 0x0, 0x1, 0x3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL = 0x5, 0x6, 0x7, 0x8
COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 0x9, 0xb


class Closed(Exception):
    """The server has closed the connection."""


def raw_frame(kind, flags, stream_id, payload=b""):
    """A frame from its parts, for those that hyperframe refuses to make."""
    return (struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
            + struct.pack(">I", stream_id) + payload)


def literal(name, value):
    """A field as HPACK's literal without indexing: any bytes, as they are."""

    def string(text):
        return hpack.hpack.encode_integer(len(text), 7) + text

    return b"\x00" + bytes(string(name) + string(value))


def literals(fields):
    return b"".join(literal(name, value) for name, value in fields)


class Stream:
    """What came back on one stream."""

    def __init__(self):
        self.interim = []  # heads with a 1xx status: lists of (name, value)
        self.headers = None
        self.body = bytearray()
        self.data_frames = []  # sizes
        self.trailers = None
        self.ended = False  # END_STREAM has come
        self.reset = None  # the error code of RST_STREAM

    @property
    def status(self):
        return None if self.headers is None else int(dict(self.headers)[":status"])

    @property
    def over(self):
        return self.ended or self.reset is not None

    def header(self, name):
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else None


class Connection:
    """A connection after its preface. `polite` ones acknowledge SETTINGS and PING and give back the
    windows of what they receive; the others do nothing by themselves."""

    def __init__(self, server, settings=None, polite=True, window=None, tls=None, start=True,
                 receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(harness.DEADLINE_S)
        self.socket.connect((server.host, server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.authority = f"{server.host}:{server.port}"
        self.polite = polite
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder(max_header_list_size=1 << 20)
        self.streams = {}
        self.goaways = []  # GoAwayFrames
        self.settings = {}  # the server's
        self.pings = []  # payloads of acknowledged PINGs
        self.window = DEFAULT_WINDOW  # what we may send, on all streams
        self.windows = {}  # and on each
        self.eof = False
        self._next_id = 1
        self._held = b""
        self._block = None  # a header block that is not complete: [stream id, flags, bytes]
        if start:
            self.start(settings or {}, window)

    def start(self, settings, window=None):
        self.send_bytes(PREFACE + SettingsFrame(0, settings).serialize())
        if window is not None:
            self.send(WindowUpdateFrame(0, window_increment=window - DEFAULT_WINDOW))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # -- sending ----------------------------------------------------------------------------------

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, *frames):
        self.send_bytes(b"".join(f if isinstance(f, bytes) else f.serialize() for f in frames))

    def new_id(self):
        stream_id, self._next_id = self._next_id, self._next_id + 2
        return stream_id

    def block(self, method="GET", path="/", fields=(), scheme="http", authority=None):
        """An encoded header block."""
        pseudo = [(":method", method), (":scheme", scheme), (":path", path),
                  (":authority", authority or self.authority)]
        return self.encoder.encode(pseudo + list(fields))

    def headers_frame(self, stream_id, block, end_stream=True, flags=("END_HEADERS",)):
        frame = HeadersFrame(stream_id, data=block, flags=flags)
        if end_stream:
            frame.flags.add("END_STREAM")
        self.streams.setdefault(stream_id, Stream())
        self.windows.setdefault(stream_id, self.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE,
                                                             DEFAULT_WINDOW))
        return frame

    def request(self, method="GET", path="/", fields=(), end_stream=True, **more):
        """Sends a head; the stream's number."""
        stream_id = self.new_id()
        self.send(self.headers_frame(stream_id, self.block(method, path, fields, **more),
                                     end_stream))
        return stream_id

    def request_block(self, block, end_stream=True):
        """Sends a head of these encoded bytes; the stream's number."""
        stream_id = self.new_id()
        self.send(self.headers_frame(stream_id, block, end_stream))
        return stream_id

    def data(self, stream_id, data, end_stream=False):
        """Sends DATA, waiting for the windows."""
        self.upload({stream_id: data}, end_stream)

    def upload(self, bodies, end_stream=True):
        """Sends several bodies at once, a frame of each in turn, reading meanwhile."""
        left = {stream_id: memoryview(body) for stream_id, body in bodies.items()}
        while left:
            moved = False
            for stream_id, body in list(left.items()):
                size = min(len(body), FRAME_BYTES, self.window, self.windows[stream_id])
                if size == 0 and len(body) != 0:
                    continue
                last = size == len(body)
                frame = DataFrame(stream_id, bytes(body[:size]))
                if last and end_stream:
                    frame.flags.add("END_STREAM")
                self.send(frame)
                self.window -= size
                self.windows[stream_id] -= size
                left[stream_id] = body[size:]
                moved = True
                if last or self.streams[stream_id].over:
                    del left[stream_id]
            while self.readable(0 if moved else harness.DEADLINE_S):
                self.read()
                moved = True
            if not moved:
                raise AssertionError(f"the windows stay closed: {self.window}, {self.windows}")
            for stream_id in [s for s in left if self.streams[s].over]:
                del left[stream_id]

    def trailers(self, stream_id, fields):
        self.send(HeadersFrame(stream_id, data=self.encoder.encode(fields),
                               flags=["END_HEADERS", "END_STREAM"]))

    def ping(self):
        """Goes to the server and back: everything sent before has been seen by it then."""
        payload = struct.pack(">Q", len(self.pings) + 1)
        self.send(PingFrame(0, payload))
        self.until(lambda: payload in self.pings, "the answer to a PING")

    def give_window(self, stream_id, increment):
        self.send(WindowUpdateFrame(stream_id, window_increment=increment))

    # -- receiving --------------------------------------------------------------------------------

    def readable(self, timeout_s):
        if len(self._held) >= 9 and len(self._held) >= 9 + int.from_bytes(self._held[:3], "big"):
            return True
        if self.eof:
            return False
        if getattr(self.socket, "pending", lambda: 0)():
            return True
        return bool(select.select([self.socket], [], [], timeout_s)[0])

    def _take(self, count):
        while len(self._held) < count:
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionResetError:
                data = b""
            if not data:
                self.eof = True
                raise Closed(f"closed; GOAWAY: {self.goaway_codes()}")
            self._held += data
        data, self._held = self._held[:count], self._held[count:]
        return data

    def read(self):
        """The next frame, after it was noted; Closed when there is none."""
        head = self._take(9)
        frame, length = Frame.parse_frame_header(memoryview(head))
        assert length <= FRAME_BYTES, f"a frame of {length} bytes"
        frame.parse_body(memoryview(self._take(length)))
        self._note(frame, length)
        return frame

    def _note(self, frame, length):
        stream = self.streams.get(frame.stream_id)
        if isinstance(frame, (HeadersFrame, ContinuationFrame)):
            self._note_block(frame)
        elif isinstance(frame, DataFrame):
            self._note_data(frame, stream, length)
        elif isinstance(frame, RstStreamFrame):
            if stream is not None:
                stream.reset = frame.error_code
        elif isinstance(frame, GoAwayFrame):
            self.goaways.append(frame)
        elif isinstance(frame, WindowUpdateFrame):
            if frame.stream_id == 0:
                self.window += frame.window_increment
            else:
                self.windows[frame.stream_id] += frame.window_increment
        elif isinstance(frame, PingFrame):
            if "ACK" in frame.flags:
                self.pings.append(bytes(frame.opaque_data))
            elif self.polite:
                self.send(PingFrame(0, frame.opaque_data, flags=["ACK"]))
        elif isinstance(frame, SettingsFrame):
            self._note_settings(frame)
        assert not isinstance(frame, PushPromiseFrame), "nobody asked for a push"

    def _note_block(self, frame):
        if isinstance(frame, HeadersFrame):
            self._block = [frame.stream_id, set(frame.flags), b""]
        self._block[2] += frame.data
        if "END_HEADERS" not in frame.flags:
            return
        stream_id, flags, block = self._block
        fields = self.decoder.decode(block)
        stream = self.streams.get(stream_id)
        if stream is None:
            return
        assert not stream.ended, "HEADERS behind the end of a stream"
        if stream.headers is not None:
            assert "END_STREAM" in flags, "trailers without END_STREAM"
            stream.trailers = fields
        elif dict(fields)[":status"].startswith("1"):
            assert "END_STREAM" not in flags, "an interim head ends the stream"
            stream.interim.append(fields)
        else:
            stream.headers = fields
        stream.ended = "END_STREAM" in flags

    def _note_data(self, frame, stream, length):
        if stream is not None:
            assert stream.headers is not None, "DATA before HEADERS"
            assert not stream.ended, "DATA behind the end of a stream"
            stream.body += frame.data
            stream.data_frames.append(len(frame.data))
            stream.ended = "END_STREAM" in frame.flags
        if self.polite and length != 0:
            self.send(WindowUpdateFrame(0, window_increment=length))
            if stream is not None and not stream.ended:
                self.send(WindowUpdateFrame(frame.stream_id, window_increment=length))

    def _note_settings(self, frame):
        if "ACK" in frame.flags:
            return
        old = self.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE, DEFAULT_WINDOW)
        self.settings.update(frame.settings)
        grown = self.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE, DEFAULT_WINDOW) - old
        for stream_id in self.windows:
            self.windows[stream_id] += grown
        if self.polite:
            self.send(SettingsFrame(0, flags=["ACK"]))

    def until(self, predicate, what="a frame"):
        """Reads until predicate() is true and returns its value."""
        while not (value := predicate()):
            try:
                self.read()
            except TimeoutError:
                raise AssertionError(f"not within {harness.DEADLINE_S:g} s: {what}") from None
        return value

    def answer(self, stream_id):
        """The Stream once it is over: ended or reset."""
        stream = self.streams[stream_id]
        self.until(lambda: stream.over, f"the end of stream {stream_id}")
        return stream

    def get(self, path="/", fields=(), method="GET", **more):
        """One whole exchange without a request body."""
        return self.answer(self.request(method, path, fields, **more))

    def post(self, path="/", body=b"", fields=(), **more):
        stream_id = self.request("POST", path, fields, end_stream=False, **more)
        self.upload({stream_id: body})
        return self.answer(stream_id)

    def goaway_codes(self):
        return [frame.error_code for frame in self.goaways]

    def run_to_end(self):
        """Reads until the server closes: the codes of its GOAWAYs."""
        with contextlib.suppress(Closed, ConnectionResetError, BrokenPipeError):
            while True:
                self.read()
        return self.goaway_codes()

    def run_to_end_or(self, predicate):
        """Reads until predicate() is true or the server closes."""
        with contextlib.suppress(Closed, ConnectionResetError, BrokenPipeError):
            self.until(predicate, "the condition, or the end")
