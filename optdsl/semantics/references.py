"""What names stand for in expressions: attributes, values, fields, enumerators, tables, lists of prefixes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import layouts as layout_wording
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import targets as target_wording
from optdsl.diagnostics import values as wording
from optdsl.record import replace
from optdsl.semantics import arithmetic, declarations, model
from optdsl.semantics.attributes import attribute_type
from optdsl.semantics.place import MPTCP_OBJECTS
from optdsl.semantics.ranges import Interval
from optdsl.semantics.scope import (
    Broken,
    ConstSymbol,
    EnumSymbol,
    FunctionSymbol,
    Namespace,
    PrefixesSymbol,
    Scope,
    Symbol,
    Typed,
)
from optdsl.semantics.types import BOOL, BytesType, EnumType, PrefixesType, Type
from optdsl.source import Span
from optdsl.syntax import tree
from optdsl.targets import Direction

if TYPE_CHECKING:
    from optdsl.semantics.expressions import ExpressionChecker

OBJECTS = ("socket", *MPTCP_OBJECTS)
_FACTS = {fact.value: fact for fact in model.Fact}
_ASKED_IN = {
    model.Fact.RECEIVED: "`send` and `on` can ask it; `receive` runs because it is so",
    model.Fact.SYN_COOKIE: "only a `send` on `synack`, and no other packet, can ask it",
}


def name(checker: ExpressionChecker, node: tree.NameExpression, expected: Type | None) -> model.Expression:
    """The value that a name stands for."""
    if node.parts[0] in OBJECTS:
        return _attribute(checker, node)
    if node.text in _FACTS:
        return _fact(checker, node)
    if node.parts[0] == "target":
        raise CompileError(name_wording.not_a_value(node.span, "`target`"))
    if isinstance(enum := checker.scope.find_dotted(".".join(node.parts[:-1])), EnumSymbol):
        return _enumerator(node, enum.type)
    symbol = checker.scope.resolve(node)
    match symbol:
        case None:
            return _enumerator_or_unknown(checker, node, expected)
        case ConstSymbol(value=value):
            return replace(value, span=node.span)
        case Typed(value=model.Read() as value):
            return _read(checker, node.span, value.type, value.interval, value.symbol)
        case Typed(value=value) if value is not None:
            return replace(value, span=node.span)
        case Typed():
            return _read(checker, node.span, symbol.type, symbol.interval, symbol.symbol)
        case model.Param() | model.State() | model.Field() if checker.place.constant:
            raise CompileError(wording.not_constant(node.span))
        case model.Param():
            return _param(checker, node.span, symbol)
        case model.State():
            return _state(checker, node.span, symbol)
        case model.Field():
            return _field(checker, node.span, symbol)
        case Broken():
            raise CompileError
        case _:
            raise CompileError(name_wording.not_a_value(node.span, _described(symbol, node.text)))


def is_enumerator(scope: Scope, node: tree.Expression) -> bool:
    """Whether an expression is the bare name of a value of an enumeration."""
    if not isinstance(node, tree.NameExpression) or scope.find(node.parts[0]) is not None:
        return False
    return bool(scope.find_enumerator(node.parts[0]))


def symbol_of(checker: ExpressionChecker, node: tree.Expression) -> Symbol | None:
    """The symbol of an expression that is only a name; None for any other. Raises for a name that is not known."""
    if not isinstance(node, tree.NameExpression):
        return None
    symbol = checker.scope.resolve(node)
    if isinstance(symbol, Broken):
        raise CompileError
    if symbol is None and node.parts[0] not in OBJECTS and node.text not in _FACTS:
        raise _unknown(checker, node)
    return symbol


def _read(
    checker: ExpressionChecker, span: Span, kind: Type, widest: Interval, symbol: model.Symbol
) -> model.Expression:
    interval = checker.facts.interval(symbol, widest)
    if interval.is_constant and not isinstance(kind, BytesType | PrefixesType):
        return model.Literal(span, kind, interval.low)
    return model.Read(span, kind, interval, symbol)


def _param(checker: ExpressionChecker, span: Span, param: model.Param) -> model.Expression:
    if isinstance(param.type, PrefixesType):
        raise CompileError(name_wording.not_a_value(span, f"the list of prefixes `{param.name}`"))
    return _read(checker, span, param.type, param.interval, param)


def _state(checker: ExpressionChecker, span: Span, state: model.State) -> model.Expression:
    place = checker.place
    if not place.states:
        raise CompileError(target_wording.no_full_socket(span, f"state `{state.name}`", place.name, place.why_not))
    return _read(checker, span, state.type, state.interval, state)


def _field(checker: ExpressionChecker, span: Span, field: model.Field) -> model.Expression:
    if not checker.place.reads_fields:
        raise CompileError(layout_wording.no_fields_here(span, field.name, checker.place.name))
    if field.repeat is not None:
        raise CompileError(name_wording.not_a_value(span, f"the repeated field `{field.name}`"))
    if field.presence is not model.Presence.ALWAYS and field not in checker.facts.present:
        test = field.flag if field.presence is model.Presence.FLAG else f"has {field.name}"
        raise CompileError(layout_wording.read_without_test(span, field.name, field.span, test))
    return _read(checker, span, field.type, field.interval, field)


def _attribute(checker: ExpressionChecker, node: tree.NameExpression) -> model.Expression:
    place = checker.place
    if place.constant:
        raise CompileError(wording.not_constant(node.span))
    attribute = checker.session.attribute(node.span, node.text, Direction.READ)
    if attribute.needs_full_socket and not place.full_socket:
        raise CompileError(target_wording.no_full_socket(node.span, f"`{node.text}`", place.name, place.why_not))
    assert attribute.read is not None
    bounds = attribute.read.bounds
    interval = Interval(bounds.minimum, bounds.maximum)
    return _read(checker, node.span, attribute_type(attribute), interval, attribute)


def _fact(checker: ExpressionChecker, node: tree.NameExpression) -> model.Expression:
    fact = _FACTS[node.text]
    if fact not in checker.place.facts:
        raise CompileError(
            target_wording.not_in_this_block(node.span, f"`{node.text}`", checker.place.name, _ASKED_IN[fact])
        )
    return model.FactRead(node.span, BOOL, fact)


# --------------------------------------------------------------------------------------------- enumerations


def _enumerator(node: tree.NameExpression, enum: EnumType) -> model.Expression:
    value = enum.value(node.parts[-1])
    if value is None:
        owner = ".".join(node.parts[:-1])
        known = [f"{owner}.{member}" for member, _ in enum.members]
        raise CompileError(name_wording.unknown(node.span, "name", node.text, known))
    return model.Literal(node.span, enum, value)


def _enumerator_or_unknown(
    checker: ExpressionChecker, node: tree.NameExpression, expected: Type | None
) -> model.Expression:
    """A bare enumerator: of the enumeration that is expected, or of the only one that has it."""
    candidates = checker.scope.find_enumerator(node.parts[0]) if len(node.parts) == 1 else []
    if isinstance(expected, EnumType) and len(node.parts) == 1:
        value = expected.value(node.parts[0])
        if value is not None:
            return model.Literal(node.span, expected, value)
    if len({enum for enum, _ in candidates}) > 1:
        raise CompileError(name_wording.ambiguous(node.span, node.text, [enum.name for enum, _ in candidates]))
    if candidates:
        enum, value = candidates[0]
        return model.Literal(node.span, enum, value)
    raise _unknown(checker, node, expected)


def _unknown(checker: ExpressionChecker, node: tree.NameExpression, expected: Type | None = None) -> CompileError:
    """What to raise for a name that nothing declares, or that something later declares."""
    scope = checker.scope
    if (later := scope.find_pending(node.parts[0])) is not None:
        return CompileError(name_wording.used_before(node.span, node.text, later))
    if isinstance(expected, EnumType):
        members = [member for member, _ in expected.members]
        note = f"`{expected.name}` is {expected}"
        return CompileError(name_wording.unknown(node.span, "value", node.text, [*members, *scope.names()], (note,)))
    known = [*scope.names(), *(checker.session.target.attribute_names() if len(node.parts) > 1 else _FACTS)]
    return CompileError(name_wording.unknown(node.span, "name", node.text, known))


# ----------------------------------------------------------------------------- fields, tables and prefixes


def has(checker: ExpressionChecker, span: Span, written: tree.Name) -> model.Expression:
    """`has FIELD`."""
    if checker.place.constant:
        raise CompileError(wording.not_constant(span))
    field = checker.scope.find(written.text)
    if isinstance(field, Broken):
        raise CompileError
    if not isinstance(field, model.Field):
        names = [each.name for each in checker.place.layout.fields] if checker.place.layout else []
        raise CompileError(name_wording.unknown(written.span, "field", written.text, names))
    if not checker.place.reads_fields:
        raise CompileError(layout_wording.no_fields_here(written.span, field.name, checker.place.name))
    if field.presence is model.Presence.ALWAYS or field in checker.facts.present:
        return model.Literal(span, BOOL, 1)
    return model.Present(span, BOOL, field)


def repeated(checker: ExpressionChecker, node: tree.Expression) -> model.Field:
    """The repeated field that a name stands for, where fields can be read."""
    symbol = symbol_of(checker, node)
    if not isinstance(symbol, model.Field) or symbol.repeat is None:
        raise CompileError(wording.wrong_thing(node.span, "a repeated field"))
    if not checker.place.reads_fields:
        raise CompileError(layout_wording.no_fields_here(node.span, symbol.name, checker.place.name))
    return symbol


def count(checker: ExpressionChecker, field: model.Field) -> Interval:
    """How many elements a repeated field is known to have."""
    assert field.repeat is not None
    return checker.facts.counts.get(field, field.repeat)


def index(checker: ExpressionChecker, node: tree.Index) -> model.Expression:
    """`names[key]` or `counters[0]`."""
    symbol = symbol_of(checker, node.base)
    if isinstance(symbol, model.Table):
        return _lookup(checker, node, symbol)
    if not isinstance(symbol, model.Field) or symbol.repeat is None:
        raise CompileError(wording.wrong_thing(node.base.span, "a table or a repeated field"))
    field = repeated(checker, node.base)
    element = checker.plain_number(node.index)
    if not isinstance(element, model.Literal):
        raise CompileError(wording.not_constant(node.index.span))
    present = count(checker, field).low
    if element.value >= present:
        allowed = f"{present} for certain" if present else "perhaps none"
        raise CompileError(wording.index_out_of_range(node.index.span, str(element.value), allowed, field.name))
    return model.Element(node.span, field.type, field.interval, field, element.value)


def _lookup(checker: ExpressionChecker, node: tree.Index, table: model.Table) -> model.Expression:
    if isinstance(table.key_type, EnumType):
        key = checker.value(node.index, table.key_type)
        if key.type != table.key_type:
            raise CompileError(wording.wrong_type(node.index.span, str(key.type), str(table.key_type)))
        return model.Lookup(node.span, table.value, table.values, table, key)
    key = checker.value(node.index)
    if not isinstance(key.type, EnumType):
        key = checker.plain_number(node.index)
    if not key.interval.within(table.key):
        allowed = f"{table.key.low}..={table.key.high}"
        raise CompileError(wording.may_not_fit(node.index.span, "the key", arithmetic.shown(key), allowed, None))
    return model.Lookup(node.span, table.value, table.values, table, key)


def prefixes(checker: ExpressionChecker, node: tree.Expression) -> model.Param | tuple[model.Prefix, ...]:
    """The list of prefixes that a name stands for, or a prefix itself."""
    if isinstance(node, tree.PrefixLiteral):
        return declarations.prefix_list(checker.scope, node)
    symbol = symbol_of(checker, node)
    match symbol:
        case model.Param(type=PrefixesType()):
            return symbol
        case PrefixesSymbol(prefixes=found):
            return found
        case _:
            raise CompileError(wording.wrong_thing(node.span, "a list of prefixes or a range"))


def _described(symbol: object, written: str) -> str:
    match symbol:
        case FunctionSymbol():
            return f"the function `{written}`"
        case EnumSymbol():
            return f"the enum `{written}`"
        case Namespace():
            return f"the module `{written}`"
        case model.Table():
            return f"the table `{written}` without a key"
        case _:
            return f"`{written}`"
