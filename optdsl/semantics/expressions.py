"""Checks expressions: tree in, checked expression out, with type and range; what cannot be proven is raised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import layouts as layout_wording
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import targets as target_wording
from optdsl.diagnostics import values as wording
from optdsl.semantics import arithmetic, calls, model
from optdsl.semantics.attributes import attribute_type
from optdsl.semantics.facts import Facts, assume
from optdsl.semantics.place import Place, Session
from optdsl.semantics.ranges import Interval
from optdsl.semantics.scope import (
    Broken,
    ConstSymbol,
    EnumSymbol,
    FunctionSymbol,
    Namespace,
    PrefixesSymbol,
    Scope,
    Typed,
)
from optdsl.semantics.types import (
    ADDRESS,
    BOOL,
    IP4,
    NUMBER,
    BoolType,
    BytesType,
    EnumType,
    NumberType,
    PrefixesType,
    Type,
)
from optdsl.semantics.units import SUFFIXES, Unit, literal
from optdsl.source import Span
from optdsl.syntax import tree
from optdsl.targets import Direction

OBJECTS = ("socket", "connection", "subflow")
_FACTS = {fact.value: fact for fact in model.Fact}
_BASE_UNIT = {Unit.DURATION: "microseconds", Unit.RATE: "bits per second", Unit.SIZE: "bytes", Unit.RATIO: "millionths"}


@dataclass(frozen=True, slots=True)
class ExpressionChecker:
    """Checks the expressions of one block, in the light of the facts at the point where they stand.

    `destination` is the range of what the value is assigned to, for `saturate`; `calling` are the functions being
    inlined.
    """

    session: Session
    scope: Scope
    place: Place
    facts: Facts
    destination: Interval | None = None
    calling: tuple[tree.Function, ...] = ()

    def value(self, node: tree.Expression, expected: Type | None = None) -> model.Expression:
        """A value of any type but a table lookup."""
        checked = self._check(node, expected)
        if isinstance(checked, model.Lookup):
            raise CompileError(wording.lookup_without_else(node.span))
        return checked

    def value_or_lookup(self, node: tree.Expression, expected: Type | None = None) -> model.Expression:
        """As `value`, and also the lookup of a table, which its statement gives an `else reject`."""
        return self._check(node, expected)

    def number(self, node: tree.Expression) -> model.Expression:
        """A value that arithmetic can use."""
        value = self.value(node)
        if isinstance(value.type, BoolType) and isinstance(value, model.Read):
            value = replace(value, type=NumberType(Unit.NUMBER, 1))
        arithmetic.number_type(value)
        return value

    def condition(self, node: tree.Expression) -> model.Expression:
        """A condition: of type bool, or a flag of one bit."""
        value = self.value(node, BOOL)
        if isinstance(value.type, BoolType):
            return value
        if isinstance(value.type, NumberType) and value.type.bits == 1:
            return replace(value, type=BOOL) if isinstance(value, model.Read | model.Literal) else value
        raise CompileError(wording.wrong_type(node.span, str(value.type), "a condition"))

    def under(self, condition: model.Expression, holds: bool) -> ExpressionChecker:
        """The checker where a condition is known to hold, or not to."""
        return replace(self, facts=assume(self.facts, condition, holds, self.place.layout))

    # ------------------------------------------------------------------------------------------ dispatch

    def _check(self, node: tree.Expression, expected: Type | None) -> model.Expression:
        match node:
            case tree.Integer(span=span, value=value):
                return self._integer(span, value, expected)
            case tree.Quantity():
                return quantity(node)
            case tree.Boolean(span=span, value=value):
                return model.Literal(span, BOOL, int(value))
            case tree.Text():
                return _text(node, expected)
            case tree.AddressLiteral():
                return _address(node, expected)
            case tree.NameExpression():
                return self._name(node, expected)
            case tree.Index():
                return self._index(node)
            case tree.Call():
                return calls.call(self, node, expected)
            case tree.Unary(span=span, operator="~", operand=operand):
                return arithmetic.complement(span, self.number(operand))
            case tree.Unary(span=span, operand=operand):
                return _negated(span, self.condition(operand))
            case tree.Binary():
                return self._binary(node)
            case tree.In():
                return self._in(node)
            case tree.Conditional():
                return self._conditional(node, expected)
            case tree.TargetHas(span=span, path=path):
                return model.Literal(span, BOOL, int(self.session.target.has(path.text)))
            case tree.HasField(span=span, field=name):
                return self._has(span, name)
            case tree.PrefixLiteral(span=span):
                raise CompileError(name_wording.not_a_value(span, "a prefix"))
            case tree.ListExpression(span=span):
                raise CompileError(name_wording.not_a_value(span, "a list"))

    def _integer(self, span: Span, value: int, expected: Type | None) -> model.Expression:
        if value > (1 << 64) - 1:
            raise CompileError(wording.overflow(span, str(value)))
        if isinstance(expected, BytesType) and expected.form == "bytes" and value < 1 << (8 * expected.length):
            return model.WideLiteral(span, expected, value.to_bytes(expected.length, "big"))
        return model.Literal(span, NUMBER, value)

    def _binary(self, node: tree.Binary) -> model.Expression:
        if node.operator in ("and", "or"):
            return self._logic(node)
        if node.operator in arithmetic.COMPARISONS:
            left, right = self._operands(node)
            return arithmetic.compare(node.span, node.operator, left, right)
        return arithmetic.binary(node.span, node.operator, self.number(node.left), self.number(node.right))

    def _operands(self, node: tree.Binary) -> tuple[model.Expression, model.Expression]:
        """The sides of a comparison; a bare enumerator or literal takes its meaning from the other side."""
        if self._is_enumerator(node.left) and not self._is_enumerator(node.right):
            right = self.value(node.right)
            return self.value(node.left, right.type), right
        left = self.value(node.left)
        right = self.value(node.right, left.type)
        if isinstance(left.type, BoolType) and isinstance(right.type, NumberType):
            return self.number(node.left), right
        return left, right

    def _is_enumerator(self, node: tree.Expression) -> bool:
        return (
            isinstance(node, tree.NameExpression)
            and self.scope.find(node.parts[0]) is None
            and bool(self.scope.find_enumerator(node.parts[0]))
        )

    def _logic(self, node: tree.Binary) -> model.Expression:
        both = node.operator == "and"
        left = self.condition(node.left)
        right = self.under(left, both).condition(node.right)
        if isinstance(left, model.Literal):
            return right if bool(left.value) is both else left
        if isinstance(right, model.Literal):
            return left if bool(right.value) is both else right
        return model.Logic(node.span, BOOL, both, left, right)

    def _in(self, node: tree.In) -> model.Expression:
        if isinstance(node.container, tree.Range):
            value = self.value(node.value)
            low = arithmetic.compare(node.span, ">=", value, self.value(node.container.low, value.type))
            high = arithmetic.compare(node.span, "<=", value, self.value(node.container.high, value.type))
            if isinstance(low, model.Literal):
                return high if low.value else low
            return (
                low if isinstance(high, model.Literal) and high.value else model.Logic(node.span, BOOL, True, low, high)
            )
        address = self.value(node.value)
        if not isinstance(address.type, BytesType) or address.type.form not in ("address", "ip4"):
            raise CompileError(wording.wrong_type(address.span, str(address.type), "an IP address"))
        return model.InPrefixes(node.span, BOOL, address, self._prefixes(node.container))

    def _prefixes(self, node: tree.Expression) -> model.Param | tuple[model.Prefix, ...]:
        symbol = self.scope.resolve(node) if isinstance(node, tree.NameExpression) else None
        match symbol:
            case model.Param(type=PrefixesType()):
                return symbol
            case PrefixesSymbol(prefixes=prefixes):
                return prefixes
            case Broken():
                raise CompileError
            case _:
                raise CompileError(wording.wrong_type(node.span, "something else", "a list of prefixes or a range"))

    def _conditional(self, node: tree.Conditional, expected: Type | None) -> model.Expression:
        condition = self.condition(node.condition)
        if isinstance(condition, model.Literal):
            return self.value(node.yes if condition.value else node.no, expected)
        yes = self.under(condition, True).value(node.yes, expected)
        no = self.under(condition, False).value(node.no, expected or yes.type)
        kind = yes.type
        if isinstance(yes.type, NumberType) and isinstance(no.type, NumberType):
            kind = NumberType(arithmetic.common_unit(node.span, "if ... else", yes, no))
        elif yes.type != no.type:
            raise CompileError(wording.wrong_type(no.span, str(no.type), str(yes.type)))
        return model.Choose(node.span, kind, yes.interval.join(no.interval), condition, yes, no)

    # --------------------------------------------------------------------------------------------- names

    def _name(self, node: tree.NameExpression, expected: Type | None) -> model.Expression:
        if node.parts[0] in OBJECTS:
            return self._attribute(node)
        if node.text in _FACTS:
            return self._fact(node)
        if node.parts[0] == "target":
            raise CompileError(name_wording.not_a_value(node.span, "`target`"))
        if isinstance(enum := self.scope.find_dotted(".".join(node.parts[:-1])), EnumSymbol):
            return _enumerator(node, enum.type)
        symbol = self.scope.resolve(node)
        match symbol:
            case None:
                return self._enumerator_or_unknown(node, expected)
            case ConstSymbol(value=value):
                return replace(value, span=node.span)
            case Typed(value=model.Read() as value):
                return self._read(node.span, value.type, value.interval, value.symbol)
            case Typed(value=value) if value is not None:
                return replace(value, span=node.span)
            case Typed():
                return self._read(node.span, symbol.type, symbol.interval, symbol.symbol)
            case model.Param():
                return self._param(node.span, symbol)
            case model.State():
                return self._state(node.span, symbol)
            case model.Field():
                return self._field(node.span, symbol)
            case Broken():
                raise CompileError
            case _:
                raise CompileError(name_wording.not_a_value(node.span, _described(symbol, node.text)))

    def _read(self, span: Span, kind: Type, widest: Interval, symbol: model.Symbol) -> model.Expression:
        interval = self.facts.interval(symbol, widest)
        if interval.is_constant and not isinstance(kind, BytesType | PrefixesType):
            return model.Literal(span, kind, interval.low)
        return model.Read(span, kind, interval, symbol)

    def _param(self, span: Span, param: model.Param) -> model.Expression:
        if isinstance(param.type, PrefixesType):
            raise CompileError(name_wording.not_a_value(span, f"the list of prefixes `{param.name}`"))
        if self.place.name == "a constant":
            raise CompileError(wording.not_constant(span))
        return self._read(span, param.type, param.interval, param)

    def _state(self, span: Span, state: model.State) -> model.Expression:
        if not self.place.states:
            raise CompileError(target_wording.no_full_socket(span, f"state `{state.name}`", self.place.name))
        return self._read(span, state.type, state.interval, state)

    def _field(self, span: Span, field: model.Field) -> model.Expression:
        if not self.place.reads_fields:
            raise CompileError(layout_wording.no_fields_here(span, field.name, self.place.name))
        if field.repeat is not None:
            raise CompileError(name_wording.not_a_value(span, f"the repeated field `{field.name}`"))
        if field.presence is not model.Presence.ALWAYS and field not in self.facts.present:
            test = field.flag if field.presence is model.Presence.FLAG else f"has {field.name}"
            raise CompileError(layout_wording.read_without_test(span, field.name, field.span, test))
        return self._read(span, field.type, field.interval, field)

    def _attribute(self, node: tree.NameExpression) -> model.Expression:
        attribute = self.session.attribute(node.span, node.text, Direction.READ)
        if attribute.needs_full_socket and not self.place.full_socket:
            raise CompileError(target_wording.no_full_socket(node.span, f"`{node.text}`", self.place.name))
        assert attribute.read is not None
        bounds = attribute.read.bounds
        return self._read(node.span, attribute_type(attribute), Interval(bounds.minimum, bounds.maximum), attribute)

    def _fact(self, node: tree.NameExpression) -> model.Expression:
        fact = _FACTS[node.text]
        if fact not in self.place.facts:
            raise CompileError(target_wording.not_in_this_block(node.span, f"`{node.text}`", self.place.name))
        return model.FactRead(node.span, BOOL, fact)

    def _enumerator_or_unknown(self, node: tree.NameExpression, expected: Type | None) -> model.Expression:
        if len(node.parts) == 1 and isinstance(expected, EnumType):
            value = expected.value(node.parts[0])
            if value is not None:
                return model.Literal(node.span, expected, value)
        candidates = self.scope.find_enumerator(node.parts[0]) if len(node.parts) == 1 else []
        matching = [each for each in candidates if each[0] == expected] or candidates
        if len(matching) > 1:
            raise CompileError(name_wording.ambiguous(node.span, node.text, [enum.name for enum, _ in matching]))
        if matching:
            enum, value = matching[0]
            return model.Literal(node.span, enum, value)
        if (later := self.scope.find_pending(node.parts[0])) is not None:
            raise CompileError(name_wording.used_before(node.span, node.text, later))
        raise CompileError(name_wording.unknown(node.span, "name", node.text, self.scope.names()))

    # --------------------------------------------------------------------------------- fields and tables

    def _has(self, span: Span, name: tree.Name) -> model.Expression:
        field = self.scope.find(name.text)
        if not isinstance(field, model.Field):
            names = [each.name for each in self.place.layout.fields] if self.place.layout else []
            raise CompileError(name_wording.unknown(name.span, "field", name.text, names))
        if not self.place.reads_fields:
            raise CompileError(layout_wording.no_fields_here(span, field.name, self.place.name))
        if field.presence is model.Presence.ALWAYS or field in self.facts.present:
            return model.Literal(span, BOOL, 1)
        return model.Present(span, BOOL, field)

    def repeated(self, name: tree.Expression) -> model.Field:
        """The repeated field that a name stands for, where fields can be read."""
        symbol = self.scope.resolve(name) if isinstance(name, tree.NameExpression) else None
        if not isinstance(symbol, model.Field) or symbol.repeat is None:
            raise CompileError(wording.wrong_type(name.span, "something else", "a repeated field"))
        if not self.place.reads_fields:
            raise CompileError(layout_wording.no_fields_here(name.span, symbol.name, self.place.name))
        return symbol

    def count(self, field: model.Field) -> Interval:
        assert field.repeat is not None
        return self.facts.counts.get(field, field.repeat)

    def _index(self, node: tree.Index) -> model.Expression:
        symbol = self.scope.resolve(node.base) if isinstance(node.base, tree.NameExpression) else None
        if isinstance(symbol, Broken):
            raise CompileError
        if isinstance(symbol, model.Table):
            return self._lookup(node, symbol)
        field = self.repeated(node.base)
        index = self.number(node.index)
        if not isinstance(index, model.Literal):
            raise CompileError(wording.not_constant(node.index.span))
        present = self.count(field).low
        if index.value >= present:
            raise CompileError(wording.index_out_of_range(node.index.span, str(index.value), f"{present} for certain"))
        return model.Element(node.span, field.type, field.interval, field, index.value)

    def _lookup(self, node: tree.Index, table: model.Table) -> model.Expression:
        key = self.value(node.index)
        if isinstance(key.type, EnumType):
            pass
        elif arithmetic.number_type(key).unit is not Unit.NUMBER:
            raise CompileError(wording.wrong_type(node.index.span, str(key.type), "a plain number"))
        if not key.interval.within(table.key):
            allowed = f"{table.key.low}..={table.key.high}"
            raise CompileError(wording.may_not_fit(node.index.span, "the key", arithmetic.shown(key), allowed, None))
        return model.Lookup(node.span, table.value, table.values, table, key)


# ------------------------------------------------------------------------------------------------ literals


def quantity(node: tree.Quantity) -> model.Literal:
    """The value of `100ms` in its base unit."""
    unit = SUFFIXES[node.suffix].unit
    value = literal(node.digits, node.suffix)
    if value.denominator != 1:
        raise CompileError(wording.not_whole(node.span, _BASE_UNIT.get(unit, unit.value)))
    if value >= 1 << 64:
        raise CompileError(wording.overflow(node.span, f"{node.digits}{node.suffix}"))
    return model.Literal(node.span, NumberType(unit), int(value))


def _text(node: tree.Text, expected: Type | None) -> model.Expression:
    if not node.value.isascii():
        raise CompileError(wording.not_ascii(node.span))
    length = expected.length if isinstance(expected, BytesType) and expected.form == "text" else 16
    data = node.value.encode()
    if len(data) >= length:
        raise CompileError(wording.text_too_long(node.span, len(data), length - 1))
    return model.WideLiteral(node.span, BytesType(length, "text"), data.ljust(length, b"\0"))


def _address(node: tree.AddressLiteral, expected: Type | None) -> model.Expression:
    if isinstance(node.value, IPv4Address):
        if expected == IP4:
            return model.WideLiteral(node.span, IP4, node.value.packed)
        return model.WideLiteral(node.span, ADDRESS, bytes(10) + b"\xff\xff" + node.value.packed)
    return model.WideLiteral(node.span, ADDRESS, node.value.packed)


def _enumerator(node: tree.NameExpression, enum: EnumType) -> model.Expression:
    value = enum.value(node.parts[-1])
    if value is None:
        known = [f"{enum.name}.{name}" for name, _ in enum.members]
        raise CompileError(name_wording.unknown(node.span, "name", node.text, known))
    return model.Literal(node.span, enum, value)


def _negated(span: Span, operand: model.Expression) -> model.Expression:
    if isinstance(operand, model.Literal):
        return model.Literal(span, BOOL, 1 - operand.value)
    return model.Negation(span, BOOL, operand)


def _described(symbol: object, name: str) -> str:
    match symbol:
        case FunctionSymbol():
            return f"the function `{name}`"
        case EnumSymbol():
            return f"the enum `{name}`"
        case Namespace():
            return f"the module `{name}`"
        case model.Table():
            return f"the table `{name}` without a key"
        case _:
            return f"`{name}`"
