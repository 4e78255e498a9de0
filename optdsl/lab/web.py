"""A web server for transfers, `python -m optdsl.lab.web [port]`: `GET /n` gives n bytes, over IPv4 and IPv6.

`GET /n/seconds` gives them slowly: a small piece after each pause, as a server does that computes its answer; each
piece then waits for its acknowledgement, which makes delayed ACKs visible.

When it listens it prints one line of JSON, `{"port": 8000}`.
"""

import json
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

_CHUNK: Final = bytes(range(256)) * 256
_PIECE: Final = 512
"""Bytes of a slow answer that are sent at a time."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Sends as many bytes as the path says, with the pauses it asks for."""
        count, _, pause = self.path.removeprefix("/").partition("/")
        if not count.isdecimal() or (pause and not pause.replace(".", "", 1).isdecimal()):
            self.send_error(404)
            return
        remaining = int(count)
        self.send_response(200)
        self.send_header("Content-Length", count)
        self.end_headers()
        while remaining:
            if pause:
                time.sleep(float(pause))
            remaining -= self.wfile.write(_CHUNK[: min(remaining, _PIECE) if pause else remaining])

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
