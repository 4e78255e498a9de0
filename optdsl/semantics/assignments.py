"""Checks assignments: to fields in `send`, to states and attributes of the socket elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optdsl.diagnostics import CompileError, Diagnostic, Suggestion
from optdsl.diagnostics import layouts as layout_wording
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import targets as target_wording
from optdsl.diagnostics import values as wording
from optdsl.record import replace
from optdsl.semantics import conversions, model
from optdsl.semantics.ranges import Interval
from optdsl.semantics.references import OBJECTS
from optdsl.semantics.scope import Broken, Scope
from optdsl.semantics.types import BytesType
from optdsl.source import Span
from optdsl.syntax import tree
from optdsl.targets import Direction

if TYPE_CHECKING:
    from optdsl.semantics.statements import BlockChecker

_ONLY_FIELDS = "a `send` block only gives the fields their values"


def assign(checker: BlockChecker, node: tree.Assign, scope: Scope) -> list[model.Statement]:
    """`target = value`, `target += value`, `target -= value`."""
    target = node.target
    if not isinstance(target, tree.NameExpression):
        raise CompileError(target_wording.not_assignable(target.span, f"`{target.span.text}`"))
    if not node.operator:
        return _assign(checker, node, target, node.value, scope)
    try:
        return _assign(checker, node, target, tree.Binary(node.span, node.operator, target, node.value), scope)
    except CompileError as error:
        raise CompileError(*(_written_out(each, node) for each in error.diagnostics)) from None


def _written_out(diagnostic: Diagnostic, node: tree.Assign) -> Diagnostic:
    """A replacement of the sum in `x += y` becomes one of the whole statement."""
    suggestion = diagnostic.suggestion
    if suggestion is None or suggestion.span != node.span or suggestion.replacement is None:
        return diagnostic
    target, value = node.target.span.text, node.value.span.text
    simple = isinstance(node.value, tree.NameExpression | tree.Integer | tree.Quantity | tree.Call)
    sum_ = f"{target} {node.operator} {value if simple else f'({value})'}"
    replacement = f"{target} = {suggestion.replacement.replace(node.span.text, sum_)}"
    return replace(diagnostic, suggestion=Suggestion(suggestion.text, node.span, replacement))


def _assign(
    checker: BlockChecker, node: tree.Assign, target: tree.NameExpression, value: tree.Expression, scope: Scope
) -> list[model.Statement]:
    if target.parts[0] in OBJECTS:
        return _attribute(checker, node, target, value, scope)
    symbol = scope.resolve(target)
    match symbol:
        case model.Field():
            return [_field(checker, node, symbol, value, scope)]
        case model.State():
            return _state(checker, node, symbol, value, scope)
        case Broken():
            raise CompileError
        case None:
            if (later := scope.find_pending(target.parts[0])) is not None:
                raise CompileError(name_wording.used_before(target.span, target.text, later))
            known = [*scope.names(), *(checker.session.target.attribute_names() if len(target.parts) > 1 else ())]
            raise CompileError(name_wording.unknown(target.span, "name", target.text, known))
        case _:
            raise CompileError(target_wording.not_assignable(target.span, f"`{target.text}`"))


def _attribute(
    checker: BlockChecker, node: tree.Assign, target: tree.NameExpression, value: tree.Expression, scope: Scope
) -> list[model.Statement]:
    place = checker.place
    attribute = checker.session.attribute(target.span, target.text, Direction.WRITE)
    if place.writes_fields:
        what = f"setting `{target.text}`"
        raise CompileError(target_wording.not_in_this_block(target.span, what, place.name, _ONLY_FIELDS))
    if not place.full_socket:
        what = f"setting `{target.text}`"
        raise CompileError(target_wording.no_full_socket(target.span, what, place.name, place.why_not))
    checked = conversions.attribute_value(checker.expressions(scope), attribute, value)
    reason = checker.otherwise(value, checked, node.otherwise)
    if isinstance(checked.type, BytesType):
        return [model.SetAttribute(node.span, attribute, checked, reason)]
    before, checked = _found_first(node, target.parts[-1], checked, reason)
    return [*before, model.SetAttribute(node.span, attribute, checked, None)]


def _found_first(
    node: tree.Assign, name: str, value: model.Expression, reason: str | None
) -> tuple[list[model.Statement], model.Expression]:
    """What is looked up in a table goes through a `let`, so that only lets and text need to know of tables."""
    if not isinstance(value, model.Lookup):
        return [], value
    found = model.LetSymbol(value.span, name)
    read = model.Read(value.span, value.type, value.interval, found)
    return [model.Let(node.span, found, value, reason)], read


def _state(
    checker: BlockChecker, node: tree.Assign, state: model.State, value: tree.Expression, scope: Scope
) -> list[model.Statement]:
    place, span = checker.place, node.target.span
    if place.writes_fields:
        raise CompileError(target_wording.not_in_this_block(span, f"setting `{state.name}`", place.name, _ONLY_FIELDS))
    if not place.states:
        raise CompileError(target_wording.no_full_socket(span, f"state `{state.name}`", place.name, place.why_not))
    declared = checker.findings.declared[state.name]
    try:
        checked = conversions.state_value(checker.expressions(scope), state, declared, value)
    except CompileError:
        checker.findings.incomplete.add(state.name)
        raise
    before, checked = _found_first(node, state.name, checked, checker.otherwise(value, checked, node.otherwise))
    seen = checker.findings.assigned.get(state.name, checked.interval)
    checker.findings.assigned[state.name] = seen.join(checked.interval)
    # An inferred range holds this value only after the next round: until then it must not be exceeded.
    checker.facts = checker.facts.assigned(state, checked.interval)
    return [*before, model.SetState(node.span, state, checked)]


def _field(
    checker: BlockChecker, node: tree.Assign, target: model.Field, value: tree.Expression, scope: Scope
) -> model.Statement:
    place, span = checker.place, node.target.span
    if node.otherwise is not None:
        raise CompileError(target_wording.not_in_this_block(node.otherwise.span, "`else reject`", place.name))
    if not place.writes_fields:
        raise CompileError(layout_wording.read_only_field(span, target.name, place.name))
    assert place.layout is not None
    if announced := place.layout.guarded_by(target.name):
        names = [f"`{each.name}`" for each in announced]
        raise CompileError(layout_wording.flag_assigned(span, target.name, names))
    if checker.facts.reachable and any(target.name in path for path in checker.paths):
        raise CompileError(layout_wording.assigned_twice(span, target.name))
    # Even where the value is wrong, the field has got one: nothing else is said about it.
    checker.paths = frozenset(path | {target.name} for path in checker.paths)
    if target.repeat is not None:
        return _elements(checker, node.span, target, target.repeat, value, scope)
    return model.SetField(node.span, target, conversions.field_value(checker.expressions(scope), target, value))


def _elements(
    checker: BlockChecker, span: Span, target: model.Field, repeat: Interval, value: tree.Expression, scope: Scope
) -> model.Statement:
    if not isinstance(value, tree.ListExpression):
        raise CompileError(wording.wrong_thing(value.span, "a list such as `[a, b]`"))
    if len(value.elements) not in repeat:
        allowed = f"{repeat.low}..={repeat.high} elements"
        found = str(len(value.elements))
        raise CompileError(wording.may_not_fit(value.span, f"`{target.name}`", found, allowed, None))
    expressions = checker.expressions(scope)
    elements = tuple(conversions.field_value(expressions, target, element) for element in value.elements)
    return model.SetElements(span, target, elements)
