"""C expressions with what is needed to combine them: how tightly they bind, their C type, and how large they may be.

The IR computes with unsigned numbers of 64 bits, C with whatever the operands are. `Expression.high` bounds the number,
so that a cast to `__u64` is written only where C would compute in too few bits:

    socket->hits + 1                    __u64 + int
    params.a * params.b                 two __u8: fits an int
    (__u64)socket->mark * params.a      __u32 * __u8: would wrap at 2**32
"""

from __future__ import annotations

from enum import IntEnum

from optdsl.ir.ops import BinaryOperator
from optdsl.record import record

MAX_U64 = (1 << 64) - 1


class Kind(IntEnum):
    """The C types of numbers, in the order of the usual arithmetic conversions: the larger one wins."""

    INT = 0
    U32 = 1
    LONG = 2
    U64 = 3

    @property
    def capacity(self) -> int:
        """The largest number that the type holds."""
        return (1 << (31, 32, 63, 64)[self]) - 1


class Binding(IntEnum):
    """How tightly C's operators bind."""

    CONDITIONAL = 0
    LOGICAL_OR = 1
    LOGICAL_AND = 2
    BIT_OR = 3
    BIT_XOR = 4
    BIT_AND = 5
    EQUAL = 6
    LESS = 7
    SHIFT = 8
    SUM = 9
    PRODUCT = 10
    UNARY = 11
    POSTFIX = 12


@record
class Expression:
    """A C expression whose number is in 0..=high, or any 64 bits if `high` exceeds what its type holds."""

    text: str
    binding: Binding = Binding.POSTFIX
    kind: Kind = Kind.U64
    high: int = MAX_U64
    constant: int | None = None

    def within(self, binding: Binding) -> str:
        """The text as an operand of an operator that binds as tightly as `binding`."""
        return self.text if self.binding >= binding else f"({self.text})"

    def as_u64(self) -> Expression:
        """The same number as a `__u64`."""
        if self.kind is Kind.U64:
            return self
        if self.constant is not None and self.constant >= 0:
            return Expression(f"{self.text}ULL", Binding.POSTFIX, Kind.U64, self.high, self.constant)
        return Expression(f"(__u64){self.within(Binding.UNARY)}", Binding.UNARY, Kind.U64, self.high)

    def exact(self) -> Expression:
        """The number as a C type that holds all of it: a `long` that may be negative becomes a `__u64`."""
        return self if self.high <= self.kind.capacity else self.as_u64()


def number(value: int, *, base: int | None = None) -> Expression:
    """A literal: decimal where people count, else hexadecimal, unless `base` says which."""
    decimal = base == 10 or (base is None and (value < 1 << 16 or value % 1000 == 0))
    text = str(value) if decimal else f"{value:#x}"
    if value <= Kind.INT.capacity:
        return Expression(text, Binding.POSTFIX, Kind.INT, value, value)
    if value <= Kind.U32.capacity and not decimal:
        return Expression(text, Binding.POSTFIX, Kind.U32, value, value)
    if value <= Kind.LONG.capacity:
        return Expression(text, Binding.POSTFIX, Kind.LONG, value, value)
    return Expression(f"{text}ULL", Binding.POSTFIX, Kind.U64, value, value)


def named(text: str, value: int) -> Expression:
    """A constant that a header defines."""
    binding = Binding.BIT_OR if " | " in text else Binding.POSTFIX
    return Expression(text, binding, Kind.INT, value)


_BINDINGS = {
    BinaryOperator.OR: Binding.BIT_OR,
    BinaryOperator.XOR: Binding.BIT_XOR,
    BinaryOperator.AND: Binding.BIT_AND,
    BinaryOperator.SHL: Binding.SHIFT,
    BinaryOperator.SHR: Binding.SHIFT,
    BinaryOperator.ADD: Binding.SUM,
    BinaryOperator.SUB: Binding.SUM,
    BinaryOperator.MUL: Binding.PRODUCT,
    BinaryOperator.DIV: Binding.PRODUCT,
    BinaryOperator.MOD: Binding.PRODUCT,
}
_SHIFTS = (BinaryOperator.SHL, BinaryOperator.SHR)
_DIVISIONS = (BinaryOperator.DIV, BinaryOperator.MOD)


def combine(operator: BinaryOperator, left: Expression, right: Expression) -> Expression:
    """`left operator right` for every operator but MIN and MAX, in enough bits for the result."""
    left, right = left.exact(), right.exact()
    kind = _common(operator, left, right)
    high = _bound(operator, left, right)
    too_far = operator in _SHIFTS and kind < Kind.LONG and right.high > 31
    if too_far or high > kind.capacity:
        if left.constant is None or right.kind is Kind.U64 or operator in _SHIFTS:
            left = left.as_u64()
        else:
            right = right.as_u64()
        kind = Kind.U64
    elif operator in _DIVISIONS and kind in (Kind.INT, Kind.LONG):
        # BPF has no signed division before cpu v4.
        left, kind = (_as_u32(left), Kind.U32) if kind is Kind.INT else (left.as_u64(), Kind.U64)
    binding = _BINDINGS[operator]
    text = f"{_operand(left, binding)} {operator.value} {_operand(right, binding, right=True)}"
    return Expression(text, binding, kind, high)


def _common(operator: BinaryOperator, left: Expression, right: Expression) -> Kind:
    return left.kind if operator in _SHIFTS else max(left.kind, right.kind)


def _as_u32(value: Expression) -> Expression:
    if value.constant is not None:
        return Expression(f"{value.text}U", Binding.POSTFIX, Kind.U32, value.high, value.constant)
    return Expression(f"(__u32){value.within(Binding.UNARY)}", Binding.UNARY, Kind.U32, value.high)


def _operand(value: Expression, binding: Binding, *, right: bool = False) -> str:
    """An operand; in shifts and bit operations any other operation gets parentheses: nobody knows their order."""
    if binding <= Binding.SHIFT and value.binding < Binding.UNARY and value.binding is not binding:
        return f"({value.text})"
    return value.within(Binding(binding + 1) if right else binding)


def _bound(operator: BinaryOperator, left: Expression, right: Expression) -> int:
    """The largest result, in unbounded arithmetic; what exceeds 64 bits or may be negative wraps."""
    most = MAX_U64
    match operator:
        case BinaryOperator.ADD:
            most = left.high + right.high
        case BinaryOperator.SUB:
            most = left.high if left.constant is not None and right.high <= left.constant else MAX_U64
        case BinaryOperator.MUL:
            most = left.high * right.high
        case BinaryOperator.DIV:
            most = left.high // (right.constant or 1)
        case BinaryOperator.MOD:
            most = min(left.high, max(right.high - 1, 0))
        case BinaryOperator.AND:
            most = min(left.high, right.high)
        case BinaryOperator.OR | BinaryOperator.XOR:
            most = (1 << max(left.high.bit_length(), right.high.bit_length())) - 1
        case BinaryOperator.SHL if right.high < 64:
            most = left.high << right.high
        case BinaryOperator.SHR:
            most = left.high >> (right.constant or 0)
        case _:
            pass
    return min(most, MAX_U64)
