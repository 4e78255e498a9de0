"""A TCP client and server under remote control: `python -m optdsl.lab.peer`, run on a host of the lab.

Reads one JSON object a line from standard input, does what it says, answers with one line on standard output:

    {"op": "connect", "name": "c", "address": "192.0.2.2", "port": 5000}
    {"result": {"port": 41234}}
    {"op": "get", "name": "c", "option": "TCP_CONGESTION"}
    {"result": "cubic"}
    {"op": "receive", "name": "c", "count": 1}
    {"error": {"errno": 110, "message": "timed out"}}

Requests are worked on in order, one at a time. `optdsl.lab.remote` is the other end of the pipe.
"""

import errno
import json
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from optdsl.lab.tcp_info import decode_tcp_info

_LEVELS: Final = {
    "IP": socket.IPPROTO_IP,
    "IPV6": socket.IPPROTO_IPV6,
    "SO": socket.SOL_SOCKET,
    "TCP": socket.IPPROTO_TCP,
}
_NUMBERS: Final = {
    "SO_MAX_PACING_RATE": 47,
    "TCP_SAVE_SYN": 27,
    "TCP_FASTOPEN_CONNECT": 30,
    "TCP_RTO_MAX_MS": 44,
    "TCP_RTO_MIN_US": 45,
    "TCP_DELACK_MAX_US": 46,
}
"""Of include/uapi/linux/tcp.h and asm-generic/socket.h: what the socket module has no name for."""
_TEXT_OPTIONS: Final = frozenset({"TCP_CONGESTION"})
_BLOCK: Final = 1 << 16
_CHECK: Final = bytes(range(251))
"""What is sent: 251 is prime, so that a block that is lost or repeated shows."""


class Peer:
    """The sockets of this process, by the names that the other end gives them."""

    def __init__(self) -> None:
        self._sockets: dict[str, socket.socket] = {}

    def listen(
        self,
        name: str,
        port: int = 0,
        ipv6: bool = False,
        fastopen: int = 0,
        options: dict[str, int | str] | None = None,
    ) -> dict[str, int]:
        """Listens on all addresses of a family. `fastopen` is the length of the queue for TCP Fast Open."""
        listener = self._new(name, ipv6, options)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if fastopen:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, fastopen)
        listener.bind(("::" if ipv6 else "0.0.0.0", port))
        listener.listen()
        return {"port": listener.getsockname()[1]}

    def connect(
        self,
        name: str,
        address: str,
        port: int,
        timeout: float = 10.0,
        fastopen: int = 0,
        options: dict[str, int | str] | None = None,
    ) -> dict[str, int]:
        """Connects; with `fastopen` that many bytes go with the SYN, or after the handshake if there is no cookie."""
        client = self._new(name, ":" in address, options)
        sent = 0
        if fastopen:
            sent = _connect_with_data(client, (address, port), _content(0, fastopen), timeout)
        else:
            client.settimeout(timeout)
            client.connect((address, port))
        return {"port": client.getsockname()[1], "sent": sent}

    def accept(self, name: str, listener: str, timeout: float = 10.0) -> dict[str, Any]:
        """Takes the next connection of a listening socket."""
        self._sockets[listener].settimeout(timeout)
        accepted, remote = self._sockets[listener].accept()
        self._sockets[name] = accepted
        return {"address": remote[0], "port": remote[1]}

    def send(self, name: str, count: int, chunk: int = 0, delay: float = 0.0, timeout: float = 10.0) -> int:
        """Sends `count` bytes, by default in one write; `chunk` bytes a write with `delay` seconds between them."""
        connection = self._sockets[name]
        connection.settimeout(timeout)
        step = chunk or count
        for start in range(0, count, step):
            if start and delay:
                time.sleep(delay)
            connection.sendall(_content(start, min(step, count - start)))
        return count

    def receive(self, name: str, count: int, timeout: float = 10.0) -> dict[str, Any]:
        """Receives until `count` bytes have come or the other side has finished."""
        connection = self._sockets[name]
        deadline = time.monotonic() + timeout
        received = 0
        while received < count:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            data = connection.recv(min(_BLOCK, count - received))
            if not data:
                return {"received": received, "finished": True}
            received += len(data)
        return {"received": received, "finished": False}

    def set(self, name: str, option: str, value: int | str) -> None:
        """Sets a socket option by its name."""
        _set_option(self._sockets[name], option, value)

    def get(self, name: str, option: str) -> int | str:
        """Reads a socket option by its name."""
        if option in _TEXT_OPTIONS:
            return self._sockets[name].getsockopt(*_option(option), 16).rstrip(b"\0").decode()
        return self._sockets[name].getsockopt(*_option(option))

    def tcp_info(self, name: str) -> dict[str, int]:
        """The kernel's view of a connection, `struct tcp_info` by its members."""
        return decode_tcp_info(self._sockets[name].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512))

    def shutdown(self, name: str) -> None:
        """Finishes sending: a FIN follows what was sent."""
        self._sockets[name].shutdown(socket.SHUT_WR)

    def close(self, name: str, reset: bool = False) -> None:
        """Closes a socket, with a RST instead of a FIN if `reset`."""
        closed = self._sockets.pop(name)
        if reset:
            closed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
        closed.close()

    def _new(self, name: str, ipv6: bool, options: dict[str, int | str] | None) -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_STREAM)
        self._sockets[name] = made
        for option, value in (options or {}).items():
            _set_option(made, option, value)
        return made


def _option(name: str) -> tuple[int, int]:
    number = _NUMBERS.get(name)
    return _LEVELS[name.split("_")[0]], getattr(socket, name) if number is None else number


def _set_option(target: socket.socket, name: str, value: int | str) -> None:
    target.setsockopt(*_option(name), value.encode() if isinstance(value, str) else value)


def _connect_with_data(client: socket.socket, server: tuple[str, int], data: bytes, timeout: float) -> int:
    """Connects by sending. Only a blocking socket waits for the handshake if there is no cookie, hence SO_SNDTIMEO."""
    limit = struct.pack("@ll", int(timeout), int(timeout % 1 * 1e6))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    try:
        return client.sendto(data, socket.MSG_FASTOPEN, server)
    except BlockingIOError as error:
        raise TimeoutError("timed out") from error


def _content(start: int, count: int) -> bytes:
    """Bytes `start` to `start + count` of the endless content."""
    offset = start % len(_CHECK)
    return (_CHECK * (count // len(_CHECK) + 2))[offset : offset + count]


def serve() -> None:
    """Answers requests until standard input ends."""
    peer = Peer()
    for line in sys.stdin:
        request = json.loads(line)
        operation: Callable[..., Any] = getattr(peer, request.pop("op"))
        try:
            answer = {"result": operation(**request)}
        except OSError as error:
            # A timeout of Python's own has no number.
            number = errno.ETIMEDOUT if error.errno is None else error.errno
            answer = {"error": {"errno": number, "message": error.strerror or str(error)}}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
