"""What must be counted for the bytes of a packet's options: a second reading of `docs/language.md`, chapter Receiving.

    judge(delayed_ack, b"\\xfd\\x06\\x44\\x41\\x00\\x04")  ->  received, bad_rtt_divisor; nothing is done

What reaches a program at all is the kernel's affair: `tcp_parse_options()` in `net/ipv4/tcp_input.c` decides whether a
program is called, `bpf_search_tcp_opt()` in `net/core/filter.c` what it finds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

_END, _NOP = 0, 1
_OF_KERNEL = frozenset({2, 3, 4, 5, 8, 19, 29, 30, 34})
"""Kinds that Linux reads itself; any other is unknown to it, and is why a program is called."""
_READ_FOR_KEYS = 5
"""The kernel looks for TCP-AO (6.7 and later) as long as so many bytes are left, and drops what is malformed there
(`tcp_do_parse_auth_options()`).
"""


class Phase(Enum):
    """When a packet comes: the program is called for each of the handshake, later for those with an unknown option."""

    HANDSHAKE = "handshake"
    CONNECTED = "connected"


@dataclass(frozen=True, slots=True)
class Format:
    """A declaration in a second notation.

    `reason` gets the content behind kind, length and ExID, and names the counter that it must be counted under, or "".
    """

    option: str
    kind: int
    exid: bytes
    reason: Callable[[bytes], str]

    def wire(self, content: bytes) -> bytes:
        """The whole option."""
        return bytes((self.kind, 2 + len(self.exid) + len(content))) + self.exid + content


@dataclass(frozen=True, slots=True)
class Judgement:
    """The counters of one option that go up by one, and the content that its `receive` block acts on, if it does."""

    counted: tuple[str, ...] = ()
    acts_on: bytes | None = None


def judge(wanted: Format, options: bytes, phase: Phase = Phase.CONNECTED) -> Judgement:
    """What a packet with these options must do."""
    if phase is Phase.CONNECTED and not _calls_program(options):
        return Judgement()
    found = _search(wanted, options)
    if found is None:
        return Judgement()
    if not found:
        return Judgement(("load_failed",))
    content = found[2 + len(wanted.exid) :]
    reason = wanted.reason(content)
    return Judgement(("received", reason)) if reason else Judgement(("received",), content)


def may_be_dropped(options: bytes) -> bool:
    """Whether a kernel that knows TCP-AO drops the packet, whatever else it is, because its options are malformed."""
    rest = _skip(options)
    return len(rest) >= _READ_FOR_KEYS and not _is_whole(rest)


def _calls_program(options: bytes) -> bool:
    """Whether an unknown option stands before the end of the list, or before it is malformed."""
    rest = options
    while rest and rest[0] != _END:
        if rest[0] == _NOP:
            rest = rest[1:]
        elif not _is_whole(rest):
            return False
        elif rest[0] not in _OF_KERNEL:
            return True
        else:
            rest = rest[rest[1] :]
    return False


def _search(wanted: Format, options: bytes) -> bytes | None:
    """The first option of a kind and ExID; None if there is none; empty if the list is malformed before it."""
    rest = options
    while rest and rest[0] != _END:
        if rest[0] == _NOP:
            rest = rest[1:]
            continue
        if not _is_whole(rest):
            return b""
        one, rest = rest[: rest[1]], rest[rest[1] :]
        if one[0] != wanted.kind:
            continue
        if len(one) < 2 + len(wanted.exid):
            return None  # too short to hold an ExID of this width: the kernel looks no further
        if one[2:].startswith(wanted.exid):
            return one
    return None


def _skip(options: bytes) -> bytes:
    """What is left from the first malformed option on, or from the end of the list."""
    rest = options
    while rest and rest[0] != _END and (rest[0] == _NOP or _is_whole(rest)):
        rest = rest[1 if rest[0] == _NOP else rest[1] :]
    return b"" if rest[:1] == bytes([_END]) else rest


def _is_whole(rest: bytes) -> bool:
    """Whether an option with a length byte that can be true begins here."""
    return len(rest) >= 2 and 2 <= rest[1] <= len(rest)
