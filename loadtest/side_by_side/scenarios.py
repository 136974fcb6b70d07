"""The scenarios: the same job given to Millrace and to its peers. A new one is one entry here."""

import pathlib
from dataclasses import dataclass

from side_by_side import configs
from side_by_side.h2load import H2load
from side_by_side.handshakes import Handshakes
from side_by_side.material import HELLO
from side_by_side.peers import Bare, H2o, Haproxy, Nghttpd
from side_by_side.servers import Millrace, Nginx
from side_by_side.wrk import Wrk


@dataclass(frozen=True)
class Scenario:
    """`contenders`: (class, its configuration) each; the first is compared with the others."""

    name: str
    about: str
    contenders: tuple
    backend: str = ""  # nginx configuration of one backend behind all contenders
    load: object = Wrk()
    scheme: str = "http"
    version: str = "1.1"  # of HTTP
    path: str = "/plaintext"
    body: bytes = HELLO  # what every contender must answer, checked before anything is measured


PIPELINED = ("--script", str(pathlib.Path(__file__).with_name("pipelined.lua")))

# What Chrome sends to a site that has set a few cookies.
BROWSER_FIELDS = (
    "Connection: keep-alive",
    "Cache-Control: max-age=0",
    'sec-ch-ua: "Chromium";v="124", "Google Chrome";v="124", "Not-A.Brand";v="99"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/124.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: document",
    "Accept-Encoding: gzip, deflate, br",
    "Accept-Language: en-US,en;q=0.9",
    "Cookie: session=8f14e45fceea167a5a36dedd4bea2543; _ga=GA1.1.1234567890.1700000000",
)

BROWSER = tuple(f"--header={field}" for field in BROWSER_FIELDS)

CLEAR = ((Millrace, configs.MILLRACE_PLAINTEXT), (Nginx, configs.NGINX_PLAINTEXT),
         (H2o, configs.H2O_CLEAR), (Haproxy, configs.HAPROXY_CLEAR))

H2 = ((Millrace, configs.MILLRACE_PLAINTEXT), (Nginx, configs.NGINX_H2),
      (H2o, configs.H2O_CLEAR), (Haproxy, configs.HAPROXY_CLEAR),
      (Nghttpd, configs.NGHTTPD_CLEAR))

TLS_H1 = ((Millrace, configs.MILLRACE_TLS), (Nginx, configs.NGINX_TLS_H1),
          (H2o, configs.H2O_TLS), (Haproxy, configs.HAPROXY_TLS))

TLS_H2 = ((Millrace, configs.MILLRACE_TLS), (Nginx, configs.NGINX_TLS_H2),
          (H2o, configs.H2O_TLS), (Haproxy, configs.HAPROXY_TLS),
          (Nghttpd, configs.NGHTTPD_TLS))

TICKETS = ((Millrace, configs.MILLRACE_TLS), (Nginx, configs.NGINX_TICKETS))

FILES = "h2o from a file"
FILES_H2 = "h2o and nghttpd from a file"
TLS = "TLS 1.3, one P-256 certificate"

SCENARIOS = [
    Scenario(
        name="plaintext",
        about=f"a fixed 13-byte answer ({FILES}), no access log",
        contenders=(*CLEAR, (Bare, "")),
    ),
    Scenario(
        name="plaintext-log",
        about="the same with an access log in a file (combined format; nginx unbuffered, as by "
        "default)",
        contenders=((Millrace, configs.MILLRACE_LOG), (Nginx, configs.NGINX_LOG)),
    ),
    Scenario(
        name="pipelined",
        about=f"the fixed answer ({FILES}), sixteen requests at a time on each connection",
        contenders=(*CLEAR, (Bare, "")),
        load=Wrk(arguments=PIPELINED),
    ),
    Scenario(
        name="browser-head",
        about=f"the fixed answer ({FILES}) to a browser's request head of 700 bytes",
        contenders=CLEAR,
        load=Wrk(arguments=BROWSER),
    ),
    Scenario(
        name="proxy",
        about="one hop to one and the same nginx backend, keep-alive on both sides, no access log",
        backend=configs.NGINX_PLAINTEXT,
        contenders=((Millrace, configs.MILLRACE_PROXY), (Nginx, configs.NGINX_PROXY)),
    ),
    Scenario(
        name="h2",
        about=f"the fixed answer ({FILES_H2}) over HTTP/2 in cleartext",
        contenders=H2,
        load=H2load(),
        version="2",
    ),
    Scenario(
        name="tls-h1",
        about=f"the fixed answer ({FILES}) over HTTP/1.1; {TLS}",
        contenders=TLS_H1,
        scheme="https",
    ),
    Scenario(
        name="tls-h2",
        about=f"the fixed answer ({FILES_H2}) over HTTP/2; {TLS}",
        contenders=TLS_H2,
        load=H2load(),
        scheme="https",
        version="2",
    ),
    Scenario(
        name="tls-handshake",
        about=f"a full handshake, one request, the end of the connection; {TLS}",
        contenders=TICKETS,
        load=Handshakes(resume=False),
        scheme="https",
    ),
    Scenario(
        name="tls-resumed",
        about=f"a handshake resumed by a ticket, one request, the end of the connection; {TLS}",
        contenders=TICKETS,
        load=Handshakes(resume=True),
        scheme="https",
    ),
]
