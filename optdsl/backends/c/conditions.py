"""Conditions as C expressions, and what they prove about results of helpers."""

from __future__ import annotations

from typing import assert_never

from optdsl.backends.c.expression import Binding, Expression, Kind, named
from optdsl.backends.c.frame import Frame
from optdsl.backends.c.leaves import error_text, is_error, local, plain
from optdsl.backends.c.places import Print, locate
from optdsl.ir import ops
from optdsl.ir.types import Scalar

_EQUALITY = (ops.Comparison.EQ, ops.Comparison.NE)


def condition_expression(frame: Frame, condition: ops.Condition, show: Print) -> Expression:
    """The condition as an expression that is zero where it does not hold. `show` prints the values in it."""
    match condition:
        case ops.Always():
            return _truth("1" if condition.holds else "0", Binding.POSTFIX)
        case ops.Compare():
            return _compare(frame, show, condition, condition.comparison)
        case ops.Both():
            return _joined(frame, show, condition, "&&", Binding.LOGICAL_AND, left_holds=True)
        case ops.Either():
            return _joined(frame, show, condition, "||", Binding.LOGICAL_OR, left_holds=False)
        case ops.Not():
            return _negated(frame, show, condition.condition)
        case ops.IsNegative():
            return _sign(frame, show, condition, "<")
        case ops.IsNull():
            return _truth(f"!{_pointer(frame, condition)}", Binding.UNARY)
        case _:
            assert_never(condition)


def not_negative(condition: ops.Condition, *, holds: bool) -> frozenset[str]:
    """The local numbers that are not negative where the condition holds (or does not)."""
    match condition:
        case ops.IsNegative(value=ops.Local(name=name)) if not holds:
            return frozenset({name})
        case ops.Not():
            return not_negative(condition.condition, holds=not holds)
        case ops.Both(left=left, right=right) if holds:
            return not_negative(left, holds=True) | not_negative(right, holds=True)
        case ops.Either(left=left, right=right) if not holds:
            return not_negative(left, holds=False) | not_negative(right, holds=False)
        case _:
            return frozenset()


def _truth(text: str, binding: Binding) -> Expression:
    return Expression(text, binding, Kind.INT, 1)


def _negated(frame: Frame, show: Print, condition: ops.Condition) -> Expression:
    match condition:
        case ops.Always():
            return _truth("0" if condition.holds else "1", Binding.POSTFIX)
        case ops.Compare():
            return _compare(frame, show, condition, condition.comparison.negated)
        case ops.Not():
            return condition_expression(frame, condition.condition, show)
        case ops.IsNegative():
            return _sign(frame, show, condition, ">=")
        case ops.IsNull():
            # A pointer itself is no 0 or 1.
            return Expression(_pointer(frame, condition))
        case ops.Both() | ops.Either():
            return _truth(f"!{condition_expression(frame, condition, show).within(Binding.UNARY)}", Binding.UNARY)
        case _:
            assert_never(condition)


def _joined(
    frame: Frame, show: Print, condition: ops.Both | ops.Either, operator: str, binding: Binding, *, left_holds: bool
) -> Expression:
    """Both sides, with parentheses around `&&` in `||` (`-Wparentheses`); the right one knows what the left proves."""
    if isinstance(condition.left, ops.Always):
        chosen = condition.right if condition.left.holds is left_holds else condition.left
        return condition_expression(frame, chosen, show)
    left = condition_expression(frame, condition.left, show)
    with frame.knowing(not_negative(condition.left, holds=left_holds)):
        right = condition_expression(frame, condition.right, show)
    return _truth(f"{_side(left, binding)} {operator} {_side(right, binding)}", binding)


def _side(value: Expression, around: Binding) -> str:
    mixed = around is Binding.LOGICAL_OR and value.binding is Binding.LOGICAL_AND
    return f"({value.text})" if mixed else value.within(around)


def _sign(frame: Frame, show: Print, condition: ops.IsNegative, comparison: str) -> Expression:
    value = condition.value
    if isinstance(value, ops.Local) and frame.kind(value.name) is Kind.LONG:
        text = local(frame, value.name).text
    else:
        text = f"(__s64){show(value).as_u64().within(Binding.UNARY)}"
    return _truth(f"{text} {comparison} 0", Binding.LESS)


def _pointer(frame: Frame, condition: ops.IsNull) -> str:
    return "ctx->sk" if condition.pointer == "ctx.sk" else frame.names.local(condition.pointer)


def _compare(frame: Frame, show: Print, condition: ops.Compare, comparison: ops.Comparison) -> Expression:
    """A comparison, in whatever form says it best."""
    simple = _truth_test(frame, show, condition, comparison)
    if simple is not None:
        return simple
    binding = Binding.EQUAL if comparison in _EQUALITY else Binding.LESS
    left, right = _comparable(frame, show, condition, comparison)
    return _truth(f"{_operand(left)} {comparison.value} {_operand(right)}", binding)


def _operand(value: Expression) -> str:
    """An operand of a comparison: arithmetic stands bare, bit operations and other comparisons do not."""
    return value.within(Binding.SHIFT)


def _truth_test(frame: Frame, show: Print, condition: ops.Compare, comparison: ops.Comparison) -> Expression | None:
    """Flags and conditions used as numbers are tested without a comparison: `socket->done`, `!socket->done`."""
    match condition.right:
        case ops.Const(value=0 | 1 as number) if comparison in _EQUALITY:
            wants_truth = (comparison is ops.Comparison.EQ) == (number == 1)
        case _:
            return None
    match condition.left:
        case ops.AsNumber(condition=inner):
            return condition_expression(frame, inner, show) if wants_truth else _negated(frame, show, inner)
        case ops.Load(place=place) if _is_flag(frame, show, place):
            flag = show(condition.left)
            return flag if wants_truth else _truth(f"!{flag.within(Binding.UNARY)}", Binding.UNARY)
        case ops.Binary(operator=ops.BinaryOperator.AND, left=ops.Context()) if number == 0:
            bits = show(condition.left)
            return bits if wants_truth else _truth(f"!({bits.text})", Binding.UNARY)
        case _:
            return None


def _is_flag(frame: Frame, show: Print, place: ops.Place) -> bool:
    return (
        isinstance(place.root, ops.PointerRoot)
        and bool(place.path)
        and place.path[-1] in frame.facts.flags
        and locate(frame, place, show).type == Scalar(8)
    )


def _comparable(
    frame: Frame, show: Print, condition: ops.Compare, comparison: ops.Comparison
) -> tuple[Expression, Expression]:
    """Both sides, cast so that C compares them as the unsigned numbers that they are."""
    left, right = condition.left, condition.right
    if isinstance(left, ops.Context) and isinstance(right, ops.Const):
        callbacks = frame.facts.callbacks.get(frame.function.name, frozenset())
        name = frame.constants.field_value(left.field, right.value, callbacks)
        if name is not None:
            return show(left), named(name, right.value)
    if isinstance(right, ops.Const) and (right.value <= Kind.LONG.capacity or is_error(right.value)):
        result = plain(frame, left)
        if result is not None and comparison in _EQUALITY:
            text = error_text(frame, right.value) if is_error(right.value) else show(right).text
            return Expression(result), Expression(text)
    one, other = (show(side).exact() for side in (left, right))
    # What is always true or false clang reports for the narrower type.
    if other.constant is not None and other.constant > one.high:
        one = one.as_u64()
    if one.constant is not None and one.constant > other.high:
        other = other.as_u64()
    if {one.kind, other.kind} == {Kind.LONG, Kind.U64}:
        one, other = (side if side.constant is not None else side.as_u64() for side in (one, other))
    return one, other
