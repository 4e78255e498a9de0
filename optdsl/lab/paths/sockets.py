"""Sockets on the hosts of a lab, in this process: what a test in the lab holds in its hands.

    with Sockets() as sockets:
        listener = sockets.listen(lab.server)
        client, server = sockets.connect(lab.client, lab.server.ipv4, listener)
        moved = exchange(client, server, sent=1_000_000, received=10_000)
        assert mptcp_info(client).subflows == 1

A socket belongs to the namespace and to the control group that its process was in when it was made, so this process
enters both and leaves them again. One thread only, as the group is that of the whole process.
"""

import contextlib
import ctypes
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from optdsl.kernel.cgroups import Cgroup, cgroup2_mounts
from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Host
from optdsl.lab.leftovers import NAMESPACES
from optdsl.record import record

IPPROTO_MPTCP: Final = 262
SOL_MPTCP: Final = 284
MPTCP_INFO: Final = 1
"""Of include/uapi/linux/in.h, include/linux/socket.h and include/uapi/linux/mptcp.h."""
_CLONE_NEWNET: Final = 0x40000000
_BLOCK: Final = 1 << 16
_CHECK: Final = bytes(range(251))
"""What is sent: 251 is prime, so that a block that is lost, repeated or misplaced shows."""
_CYCLE: Final = _CHECK * (_BLOCK // len(_CHECK) + 2)

_libc: Final = ctypes.CDLL(None, use_errno=True)


@record
class MptcpInfo:
    """The beginning of `struct mptcp_info`, as Linux 5.9 has it (include/uapi/linux/mptcp.h)."""

    subflows: int
    """Those beyond the first."""
    add_addr_signal: int
    add_addr_accepted: int
    subflows_max: int
    add_addr_signal_max: int
    add_addr_accepted_max: int
    flags: int
    """MPTCP_INFO_FLAG_FALLBACK 1, MPTCP_INFO_FLAG_REMOTE_KEY_RECEIVED 2."""
    token: int
    """Of this end (RFC 8684, section 3.2)."""
    write_seq: int
    snd_una: int
    rcv_nxt: int


@record
class Exchanged:
    """What an exchange has moved."""

    sent: int
    received: int
    seconds: float


@contextmanager
def in_namespace(name: str) -> Iterator[None]:
    """Takes this thread into a network namespace for the length of a `with` block. Raises LabError if it cannot."""
    if not (NAMESPACES / name).exists():
        raise LabError(f"there is no network namespace {name}")
    with Path("/proc/thread-self/ns/net").open("rb") as own, (NAMESPACES / name).open("rb") as other:
        _enter(other.fileno())
        try:
            yield
        finally:
            _enter(own.fileno())


@contextmanager
def on(host: Host) -> Iterator[None]:
    """Makes this process one of the host's for the length of a `with` block; sockets made in it stay the host's."""
    own_group = _own_cgroup()
    host.cgroup.join()
    try:
        with in_namespace(host.namespace):
            yield
    finally:
        own_group.join()


class Sockets:
    """Makes stream sockets on hosts, MPTCP unless told otherwise, and closes them all at the end of a `with` block."""

    def __init__(self) -> None:
        self._made: list[socket.socket] = []

    def make(self, host: Host, *, ipv6: bool = False, mptcp: bool = True) -> socket.socket:
        """A socket of a host that is neither bound nor connected."""
        with on(host):
            protocol = IPPROTO_MPTCP if mptcp else socket.IPPROTO_TCP
            made = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_STREAM, protocol)
        return self._kept(made)

    def listen(self, host: Host, *, port: int = 0, ipv6: bool = False, mptcp: bool = True) -> socket.socket:
        """A listener on all addresses of a family, on a free port by default."""
        listener = self.make(host, ipv6=ipv6, mptcp=mptcp)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("::" if ipv6 else "0.0.0.0", port))
        listener.listen(1024)
        return listener

    def connect(
        self, client: Host, address: str, listener: socket.socket, *,
        source: str | None = None, mptcp: bool = True, timeout: float = 30.0,
    ) -> tuple[socket.socket, socket.socket]:  # fmt: skip
        """A connection from a host to a listener's port at an address: both of its ends, the client's first.

        `timeout` in seconds holds for it and for what is done with both ends later. Raises OSError.
        """
        end = self.make(client, ipv6=":" in address, mptcp=mptcp)
        end.settimeout(timeout)
        if source is not None:
            end.bind((source, 0))
        end.connect((address, listener.getsockname()[1]))
        listener.settimeout(timeout)
        accepted = self._kept(listener.accept()[0])
        accepted.settimeout(timeout)
        return end, accepted

    def close(self) -> None:
        """Closes all of them; once is enough."""
        for made in self._made:
            made.close()
        self._made.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _kept(self, made: socket.socket) -> socket.socket:
        self._made.append(made)
        return made


def exchange(
    client: socket.socket, server: socket.socket, *, sent: int, received: int = 0, timeout: float = 300.0
) -> Exchanged:
    """Sends bytes from client to server and others back at the same time, and looks whether they arrive as they were.

    Raises LabError if a byte is wrong, the connection ends early or `timeout` seconds pass.
    """
    start = time.monotonic()
    there, back = _Flow(client, server, sent), _Flow(server, client, received)
    with _nonblocking(client, server):
        while not (there.is_done and back.is_done):
            left = start + timeout - time.monotonic()
            ready = _ready([(client, there, back), (server, back, there)], left) if left > 0 else []
            if not ready:
                raise LabError(f"after {timeout:g} s {there} and {back} bytes have arrived")
            for act in ready:
                act()
    return Exchanged(sent, received, time.monotonic() - start)


def mptcp_info(connection: socket.socket) -> MptcpInfo:
    """What the kernel tells of an MPTCP connection. Raises OSError (EOPNOTSUPP) after a fallback to TCP."""
    size = struct.calcsize("=8B2I3Q")
    data = connection.getsockopt(SOL_MPTCP, MPTCP_INFO, size).ljust(size, b"\0")
    counts, flags_and_rest = struct.unpack_from("=6B", data), struct.unpack_from("=2I3Q", data, 8)
    return MptcpInfo(*counts, *flags_and_rest)


class _Flow:
    """One direction of an exchange."""

    def __init__(self, source: socket.socket, target: socket.socket, size: int) -> None:
        self.source, self.target, self.size = source, target, size
        self.passed = 0
        self.arrived = 0

    def __str__(self) -> str:
        return f"{self.arrived} of {self.size}"

    @property
    def is_sent(self) -> bool:
        return self.passed == self.size

    @property
    def is_done(self) -> bool:
        return self.arrived == self.size

    def send(self) -> None:
        block = _content(self.passed, min(_BLOCK, self.size - self.passed))
        with contextlib.suppress(BlockingIOError):
            self.passed += self.source.send(block)

    def receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = self.target.recv(min(_BLOCK, self.size - self.arrived))
            if not data:
                raise LabError(f"the connection ended after {self.arrived} of {self.size} bytes")
            if data != _content(self.arrived, len(data)):
                raise LabError(f"a wrong byte arrived after {self.arrived} bytes")
            self.arrived += len(data)


def _ready(ends: list[tuple[socket.socket, _Flow, _Flow]], timeout: float) -> list[Callable[[], None]]:
    """Waits until something can be sent or received, and returns what is to be done; each end has what leaves it first.

    By poll(2), as the numbers of two thousand connections are beyond what select(2) takes.
    """
    waiting = select.poll()
    for end, out, into in ends:
        waiting.register(end, (0 if out.is_sent else select.POLLOUT) | (0 if into.is_done else select.POLLIN))
    events = dict(waiting.poll(timeout * 1000))
    actions: list[Callable[[], None]] = []
    for end, out, into in ends:
        seen = events.get(end.fileno(), 0)
        if seen & ~select.POLLIN and not out.is_sent:
            actions.append(out.send)
        if seen & ~select.POLLOUT and not into.is_done:
            actions.append(into.receive)
    return actions


def _content(start: int, count: int) -> bytes:
    """At most 64 KiB of the endless content."""
    offset = start % len(_CHECK)
    return _CYCLE[offset : offset + count]


@contextmanager
def _nonblocking(*connections: socket.socket) -> Iterator[None]:
    timeouts = [connection.gettimeout() for connection in connections]
    for connection in connections:
        connection.setblocking(False)
    try:
        yield
    finally:
        for connection, timeout in zip(connections, timeouts, strict=True):
            connection.settimeout(timeout)


def _own_cgroup() -> Cgroup:
    """The control group of this process, by the line of version 2 in cgroups(7)'s /proc/self/cgroup."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    path = next(line.removeprefix("0::/") for line in lines if line.startswith("0::/"))
    return Cgroup(cgroup2_mounts()[0] / path)


def _enter(namespace: int) -> None:
    """setns(2), which Python has only from 3.12 on."""
    if _libc.setns(namespace, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"cannot enter a network namespace: {os.strerror(number)}")
