"""Text of types, places, values and conditions, with as few parentheses as reading needs."""

from __future__ import annotations

from enum import IntEnum
from typing import assert_never

from optdsl.ir import ops
from optdsl.ir import types as t
from optdsl.record import record
from optdsl.source import Span

INDENT = "    "


@record
class Line:
    """One line of text and, for code, the source it comes from."""

    text: str
    span: Span | None = None


class _Binding(IntEnum):
    """How tightly an expression holds together: what binds less than its surroundings gets parentheses."""

    SELECT = 0
    OR = 1
    AND = 2
    NOT = 3
    COMPARE = 4
    BIT_OR = 5
    BIT_XOR = 6
    BIT_AND = 7
    SHIFT = 8
    SUM = 9
    PRODUCT = 10
    ATOM = 11


_OPERATORS = {
    ops.BinaryOperator.OR: _Binding.BIT_OR,
    ops.BinaryOperator.XOR: _Binding.BIT_XOR,
    ops.BinaryOperator.AND: _Binding.BIT_AND,
    ops.BinaryOperator.SHL: _Binding.SHIFT,
    ops.BinaryOperator.SHR: _Binding.SHIFT,
    ops.BinaryOperator.ADD: _Binding.SUM,
    ops.BinaryOperator.SUB: _Binding.SUM,
    ops.BinaryOperator.MUL: _Binding.PRODUCT,
    ops.BinaryOperator.DIV: _Binding.PRODUCT,
    ops.BinaryOperator.MOD: _Binding.PRODUCT,
}


def type_name(kind: t.Type) -> str:
    """`u32`, `microseconds u64`, `aligned bytes[8]`, `char[16]`, `u8[4]`, `struct socket`."""
    match kind:
        case t.Scalar():
            return f"{kind.alias} u{kind.bits}".lstrip()
        case t.ByteArray():
            return ("aligned " if kind.aligned else "") + ("char" if kind.text else "bytes") + f"[{kind.length}]"
        case t.Array(t.Array() | t.ByteArray() as inner, length):
            head, _, rest = type_name(inner).partition("[")
            return f"{head}[{length}][{rest}"  # as in C, the outer dimension first
        case t.Array():
            return f"{type_name(kind.element)}[{kind.length}]"
        case t.Struct():
            return f"struct {kind.name}"
        case _:
            assert_never(kind)


def number(value: int) -> str:
    """Decimal where people count, hexadecimal for large values that are no round decimal numbers."""
    return str(value) if value < 1 << 16 or value % 1000 == 0 else f"{value:#x}"


def place_text(place: ops.Place) -> str:
    """`socket.delayed_ack.wire`, `names[id].text`."""
    text = place.root.name
    for step in place.path:
        match step:
            case str():
                text += f".{step}"
            case int():
                text += f"[{step}]"
            case _:
                text += f"[{value_text(step)}]"
    return text


def bytes_text(place: ops.Place, offset: ops.Value, size: int) -> str:
    """`wire[4..6]` for two bytes from a constant offset, `wire[offset ..+ 2]` from any other; `wire[4]` for one."""
    if isinstance(offset, ops.Const):
        step = str(offset.value) if size == 1 else f"{offset.value}..{offset.value + size}"
    else:
        step = f"{value_text(offset)} ..+ {size}"
    return f"{place_text(place)}[{step}]"


def value_text(value: ops.Value) -> str:
    return _value(value)[0]


def condition_text(condition: ops.Condition) -> str:
    return _condition(condition)[0]


def _value(value: ops.Value) -> tuple[str, _Binding]:
    match value:
        case ops.Const():
            return number(value.value), _Binding.ATOM
        case ops.Local():
            return value.name, _Binding.ATOM
        case ops.Binary():
            return _binary(value)
        case ops.Select():
            condition = _wrap(_condition(value.condition), _Binding.OR)
            yes, no = _wrap(_value(value.yes), _Binding.OR), _wrap(_value(value.no), _Binding.OR)
            return f"{condition} ? {yes} : {no}", _Binding.SELECT
        case ops.AsNumber():
            return f"number({condition_text(value.condition)})", _Binding.ATOM
        case ops.Context():
            return f"ctx.{value.field}", _Binding.ATOM
        case ops.SwapBytes():
            return f"swap{value.bits}({value_text(value.value)})", _Binding.ATOM
        case ops.Load():
            return place_text(value.place), _Binding.ATOM
        case ops.LoadBytes():
            return bytes_text(value.place, value.offset, value.size), _Binding.ATOM
        case _:
            assert_never(value)


def _binary(value: ops.Binary) -> tuple[str, _Binding]:
    operator = value.operator
    if operator in (ops.BinaryOperator.MIN, ops.BinaryOperator.MAX):
        return f"{operator.value}({value_text(value.left)}, {value_text(value.right)})", _Binding.ATOM
    binding = _OPERATORS[operator]
    left = _wrap(_operand(value.left, binding), binding)
    right = _wrap(_operand(value.right, binding), _Binding(binding + 1))
    return f"{left} {operator.value} {right}", binding


def _operand(value: ops.Value, around: _Binding) -> tuple[str, _Binding]:
    """The text of an operand. Sums and shifts inside bit operations are parenthesised: nobody knows their order."""
    text, binding = _value(value)
    if around <= _Binding.SHIFT and binding < _Binding.ATOM and binding != around:
        return f"({text})", _Binding.ATOM
    return text, binding


def _condition(condition: ops.Condition) -> tuple[str, _Binding]:
    match condition:
        case ops.Always():
            return ("true" if condition.holds else "false"), _Binding.ATOM
        case ops.Compare():
            left, right = _wrap(_value(condition.left), _Binding.SUM), _wrap(_value(condition.right), _Binding.SUM)
            return f"{left} {condition.comparison.value} {right}", _Binding.COMPARE
        case ops.Both():
            left = _wrap(_condition(condition.left), _Binding.AND)
            return f"{left} and {_wrap(_condition(condition.right), _Binding.NOT)}", _Binding.AND
        case ops.Either():
            left = _wrap(_condition(condition.left), _Binding.OR)
            return f"{left} or {_wrap(_condition(condition.right), _Binding.AND)}", _Binding.OR
        case ops.Not(_, ops.IsNull() | ops.IsNegative() as inner):
            return _is(inner, "is not"), _Binding.COMPARE
        case ops.Not():
            return f"not {_wrap(_condition(condition.condition), _Binding.ATOM)}", _Binding.NOT
        case ops.IsNegative() | ops.IsNull():
            return _is(condition, "is"), _Binding.COMPARE
        case _:
            assert_never(condition)


def _is(condition: ops.IsNull | ops.IsNegative, verb: str) -> str:
    if isinstance(condition, ops.IsNull):
        return f"{condition.pointer} {verb} null"
    return f"{_wrap(_value(condition.value), _Binding.SUM)} {verb} negative"


def _wrap(text_and_binding: tuple[str, _Binding], least: _Binding) -> str:
    text, binding = text_and_binding
    return text if binding >= least else f"({text})"
