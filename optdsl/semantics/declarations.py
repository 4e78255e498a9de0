"""Checks declarations of values: types, params, states, consts, enums and tables."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from optdsl.diagnostics import CompileError, Diagnostic
from optdsl.diagnostics import layouts as layout_wording
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import values as wording
from optdsl.semantics import model
from optdsl.semantics.facts import Facts
from optdsl.semantics.fitting import check_range, check_type, show_interval
from optdsl.semantics.place import CONSTANT, Session
from optdsl.semantics.ranges import Interval, of_bits
from optdsl.semantics.scope import IN_EXPRESSIONS, Broken, EnumSymbol, Namespace, PrefixesSymbol, Scope
from optdsl.semantics.types import (
    ADDRESS,
    BOOL,
    IP4,
    BoolType,
    BytesType,
    EnumType,
    NumberType,
    PrefixesType,
    Type,
)
from optdsl.semantics.units import LARGEST, Unit, same, show
from optdsl.source import Span
from optdsl.syntax import tree

UNIT_TYPES = {unit.value: unit for unit in (Unit.DURATION, Unit.RATE, Unit.SIZE, Unit.SEGMENTS, Unit.RATIO)} | {
    "segment_size": Unit.SEGMENT_SIZE
}
SIMPLE_TYPES: dict[str, Type] = {"bool": BOOL, "ip4": IP4, "ip6": ADDRESS, "address": ADDRESS}
SIZED_TYPES = ("bytes", "text", "prefixes")
MOST_PREFIXES = 64
MOST_BYTES = 64
MOST_ENTRIES = 1024


def width(name: str) -> int | None:
    """The bits of `u1` to `u64`; None for another name. 0 or more than 64 is no width."""
    digits = name[1:]
    return int(digits) if name[:1] == "u" and digits.isdecimal() and digits.isascii() and len(digits) <= 4 else None


def value_type(scope: Scope, node: tree.TypeNode) -> Type:
    """The type of a param, state, argument or table column."""
    if node.step is not None or node.enumerators or node.count is not None:
        raise CompileError(wording.type_not_here(node.span, node.span.text, "the type of a value", "only of a field"))
    name = node.name.text
    if node.size is not None:
        return _sized_type(node, node.size)
    if (bits := width(name)) is not None:
        if not 1 <= bits <= 64:
            raise CompileError(layout_wording.bad_width(node.name.span, name))
        return NumberType(Unit.NUMBER, bits)
    if name in UNIT_TYPES:
        return NumberType(UNIT_TYPES[name])
    if name in SIMPLE_TYPES:
        return SIMPLE_TYPES[name]
    if isinstance(symbol := scope.find_dotted(name), EnumSymbol):
        return symbol.type
    if name in SIZED_TYPES:
        raise CompileError(wording.type_not_here(node.span, name, "without a length", f"write `{name}[16]`"))
    raise CompileError(unknown_type(scope, node.name))


def unknown_type(scope: Scope, name: tree.Name) -> Diagnostic:
    enums = [known for known, (symbol, _) in scope.symbols.items() if isinstance(symbol, EnumSymbol)]
    outer = scope
    while outer.parent is not None:
        outer = outer.parent
    for module, (namespace, _) in outer.symbols.items():
        if isinstance(namespace, Namespace):
            inner = namespace.scope.symbols.items()
            enums += [f"{module}.{known}" for known, (symbol, _) in inner if isinstance(symbol, EnumSymbol)]
    known = [*UNIT_TYPES, *SIMPLE_TYPES, *SIZED_TYPES, "u8", "u16", "u32", "u64", *enums]
    return wording.unknown_type(name.span, name.text, name_wording.did_you_mean(name.text, known, name.span))


def _sized_type(node: tree.TypeNode, size: tree.Integer) -> Type:
    name, length = node.name.text, size.value
    if name not in SIZED_TYPES:
        raise CompileError(wording.type_not_here(node.span, node.span.text, "a type", f"only {', '.join(SIZED_TYPES)}"))
    most = MOST_PREFIXES if name == "prefixes" else MOST_BYTES
    if not 1 <= length <= most:
        raise CompileError(wording.may_not_fit(size.span, f"`{name}[n]`", str(length), f"1..={most}", None))
    if name == "prefixes":
        return PrefixesType(length)
    return BytesType(length, name)


def natural_interval(kind: Type) -> Interval:
    """All values of a type without `in`."""
    match kind:
        case NumberType(unit=Unit.NUMBER, bits=bits):
            return of_bits(bits or 64)
        case NumberType(unit=unit):
            return Interval(0, LARGEST[unit])
        case BoolType():
            return Interval(0, 1)
        case EnumType():
            values = [value for _, value in kind.members]
            return Interval(min(values), max(values))
        case _:
            return Interval(0, 0)


def constant_value(
    session: Session, scope: Scope, node: tree.Expression, expected: Type | None = None
) -> model.Literal | model.WideLiteral:
    """A constant of any type. Raises for what is known only at run time."""
    from optdsl.semantics.expressions import ExpressionChecker

    value = ExpressionChecker(session, scope, CONSTANT, Facts()).value(node, expected)
    if not isinstance(value, model.Literal | model.WideLiteral):
        raise CompileError(wording.not_constant(node.span))
    return value


def bound(session: Session, scope: Scope, node: tree.Expression, kind: NumberType) -> int:
    """One end of a range, of the unit of a type."""
    value = constant_value(session, scope, node)
    if not isinstance(value.type, NumberType) or same(value.type.unit, kind.unit) is None:
        raise CompileError(wording.wrong_type(node.span, str(value.type), str(kind)))
    return value.interval.low


def declared_interval(session: Session, scope: Scope, kind: Type, within: tree.Range | None) -> Interval:
    """The range of a declaration: as `in` says, inside what the type holds."""
    natural = natural_interval(kind)
    if within is None:
        return natural
    if not isinstance(kind, NumberType):
        raise CompileError(wording.type_not_here(within.span, within.span.text, f"the range of {kind}"))
    low, high = bound(session, scope, within.low, kind), bound(session, scope, within.high, kind)
    if low > high:
        raise CompileError(wording.empty_range(within.span, show(low, kind.unit), show(high, kind.unit)))
    declared = Interval(low, high)
    if not declared.within(natural):
        found, allowed = show_interval(declared, kind), show_interval(natural, kind)
        raise CompileError(wording.range_too_wide(within.span, found, allowed))
    return declared


def initial_value(
    session: Session, scope: Scope, kind: Type, interval: Interval, node: tree.Expression | tree.Braces, what: str
) -> int | bytes:
    """The value that a param, state or table entry starts with, of its type and inside its range."""
    if isinstance(node, tree.Braces):
        raise CompileError(wording.wrong_type(node.span, "a list", str(kind)))
    value = constant_value(session, scope, node, kind)
    check_type(node.span, value, kind)
    if isinstance(value, model.WideLiteral):
        return value.data
    check_range(node.span, value, interval, kind, what)
    return value.value


# ---------------------------------------------------------------------------------------------- declarations


def check_param(session: Session, scope: Scope, node: tree.Param) -> model.Param:
    """A param with its range and its value to start with."""
    kind = value_type(scope, node.type)
    interval = declared_interval(session, scope, kind, node.within)
    if node.initial is None:
        raise CompileError(wording.initial_missing(node.name.span, f"param `{node.name.text}`"))
    initial: int | bytes | tuple[model.Prefix, ...]
    if isinstance(kind, PrefixesType):
        initial = check_prefixes(scope, node.type, node.initial)
    else:
        initial = initial_value(session, scope, kind, interval, node.initial, f"`{node.name.text}`")
    return model.Param(node.span, node.name.text, kind, interval, initial, node.doc)


def check_const(session: Session, scope: Scope, node: tree.Const) -> model.Literal | model.WideLiteral:
    """The value of a const; with a type, checked against it."""
    kind = value_type(scope, node.type) if node.type is not None else None
    assert not isinstance(node.value, tree.Braces)
    value = constant_value(session, scope, node.value, kind)
    if kind is None:
        return value
    check_type(node.value.span, value, kind)
    if isinstance(value, model.WideLiteral):
        return value
    check_range(node.value.span, value, natural_interval(kind), kind, f"`{node.name.text}`")
    return model.Literal(value.span, kind, value.value)


def check_enum(node: tree.Enum) -> EnumType:
    """An enum; values count up from the one before."""
    bits = width(node.type.text)
    if bits is None or not 1 <= bits <= 64:
        raise CompileError(layout_wording.bad_width(node.type.span, node.type.text))
    check_enumerators(tuple(enumerator.name for enumerator in node.enumerators))
    members: list[tuple[str, int]] = []
    following = 0
    for enumerator in node.enumerators:
        value = enumerator.value.value if enumerator.value is not None else following
        where = enumerator.value.span if enumerator.value is not None else enumerator.name.span
        if value >= 1 << bits:
            shown = f"0..={(1 << bits) - 1}"
            raise CompileError(wording.may_not_fit(where, f"u{bits}", str(value), shown, None))
        if (first := next((name for name, known in members if known == value), None)) is not None:
            raise CompileError(wording.value_twice(where, value, first))
        members.append((enumerator.name.text, value))
        following = value + 1
    return EnumType(node.name.text, bits, tuple(members))


def check_enumerators(names: tuple[tree.Name, ...]) -> None:
    """Raises for a name that stands twice in an enumeration, or that means something else in expressions."""
    seen: dict[str, Span] = {}
    for name in names:
        if name.text in IN_EXPRESSIONS:
            raise CompileError(name_wording.reserved_word(name.span, name.text))
        if name.text in seen:
            raise CompileError(name_wording.duplicate(name.span, name.text, seen[name.text]))
        seen[name.text] = name.span


def check_table(session: Session, scope: Scope, node: tree.Table) -> model.Table:
    """A table with its entries by number."""
    key, value = value_type(scope, node.key), value_type(scope, node.value)
    if not isinstance(key, EnumType) and not (isinstance(key, NumberType) and key.unit is Unit.NUMBER):
        raise CompileError(wording.type_not_here(node.key.span, node.key.span.text, "the key of a table", "u1 to u64"))
    if isinstance(value, PrefixesType):
        raise CompileError(wording.type_not_here(node.value.span, node.value.span.text, "a value of a table"))
    if len(node.entries.entries) > MOST_ENTRIES:
        raise CompileError(wording.too_many(node.name.span, "entries", len(node.entries.entries), MOST_ENTRIES))
    keys, values = natural_interval(key), natural_interval(value)
    seen: dict[int, Span] = {}
    entries: list[tuple[int, int | bytes]] = []
    for written, entry in node.entries.entries:
        if written is None:
            raise CompileError(wording.wrong_type(entry.span, "a lone value", "KEY: VALUE"))
        number = initial_value(session, scope, key, keys, written, "a key")
        assert isinstance(number, int)
        if number in seen:
            raise CompileError(wording.duplicate_key(written.span, str(number), seen[number]))
        seen[number] = written.span
        entries.append((number, initial_value(session, scope, value, values, entry, "a value of the table")))
    if not node.tunable and entries and isinstance(entries[0][1], int):
        numbers = [entry for _, entry in entries if isinstance(entry, int)]
        values = Interval(min(numbers), max(numbers))
    bits = key.bits if isinstance(key, NumberType | EnumType) else 64
    return model.Table(
        node.span, node.name.text, keys, bits, value, values, tuple(entries), node.tunable, node.doc, key
    )


# -------------------------------------------------------------------------------------------------- prefixes


def check_prefixes(
    scope: Scope, written: tree.TypeNode | None, value: tree.Expression | tree.Braces
) -> tuple[model.Prefix, ...]:
    """A list of prefixes for a param or a const, not longer than its type says."""
    found = prefix_list(scope, value)
    kind = value_type(scope, written) if written is not None else None
    if kind is None:
        return found
    if not isinstance(kind, PrefixesType):
        raise CompileError(wording.wrong_type(value.span, "a list", str(kind)))
    if len(found) > kind.length:
        raise CompileError(wording.too_many(value.span, "prefixes", len(found), kind.length))
    return found


def prefix_list(scope: Scope, node: tree.Expression | tree.Braces) -> tuple[model.Prefix, ...]:
    """The prefixes of `{ 10.0.0.0/8, fd00::/8, prefixes.private }` or of a const list."""
    written = [entry for _, entry in node.entries] if isinstance(node, tree.Braces) else [node]
    found: list[model.Prefix] = []
    for entry in written:
        match entry:
            case tree.PrefixLiteral(value=network):
                found.extend(_prefixes(network))
            case tree.AddressLiteral(value=address):
                full = int(address) if address.version == 6 else (0xFFFF << 32) | int(address)
                found.append(model.Prefix(full, 128))
            case tree.NameExpression():
                found.extend(_named_prefixes(scope, entry))
            case _:
                raise CompileError(wording.wrong_thing(entry.span, "an address prefix"))
    return tuple(found)


def _named_prefixes(scope: Scope, node: tree.NameExpression) -> tuple[model.Prefix, ...]:
    match scope.resolve(node):
        case PrefixesSymbol(prefixes=prefixes):
            return prefixes
        case Broken():
            raise CompileError
        case None:
            if (later := scope.find_pending(node.parts[0])) is not None:
                raise CompileError(name_wording.used_before(node.span, node.text, later))
            raise CompileError(name_wording.unknown(node.span, "name", node.text, scope.names()))
        case _:
            raise CompileError(wording.wrong_thing(node.span, "an address prefix"))


def _prefixes(network: IPv4Network | IPv6Network) -> tuple[model.Prefix, ...]:
    """A network in IPv6 form. `::/0` becomes its two halves, because length 0 marks a free entry in memory."""
    if isinstance(network, IPv4Network):
        return (model.Prefix((0xFFFF << 32) | int(network.network_address), 96 + network.prefixlen),)
    if network.prefixlen == 0:
        return (model.Prefix(0, 1), model.Prefix(1 << 127, 1))
    return (model.Prefix(int(network.network_address), network.prefixlen),)
