"""Checks calls: the functions of the language, and the user's `fn`, which are inlined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import values as wording
from optdsl.semantics import arithmetic, declarations, model
from optdsl.semantics.scope import Broken, FunctionSymbol, Scope, Typed
from optdsl.semantics.types import BOOL, NUMBER, NumberType, Type
from optdsl.semantics.units import same
from optdsl.syntax import tree

if TYPE_CHECKING:
    from optdsl.semantics.expressions import ExpressionChecker


def call(checker: ExpressionChecker, node: tree.Call, expected: Type | None) -> model.Expression:
    """The value of a call."""
    name = node.function.text
    if (builtin := _BUILTINS.get(name)) is not None:
        return builtin(checker, node)
    symbol = checker.scope.find_dotted(name)
    match symbol:
        case FunctionSymbol():
            return _inline(checker, node, symbol, expected)
        case Broken():
            raise CompileError
        case None:
            known = [*_BUILTINS, *checker.scope.names()]
            raise CompileError(name_wording.unknown(node.function.span, "function", name, known))
        case _:
            raise CompileError(name_wording.not_a_value(node.function.span, f"`{name}`"))


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
    if isinstance(argument, tree.Binary) and argument.operator == "/":
        return checker.number(argument)
    raise CompileError(wording.nothing_to_round(node.span, "floor"))


def _ceil(checker: ExpressionChecker, node: tree.Call) -> model.Expression:
    (argument,) = _arguments(node, 1, 1)
    if isinstance(argument, tree.Binary) and argument.operator == "/":
        return arithmetic.divide(argument.span, checker.number(argument.left), checker.number(argument.right), up=True)
    raise CompileError(wording.nothing_to_round(node.span, "ceil"))


def _saturate(checker: ExpressionChecker, node: tree.Call) -> model.Expression:
    (argument,) = _arguments(node, 1, 1)
    if isinstance(argument, tree.Binary) and argument.operator == "-":
        left, right = checker.number(argument.left), checker.number(argument.right)
        value = arithmetic.saturated_difference(node.span, left, right)
    else:
        value = checker.number(argument)
    if checker.destination is None:
        return value
    unit = arithmetic.number_type(value).unit
    low = arithmetic.literal(node.span, checker.destination.low, unit)
    high = arithmetic.literal(node.span, checker.destination.high, unit)
    return arithmetic.clamp(node.span, value, low, high)


def _count(checker: ExpressionChecker, node: tree.Call) -> model.Expression:
    (argument,) = _arguments(node, 1, 1)
    field = checker.repeated(argument)
    interval = checker.count(field)
    if interval.is_constant:
        return model.Literal(node.span, NUMBER, interval.low)
    return model.CountOf(node.span, NUMBER, interval, field)


_BUILTINS: dict[str, Callable[[ExpressionChecker, tree.Call], model.Expression]] = {
    "min": _extreme, "max": _extreme, "clamp": _clamp, "floor": _floor, "ceil": _ceil, "saturate": _saturate,
    "count": _count,
}  # fmt: skip


def _inline(
    checker: ExpressionChecker, node: tree.Call, symbol: FunctionSymbol, expected: Type | None
) -> model.Expression:
    function = symbol.node
    if function in checker.calling:
        raise CompileError(name_wording.recursion(node.span, function.name.text))
    most = len(function.arguments)
    if len(node.arguments) != most:
        counted = f"{most} value{'' if most == 1 else 's'}"
        raise CompileError(name_wording.wrong_arguments(node.span, function.name.text, len(node.arguments), counted))
    body = Scope(symbol.scope)
    for argument, written in zip(function.arguments, node.arguments, strict=True):
        body.symbols[argument.name.text] = (_bound(checker, symbol.scope, argument, written), argument.name.span)
    inner = replace(checker, scope=body, calling=(*checker.calling, function))
    for let in function.lets:
        value = inner.value(let.value)
        body.symbols[let.name.text] = (_constant_name(let.name, value), let.name.span)
    result = inner.value(function.value, expected)
    if function.result is not None:
        wanted = declarations.value_type(symbol.scope, function.result)
        if not compatible(result.type, wanted):
            raise CompileError(wording.wrong_type(function.value.span, str(result.type), str(wanted)))
        if isinstance(wanted, NumberType):
            result = arithmetic.of_unit(result, wanted.unit)
            _check_result(function, result, wanted)
    return result


def _check_result(function: tree.Function, result: model.Expression, wanted: NumberType) -> None:
    allowed = declarations.natural_interval(wanted)
    if not result.interval.within(allowed):
        what, holds = f"`{function.name.text}`", declarations.show_interval(allowed, wanted)
        raise CompileError(wording.may_not_fit(function.value.span, what, arithmetic.shown(result), holds, None))


def _bound(checker: ExpressionChecker, scope: Scope, argument: tree.Argument, written: tree.Expression) -> Typed:
    """An argument, checked against its declaration, under its name in the function."""
    wanted = declarations.value_type(scope, argument.type)
    value = checker.value(written, wanted)
    if not compatible(value.type, wanted):
        raise CompileError(wording.wrong_type(written.span, str(value.type), str(wanted)))
    if isinstance(wanted, NumberType) and isinstance(value.type, NumberType):
        # A size for a `segment_size`: inside the function the declared unit decides what a quotient means.
        value = arithmetic.of_unit(value, wanted.unit)
        allowed = declarations.declared_interval(checker.session, scope, wanted, argument.within)
        if not value.interval.within(allowed):
            range_shown = declarations.show_interval(allowed, wanted)
            what = f"`{argument.name.text}`"
            raise CompileError(wording.may_not_fit(written.span, what, arithmetic.shown(value), range_shown, None))
    return _constant_name(argument.name, value)


def _constant_name(name: tree.Name, value: model.Expression) -> Typed:
    return Typed(model.LetSymbol(name.span, name.text), value.type, value.interval, value)


def compatible(found: Type, wanted: Type) -> bool:
    """Whether a value can stand where a type is wanted: of the same unit, whatever its width; flags are conditions.

    A segment size is a size, and a size can be a segment size.
    """
    match found, wanted:
        case NumberType(), NumberType():
            return same(found.unit, wanted.unit) is not None
        case NumberType(bits=1), _ if wanted == BOOL:
            return True
        case _:
            return found == wanted
