"""Whether an address is inside a list of prefixes: constant ones, or those of a param.

Addresses are two words, IPv4 as ::ffff:a.b.c.d.
"""

from __future__ import annotations

from optdsl.ir import ops
from optdsl.lower.builder import FunctionBuilder, all_of, any_of, binary, compare, const, differs, equals
from optdsl.semantics import model
from optdsl.semantics.types import PrefixesType
from optdsl.source import Span

Address = tuple[ops.Value, ops.Value]
"""The upper and the lower 64 bits, in locals."""

_ALL = (1 << 64) - 1


def in_constant_prefixes(span: Span, address: Address, prefixes: tuple[model.Prefix, ...]) -> ops.Condition:
    """One comparison for each prefix."""
    return any_of(span, [_in_constant(span, address, prefix) for prefix in prefixes])


def _in_constant(span: Span, address: Address, prefix: model.Prefix) -> ops.Condition:
    mask = ((1 << 128) - 1) ^ ((1 << (128 - prefix.length)) - 1)
    conditions = []
    for half, shift in zip(address, (64, 0), strict=True):
        bits = (mask >> shift) & _ALL
        if bits == 0:
            continue
        masked = half if bits == _ALL else binary(span, ops.BinaryOperator.AND, half, bits)
        conditions.append(equals(span, masked, (prefix.address >> shift) & bits))
    return all_of(span, conditions)


def in_param_prefixes(
    builder: FunctionBuilder, span: Span, address: Address, param: model.Param, place: ops.Place
) -> ops.Condition:
    """Goes through the entries: a loop, because there may be many and user space may change them."""
    assert isinstance(param.type, PrefixesType)
    found = builder.let(span, f"in_{param.name}", const(span, 0))
    index = builder.fresh("entry")
    entry = (*place.path, ops.Local(span, index))
    with builder.block() as body:
        length = builder.let(span, "length", ops.Load(span, ops.Place(place.root, (*entry, "length"))))
        with builder.when(span, _used(span, length)):
            differs_in = _difference(builder, span, address, ops.Place(place.root, (*entry, "address")), length)
            with builder.when(span, equals(span, differs_in, 0)):
                builder.emit(ops.Assign(span, found.name, const(span, 1)))
                builder.emit(ops.Break(span))
    builder.emit(ops.Repeat(span, index, param.type.length, tuple(body)))
    return differs(span, found, 0)


def _used(span: Span, length: ops.Value) -> ops.Condition:
    """An entry counts with a length of 1 to 128: 0 is free, and more is nonsense that user space has written."""
    shifted = binary(span, ops.BinaryOperator.SUB, length, 1)
    return compare(span, ops.Comparison.LT, shifted, 128)


def _difference(
    builder: FunctionBuilder, span: Span, address: Address, prefix: ops.Place, length: ops.Value
) -> ops.Local:
    """A number that is 0 where the first `length` (1..=128) bits of two addresses agree.

    Bits behind the prefix are shifted out; the shift count is masked, so that it is below 64 for any length.
    """
    upper, lower = (
        binary(span, ops.BinaryOperator.XOR, half, ops.LoadBytes(span, prefix, const(span, start), 8))
        for half, start in zip(address, (0, 8), strict=True)
    )
    behind = binary(span, ops.BinaryOperator.AND, binary(span, ops.BinaryOperator.SUB, const(span, 0), length), 63)
    difference = builder.let(span, "difference", upper)
    with builder.block() as short:
        shifted = binary(span, ops.BinaryOperator.SHR, difference, behind)
        builder.emit(ops.Assign(span, difference.name, shifted))
    with builder.block() as long:
        rest = binary(span, ops.BinaryOperator.SHR, lower, behind)
        builder.emit(ops.Assign(span, difference.name, binary(span, ops.BinaryOperator.OR, difference, rest)))
    builder.branch(span, compare(span, ops.Comparison.LE, length, 64), short, long)
    return difference
