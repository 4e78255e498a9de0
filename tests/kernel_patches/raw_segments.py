"""TCP segments that no socket sends, such as a reset with an option of one's choice."""

from __future__ import annotations

import socket
import struct
from typing import Final

from optdsl.lab.hosts import Host
from optdsl.lab.paths.sockets import on
from optdsl.lab.pcap import Flags, Packet

_HEADER: Final = struct.Struct("!HHIIBBHHH")
_PSEUDO_HEADER: Final = struct.Struct("!4s4sBBH")


def mp_tcprst(reason: int, *, transient: bool) -> bytes:
    """The option that says why a subflow is reset (RFC 8684, section 3.6)."""
    return bytes([30, 4, 0x80 | transient, reason])


def send_reset(host: Host, received: Packet, options: bytes = b"") -> None:
    """Resets a subflow of the peer, over IPv4: the answer to the last segment of it that `host` has received.

    `options` are those of the segment; their length has to be a multiple of four.
    """
    source, destination = socket.inet_aton(received.dst), socket.inet_aton(received.src)
    offset = (_HEADER.size + len(options)) // 4 << 4
    fields = [received.dport, received.sport, received.ack, 0, offset, Flags.RST, 0]
    segment = _HEADER.pack(*fields, 0, 0) + options
    pseudo = _PSEUDO_HEADER.pack(source, destination, 0, socket.IPPROTO_TCP, len(segment))
    segment = _HEADER.pack(*fields, _checksum(pseudo + segment), 0) + options
    with on(host), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.bind((received.dst, 0))
        raw.sendto(segment, (received.src, 0))


def _checksum(data: bytes) -> int:
    """Of the Internet (RFC 1071), for an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
