"""The scenarios: the same job given to Millrace and to its peers. A new one is one entry here."""

from dataclasses import dataclass

from side_by_side import configs
from side_by_side.h2load import H2load
from side_by_side.handshakes import Handshakes
from side_by_side.material import HELLO, LARGE
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
    backend_scheme: str = "http"
    load: object = Wrk()
    half_load: bool = False  # at half the rate of the slowest, beside the backend without a proxy
    scheme: str = "http"
    version: str = "1.1"  # of HTTP
    path: str = "/plaintext"
    upload: int = 0  # bytes of the request's body, sent by POST
    body: bytes = HELLO  # what every contender must answer, checked before anything is measured


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

PROXY = ((Millrace, configs.MILLRACE_PROXY), (Nginx, configs.NGINX_PROXY),
         (Haproxy, configs.HAPROXY_PROXY))

PROXY_H2 = ((Millrace, configs.MILLRACE_PROXY), (Nginx, configs.NGINX_PROXY_H2),
            (Haproxy, configs.HAPROXY_PROXY_H2))

PROXY_LARGE = ((Millrace, configs.MILLRACE_PROXY), (Nginx, configs.NGINX_PROXY_LARGE),
               (Haproxy, configs.HAPROXY_PROXY))

PROXY_LARGE_TUNED = ((Millrace, configs.MILLRACE_PROXY),
                     (Nginx, configs.NGINX_PROXY_LARGE_TUNED),
                     (Haproxy, configs.HAPROXY_PROXY_SPLICE))

PROXY_TLS = ((Millrace, configs.MILLRACE_PROXY_TLS), (Nginx, configs.NGINX_PROXY_TLS),
             (Haproxy, configs.HAPROXY_PROXY_TLS))

UPLOAD = 10 * 1024

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
        load=Wrk(script="pipelined.lua"),
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
        contenders=PROXY,
    ),
    Scenario(
        name="proxy-h2-client",
        about="the same hop for clients of HTTP/2 in cleartext; HTTP/1.1 with keep-alive to the "
        "backend",
        backend=configs.NGINX_PLAINTEXT,
        contenders=PROXY_H2,
        load=H2load(),
        version="2",
    ),
    Scenario(
        name="proxy-1m",
        about="the same hop for an answer of 1 MiB, which the backend sends from a file in the "
        "page cache; nginx without temporary files",
        backend=configs.BACKEND_LARGE,
        contenders=PROXY_LARGE,
        load=Wrk(connections=16),
        path="/large",
        body=LARGE,
    ),
    Scenario(
        name="proxy-1m-tuned",
        about="the same with the peers made for large answers: nginx with buffers of 64 KiB, "
        "HAProxy splicing; Millrace as it comes",
        backend=configs.BACKEND_LARGE,
        contenders=PROXY_LARGE_TUNED,
        load=Wrk(connections=16),
        path="/large",
        body=LARGE,
    ),
    Scenario(
        name="proxy-post-10k",
        about="the same hop for a POST with a body of 10 KiB, which the backend reads before it "
        "answers; nginx holds a body until it is whole, as by default",
        backend=configs.BACKEND_POST,
        contenders=PROXY,
        load=Wrk(script="post.lua", values=(UPLOAD,)),
        path="/post",
        upload=UPLOAD,
    ),
    Scenario(
        name="proxy-tls-upstream",
        about="the same hop with TLS 1.3 to the backend, whose certificate and name every "
        "contender verifies",
        backend=configs.BACKEND_TLS,
        backend_scheme="https",
        contenders=PROXY_TLS,
    ),
    Scenario(
        name="proxy-half-load",
        about="the same hop at about half the rate that the slowest contender reached, and the "
        "backend without a proxy: what a proxy adds to the times",
        backend=configs.NGINX_PLAINTEXT,
        contenders=PROXY,
        half_load=True,
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
