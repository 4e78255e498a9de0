"""Checks functions. A `fn` is proven once where it is declared, for all values that its arguments may have; at each
call it is inlined, and what is known of the values there makes the result more exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optdsl.diagnostics import CompileError, Diagnostic, Label
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import targets as target_wording
from optdsl.diagnostics import values as wording
from optdsl.record import replace
from optdsl.semantics import arithmetic, declarations, fitting, model
from optdsl.semantics.facts import Facts
from optdsl.semantics.place import Place, Session
from optdsl.semantics.ranges import Interval
from optdsl.semantics.scope import FunctionSymbol, Scope, Typed
from optdsl.semantics.size import DEEPEST, MOST_OPERATIONS, is_reasonable
from optdsl.semantics.types import BOOL, NumberType, PrefixesType, Type
from optdsl.semantics.units import Unit
from optdsl.semantics.unused import unused_names
from optdsl.source import Span
from optdsl.syntax import tree

if TYPE_CHECKING:
    from optdsl.semantics.expressions import ExpressionChecker

MOST_CALLS = 1000
"""Calls inlined in one statement: functions that call others twice grow exponentially."""
MOST_INSIDE = 16
"""Functions that call functions."""


# ---------------------------------------------------------------------------------------------- declarations


def check_functions(session: Session, scope: Scope, layout: model.Layout | None = None) -> None:
    """Proves the functions that a scope declares. What is wrong with one is told here and not again at its calls."""
    place = Place("a `fn`", layout=layout, reads_fields=layout is not None, facts=frozenset(model.Fact))
    for symbol, _ in list(scope.symbols.values()):
        if isinstance(symbol, FunctionSymbol) and symbol.scope is scope:
            with session.diagnostics.collecting():
                _check_function(session, symbol, place)


def _check_function(session: Session, symbol: FunctionSymbol, place: Place) -> None:
    from optdsl.semantics.expressions import ExpressionChecker

    function, outer = symbol.node, symbol.scope
    _check_not_refused(session, function)
    session.inlined = 0
    arguments = Scope(outer)
    try:
        for argument in function.arguments:
            kind = _argument_type(outer, argument)
            interval = declarations.declared_interval(session, outer, kind, argument.within)
            let = model.LetSymbol(argument.name.span, argument.name.text)
            arguments.declare(argument.name, Typed(let, kind, interval), session.diagnostics)
        checker = ExpressionChecker(session, arguments, place, Facts(), calling=(function,))
        _value(checker, function, None)
    except CompileError:
        session.refuse(function)
        raise


def _argument_type(scope: Scope, argument: tree.Argument) -> Type:
    kind = declarations.value_type(scope, argument.type)
    if isinstance(kind, PrefixesType):
        raise CompileError(wording.type_not_here(argument.type.span, str(kind), "the type of an argument"))
    return kind


def _check_not_refused(session: Session, function: tree.Function) -> None:
    if id(function) in session.refused:
        raise CompileError


def _value(checker: ExpressionChecker, function: tree.Function, expected: Type | None) -> model.Expression:
    """The value of a function, where `checker.scope` has its arguments."""
    names = Scope(checker.scope, pending={let.name.text: let.name.span for let in function.lets})
    checker = replace(checker, scope=names)
    for let in function.lets:
        if let.otherwise is not None:
            raise CompileError(target_wording.not_in_this_block(let.otherwise.span, "`else reject`", "a `fn`"))
        value = checker.value(let.value)
        names.declare(let.name, _named(let.name, value), checker.session.diagnostics)
        names.pending.pop(let.name.text, None)
    result = _result(checker, function, expected)
    checker.session.unused.extend(unused_names(names))
    return result


def _result(checker: ExpressionChecker, function: tree.Function, expected: Type | None) -> model.Expression:
    """The value of the last line, of the declared type and inside its range."""
    from optdsl.semantics.expressions import Destination

    node = function.value
    if function.result is None:
        return checker.value(node, expected)
    wanted = declarations.value_type(checker.scope, function.result)
    if wanted == BOOL:
        return checker.condition(node)
    allowed = declarations.natural_interval(wanted)
    unit = wanted.unit if isinstance(wanted, NumberType) else Unit.NUMBER
    value = replace(checker, destination=Destination(allowed, unit)).value(node, wanted)
    return _of_type(node.span, value, wanted, allowed, f"`{function.name.text}`")


def _of_type(span: Span, value: model.Expression, wanted: Type, allowed: Interval, what: str) -> model.Expression:
    """A value under the type that is declared for it."""
    fitting.check_type(span, value, wanted)
    if not isinstance(wanted, NumberType):
        return value
    fitting.check_range(span, value, allowed, wanted, what)
    return arithmetic.of_type(value, wanted)


# ----------------------------------------------------------------------------------------------------- calls


def inlined(
    checker: ExpressionChecker, node: tree.Call, symbol: FunctionSymbol, expected: Type | None
) -> model.Expression:
    """The value of a call: the function's body with the arguments in place of their names."""
    function, session = symbol.node, checker.session
    _check_not_refused(session, function)
    if any(function is each for each in checker.calling):
        session.refuse(*checker.calling)
        raise CompileError(name_wording.recursion(node.span, function.name.text))
    session.inlined += 1
    if session.inlined > MOST_CALLS:
        raise CompileError(wording.too_large(node.span, MOST_CALLS, "calls"))
    if len(checker.calling) >= MOST_INSIDE:
        session.refuse(*checker.calling)
        raise CompileError(wording.too_large(node.span, MOST_INSIDE, "calls inside one another"))
    most = len(function.arguments)
    if len(node.arguments) != most:
        counted = f"{most} value{'' if most == 1 else 's'}"
        raise CompileError(name_wording.wrong_arguments(node.span, function.name.text, len(node.arguments), counted))
    caller = replace(checker, destination=None)
    arguments = Scope(symbol.scope)
    for argument, written in zip(function.arguments, node.arguments, strict=True):
        bound = _bound(caller, symbol.scope, argument, written)
        arguments.symbols[argument.name.text] = (bound, argument.name.span)
    value = _at_call(replace(caller, scope=arguments), node, function, expected)
    if all(function.span.source is not source for source in session.quoted):
        session.quoted.append(function.span.source)
    if not is_reasonable(value):
        raise CompileError(wording.too_large(node.span, MOST_OPERATIONS, f"operations, or more than {DEEPEST} nested"))
    # What is said of the value is said of the call, whose text may stand in another file than the body's.
    at_call: model.Expression = replace(value, span=node.span)
    return at_call


def _at_call(
    checker: ExpressionChecker, node: tree.Call, function: tree.Function, expected: Type | None
) -> model.Expression:
    """The body for one call. The function is proven, so what is wrong here is the call, not the body."""
    inner = replace(checker, calling=(*checker.calling, function), warns=False)
    try:
        return _value(inner, function, expected)
    except CompileError as error:
        raise CompileError(*(_of_call(each, node.span, function) for each in error.diagnostics)) from None


def _of_call(diagnostic: Diagnostic, call: Span, function: tree.Function) -> Diagnostic:
    assert diagnostic.span is not None
    inside = Label(diagnostic.span, f"in `{function.name.text}`")
    return replace(diagnostic, span=call, labels=(inside, *diagnostic.labels), suggestion=None)


def _bound(checker: ExpressionChecker, scope: Scope, argument: tree.Argument, written: tree.Expression) -> Typed:
    """An argument, checked against its declaration, under its name in the function."""
    wanted = _argument_type(scope, argument)
    if wanted == BOOL:
        return _named(argument.name, checker.condition(written))
    value = checker.value(written, wanted)
    allowed = declarations.declared_interval(checker.session, scope, wanted, argument.within)
    return _named(argument.name, _of_type(written.span, value, wanted, allowed, f"`{argument.name.text}`"))


def _named(name: tree.Name, value: model.Expression) -> Typed:
    return Typed(model.LetSymbol(name.span, name.text), value.type, value.interval, value)
