"""Option bytes that no honest peer sends: options of ours bent in every way, alone and among others."""

from __future__ import annotations

import random

_SPACE = 40
_NEVER = frozenset({2, 3, 4, 5, 8, 19, 29, 30, 34})
"""Kinds that the kernel itself acts on (a segment with an MD5 signature without a key is dropped)."""
_END, _NOP = 0, 1
_EXPERIMENTS = (253, 254)
"""Kinds with an ExID behind the length (RFC 6994)."""
_DROPPED = 5
"""Kernels that know TCP-AO (6.7) drop a segment whose list is malformed so many bytes before its end, or more
(`tcp_do_parse_auth_options()` in `net/ipv4/tcp_input.c`), and the program never sees it.
"""


def hostile_options(seed: int, wires: list[bytes], count: int) -> list[bytes]:
    """Lists of options, each at most 40 bytes and a multiple of 4; `wires` are valid options to start from."""
    chance = random.Random(seed)
    found: list[bytes] = []
    while len(found) < count:
        made = b"".join(_bent(chance, chance.choice(wires)) for _ in range(chance.choice([1, 1, 1, 2])))
        made = bytes([_NOP] * chance.choice([0, 0, 1, 3])) + made
        made += bytes([chance.choice([_END, _NOP])]) * (-len(made) % 4)
        kinds, malformed = _read(made)
        if 0 < len(made) <= _SPACE and not kinds & _NEVER and malformed < _DROPPED:
            found.append(made)
    return found


def _bent(chance: random.Random, wire: bytes) -> bytes:
    header = 4 if wire[0] in _EXPERIMENTS else 2
    content = bytearray(wire[header:])
    match chance.randrange(9):
        case 0:
            return wire
        case 1:  # any content of this length
            return wire[:header] + chance.randbytes(len(content))
        case 2:  # some bits flipped
            for _ in range(chance.randint(1, 3)):
                if content:
                    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            return wire[:header] + bytes(content)
        case 3:  # cut off, with a length that says so
            kept = chance.randint(2, len(wire))
            return bytes((wire[0], kept)) + wire[2:kept]
        case 4:  # longer, with a length that says so
            longer = wire + chance.randbytes(chance.randint(1, 8))
            return bytes((wire[0], len(longer))) + longer[2:]
        case 5:  # a length that has nothing to do with it
            return bytes((wire[0], chance.choice([0, 1, 2, 3, 4, 5, 255, chance.randrange(256)]))) + wire[2:]
        case 6:  # another experiment
            return wire[: header - 1] + bytes([wire[header - 1] ^ 0xFF]) + wire[header:]
        case 7:  # content of any length
            length = chance.randint(0, 12)
            return bytes((wire[0], header + length)) + wire[2:header] + chance.randbytes(length)
        case _:  # ends in the middle
            return wire[: chance.randint(1, len(wire))]


def _read(options: bytes) -> tuple[set[int], int]:
    """The kinds that a reader finds on its way through the list, and how much it leaves because it is malformed."""
    kinds: set[int] = set()
    start = 0
    while start < len(options) and options[start] != _END:
        kinds.add(options[start])
        if options[start] == _NOP:
            start += 1
            continue
        if start + 1 >= len(options) or not 2 <= options[start + 1] <= len(options) - start:
            return kinds, len(options) - start
        start += options[start + 1]
    return kinds, 0
