"""Values as C expressions."""

from __future__ import annotations

from typing import assert_never

from optdsl.backends.c import conditions, places
from optdsl.backends.c.expression import Binding, Expression, Kind, combine, named, number
from optdsl.backends.c.frame import Frame
from optdsl.backends.c.leaves import context_field, local, plain
from optdsl.ir import ops

_BIT_OPERATORS = (ops.BinaryOperator.AND, ops.BinaryOperator.OR, ops.BinaryOperator.XOR)
_SWAPS = {16: ("bpf_ntohs", Kind.INT), 32: ("bpf_ntohl", Kind.U32), 64: ("bpf_be64_to_cpu", Kind.U64)}


def value_expression(frame: Frame, value: ops.Value) -> Expression:
    """The value as an expression of whatever C type is natural for it."""
    match value:
        case ops.Const():
            return number(value.value)
        case ops.Local():
            return local(frame, value.name)
        case ops.Binary():
            return _binary(frame, value)
        case ops.Select():
            condition = condition_expression(frame, value.condition)
            yes, no = value_expression(frame, value.yes).exact(), value_expression(frame, value.no).exact()
            text = f"{condition.within(Binding.LOGICAL_OR)} ? {yes.within(Binding.LOGICAL_OR)} : {no.text}"
            return Expression(text, Binding.CONDITIONAL, max(yes.kind, no.kind), max(yes.high, no.high))
        case ops.AsNumber():
            truth = condition_expression(frame, value.condition)
            if truth.kind is Kind.INT and truth.high == 1:
                return truth
            return Expression(f"!!{truth.within(Binding.UNARY)}", Binding.UNARY, Kind.INT, 1)
        case ops.Context():
            return context_field(frame, value)
        case ops.SwapBytes():
            frame.support.swaps_bytes = True
            swap, kind = _SWAPS[value.bits]
            inner = value_expression(frame, value.value)
            return Expression(f"{swap}({inner.text})", kind=kind, high=(1 << value.bits) - 1)
        case ops.Load():
            return places.load(place_memory(frame, value.place))
        case ops.LoadBytes():
            memory = place_memory(frame, value.place)
            return places.load_bytes(frame, memory, value.offset, value.size, printer(frame))
        case _:
            assert_never(value)


def printer(frame: Frame) -> places.Print:
    """`value_expression` in a frame, for what prints values inside places."""
    return lambda value: value_expression(frame, value)


def place_memory(frame: Frame, place: ops.Place) -> places.Memory:
    """The memory of a place."""
    return places.locate(frame, place, printer(frame))


def condition_expression(frame: Frame, condition: ops.Condition) -> Expression:
    """The condition as an expression that is zero where it does not hold."""
    return conditions.condition_expression(frame, condition, printer(frame))


def plain_text(frame: Frame, value: ops.Value) -> str:
    """The value where C converts it to 64 bits anyway: assigned, returned or passed."""
    return plain(frame, value) or value_expression(frame, value).exact().text


def _binary(frame: Frame, value: ops.Binary) -> Expression:
    match value.operator:
        case ops.BinaryOperator.MIN | ops.BinaryOperator.MAX:
            return _min_max(frame, value)
        case ops.BinaryOperator.AND if isinstance(value.right, ops.Const) and isinstance(value.left, ops.Context):
            return combine(value.operator, value_expression(frame, value.left), _mask(frame, value.left, value.right))
        case operator if operator in _BIT_OPERATORS:
            return combine(operator, _bits(frame, value.left), _bits(frame, value.right))
        case operator:
            return combine(operator, value_expression(frame, value.left), value_expression(frame, value.right))


def _bits(frame: Frame, value: ops.Value) -> Expression:
    """An operand of a bit operation: numbers are masks there."""
    if isinstance(value, ops.Const) and value.value > 9:
        return number(value.value, base=16)
    return value_expression(frame, value)


def _mask(frame: Frame, field: ops.Context, mask: ops.Const) -> Expression:
    """A mask for a field of the context, whose bits may have names."""
    if field.field == "skb_tcp_flags" and 0 < mask.value <= 0xFF:
        return named(frame.constants.tcp_flags(mask.value), mask.value)
    if field.field == "bpf_sock_ops_cb_flags" and 0 < mask.value <= 0x7F:
        return named(frame.constants.callback_flags(mask.value), mask.value)
    return _bits(frame, mask)


def _min_max(frame: Frame, value: ops.Binary) -> Expression:
    """`min(a, b)`, `max(a, b)`, or `clamp(x, low, high)` for the two in one another."""
    clamped = _clamped(value)
    if clamped is not None:
        shown = [value_expression(frame, part).exact() for part in clamped]
        high = max(shown[1].high, shown[2].high)
        return Expression(f"{frame.support.use('clamp')}({', '.join(part.text for part in shown)})", high=high)
    left, right = value_expression(frame, value.left).exact(), value_expression(frame, value.right).exact()
    choose = min if value.operator is ops.BinaryOperator.MIN else max
    high = choose(left.high, right.high)
    return Expression(f"{frame.support.use(value.operator.value)}({left.text}, {right.text})", high=high)


def _clamped(value: ops.Binary) -> tuple[ops.Value, ops.Value, ops.Value] | None:
    """(value, low, high) of `min(max(value, low), high)`, and of `max(min(value, high), low)` where low <= high."""
    match value:
        case ops.Binary(
            operator=ops.BinaryOperator.MIN,
            left=ops.Binary(operator=ops.BinaryOperator.MAX, left=inner, right=low),
            right=high,
        ):
            return inner, low, high
        case ops.Binary(
            operator=ops.BinaryOperator.MAX,
            left=ops.Binary(operator=ops.BinaryOperator.MIN, left=inner, right=ops.Const() as high),
            right=ops.Const() as low,
        ) if low.value <= high.value:
            return inner, low, high
        case _:
            return None
