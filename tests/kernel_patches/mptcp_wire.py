"""MPTCP's signals as they are in a capture (RFC 8684, sections 3.2 to 3.4)."""

from __future__ import annotations

import ipaddress
from typing import Final, NamedTuple

from optdsl.lab.pcap import Flags, Packet

_KIND: Final = 30
_MP_JOIN, _ADD_ADDR, _RM_ADDR, _MP_PRIO = 1, 3, 4, 5
_FLAG: Final = 1
"""The backup bit of MP_JOIN and MP_PRIO, the echo bit of ADD_ADDR."""
_HMAC_LENGTH: Final = 8


class Join(NamedTuple):
    """A SYN, or a SYN-ACK, with MP_JOIN."""

    src: str
    dst: str
    sport: int
    dport: int
    id: int
    """Of the sender's address."""
    backup: bool


class AddAddr(NamedTuple):
    """An ADD_ADDR."""

    src: str
    id: int
    address: str
    port: int
    echo: bool


def joins(packets: list[Packet], *, replies: bool = False) -> list[Join]:
    """The requests to join, each once, or the replies to them."""
    wanted = Flags.SYN | Flags.ACK if replies else Flags.SYN
    found = [
        Join(p.src, p.dst, p.sport, p.dport, data[1], bool(data[0] & _FLAG))
        for p in packets
        for data in _of(p, _MP_JOIN)
        if p.flags & (Flags.SYN | Flags.ACK) == wanted
    ]
    return list(dict.fromkeys(found))


def priorities(packets: list[Packet]) -> list[tuple[str, bool]]:
    """Of each MP_PRIO its sender and its backup bit."""
    return [(p.src, bool(data[0] & _FLAG)) for p in packets for data in _of(p, _MP_PRIO)]


def announced(packets: list[Packet]) -> list[AddAddr]:
    """Each ADD_ADDR, echoes included."""
    return [_add_addr(p, data) for p in packets for data in _of(p, _ADD_ADDR)]


def removed(packets: list[Packet]) -> list[tuple[str, tuple[int, ...]]]:
    """Of each RM_ADDR its sender and the ids."""
    return [(p.src, tuple(data[1:])) for p in packets for data in _of(p, _RM_ADDR)]


def _of(packet: Packet, subtype: int) -> list[bytes]:
    return [o.data for o in packet.options if o.kind == _KIND and o.data and o.data[0] >> 4 == subtype]


def _add_addr(packet: Packet, data: bytes) -> AddAddr:
    echo = bool(data[0] & _FLAG)
    content = data[2:] if echo else data[2:-_HMAC_LENGTH]
    size = 16 if len(content) >= 16 else 4
    address = str(ipaddress.ip_address(content[:size]))
    return AddAddr(packet.src, data[1], address, int.from_bytes(content[size : size + 2], "big"), echo)
