"""HTTP/2 frames and header blocks as bytes, right and wrong ones: whatever is asked for is made."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, _, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10))
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
INITIAL_WINDOW_SIZE = 4
WINDOW_MAX = 2**31 - 1
CANCEL = 8


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values):
    """settings(window=0) or none at all."""
    payload = b"".join(struct.pack(">HI", INITIAL_WINDOW_SIZE, v) for v in values.values())
    return frame(SETTINGS, payload=payload)


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def rst_stream(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def priority(stream, depends_on=0):
    return frame(PRIORITY, 0, stream, struct.pack(">IB", depends_on, 15))


def headers(stream, block, flags=END_STREAM | END_HEADERS):
    return frame(HEADERS, flags, stream, block)


def integer(value, prefix, first):
    """RFC 7541, 5.1: `first` has the bits above the prefix."""
    most = (1 << prefix) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytearray([first | most]), value - most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes(out) + bytes([value])


def text(value):
    return integer(len(value), 7, 0) + value


def literal(name, value, indexed=False):
    """A field in full, kept in the dynamic table or not; `name` may be an index."""
    first, prefix = (0x40, 6) if indexed else (0x00, 4)
    if isinstance(name, int):
        return integer(name, prefix, first) + text(value)
    return bytes([first]) + text(name) + text(value)


def request(path=b"/plaintext", post=False):
    """The block of a request in cleartext."""
    return (b"\x83" if post else b"\x82") + b"\x86" + literal(4, path) + literal(1, b"localhost")
