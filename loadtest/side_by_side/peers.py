"""The other peers: h2o, HAProxy and nghttpd in one thread each, and the floor under all of them.
None writes an access log; what is not said is as they come."""

import os
import pathlib
import re
import subprocess

from side_by_side.programs import compiled, environment_of
from side_by_side.servers import FixedPort


class H2o(FixedPort):
    """Serves files: fixed answers are the work of a Ruby program in it. `config`: of `listen`."""

    name = "h2o"
    base = """\
{user}num-threads: 1
max-connections: 19000
listen:
  host: 127.0.0.1
  port: {port}
{config}
hosts:
  default:
    paths:
      "/":
        file.dir: {htdocs}
        file.mime.setdefaulttype: text/plain
"""

    def prepare(self):
        file = self.directory / "h2o.yaml"
        user = "user: root\n" if os.getuid() == 0 else ""
        config = self._choose_port()
        file.write_text(self.base.format(user=user, port=self.port, config=config,
                                         htdocs=self.directory.parent / "htdocs"))
        return [self.program(), "-c", str(file)]

    def version(self):
        return version_of(self, "--version")


class Haproxy(FixedPort):
    """`config` is the frontend, and what comes after it."""

    name = "haproxy"
    base = """\
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout client 1h
  timeout server 1h
  timeout connect 5s
frontend main
{config}
"""

    def prepare(self):
        file = self.directory / "haproxy.cfg"
        file.write_text(self.base.format(config=self._choose_port()))
        return [self.program(), "-db", "-f", str(file)]

    def version(self):
        return version_of(self, "-v")


class Nghttpd(FixedPort):
    """Serves files over HTTP/2 only. `config` are its arguments after the port."""

    name = "nghttpd"

    def prepare(self):
        arguments = self._choose_port().split()
        options = [] if arguments else ["--no-tls"]
        return [self.program(), *options, "--workers=1", "--address=127.0.0.1",
                f"--htdocs={self.directory.parent / 'htdocs'}", str(self.port), *arguments]

    def version(self):
        return version_of(self, "--version")


class Bare(FixedPort):
    """Reads, counts the ends of requests, writes a fixed answer: what no server can go below."""

    name = "bare"

    @classmethod
    def program(cls):
        return compiled(pathlib.Path(__file__).with_name("bare.cpp"))

    def prepare(self):
        self._choose_port()
        return [self.program(), str(self.port)]

    def version(self):
        return "bare epoll loop"


def version_of(server, option):
    """The server's name and the number in the first line of what it prints."""
    text = subprocess.run([server.program(), option], text=True, check=True,
                          stdout=subprocess.PIPE, env=environment_of(server.name)).stdout
    return f"{server.name} {re.search(r'[0-9]+[.][0-9.]+[0-9]', text)[0]}"
