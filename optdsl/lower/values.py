"""Values in memory: loads and stores of any type, and numbers brought back into their range."""

from __future__ import annotations

from optdsl.ir import ops
from optdsl.ir.types import Scalar
from optdsl.lower.builder import FunctionBuilder, Words, any_of, binary, compare, const, equals
from optdsl.lower.storage_types import scalar_of
from optdsl.semantics.ranges import FULL, Interval, of_bits
from optdsl.semantics.types import BytesType, EnumType, Type
from optdsl.source import Span

MAPPED = 0xFFFF << 32
"""The lower half of ::ffff:0:0/96."""


def word_size(length: int, index: int) -> int:
    """Bytes of one word of a byte string: 8, less for the last."""
    return min(8, length - 8 * index)


def split(data: bytes) -> list[int]:
    """Bytes as words, most significant first."""
    starts = range(0, len(data), 8)
    return [int.from_bytes(data[start : start + 8], "big") for start in starts]


def load(span: Span, place: ops.Place, kind: Type) -> Words:
    """The value at a place, not yet read."""
    if not isinstance(kind, BytesType):
        return (ops.Load(span, place),)
    return tuple(
        ops.LoadBytes(span, place, const(span, 8 * index), word_size(kind.length, index)) for index in range(kind.words)
    )


def store(builder: FunctionBuilder, span: Span, place: ops.Place, kind: Type, words: Words) -> None:
    """Writes a value to a place."""
    if isinstance(kind, BytesType):
        store_bytes(builder, span, place, kind.length, words)
    else:
        builder.emit(ops.Store(span, place, words[0]))


def store_bytes(builder: FunctionBuilder, span: Span, place: ops.Place, length: int, words: Words) -> None:
    """Writes words to a byte array, most significant byte first."""
    for index, word in enumerate(words):
        builder.emit(ops.StoreBytes(span, place, const(span, 8 * index), word_size(length, index), word))


def store_constant(builder: FunctionBuilder, span: Span, place: ops.Place, data: bytes) -> None:
    """Writes constant bytes to a byte array."""
    store_bytes(builder, span, place, len(data), tuple(const(span, word) for word in split(data)))


def held(span: Span, value: ops.Value, allowed: Interval, kind: Type) -> ops.Value:
    """A value of a type, as memory holds it, brought inside a range."""
    memory = scalar_of(kind)
    return hold(span, value, allowed, of_bits(memory.bits) if isinstance(memory, Scalar) else FULL)


def hold(span: Span, value: ops.Value, allowed: Interval, possible: Interval) -> ops.Value:
    """A value brought inside a range, without asking for what cannot be outside anyway."""
    if allowed.low > possible.low:
        value = binary(span, ops.BinaryOperator.MAX, value, allowed.low)
    if allowed.high < possible.high:
        value = binary(span, ops.BinaryOperator.MIN, value, allowed.high)
    return value


def inside(span: Span, value: ops.Value, allowed: Interval, possible: Interval) -> ops.Condition | None:
    """Whether a value is inside a range; None where it cannot be outside."""
    low = compare(span, ops.Comparison.GE, value, allowed.low) if allowed.low > possible.low else None
    high = compare(span, ops.Comparison.LE, value, allowed.high) if allowed.high < possible.high else None
    if low is not None and high is not None:
        return ops.Both(span, low, high)
    return low or high


def any_member(span: Span, value: ops.Value, enum: EnumType) -> ops.Condition | None:
    """Whether a number between the smallest and the largest member is one of an enumeration; None where all are."""
    members = sorted({number for _, number in enum.members})
    if len(members) == members[-1] - members[0] + 1:
        return None
    return any_of(span, [equals(span, value, number) for number in members])
