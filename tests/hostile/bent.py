"""Lists of options as no honest peer sends them, each with a name; all are multiples of four bytes, at most 40.

Lists that are valid after all are among them: the caller asks the judge which.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from hostile.judge import Format

Named = tuple[str, bytes]

_SPACE = 40
_END, _NOP = b"\0", b"\1"
_UNKNOWN = bytes.fromhex("f00411ee")
"""An option of a kind that nobody has."""
_EXPERIMENTAL = (253, 254)
_OF_KERNEL = bytes.fromhex("020405b4 01030307 0402")
"""What hosts send on SYNs: segment size, window scale, SACK."""
_NEVER = frozenset({2, 3, 4, 5, 8, 19, 29, 30, 34})
"""Kinds that the kernel acts on are left out of random bytes."""


def bent(wanted: Format, content: bytes) -> Iterator[Named]:
    """One valid option bent in every way but its values."""
    wire = wanted.wire(content)
    yield from _lengths(wire)
    yield from _ends(wire)
    yield from _headers(wanted, content)


def placed(wire: bytes) -> Iterator[Named]:
    """One option, as it is, at every alignment, among others, and where nobody looks."""
    for before in range(4):
        yield f"behind {before} NOPs", padded(_NOP * before + wire, _NOP)
    yield "between NOPs", padded(_NOP * 3 + wire + _NOP * 3, _NOP)
    yield "before EOL", padded(wire + _END, b"\xff")
    yield "behind an unknown option", padded(_UNKNOWN + wire)
    yield "before an unknown option", padded(wire + _UNKNOWN)
    yield "behind the kernel's", padded(_OF_KERNEL + wire)
    yield "at the header's end", _NOP * (-len(wire) % 4) + wire
    yield "behind EOL", padded(_END + wire)
    yield "behind an unknown option and EOL", padded(_UNKNOWN + _END + wire)
    yield "inside an unknown option", padded(bytes((0xF0, 2 + len(wire))) + wire)
    yield "behind a malformed option", padded(b"\xf0\x01" + wire)
    yield "behind an unknown and a malformed option", padded(_UNKNOWN + b"\xf0\x00" + wire)


def doubled(first: bytes, second: bytes) -> Iterator[Named]:
    """Two of one kind: the kernel finds the first."""
    for name, between in (("", b""), (", NOPs between", _NOP * 2), (", another between", _UNKNOWN)):
        if len(first + between + second) <= _SPACE:
            yield f"twice{name}", padded(first + between + second)


def random_lists(seed: int, wires: list[bytes], count: int) -> Iterator[Named]:
    """Valid options with random content, random bits, random lengths, and bytes that are nothing at all."""
    chance = random.Random(seed)
    made = 0
    while made < count:
        options = b"".join(_random(chance, chance.choice(wires)) for _ in range(chance.choice((1, 1, 2, 3))))[:_SPACE]
        options = padded(_NOP * chance.choice((0, 0, 1, 2)) + options, chance.choice((_END, _NOP)))[:_SPACE]
        if options and not _kinds(options) & _NEVER:
            made += 1
            yield f"random {options.hex()}", options


def padded(options: bytes, padding: bytes = _END) -> bytes:
    """Filled up to a multiple of four bytes."""
    return options + padding * (-len(options) % 4)


# -------------------------------------------------------------------------------------------------------- parts


def _lengths(wire: bytes) -> Iterator[Named]:
    """The length byte against what is there."""
    for length in (*range(len(wire)), *range(len(wire) + 1, _SPACE + 3), 127, 128, 255):
        told = bytes((wire[0], length)) + wire[2:]
        yield f"says {length}, has {len(wire)}", padded(told)
        yield f"says {length}, has {len(wire)}, NOPs behind", padded(told, _NOP)
        if length > 2:
            whole = bytes((wire[0], length)) + wire[2:length].ljust(length - 2, b"\2")
            if len(whole) <= _SPACE:
                yield f"has {length}", padded(whole)


def _ends(wire: bytes) -> Iterator[Named]:
    """The header ends in the middle of the option."""
    for kept in range(1, len(wire)):
        for before in (_NOP * (-kept % 4), _UNKNOWN + _NOP * (-kept % 4)):
            yield f"cut behind {kept} bytes", before + wire[:kept]
    longer = bytes((wire[0], wire[1] + 1)) + wire[2:]
    yield "one byte beyond the header", _NOP * (-len(longer) % 4) + longer
    yield "one byte beyond the header, behind another", _UNKNOWN + _NOP * (-len(longer) % 4) + longer


def _headers(wanted: Format, content: bytes) -> Iterator[Named]:
    """Another kind, another ExID, an ExID of another width, too short a one in front."""
    wire = wanted.wire(content)
    others = (253, 254) if wanted.exid else (wanted.kind ^ 1, wanted.kind ^ 0x80)
    for kind in others:
        if kind != wanted.kind and kind not in _NEVER:
            yield f"kind {kind}", padded(bytes([kind]) + wire[1:])
    for bit in range(8 * len(wanted.exid)):
        exid = (int.from_bytes(wanted.exid, "big") ^ 1 << bit).to_bytes(len(wanted.exid), "big")
        yield f"ExID {exid.hex()}", padded(Format("", wanted.kind, exid, wanted.reason).wire(content))
    if wanted.exid:
        yield "ExID of four bytes", padded(Format("", wanted.kind, wanted.exid + b"\0\0", wanted.reason).wire(content))
        yield "ExID of two bytes", padded(Format("", wanted.kind, wanted.exid[:2], wanted.reason).wire(content))
        yield "ExID from the other end", padded(Format("", wanted.kind, wanted.exid[::-1], wanted.reason).wire(content))
    else:
        yield "with an ExID", padded(Format("", wanted.kind, b"\x44\x41", wanted.reason).wire(content))
    for kind in _EXPERIMENTAL:
        for short in range(2, 2 + len(wanted.exid)):
            yield f"behind {kind} of {short} bytes", padded(bytes((kind, short)) + wanted.exid[: short - 2] + wire)


def _random(chance: random.Random, wire: bytes) -> bytes:
    match chance.randrange(5):
        case 0:
            flipped = bytearray(wire)
            for _ in range(chance.randint(1, 3)):
                flipped[chance.randrange(1, len(wire))] ^= 1 << chance.randrange(8)
            return bytes(flipped)
        case 1:
            return wire[:-2] + chance.randbytes(2)
        case 2:
            longer = wire[: chance.randint(4, len(wire))] + chance.randbytes(chance.randint(0, 8))
            return bytes((wire[0], len(longer))) + longer[2:]
        case 3:
            return wire[: chance.randint(1, len(wire))]
        case _:
            return chance.randbytes(chance.randint(1, 24))


def _kinds(options: bytes) -> set[int]:
    """The kinds that a reader meets up to where the list is malformed."""
    found: set[int] = set()
    start = 0
    while start < len(options) and options[start] != 0:
        found.add(options[start])
        if options[start] == 1:
            start += 1
        elif start + 1 < len(options) and options[start + 1] >= 2:
            start += options[start + 1]
        else:
            break
    return found
