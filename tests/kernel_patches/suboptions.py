"""What the tests of MPTCP options by subtype share: the program's records, and such options in captures.

client = Suboptions(program("suboptions", paths.client))
client.write(option(0xF, b"\\x01"))
...
assert set(client.stored()) == {0}
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import Final

from kernel_patches.mptcp_events import TICK
from kernel_patches.programs import LoadedProgram
from optdsl.lab.pcap import Flags, Packet
from optdsl.record import record

MPTCP: Final = 30
"""The option kind."""
MP_CAPABLE, MP_JOIN, DSS, ADD_ADDR, OURS = 0, 1, 2, 3, 0xF
"""Subtypes; ours is that for private use (RFC 8684, section 8.2)."""
ASSIGNED: Final = range(9)
ACTIVE_ESTABLISHED, PASSIVE_ESTABLISHED, PARSE, WRITE = 4, 5, 13, 15
"""BPF_SOCK_OPS_... of include/uapi/linux/bpf.h."""
_RECORD: Final = struct.Struct("=3I2i8s4s")
_OPTION: Final = struct.Struct("=8sI")
_PARTS: Final = 2
_ROOM: Final = 40


@record
class Told:
    """One callback."""

    op: int
    flags: Flags
    answers: tuple[int, int]
    """WRITE: of storing each option. Otherwise the length of the option that was found by its subtype, and of the first
    of the kind; or an error number below 0.
    """
    found: bytes
    """At most 8 bytes of the option."""
    first: bytes
    """At most 4 bytes."""


class Suboptions:
    """The program on one host."""

    def __init__(self, program: LoadedProgram) -> None:
        self._program = program
        self._records = program.records()
        self._told: list[Told] = []

    def write(self, *options: bytes, greedy: bool = False) -> None:
        """Options for all packets from now on; `greedy` takes all the room there is, and pads."""
        for number in range(_PARTS):
            content = options[number] if number < len(options) else b""
            self._program.map("written").update(number.to_bytes(4, "little"), _OPTION.pack(content, len(content)))
        self._program.set("reserved", sum(map(len, options)))
        self._program.set("greedy", int(greedy))

    def search(self, content: bytes) -> None:
        """What is searched for from now on: kind, length of the search, subtype in the upper half of a byte."""
        self._program.set("search", int.from_bytes(content, "little"))

    def told(self, op: int) -> list[Told]:
        """All calls of a callback so far."""
        for data in self._records.poll(TICK):
            number, flags, _, one, other, found, first = _RECORD.unpack_from(data)
            self._told.append(Told(number, Flags(flags & 0xFF), (one, other), found, first))
        return [each for each in self._told if each.op == op]

    def stored(self, number: int = 0) -> list[int]:
        """What storing an option was answered, each time."""
        return [each.answers[number] for each in self.told(WRITE)]


class Sort(Enum):
    """Packets that leave different room for further options."""

    SYN_CAPABLE = "SYN, MP_CAPABLE"
    SYN_JOIN = "SYN, MP_JOIN"
    SYN_ACK_CAPABLE = "SYN-ACK, MP_CAPABLE"
    SYN_ACK_JOIN = "SYN-ACK, MP_JOIN"
    THIRD_CAPABLE = "third ACK, MP_CAPABLE"
    THIRD_JOIN = "third ACK, MP_JOIN"
    FIRST_DATA = "data, MP_CAPABLE"
    DATA_32 = "data, 32-bit data ACK"
    DATA_64 = "data, 64-bit data ACK"
    ACK_32 = "ACK, 32-bit data ACK"
    ACK_64 = "ACK, 64-bit data ACK"
    OTHER = "with MP_PRIO, ADD_ADDR, SACK, a mapping without data, ..."


def option(subtype: int, content: bytes = b"", *, length: int = 0) -> bytes:
    """An option of MPTCP's kind: `content` follows the byte with the subtype, zeros fill `length`."""
    body = bytes([subtype << 4]) + content
    body = body.ljust(length - 2, b"\0")
    return bytes([MPTCP, 2 + len(body)]) + body


def subtypes(packet: Packet) -> list[int]:
    """Those of a packet's MPTCP options, in their order."""
    return [each.data[0] >> 4 for each in packet.options if each.kind == MPTCP and each.data]


def with_subtype(packet: Packet, subtype: int) -> bytes | None:
    """A whole option of a packet, with kind and length; None if there is none."""
    for each in packet.options:
        if each.kind == MPTCP and each.data and each.data[0] >> 4 == subtype:
            return bytes([MPTCP, 2 + len(each.data)]) + each.data
    return None


def sort(packet: Packet) -> Sort:
    """Which room a packet leaves, by the options of the kernel alone."""
    known = [kind for kind in subtypes(packet) if kind in ASSIGNED]
    join = MP_JOIN in known
    if packet.flags & Flags.SYN:
        if packet.flags & Flags.ACK:
            return Sort.SYN_ACK_JOIN if join else Sort.SYN_ACK_CAPABLE
        return Sort.SYN_JOIN if join else Sort.SYN_CAPABLE
    if known == [MP_CAPABLE]:
        return Sort.FIRST_DATA if packet.payload_length else Sort.THIRD_CAPABLE
    if known == [MP_JOIN]:
        return Sort.THIRD_JOIN
    if known != [DSS] or any(each.kind == 5 for each in packet.options):
        return Sort.OTHER
    return _sort_of_dss(packet)


def _sort_of_dss(packet: Packet) -> Sort:
    dss = with_subtype(packet, DSS)
    assert dss is not None
    is_long, has_map = bool(dss[3] & 2), bool(dss[3] & 4)
    if has_map != bool(packet.payload_length):
        return Sort.OTHER
    if has_map:
        return Sort.DATA_64 if is_long else Sort.DATA_32
    return Sort.ACK_64 if is_long else Sort.ACK_32


def room_left(packet: Packet) -> int:
    """How many bytes the kernel's own options leave, which it aligns to four: ours is the last one, before padding."""
    used = 0
    options = packet.raw[20:]
    while used < len(options):
        kind = options[used]
        is_ours = kind == MPTCP and options[used + 2] >> 4 == OURS
        if is_ours or not options[used:].strip(b"\x01"):
            break
        used += 1 if kind == 1 else options[used + 1]
    return _ROOM - (used + 3) // 4 * 4
