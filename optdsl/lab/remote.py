"""Sockets on the hosts of a lab, driven from the outside: the other end of `optdsl.lab.peer`.

    client, server = RemotePeer(lab.client), RemotePeer(lab.server)
    listener = server.listen()
    connection = client.connect(lab.server.ipv4, listener.port)
    accepted = server.accept(listener)
    connection.send(1000)
    accepted.receive(1000)

Each peer does one thing at a time. `begin_send` and `begin_receive` return before it is done, so that two peers work at
once: a long transfer needs a reader while it is written.
"""

import itertools
import json
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Host
from optdsl.record import field, record

T = TypeVar("T")
Options = Mapping[str, int | str]
"""Socket options by name, such as `{"TCP_USER_TIMEOUT": 500}`."""


class PeerError(LabError):
    """A socket call on a host failed, with `errno` as the kernel gave it; ETIMEDOUT if the request ran out of time."""

    def __init__(self, host: str, operation: str, errno: int, message: str) -> None:
        super().__init__(host, operation, errno, message)
        self.host = host
        self.operation = operation
        self.errno = errno
        self.message = message

    def __str__(self) -> str:
        return f"{self.operation} on {self.host}: {self.message}"


class Pending(Generic[T]):
    """An answer that may still be on its way."""

    def __init__(self, peer: "RemotePeer", operation: str, convert: Callable[[Any], T]) -> None:
        self._peer = peer
        self._operation = operation
        self._convert = convert
        self._answer: dict[str, Any] | None = None

    def result(self) -> T:
        """Waits for the answer. Raises PeerError if the operation failed."""
        while self._answer is None:
            self._peer.read_answer()
        if error := self._answer.get("error"):
            raise PeerError(self._peer.host.name, self._operation, error["errno"], error["message"])
        return self._convert(self._answer["result"])

    def settle(self, answer: dict[str, Any]) -> None:
        """Takes the answer; for the peer that reads it."""
        self._answer = answer


@record
class Received:
    """What a receive brought: bytes, and whether the other side has finished (FIN)."""

    count: int
    finished: bool


@record
class RemoteSocket:
    """A socket on a host: a listener, or a connection."""

    peer: "RemotePeer" = field(shown=False)
    name: str
    port: int
    """The local port; for an accepted connection the remote one."""
    sent: int = 0
    """Bytes that were sent while connecting, with TCP Fast Open."""

    def send(self, count: int, *, chunk: int = 0, delay: float = 0.0, timeout: float = 10.0) -> None:
        """Sends `count` bytes, in writes of `chunk` bytes with `delay` seconds between them (default: one write)."""
        self.begin_send(count, chunk=chunk, delay=delay, timeout=timeout).result()

    def begin_send(self, count: int, *, chunk: int = 0, delay: float = 0.0, timeout: float = 10.0) -> Pending[int]:
        """Starts `send`."""
        return self._request("send", int, count=count, chunk=chunk, delay=delay, timeout=timeout)

    def receive(self, count: int, *, timeout: float = 10.0) -> Received:
        """Receives until `count` bytes have come or the other side has finished; `timeout` in seconds for all of it."""
        return self.begin_receive(count, timeout=timeout).result()

    def begin_receive(self, count: int, *, timeout: float = 10.0) -> Pending[Received]:
        """Starts `receive`."""
        return self._request("receive", lambda a: Received(a["received"], a["finished"]), count=count, timeout=timeout)

    def set_option(self, option: str, value: int | str) -> None:
        """Sets a socket option by its name in socket(7), tcp(7), ip(7) or ipv6(7)."""
        self._request("set", lambda answer: answer, option=option, value=value).result()

    def option(self, option: str) -> int | str:
        """Reads a socket option; TCP_CONGESTION is text."""
        value: int | str = self._request("get", lambda answer: answer, option=option).result()
        return value

    def tcp_info(self) -> dict[str, int]:
        """The kernel's view of the connection; see `tcp_info.decode_tcp_info` for units."""
        return self._request("tcp_info", dict[str, int]).result()

    def shutdown(self) -> None:
        """Finishes sending: a FIN follows what was sent."""
        self._request("shutdown", lambda answer: answer).result()

    def close(self, *, reset: bool = False) -> None:
        """Closes the socket, with a RST instead of a FIN if `reset`."""
        self._request("close", lambda answer: answer, reset=reset).result()

    def _request(self, operation: str, convert: Callable[[Any], T], **arguments: Any) -> Pending[T]:
        return self.peer.request(operation, convert, name=self.name, **arguments)


class RemotePeer:
    """A process on a host that opens sockets on request. It ends with its lab."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._process = host.spawn_python("optdsl.lab.peer", stdin=subprocess.PIPE)
        self._pending: deque[Pending[Any]] = deque()
        self._names = (f"s{number}" for number in itertools.count(1))

    def listen(
        self, port: int = 0, *, ipv6: bool = False, fastopen: int = 0, options: Options | None = None
    ) -> RemoteSocket:
        """Listens on all addresses of a family, on a free port by default; `fastopen` is the TCP Fast Open queue."""
        given = {"port": port, "ipv6": ipv6, "fastopen": fastopen, "options": options}
        return self._open("listen", **given)

    def connect(
        self, address: str, port: int, *, timeout: float = 10.0, fastopen: int = 0, options: Options | None = None
    ) -> RemoteSocket:
        """Connects. With `fastopen` that many bytes are sent along with MSG_FASTOPEN. `options` are set before."""
        given = {"address": address, "port": port, "timeout": timeout, "fastopen": fastopen, "options": options}
        return self._open("connect", **given)

    def accept(self, listener: RemoteSocket, *, timeout: float = 10.0) -> RemoteSocket:
        """Takes the next connection of a listener of this peer."""
        return self._open("accept", listener=listener.name, timeout=timeout)

    def request(self, operation: str, convert: Callable[[Any], T], **arguments: Any) -> Pending[T]:
        """Sends a request to the process; its answer comes after those of the requests before."""
        assert self._process.stdin is not None
        pending = Pending(self, operation, convert)
        try:
            self._process.stdin.write(json.dumps({"op": operation, **arguments}) + "\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:  # ValueError: our end of the pipe is closed
            raise LabError(f"the peer on {self.host.name} is gone") from error
        self._pending.append(pending)
        return pending

    def read_answer(self) -> None:
        """Waits for the next answer and hands it to the request it belongs to."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LabError(f"the peer on {self.host.name} is gone")
        self._pending.popleft().settle(json.loads(line))

    def _open(self, operation: str, **arguments: Any) -> RemoteSocket:
        name = next(self._names)
        answer: dict[str, Any] = self.request(operation, dict[str, Any], name=name, **arguments).result()
        return RemoteSocket(self, name, answer["port"], answer.get("sent", 0))
