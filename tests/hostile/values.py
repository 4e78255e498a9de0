"""Values of each field, inside and outside what the checked program allows: all of them, or the edges and a sample.

values(layout, bytes.fromhex("0204"))  ->  ("rtt_divisor 0", 0004, False), ("rtt_divisor 1", 0104, True), ...
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from optdsl.compiler import Options, analyse
from optdsl.diagnostics import Diagnostics
from optdsl.semantics import model
from optdsl.semantics.types import BytesType, EnumType
from optdsl.source import Source
from samples.sample_objects import load_module

_ALL = 1 << 8
"""Fields with so many values are tried with all of them."""
_SAMPLE = 40


def checked(name: str, text: str) -> model.CheckedProgram:
    """The checked program of one file."""
    return analyse([Source(f"{name}.opt", text)], Options(name), load_module, Diagnostics())


def values(layout: model.Layout, content: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """Contents that differ from a valid one in the value of one field, and whether its declaration allows the value."""
    number, bits = int.from_bytes(content, "big"), 8 * len(content)
    for field, start in _places(layout, content):
        shift = bits - start - field.bits
        cleared = number & ~(((1 << field.bits) - 1) << shift)
        for value in _candidates(field):
            made = (cleared | value << shift).to_bytes(len(content), "big")
            yield f"{field.name} {value}", made, _is_allowed(field, value)


def _places(layout: model.Layout, content: bytes) -> Iterator[tuple[model.Field, int]]:
    """The fields that a content has, and the bit at which each begins."""
    number, bits, start = int.from_bytes(content, "big"), 8 * len(content), 0
    flags: dict[str, int] = {}
    for field in layout.fields:
        if field.presence is model.Presence.FLAG and not flags[field.flag]:
            continue
        for _ in range((bits - start) // field.bits if field.repeat else 1):
            if start + field.bits <= bits:
                yield field, start
                flags[field.name] = number >> (bits - start - field.bits) & ((1 << field.bits) - 1)
                start += field.bits


def _is_allowed(field: model.Field, value: int) -> bool:
    if field.is_reserved:
        return field.fixed in (None, value)
    if isinstance(field.type, BytesType):
        return True
    if isinstance(field.type, EnumType):
        return any(value == number for _, number in field.type.members)
    return field.raw.low <= value <= field.raw.high


def _candidates(field: model.Field) -> list[int]:
    largest = (1 << field.bits) - 1
    if largest < _ALL:
        return list(range(largest + 1))
    edges = [0, 1, field.raw.low - 1, field.raw.high + 1, field.raw.high + 2, largest - 1, largest]
    powers = [1 << bit for bit in range(field.bits)]
    # Values whose lowest byte alone would be allowed, or whose bytes would be in the other order.
    shifted = [field.raw.low << 8, (field.raw.high & 0xFF) << 8, 0x100 + field.raw.low]
    chance = random.Random(field.bits)
    sample = [chance.randint(0, largest) for _ in range(_SAMPLE)]
    return sorted({value for value in (*edges, *powers, *shifted, *sample) if 0 <= value <= largest})
