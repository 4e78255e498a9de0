"""What the tests of the packet schedulers share: the socket option, connections on two paths, and data by its DSN."""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.manager import endpoints, use_all_paths
from optdsl.lab.paths.sockets import SOL_MPTCP, Sockets, mptcp_info
from optdsl.lab.pcap import Flags, Packet

MPTCP_SCHEDULER: Final = 65
"""Of the patched include/uapi/linux/mptcp.h."""
NAME_MAX: Final = 16
"""MPTCP_SCHED_NAME_MAX of include/net/mptcp.h, with the terminating NUL."""
ALL: Final = ("default", "redundant", "roundrobin")

_KIND: Final = 30
_DSS: Final = 2
_ACK, _LONG_ACK, _MAP, _LONG_DSN = 1, 2, 4, 8
"""Flags of the DSS option (RFC 8684, section 3.3)."""

Ranges = list[tuple[int, int]]
"""Half-open ranges of data sequence numbers, in order and apart."""


def scheduler(end: socket.socket) -> str:
    """The name of the scheduler of a socket."""
    return end.getsockopt(SOL_MPTCP, MPTCP_SCHEDULER, NAME_MAX).rstrip(b"\0").decode()


def set_scheduler(end: socket.socket, name: str) -> None:
    """Switches. Raises OSError."""
    end.setsockopt(SOL_MPTCP, MPTCP_SCHEDULER, name.encode())


@contextmanager
def connection(
    lab: MultipathLab, name: str | None = None, *, ipv6: bool = False
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection with a subflow on each path, both of whose ends have a scheduler (None for that of the sysctl)."""
    if not endpoints(lab.client):
        use_all_paths(lab.client, lab.server, [path.client for path in lab.paths[1:]], ipv6=ipv6)
    with Sockets() as sockets:
        listener = sockets.listen(lab.server, ipv6=ipv6)
        client, server = sockets.connect(lab.client, lab.server.address(ipv6=ipv6), listener)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if name is not None:
                set_scheduler(end, name)
        say(client, server)
        say(server, client)
        wait_for_subflows(client, len(lab.paths) - 1)
        wait_for_subflows(server, len(lab.paths) - 1)
        time.sleep(1)  # the acknowledgment that makes the last one usable
        yield client, server


def wait_for_subflows(end: socket.socket, count: int) -> None:
    """Returns when a connection has as many subflows beyond the first."""
    for _ in range(500):
        if mptcp_info(end).subflows == count:
            return
        time.sleep(0.01)
    raise AssertionError(f"{mptcp_info(end).subflows} further subflows, not {count}")


def say(source: socket.socket, target: socket.socket, size: int = 100) -> float:
    """Sends a message; the seconds until all of it has come."""
    start = time.monotonic()
    source.sendall(bytes(size))
    left = size
    while left:
        left -= len(target.recv(left))
    return time.monotonic() - start


def disconnect(end: socket.socket) -> None:
    """connect(2) with AF_UNSPEC, which Python's sockets cannot say: the socket can connect again."""
    address = struct.pack("=H14x", socket.AF_UNSPEC)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(end.fileno(), address, len(address)):
        raise OSError(ctypes.get_errno(), "connect")


def sent_ranges(packets: list[Packet], sender: str) -> Ranges:
    """The data that an address has sent, by DSN; without the segment that carries MP_CAPABLE instead of a DSS."""
    begins = {(p.src, p.sport): p.seq for p in packets if p.flags & Flags.SYN}
    found = []
    for packet in packets:
        if packet.src != sender or not packet.payload_length:
            continue
        mapped = _mapping(packet)
        if mapped is not None:
            number, subflow_number = mapped
            offset = (packet.seq - begins[packet.src, packet.sport] - subflow_number) & 0xFFFFFFFF
            found.append((number + offset, number + offset + packet.payload_length))
    return _joined(found)


def common(one: Ranges, other: Ranges) -> int:
    """How many bytes are in both."""
    return size(one) + size(other) - size(_joined(one + other))


def size(ranges: Ranges) -> int:
    """How many bytes there are."""
    return sum(end - start for start, end in ranges)


def payload(packets: list[Packet], sender: str) -> int:
    """How many bytes an address has sent, repeated ones included."""
    return sum(packet.payload_length for packet in packets if packet.src == sender)


def _mapping(packet: Packet) -> tuple[int, int] | None:
    """DSN and subflow sequence number of a DSS with a mapping."""
    for option in packet.options:
        data = option.data
        if option.kind != _KIND or data[0] >> 4 != _DSS or not data[1] & _MAP:
            continue
        assert data[1] & _LONG_DSN, "Linux sends 64 bits"
        start = 2
        if data[1] & _ACK:
            start += 8 if data[1] & _LONG_ACK else 4
        return int.from_bytes(data[start : start + 8], "big"), int.from_bytes(data[start + 8 : start + 12], "big")
    return None


def _joined(ranges: Ranges) -> Ranges:
    found: Ranges = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
