"""A transfer over MPTCP between two processes: `python -m optdsl.lab.paths.transfer`, run on the hosts of a lab.

    ip netns exec server python3 -m optdsl.lab.paths.transfer serve --port 5000 &
    ip netns exec client python3 -m optdsl.lab.paths.transfer connect 10.0.1.2 --port 5000 --send 1000000

The server tells its port in a line of JSON and serves one connection after the other. The client prints what came of
its own: bytes, seconds, whether it stayed MPTCP and on how many subflows. `transfer` runs both.
"""

import argparse
import hashlib
import json
import socket
import struct
import sys
import threading
import time
from typing import Any, Final

from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Lab
from optdsl.lab.paths.sockets import IPPROTO_MPTCP, mptcp_info
from optdsl.record import fields, record

_REQUEST: Final = struct.Struct("!QQ")
"""What a client begins with: how many bytes it sends after this, and how many it wants."""
_BLOCK: Final = 1 << 16
_DIGEST: Final = 32


@record
class PathTransfer:
    """What a client reports."""

    sent: int
    received: int
    seconds: float
    """From connecting until the last byte has come and the server has told that it has all."""
    intact: bool
    """Whether both directions brought the bytes that were sent, by their SHA-256."""
    mptcp: bool
    """Whether the connection still was MPTCP at its end; False after a fallback to TCP."""
    subflows: int
    """Those beyond the first at its end."""


def transfer(
    lab: Lab,
    *,
    send: int,
    receive: int = 0,
    address: str | None = None,
    source: str | None = None,
    timeout: float = 60.0,
) -> PathTransfer:
    """One transfer between processes on the client and on the server; `timeout` in seconds.

    Raises LabError if the server does not start, CommandError with the client's error.
    """
    process = lab.server.spawn_python("optdsl.lab.paths.transfer", "serve")
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise LabError("the server of the transfer does not start")
    port = json.loads(line)["port"]
    bound = ["--source", source] if source else []
    arguments = ["--port", str(port), "--send", str(send), "--receive", str(receive), *bound]
    done = lab.client.run(
        [sys.executable, "-m", "optdsl.lab.paths.transfer", "connect", address or lab.server.ipv4, *arguments],
        timeout=timeout,
    )
    process.terminate()
    return PathTransfer(**json.loads(done.stdout))


def serve(port: int) -> None:
    """Serves connections until it is ended."""
    with _open("::") as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("::", port))
        listener.listen()
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        while True:
            connection, _ = listener.accept()
            with connection:
                coming, wanted = _REQUEST.unpack(_exactly(connection, _REQUEST.size))
                answer = _Sending(connection, wanted)
                connection.sendall(_received(connection, coming) + answer.finished())


def connect(address: str, port: int, send: int, receive: int, source: str | None = None) -> PathTransfer:
    """The client's side of a transfer. Raises OSError."""
    start = time.monotonic()
    with _open(address) as connection:
        if source:
            connection.bind((source, 0))
        connection.connect((address, port))
        connection.sendall(_REQUEST.pack(send, receive))
        sending = _Sending(connection, send)
        received = _received(connection, receive)
        own = sending.finished()
        theirs, told = _exactly(connection, _DIGEST), _exactly(connection, _DIGEST)
        seconds = time.monotonic() - start
        try:
            info = mptcp_info(connection)
        except OSError:
            return PathTransfer(send, receive, seconds, (own, received) == (theirs, told), False, 0)
        return PathTransfer(send, receive, seconds, (own, received) == (theirs, told), True, info.subflows)


class _Sending:
    """Sends bytes while the caller receives."""

    def __init__(self, connection: socket.socket, size: int) -> None:
        self._digest = hashlib.sha256()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._send, args=(connection, size), daemon=True)
        self._thread.start()

    def finished(self) -> bytes:
        """The digest of what was sent, once that is done. Raises OSError."""
        self._thread.join()
        if self._error:
            raise self._error
        return self._digest.digest()

    def _send(self, connection: socket.socket, size: int) -> None:
        try:
            for number, start in enumerate(range(0, size, _BLOCK)):
                block = (number.to_bytes(8, "big") * (_BLOCK // 8))[: min(_BLOCK, size - start)]
                self._digest.update(block)
                connection.sendall(block)
        except OSError as error:
            self._error = error


def _received(connection: socket.socket, size: int) -> bytes:
    """Receives so many bytes and returns their digest."""
    digest = hashlib.sha256()
    while size:
        block = _exactly(connection, min(size, _BLOCK))
        digest.update(block)
        size -= len(block)
    return digest.digest()


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError("the connection ended early")
        data += piece
    return data


def _open(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.socket(family, socket.SOCK_STREAM, IPPROTO_MPTCP)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="transfer", description="A transfer over MPTCP.")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve")
    connecting = commands.add_parser("connect")
    connecting.add_argument("address")
    connecting.add_argument("--send", type=int, default=0, metavar="BYTES")
    connecting.add_argument("--receive", type=int, default=0, metavar="BYTES")
    connecting.add_argument("--source", metavar="ADDRESS")
    for each in (serving, connecting):
        each.add_argument("--port", type=int, default=0)
    given: Any = parser.parse_args(arguments)
    try:
        if given.command == "serve":
            serve(given.port)
        done = connect(given.address, given.port, given.send, given.receive, given.source)
    except OSError as error:
        print(f"{given.command}: {error.strerror or error}", file=sys.stderr)
        return 1
    print(json.dumps({name: getattr(done, name) for name in fields(done)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
