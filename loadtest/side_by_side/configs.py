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


def millrace_proxy(more=""):
    """`more`: further keys of the upstream."""
    return MILLRACE_QUIET + f"""\
[upstream.backend]
targets = ["{{backend}}"]
{more}
[[route]]
match = {{ path = "/*" }}
upstream = "backend"
"""


MILLRACE_PROXY = millrace_proxy()
MILLRACE_PROXY_TLS = millrace_proxy(
    'tls = { ca = "{shared}/authority.pem", server_name = "localhost" }')


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


def nginx_proxy(listen="", scheme="http", more=""):
    """`listen`: what follows the address; `more`: further directives of the location. As many idle
    connections are kept to the backend as Millrace keeps."""
    return f"""access_log off;
  upstream backend {{
    server {{backend}};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{{port}}{listen};
    location / {{
      proxy_pass {scheme}://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      {more}
    }}
  }}"""


NGINX_PROXY = nginx_proxy()
NGINX_PROXY_H2 = nginx_proxy(" http2")
# Without this, what a client has not taken yet goes through a file.
NGINX_PROXY_LARGE = nginx_proxy(more="proxy_max_temp_file_size 0;")
NGINX_PROXY_LARGE_TUNED = nginx_proxy(more="""proxy_max_temp_file_size 0;
      proxy_buffer_size 16k;
      proxy_buffers 8 64k;
      proxy_busy_buffers_size 128k;""")
NGINX_PROXY_TLS = nginx_proxy(scheme="https", more="""proxy_ssl_verify on;
      proxy_ssl_trusted_certificate {shared}/authority.pem;
      proxy_ssl_name localhost;
      proxy_ssl_server_name on;
      proxy_ssl_protocols TLSv1.2 TLSv1.3;""")

BACKEND_LARGE = """access_log off;
  sendfile on;
  tcp_nopush on;
  server {
    listen 127.0.0.1:{port};
    location = /large { root {shared}/htdocs; }
  }"""

# Only a mirror makes nginx read a body that it passes on to nobody. POST to a file is 405, which
# becomes the answer; that tells whether at least 10,000 bytes had been read by then.
BACKEND_POST = """access_log off;
  map $request_length $verdict {
    "~^[0-9][0-9][0-9][0-9][0-9]$" "Hello, World!";
    default "the body was not read";
  }
  server {
    listen 127.0.0.1:{port};
    location = /post {
      mirror /seen;
      alias {shared}/htdocs/plaintext;
      error_page 405 =200 @read;
    }
    location = /seen { internal; return 204; }
    location @read { return 200 $verdict; }
  }"""

BACKEND_TLS = nginx_plaintext(" ssl", more="""ssl_certificate {shared}/service.pem;
    ssl_certificate_key {shared}/service.key;
    ssl_protocols TLSv1.2 TLSv1.3;""")

H2O_CLEAR = ""
H2O_TLS = """\
  ssl:
    certificate-file: {shared}/cert.pem
    key-file: {shared}/key.pem
    ocsp-update-interval: 0"""

HAPROXY_ANSWER = (
    '\n  http-request return status 200 content-type text/plain string "Hello, World!"')

HAPROXY_CLEAR = "  bind 127.0.0.1:{port}" + HAPROXY_ANSWER
HAPROXY_TLS = ("  bind 127.0.0.1:{port} ssl crt {shared}/both.pem alpn h2,http/1.1" +
               HAPROXY_ANSWER)


def haproxy_proxy(bind="", server="", more=""):
    """`bind` and `server`: what follows the addresses; `more`: a further line of the backend. The
    same fields are added as by nginx."""
    return f"""\
  bind 127.0.0.1:{{port}}{bind}
  option forwardfor
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend service
backend service
  http-reuse always
  {more}
  server one {{backend}}{server}"""


HAPROXY_PROXY = haproxy_proxy()
HAPROXY_PROXY_H2 = haproxy_proxy(bind=" proto h2")
HAPROXY_PROXY_SPLICE = haproxy_proxy(more="option splice-response")
HAPROXY_PROXY_TLS = haproxy_proxy(
    server=" ssl verify required ca-file {shared}/authority.pem sni str(localhost)")

NGHTTPD_CLEAR = ""
NGHTTPD_TLS = "{shared}/key.pem {shared}/cert.pem"
