"""The contenders' configurations. {port}, {directory}, {shared} and {backend} are filled in."""

MILLRACE_QUIET = '[log]\naccess = "off"\n'

MILLRACE_ROUTE = """\
[[route]]
match = { path = "/plaintext" }
respond = { status = 200, body = "Hello, World!", headers = { content-type = "text/plain" } }
"""

MILLRACE_PLAINTEXT = MILLRACE_QUIET + MILLRACE_ROUTE

MILLRACE_LOG = '[log]\naccess = "{directory}/access.log"\nformat = "combined"\n' + MILLRACE_ROUTE

MILLRACE_TLS = """\
[[server.tls]]
listen = ["127.0.0.1:0"]
certificates = [{ certificate = "{shared}/cert.pem", key = "{shared}/key.pem" }]
""" + MILLRACE_PLAINTEXT

MILLRACE_PROXY = MILLRACE_QUIET + """\
[upstream.backend]
targets = ["{backend}"]
[[route]]
match = { path = "/*" }
upstream = "backend"
"""


def nginx_plaintext(listen="", log="off", more=""):
    """`listen`: what follows the address; `more`: further directives of the server."""
    return f"""access_log {log};
  server {{
    listen 127.0.0.1:{{port}}{listen};
    {more}
    location = /plaintext {{ return 200 "Hello, World!"; }}
  }}"""


# nginx 1.22 offers TLS 1.3 only when told to.
NGINX_CERTIFICATE = """ssl_certificate {shared}/cert.pem;
    ssl_certificate_key {shared}/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;"""

NGINX_PLAINTEXT = nginx_plaintext()
NGINX_LOG = nginx_plaintext(log="{directory}/access.log combined")
NGINX_H2 = nginx_plaintext(" http2")
NGINX_TLS_H1 = nginx_plaintext(" ssl", more=NGINX_CERTIFICATE)
NGINX_TLS_H2 = nginx_plaintext(" ssl http2", more=NGINX_CERTIFICATE)
NGINX_TICKETS = nginx_plaintext(
    " ssl", more=NGINX_CERTIFICATE + " ssl_session_tickets on; ssl_session_cache off;")

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

H2O_CLEAR = ""
H2O_TLS = """\
  ssl:
    certificate-file: {shared}/cert.pem
    key-file: {shared}/key.pem
    ocsp-update-interval: 0"""

HAPROXY_CLEAR = "  bind 127.0.0.1:{port}"
HAPROXY_TLS = "  bind 127.0.0.1:{port} ssl crt {shared}/both.pem alpn h2,http/1.1"

NGHTTPD_CLEAR = ""
NGHTTPD_TLS = "{shared}/key.pem {shared}/cert.pem"
