"""What the tests of the acknowledgement strategy share: its options, connections to set them on, ACKs in captures."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Final

from optdsl.lab.paths import Path
from optdsl.lab.paths.sockets import SOL_MPTCP, Sockets
from optdsl.lab.pcap import Flags, Packet
from optdsl.lab.tcp_info import decode_tcp_info
from optdsl.record import record

DELACK_RTT_DIVISOR: Final = 64
DELACK_SEGS: Final = 65
"""Of include/uapi/linux/tcp.h as the patch has it."""
SEGMENT: Final = 1448
"""Bytes of a full-sized segment: an MTU of 1500 less the headers of IPv4 and TCP with a timestamp; IPv6 has 1428."""
MPTCP_SEGMENT: Final = 1424
"""Its 24 bytes less: a data sequence signal with a data ACK of 32 bits, padded (RFC 8684, section 3.3)."""
QUICK_ACKS: Final = 16
"""TCP_MAX_QUICKACKS of include/net/tcp.h: so many ACKs answer a segment each when a connection begins."""
STEADY_BUFFER: Final = 212_992
"""Default of net.core.rmem_max. The kernel also answers each segment for which it opens the window further
(tcp_grow_window() of net/ipv4/tcp_input.c), and with a buffer of a fixed size it ceases to do so soon."""
STEADY_AFTER: Final = 500_000
"""Bytes after which the window does not grow any more."""
_SACK: Final = 5
_MPTCP_TCPINFO: Final = 2
TICK: Final = 0.010
"""User-mode Linux has HZ=100."""


@record
class Ack:
    """A segment without data."""

    time: float
    acked: int
    """Bytes of the peer's data that it acknowledges, counted from the beginning."""
    sacked: tuple[int, ...]
    """Edges of the blocks behind a hole, counted likewise (RFC 2018)."""


@contextmanager
def connection(
    path: Path, *, ipv6: bool = False, mptcp: bool = False, listener_options: Sequence[tuple[int, int]] = (),
    buffer: int = STEADY_BUFFER,
) -> Iterator[tuple[socket.socket, socket.socket]]:  # fmt: skip
    """A connection over a path, the client's end first; the listener had the options of TCP from the start.

    `buffer` is the server's SO_RCVBUF, 0 for one that the kernel tunes.
    """
    address = path.server.ipv6 if ipv6 else path.server.ipv4
    with Sockets() as sockets:
        listener = sockets.listen(path.server, ipv6=ipv6, mptcp=mptcp)
        if buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        for option, value in listener_options:
            set_option(listener, option, value)
        yield sockets.connect(path.client, address, listener, mptcp=mptcp)


def set_option(end: socket.socket, option: int, value: int) -> None:
    """Sets an option of TCP. Raises OSError."""
    end.setsockopt(socket.IPPROTO_TCP, option, value)


def get_option(end: socket.socket, option: int) -> int:
    """The value of an option of TCP."""
    return end.getsockopt(socket.IPPROTO_TCP, option)


def ack_timeout(end: socket.socket) -> float:
    """The delayed-ACK timeout of a socket in seconds, as `ss -i` shows it with `ato`."""
    return decode_tcp_info(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256))["ato"] / 1e6


def subflow_ack_timeouts(end: socket.socket) -> list[float]:
    """The delayed-ACK timeouts of the subflows of an MPTCP socket in seconds."""
    # struct mptcp_subflow_data of include/uapi/linux/mptcp.h: its size, number of subflows, sizes of struct tcp_info.
    most, size = 8, 256
    head = struct.pack("=4I", 16, 0, 0, size)
    buffer = ctypes.create_string_buffer(head, len(head) + most * size)
    length = ctypes.c_uint32(len(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.getsockopt(end.fileno(), SOL_MPTCP, _MPTCP_TCPINFO, buffer, ctypes.byref(length)):
        raise OSError(ctypes.get_errno(), "getsockopt(MPTCP_TCPINFO)")
    _, count, kernel_size, _ = struct.unpack_from("=4I", buffer)
    step = min(size, kernel_size)
    infos = [buffer.raw[16 + place * step : 16 + (place + 1) * step] for place in range(count)]
    return [decode_tcp_info(info)["ato"] / 1e6 for info in infos]


def acks(packets: Sequence[Packet], end: socket.socket) -> list[Ack]:
    """The ACKs without data that a socket sent, its SYN-ACK left out."""
    port = end.getsockname()[1]
    sent = [packet for packet in packets if packet.sport == port]
    start = next(packet.ack for packet in sent if Flags.SYN in packet.flags)
    return [
        Ack(packet.time, (packet.ack - start) % 2**32, tuple((edge - start) % 2**32 for edge in _edges(packet)))
        for packet in sent
        if not packet.payload_length and not packet.flags & (Flags.SYN | Flags.FIN | Flags.RST)
    ]


def segments_per_ack(sent: Sequence[Ack], segment: int = SEGMENT) -> list[float]:
    """By how many full-sized segments each ACK goes beyond the one before."""
    return [(later.acked - earlier.acked) / segment for earlier, later in pairwise(sent)]


def steady(sent: Sequence[Ack]) -> list[Ack]:
    """The ACKs after those that answer a connection's beginning."""
    return [each for each in sent if each.acked > STEADY_AFTER]


def share(found: Sequence[float], wanted: float) -> float:
    """The part of values that are as wanted, 0 to 1."""
    return sum(each == wanted for each in found) / len(found)


def data_times(packets: Sequence[Packet], end: socket.socket) -> list[float]:
    """When the segments with data for a socket came."""
    return [packet.time for packet in packets if packet.dport == end.getsockname()[1] and packet.payload_length]


def _edges(packet: Packet) -> tuple[int, ...]:
    blocks = packet.option(_SACK) or b""
    return struct.unpack(f">{len(blocks) // 4}I", blocks)
