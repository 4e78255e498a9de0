"""Names and what they stand for."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.diagnostics import names as wording
from optdsl.record import field, record
from optdsl.semantics import model
from optdsl.semantics.ranges import Interval
from optdsl.semantics.types import EnumType, Type
from optdsl.source import Span
from optdsl.syntax import tree

IN_EXPRESSIONS = frozenset(
    "and or not if else in has target true false min max clamp floor ceil saturate count socket connection subflow "
    "received syn_cookie".split()
)
"""Words that mean something else in an expression."""

RESERVED = IN_EXPRESSIONS | frozenset(
    "of when optional let for repeat reject emit after every once use option path_manager kind layout param state "
    "table const fn enum send receive on".split()
)
"""Words that cannot name anything but an enumerator, because a statement or declaration begins or goes on with them."""


@record
class ConstSymbol:
    """A `const`: its checked, constant value."""

    value: model.Literal | model.WideLiteral


@record
class PrefixesSymbol:
    """A `const` list of prefixes."""

    prefixes: tuple[model.Prefix, ...]


@record
class FunctionSymbol:
    """A `fn` and the names that its body sees."""

    node: tree.Function
    scope: Scope


@record
class EnumSymbol:
    """An `enum`."""

    type: EnumType


@record
class Namespace:
    """A module that `use` brought in."""

    scope: Scope


@record
class Typed:
    """A name that stands for a value of a handler: a let, an argument; `interval` is where it starts out."""

    symbol: model.LetSymbol
    type: Type
    interval: Interval
    value: model.Expression | None = None
    """A constant that replaces the name, for arguments and variables of unrolled loops."""


@record
class Broken:
    """A name whose declaration has an error that has been told already."""


Symbol = (
    ConstSymbol | PrefixesSymbol | FunctionSymbol | EnumSymbol | Namespace | Typed | Broken
    | model.Param | model.State | model.Table | model.Field
)  # fmt: skip


@record(frozen=False)
class Scope:
    """One level of names. Enumerators stand apart: several enumerations may share one."""

    parent: Scope | None = None
    symbols: dict[str, tuple[Symbol, Span]] = field(default_factory=dict)
    enumerators: dict[str, list[tuple[EnumType, int]]] = field(default_factory=dict)
    pending: dict[str, Span] = field(default_factory=dict)
    """Names that a later statement or declaration defines."""
    used: set[str] = field(default_factory=set)
    """Names that something has looked up."""

    def declare(self, name: tree.Name, symbol: Symbol, diagnostics: Diagnostics) -> None:
        """Adds a name; a word of the language or a second declaration is told and changes nothing."""
        if name.text in RESERVED:
            diagnostics.add(wording.reserved_word(name.span, name.text))
        elif (first := self.symbols.get(name.text)) is not None:
            # Declared in another order than they stand in the text: the second is the one further down.
            earlier, later = sorted((first[1], name.span), key=lambda span: span.start)
            self.symbols[name.text] = (first[0], earlier)
            diagnostics.add(wording.duplicate(later, name.text, earlier))
        else:
            self.symbols[name.text] = (symbol, name.span)

    def declare_enumerators(self, enum: EnumType) -> None:
        for member, value in enum.members:
            self.enumerators.setdefault(member, []).append((enum, value))

    def find(self, name: str) -> Symbol | None:
        """The symbol of a name here or further out; it counts as used."""
        scope: Scope | None = self
        while scope is not None:
            if (found := scope.symbols.get(name)) is not None:
                scope.used.add(name)
                return found[0]
            scope = scope.parent
        return None

    def find_pending(self, name: str) -> Span | None:
        """Where a later statement defines a name that is not known yet."""
        scope: Scope | None = self
        while scope is not None:
            if (found := scope.pending.get(name)) is not None:
                return found
            scope = scope.parent
        return None

    def find_enumerator(self, name: str) -> list[tuple[EnumType, int]]:
        """Every enumeration that has a value of that name; the enums count as used."""
        found: list[tuple[EnumType, int]] = []
        scope: Scope | None = self
        while scope is not None:
            here = scope.enumerators.get(name, [])
            scope.used.update(enum.name for enum, _ in here)
            found.extend(here)
            scope = scope.parent
        return found

    def resolve(self, path: tree.NameExpression) -> Symbol | None:
        """The symbol of a dotted name: all but the last part are modules. Raises for an unknown member of a module."""
        symbol = self.find(path.parts[0])
        for part in path.parts[1:]:
            if isinstance(symbol, Broken):
                return symbol
            if not isinstance(symbol, Namespace):
                return None
            member = symbol.scope.symbols.get(part)
            if member is None:
                raise CompileError(wording.unknown(path.span, "name", path.text, _members(path, symbol)))
            symbol = member[0]
        return symbol

    def find_dotted(self, name: str) -> Symbol | None:
        """The symbol of `name` or `module.name`; None for an unknown one."""
        first, *rest = name.split(".")
        symbol = self.find(first)
        for part in rest:
            if isinstance(symbol, Broken):
                break
            symbol = symbol.scope.symbols.get(part, (None,))[0] if isinstance(symbol, Namespace) else None
        return symbol

    def names(self) -> Iterator[str]:
        """Every visible name, for did-you-mean."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope.symbols
            yield from scope.enumerators
            scope = scope.parent


def _members(path: tree.NameExpression, namespace: Namespace) -> list[str]:
    head = ".".join(path.parts[:-1])
    return [f"{head}.{name}" for name in namespace.scope.symbols]
