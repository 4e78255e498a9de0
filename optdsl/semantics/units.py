"""Units are types: what a number counts, how it is written, and what products and quotients mean.

Every quantity is kept as a whole number of its base unit: microseconds, bits per second, bytes, segments, millionths.
"""

from __future__ import annotations

from enum import Enum

from optdsl.record import record


class Unit(Enum):
    """What a number counts. The value is the type's name in the language."""

    NUMBER = "number"
    DURATION = "duration"
    RATE = "rate"
    SIZE = "size"
    SEGMENTS = "segments"
    RATIO = "ratio"
    SEGMENT_SIZE = "segment size"
    """Bytes a segment: `socket.mss`. A size divided by it is a number of segments; elsewhere it is a size."""


@record
class Suffix:
    """A suffix of a literal: `ms` is 1000 microseconds."""

    unit: Unit
    factor: int


SUFFIXES: dict[str, Suffix] = {
    "us": Suffix(Unit.DURATION, 1),
    "ms": Suffix(Unit.DURATION, 1_000),
    "s": Suffix(Unit.DURATION, 1_000_000),
    "min": Suffix(Unit.DURATION, 60_000_000),
    "h": Suffix(Unit.DURATION, 3_600_000_000),
    "d": Suffix(Unit.DURATION, 86_400_000_000),
    "bps": Suffix(Unit.RATE, 1),
    "kbps": Suffix(Unit.RATE, 1_000),
    "mbps": Suffix(Unit.RATE, 1_000_000),
    "gbps": Suffix(Unit.RATE, 1_000_000_000),
    "B": Suffix(Unit.SIZE, 1),
    "kB": Suffix(Unit.SIZE, 1_000),
    "MB": Suffix(Unit.SIZE, 1_000_000),
    "GB": Suffix(Unit.SIZE, 1_000_000_000),
    "KiB": Suffix(Unit.SIZE, 1 << 10),
    "MiB": Suffix(Unit.SIZE, 1 << 20),
    "GiB": Suffix(Unit.SIZE, 1 << 30),
    "mss": Suffix(Unit.SEGMENTS, 1),
    "%": Suffix(Unit.RATIO, 10_000),
}

LARGEST: dict[Unit, int] = {
    Unit.NUMBER: 2**64 - 1,
    Unit.DURATION: 2**42 - 1,  # 50 days
    Unit.RATE: 2**40 - 1,  # 1.1 Tbit/s
    Unit.SIZE: 2**48 - 1,  # 256 TiB
    Unit.SEGMENTS: 2**32 - 1,
    Unit.RATIO: 1_000_000,  # 100 %
    Unit.SEGMENT_SIZE: 2**16 - 1,
}
"""The largest value of a type without `in`. The bounds keep the usual products below 2**64."""

ALIASES: dict[Unit, str] = {
    Unit.DURATION: "microseconds",
    Unit.RATE: "bits_per_second",
    Unit.SIZE: "bytes",
    Unit.SEGMENTS: "segments",
    Unit.RATIO: "millionths",
    Unit.SEGMENT_SIZE: "bytes",
}
"""Names of the typedefs that tell a variable's unit to whoever reads the BTF."""

BITS_PER_BYTE_AND_SECOND = 8_000_000
"""Bit/s times microseconds in a byte."""

_PREFERRED = {
    Unit.DURATION: ("d", "h", "min", "s", "ms", "us"),
    Unit.RATE: ("gbps", "mbps", "kbps", "bps"),
    Unit.SIZE: ("GiB", "MiB", "KiB", "B"),
    Unit.SEGMENT_SIZE: ("B",),
    Unit.SEGMENTS: ("mss",),
    Unit.RATIO: ("%",),
}


def literal(digits: str, suffix: str) -> int | None:
    """The value of a literal in its base unit; None where the base unit is too coarse (`0.5us`)."""
    whole, _, decimals = digits.partition(".")
    value, rest = divmod(int(whole + decimals) * SUFFIXES[suffix].factor, 10 ** len(decimals))
    return value if rest == 0 else None


def show(value: int, unit: Unit) -> str:
    """A value as the user would write it: the largest suffix that divides it."""
    if unit is Unit.NUMBER:
        return str(value)
    if unit is Unit.RATIO:
        return f"{value // 10_000}%" if value % 10_000 == 0 else f"{value / 10_000:g}%"
    for suffix in _PREFERRED[unit]:
        factor = SUFFIXES[suffix].factor
        if value % factor == 0 and (value or factor == 1):
            return f"{value // factor}{suffix}"
    return f"{value}{_PREFERRED[unit][-1]}"


def show_range(low: int, high: int, unit: Unit) -> str:
    return f"{show(low, unit)}..={show(high, unit)}"


@record
class Conversion:
    """The unit of a product or quotient, and what the operands are scaled by to keep whole numbers.

    A product is `left * right / divide`, a quotient `left * multiply / right`.
    """

    unit: Unit
    multiply: int = 1
    divide: int = 1


def product(left: Unit, right: Unit) -> Conversion | None:
    """The meaning of `left * right`, or None if it has none."""
    if right is Unit.NUMBER:
        return Conversion(left)
    if left is Unit.NUMBER:
        return Conversion(right)
    if Unit.RATIO in (left, right):
        return Conversion(right if left is Unit.RATIO else left, divide=1_000_000)
    match {left, right}:
        case pair if pair == {Unit.RATE, Unit.DURATION}:
            return Conversion(Unit.SIZE, divide=BITS_PER_BYTE_AND_SECOND)
        case pair if pair == {Unit.SEGMENTS, Unit.SEGMENT_SIZE}:
            return Conversion(Unit.SIZE)
    return None


def quotient(left: Unit, right: Unit) -> Conversion | None:
    """The meaning of `left / right`, or None if it has none."""
    if right is Unit.NUMBER:
        return Conversion(left)
    match left, right:
        case Unit.SIZE, Unit.SEGMENT_SIZE:
            return Conversion(Unit.SEGMENTS)
        case Unit.SIZE | Unit.SEGMENT_SIZE, Unit.SIZE | Unit.SEGMENT_SIZE:
            return Conversion(Unit.NUMBER)
        case Unit.SIZE, Unit.DURATION:
            return Conversion(Unit.RATE, multiply=BITS_PER_BYTE_AND_SECOND)
        case Unit.SIZE, Unit.RATE:
            return Conversion(Unit.DURATION, multiply=BITS_PER_BYTE_AND_SECOND)
        case _ if left is right:
            return Conversion(Unit.NUMBER)
    return None


def same(left: Unit, right: Unit) -> Unit | None:
    """The common unit of two numbers that are added or compared, or None if they must not be."""
    if left is right:
        return left
    if {left, right} == {Unit.SIZE, Unit.SEGMENT_SIZE}:
        return Unit.SIZE
    return None
