"""A web server for transfers, `python -m optdsl.lab.web [port]`: `GET /n` gives n bytes, over IPv4 and IPv6.

When it listens it prints one line of JSON, `{"port": 8000}`.
"""

import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

_CHUNK: Final = bytes(range(256)) * 256


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Sends as many bytes as the path says."""
        count = self.path.removeprefix("/")
        if not count.isdecimal():
            self.send_error(404)
            return
        remaining = int(count)
        self.send_response(200)
        self.send_header("Content-Length", count)
        self.end_headers()
        while remaining:
            remaining -= self.wfile.write(_CHUNK[:remaining])

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Says nothing: the client reports."""


class _DualStackServer(ThreadingHTTPServer):
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        """Takes IPv4 connections too, whatever net.ipv6.bindv6only says."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def main(port: int) -> None:
    """Serves until it is terminated; port 0 takes a free one."""
    with _DualStackServer(("::", port), _Handler) as server:
        print(json.dumps({"port": server.server_port}), flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
