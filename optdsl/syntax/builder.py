"""Makes the tree's nodes, expressions and statements: one method for each rule of the grammar."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeVar

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import syntax as wording
from optdsl.record import record
from optdsl.source import Source, Span
from optdsl.syntax import tree
from optdsl.syntax.tables import WORD

Node = TypeVar("Node")

LONGEST_NUMBER = 100
"""Characters of a number: more than 64 bits need in any notation."""


def only(kind: type[Node], children: Sequence[Any]) -> Node | None:
    """The child of a kind, where a rule has an optional part."""
    return next((child for child in children if isinstance(child, kind)), None)


def every(kind: type[Node], children: Sequence[Any]) -> tuple[Node, ...]:
    """The children of a kind, in order."""
    return tuple(child for child in children if isinstance(child, kind))


def dotted(path: tree.NameExpression) -> tree.Name:
    """`module.name` as one name: of a type or a function."""
    return tree.Name(path.span, path.text)


@record
class _Otherwise:
    name: tree.Name


class ExpressionBuilder:
    """The rules of expressions: each method gets the place of a node and what its children have become."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def token(self, terminal: str, start: int, end: int) -> str | tree.Name:
        text = self.source.text[start:end]
        return tree.Name(Span(self.source, start, end), text) if terminal == WORD else text

    def node(self, rule: str, start: int, end: int, children: list[Any]) -> Any:
        return getattr(self, rule)(Span(self.source, start, end), children)

    def too_deep(self, start: int) -> CompileError:
        return CompileError(wording.too_deep(Span(self.source, start, start + 1)))

    def integer(self, span: Span, children: list[Any]) -> tree.Integer:
        digits = children[0].replace("_", "")
        if len(digits) > LONGEST_NUMBER:
            raise CompileError(wording.bad_number(span))
        try:
            return tree.Integer(span, int(digits, 0) if digits[:2].lower() in ("0x", "0b") else int(digits))
        except ValueError:
            raise CompileError(wording.bad_number(span)) from None

    def quantity(self, span: Span, children: list[Any]) -> tree.Quantity:
        text = children[0]
        if len(text) > LONGEST_NUMBER:
            raise CompileError(wording.bad_number(span))
        digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%")
        return tree.Quantity(span, digits.replace("_", ""), text[len(digits) :])

    def true(self, span: Span, _: list[Any]) -> tree.Boolean:
        return tree.Boolean(span, True)

    def false(self, span: Span, _: list[Any]) -> tree.Boolean:
        return tree.Boolean(span, False)

    def text(self, span: Span, children: list[Any]) -> tree.Text:
        return tree.Text(span, children[0][1:-1])

    def prefix(self, span: Span, children: list[Any]) -> tree.PrefixLiteral:
        try:
            network = ip_network(children[0])
        except ValueError:
            raise CompileError(wording.bad_prefix(span, _network_hint(children[0]))) from None
        assert isinstance(network, IPv4Network | IPv6Network)
        return tree.PrefixLiteral(span, network)

    def address(self, span: Span, children: list[Any]) -> tree.AddressLiteral:
        try:
            address = ip_address(children[0])
        except ValueError:
            raise CompileError(wording.bad_address(span)) from None
        assert isinstance(address, IPv4Address | IPv6Address)
        return tree.AddressLiteral(span, address)

    def name(self, span: Span, children: list[Any]) -> tree.NameExpression:
        return tree.NameExpression(span, (children[0].text,))

    def path(self, span: Span, children: list[Any]) -> tree.NameExpression:
        return tree.NameExpression(span, tuple(part.text for part in children))

    def expression_path(self, _: Span, children: list[Any]) -> Any:
        return children[0]

    def indexed_path(self, span: Span, children: list[Any]) -> tree.Index:
        return tree.Index(span, children[0], children[1])

    def attribute(self, span: Span, children: list[Any]) -> tree.NameExpression:
        base, name = children
        if not isinstance(base, tree.NameExpression):
            raise CompileError(wording.no_members(span))
        return tree.NameExpression(span, (*base.parts, name.text))

    def index(self, span: Span, children: list[Any]) -> tree.Index:
        return tree.Index(span, children[0], children[1])

    def call(self, span: Span, children: list[Any]) -> tree.Call:
        function, *arguments = children
        if not isinstance(function, tree.NameExpression):
            raise CompileError(wording.not_a_function(function.span))
        return tree.Call(span, dotted(function), tuple(arguments))

    def parenthesised(self, _: Span, children: list[Any]) -> Any:
        return children[0]

    def conditional(self, span: Span, children: list[Any]) -> tree.Conditional:
        return tree.Conditional(span, *children)

    def else_part(self, _: Span, children: list[Any]) -> Any:
        return children[0]

    def target_has(self, span: Span, children: list[Any]) -> tree.TargetHas:
        return tree.TargetHas(span, children[0])

    def has_field(self, span: Span, children: list[Any]) -> tree.HasField:
        return tree.HasField(span, children[0])

    def elements(self, span: Span, children: list[Any]) -> tree.ListExpression:
        return tree.ListExpression(span, tuple(children))

    def bounds(self, span: Span, children: list[Any]) -> tree.Range:
        return tree.Range(span, *children)

    def compare(self, span: Span, children: list[Any]) -> tree.Binary:
        return tree.Binary(span, children[1], children[0], children[2])

    binary = compare

    def _fixed(self, operator: str, span: Span, children: list[Any]) -> tree.Binary:
        return tree.Binary(span, operator, children[0], children[1])

    def or_(self, span: Span, children: list[Any]) -> tree.Binary:
        return self._fixed("or", span, children)

    def and_(self, span: Span, children: list[Any]) -> tree.Binary:
        return self._fixed("and", span, children)

    def binary_or(self, span: Span, children: list[Any]) -> tree.Binary:
        return self._fixed("|", span, children)

    def binary_xor(self, span: Span, children: list[Any]) -> tree.Binary:
        return self._fixed("^", span, children)

    def binary_and(self, span: Span, children: list[Any]) -> tree.Binary:
        return self._fixed("&", span, children)

    def not_(self, span: Span, children: list[Any]) -> tree.Unary:
        return tree.Unary(span, "not", children[0])

    def complement(self, span: Span, children: list[Any]) -> tree.Unary:
        return tree.Unary(span, "~", children[0])

    def in_(self, span: Span, children: list[Any]) -> tree.In:
        return tree.In(span, *children)

    in_range = in_


class StatementBuilder(ExpressionBuilder):
    """The rules of statements."""

    def block(self, span: Span, children: list[Any]) -> tree.Block:
        return tree.Block(span, tuple(children))

    def alternative(self, _: Span, children: list[Any]) -> _Otherwise:
        return _Otherwise(children[0])

    def let(self, span: Span, children: list[Any]) -> tree.Let:
        otherwise = only(_Otherwise, children)
        return tree.Let(span, children[0], children[1], otherwise.name if otherwise else None)

    def assign(self, span: Span, children: list[Any]) -> tree.Assign:
        otherwise = only(_Otherwise, children)
        return tree.Assign(span, children[0], children[1], otherwise.name if otherwise else None)

    def add_assign(self, span: Span, children: list[Any]) -> tree.Assign:
        return tree.Assign(span, children[0], children[1], operator="+")

    def subtract_assign(self, span: Span, children: list[Any]) -> tree.Assign:
        return tree.Assign(span, children[0], children[1], operator="-")

    def if_statement(self, span: Span, children: list[Any]) -> tree.If:
        no = children[2] if len(children) > 2 else None
        if isinstance(no, tree.If):
            no = tree.Block(no.span, (no,))
        return tree.If(span, children[0], children[1], no)

    def for_loop(self, span: Span, children: list[Any]) -> tree.For:
        return tree.For(span, *children)

    def repeat(self, span: Span, children: list[Any]) -> tree.Repeat:
        return tree.Repeat(span, *children)

    def reject(self, span: Span, children: list[Any]) -> tree.Reject:
        return tree.Reject(span, children[0])

    def emit(self, span: Span, children: list[Any]) -> tree.Emit:
        return tree.Emit(span, children[0], tuple(children[1:]))

    def emitted_name(self, _: Span, children: list[Any]) -> tree.EmittedField:
        value = children[0]
        base = value if isinstance(value, tree.NameExpression) else value.base
        return tree.EmittedField(tree.Name(value.span, base.parts[-1]), value)

    def emitted_pair(self, _: Span, children: list[Any]) -> tree.EmittedField:
        return tree.EmittedField(*children)

    def action(self, span: Span, children: list[Any]) -> tree.Action:
        return tree.Action(span, children[0], tuple(children[1:]))

    def named(self, _: Span, children: list[Any]) -> tuple[tree.Name, tree.Expression]:
        return children[0], children[1]

    def named_from(self, span: Span, children: list[Any]) -> tuple[tree.Name, tree.Expression]:
        return tree.Name(Span(span.source, span.start, span.start + len("from")), "from"), children[0]

    def after(self, span: Span, children: list[Any]) -> tree.Timed:
        return tree.Timed(span, False, *children)

    def periodically(self, span: Span, children: list[Any]) -> tree.Timed:
        return tree.Timed(span, True, *children)

    def once_per(self, span: Span, children: list[Any]) -> tree.OncePerConnection:
        return tree.OncePerConnection(span, children[0])


def _network_hint(text: str) -> str | None:
    """The network that a prefix with host bits set belongs to."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return None
