"""Checks calls of the functions that the language has: `min`, `max`, `clamp`, `floor`, `ceil`, `saturate`, `count`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import values as wording
from optdsl.record import replace
from optdsl.semantics import arithmetic, functions, model, references
from optdsl.semantics.scope import Broken, FunctionSymbol
from optdsl.semantics.types import NUMBER, Type
from optdsl.syntax import tree

if TYPE_CHECKING:
    from optdsl.semantics.expressions import ExpressionChecker


def call(checker: ExpressionChecker, node: tree.Call, expected: Type | None) -> model.Expression:
    """The value of a call."""
    name = node.function.text
    if name == "saturate":
        return _saturate(checker, node)
    if (builtin := _BUILTINS.get(name)) is not None:
        return builtin(replace(checker, destination=None), node)
    path = tree.NameExpression(node.function.span, tuple(name.split(".")))
    symbol = checker.scope.resolve(path)
    match symbol:
        case FunctionSymbol():
            return functions.inlined(checker, node, symbol, expected)
        case Broken():
            raise CompileError
        case None:
            known = [*_BUILTINS, "saturate", *checker.scope.names()]
            raise CompileError(name_wording.unknown(node.function.span, "function", name, known))
        case _:
            raise CompileError(wording.wrong_thing(node.function.span, "a function"))


def is_quotient(node: tree.Expression) -> bool:
    """Whether `floor` and `ceil` of an expression round a division."""
    return isinstance(node, tree.Binary) and node.operator == "/"


def _arguments(node: tree.Call, least: int, most: int | None) -> tuple[tree.Expression, ...]:
    found = len(node.arguments)
    if found < least or (most is not None and found > most):
        expected = f"{least} or more values" if most is None else f"{least} value{'s' if least > 1 else ''}"
        raise CompileError(name_wording.wrong_arguments(node.span, node.function.text, found, expected))
    return node.arguments


def _extreme(checker: ExpressionChecker, node: tree.Call) -> model.Expression:
    first, *rest = (checker.number(argument) for argument in _arguments(node, 2, None))
    for value in rest:
        first = arithmetic.extreme(node.span, node.function.text == "max", first, value)
    return first


def _clamp(checker: ExpressionChecker, node: tree.Call) -> model.Expression:
    value, low, high = (checker.number(argument) for argument in _arguments(node, 3, 3))
    return arithmetic.clamp(node.span, value, low, high)


def _floor(checker: ExpressionChecker, node: tree.Call) -> model.Expression:
    (argument,) = _arguments(node, 1, 1)
    if is_quotient(argument):
        return checker.number(argument)
    raise CompileError(wording.nothing_to_round(node.span, "floor"))


def _ceil(checker: ExpressionChecker, node: tree.Call) -> model.Expression:
    (argument,) = _arguments(node, 1, 1)
    if isinstance(argument, tree.Binary) and is_quotient(argument):
        return arithmetic.divide(node.span, checker.number(argument.left), checker.number(argument.right), up=True)
    raise CompileError(wording.nothing_to_round(node.span, "ceil"))


def _saturate(checker: ExpressionChecker, node: tree.Call) -> model.Expression:
    """Stops a difference at zero, and anything at the bounds of what it is assigned to."""
    (argument,) = _arguments(node, 1, 1)
    inside = replace(checker, destination=None)
    if isinstance(argument, tree.Binary) and argument.operator == "-":
        left, right = inside.number(argument.left), inside.number(argument.right)
        value = arithmetic.saturated_difference(node.span, left, right, inside.difference(left, right))
    else:
        value = inside.number(argument)
    unit = arithmetic.number_type(value).unit
    bounds = checker.destination.bounds(unit) if checker.destination is not None else None
    if bounds is None:
        return value
    low, high = (arithmetic.literal(node.span, bound, unit) for bound in (bounds.low, bounds.high))
    return arithmetic.clamp(node.span, value, low, high)


def _count(checker: ExpressionChecker, node: tree.Call) -> model.Expression:
    (argument,) = _arguments(node, 1, 1)
    field = references.repeated(checker, argument)
    interval = references.count(checker, field)
    if interval.is_constant:
        return model.Literal(node.span, NUMBER, interval.low)
    return model.CountOf(node.span, NUMBER, interval, field)


_BUILTINS: dict[str, Callable[[ExpressionChecker, tree.Call], model.Expression]] = {
    "min": _extreme, "max": _extreme, "clamp": _clamp, "floor": _floor, "ceil": _ceil, "count": _count,
}  # fmt: skip
