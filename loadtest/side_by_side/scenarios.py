"""The scenarios: the same job given to Millrace and to its peers. A new one is one entry here."""

from dataclasses import dataclass, field

from side_by_side.servers import Millrace, Nginx


@dataclass(frozen=True)
class Scenario:
    """`contenders`: (class, its configuration) each; the first is compared with the others."""

    name: str
    about: str
    path: str
    body: bytes  # what every contender must answer, checked before anything is measured
    contenders: tuple
    backend: str = ""  # nginx configuration of one backend behind all contenders
    connections: int = 64
    wrk_arguments: tuple = field(default=())


HELLO = "Hello, World!"

MILLRACE_PLAINTEXT = """\
[[route]]
match = { path = "/plaintext" }
respond = { status = 200, body = "Hello, World!", headers = { content-type = "text/plain" } }
"""

NGINX_PLAINTEXT = """\
  server {
    listen 127.0.0.1:{port};
    location = /plaintext { return 200 "Hello, World!"; }
  }"""

MILLRACE_PROXY = """\
[log]
access = "off"
[upstream.backend]
targets = ["{backend}"]
[[route]]
match = { path = "/*" }
upstream = "backend"
"""

NGINX_PROXY = """access_log off;
  upstream backend {
    server {backend};
    keepalive 64;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:{port};
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
    }
  }"""

SCENARIOS = [
    Scenario(
        name="plaintext",
        about="a fixed 13-byte answer, no access log",
        path="/plaintext",
        body=HELLO.encode(),
        contenders=(
            (Millrace, '[log]\naccess = "off"\n' + MILLRACE_PLAINTEXT),
            (Nginx, "access_log off;\n" + NGINX_PLAINTEXT),
        ),
    ),
    Scenario(
        name="plaintext-log",
        about="the same with an access log in a file (combined format; nginx unbuffered, as by "
        "default)",
        path="/plaintext",
        body=HELLO.encode(),
        contenders=(
            (Millrace, '[log]\naccess = "{directory}/access.log"\nformat = "combined"\n'
             + MILLRACE_PLAINTEXT),
            (Nginx, "access_log {directory}/access.log combined;\n" + NGINX_PLAINTEXT),
        ),
    ),
    Scenario(
        name="proxy",
        about="one hop to one and the same nginx backend, keep-alive on both sides, no access log",
        path="/plaintext",
        body=HELLO.encode(),
        backend="access_log off;\n" + NGINX_PLAINTEXT,
        contenders=((Millrace, MILLRACE_PROXY), (Nginx, NGINX_PROXY)),
    ),
]
