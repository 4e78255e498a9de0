"""Turns lark's parse into tree nodes, expressions and statements: one method for each rule of the grammar."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeVar

from lark import Token, Transformer, v_args

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import syntax as wording
from optdsl.record import record
from optdsl.source import Source, Span
from optdsl.syntax import tree

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


@v_args(meta=True)
class ExpressionBuilder(Transformer[Token, Any]):
    """The rules of expressions."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source

    def _span(self, meta: Any) -> Span:
        if meta.empty:
            return Span(self.source, 0, 0)
        return Span(self.source, meta.start_pos, meta.end_pos)

    def _token_span(self, token: Token) -> Span:
        return Span(self.source, token.start_pos or 0, token.end_pos or 0)

    def NAME(self, token: Token) -> tree.Name:  # noqa: N802 (lark calls methods by the terminal's name)
        return tree.Name(self._token_span(token), str(token))

    def integer(self, meta: Any, children: list[Any]) -> tree.Integer:
        digits = str(children[0]).replace("_", "")
        span = self._span(meta)
        if len(digits) > LONGEST_NUMBER:
            raise CompileError(wording.bad_number(span))
        try:
            return tree.Integer(span, int(digits, 0) if digits[:2].lower() in ("0x", "0b") else int(digits))
        except ValueError:
            raise CompileError(wording.bad_number(span)) from None

    def quantity(self, meta: Any, children: list[Any]) -> tree.Quantity:
        text = str(children[0])
        if len(text) > LONGEST_NUMBER:
            raise CompileError(wording.bad_number(self._span(meta)))
        digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%")
        return tree.Quantity(self._span(meta), digits.replace("_", ""), text[len(digits) :])

    def true(self, meta: Any, _: list[Any]) -> tree.Boolean:
        return tree.Boolean(self._span(meta), True)

    def false(self, meta: Any, _: list[Any]) -> tree.Boolean:
        return tree.Boolean(self._span(meta), False)

    def text(self, meta: Any, children: list[Any]) -> tree.Text:
        return tree.Text(self._span(meta), str(children[0])[1:-1])

    def prefix(self, meta: Any, children: list[Any]) -> tree.PrefixLiteral:
        span = self._span(meta)
        try:
            network = ip_network(str(children[0]))
        except ValueError:
            raise CompileError(wording.bad_prefix(span, _network_hint(str(children[0])))) from None
        assert isinstance(network, IPv4Network | IPv6Network)
        return tree.PrefixLiteral(span, network)

    def address(self, meta: Any, children: list[Any]) -> tree.AddressLiteral:
        span = self._span(meta)
        try:
            address = ip_address(str(children[0]))
        except ValueError:
            raise CompileError(wording.bad_address(span)) from None
        assert isinstance(address, IPv4Address | IPv6Address)
        return tree.AddressLiteral(span, address)

    def name(self, meta: Any, children: list[Any]) -> tree.NameExpression:
        return tree.NameExpression(self._span(meta), (children[0].text,))

    def path(self, meta: Any, children: list[Any]) -> tree.NameExpression:
        return tree.NameExpression(self._span(meta), tuple(part.text for part in children))

    def expression_path(self, _: Any, children: list[Any]) -> Any:
        return children[0]

    def indexed_path(self, meta: Any, children: list[Any]) -> tree.Index:
        return tree.Index(self._span(meta), children[0], children[1])

    def attribute(self, meta: Any, children: list[Any]) -> tree.NameExpression:
        base, name = children
        if not isinstance(base, tree.NameExpression):
            raise CompileError(wording.no_members(self._span(meta)))
        return tree.NameExpression(self._span(meta), (*base.parts, name.text))

    def index(self, meta: Any, children: list[Any]) -> tree.Index:
        return tree.Index(self._span(meta), children[0], children[1])

    def call(self, meta: Any, children: list[Any]) -> tree.Call:
        function, *arguments = children
        if not isinstance(function, tree.NameExpression):
            raise CompileError(wording.not_a_function(function.span))
        return tree.Call(self._span(meta), dotted(function), tuple(arguments))

    def parenthesised(self, _: Any, children: list[Any]) -> Any:
        return children[0]

    def conditional(self, meta: Any, children: list[Any]) -> tree.Conditional:
        return tree.Conditional(self._span(meta), *children)

    def else_part(self, _: Any, children: list[Any]) -> Any:
        return children[0]

    def target_has(self, meta: Any, children: list[Any]) -> tree.TargetHas:
        return tree.TargetHas(self._span(meta), children[0])

    def has_field(self, meta: Any, children: list[Any]) -> tree.HasField:
        return tree.HasField(self._span(meta), children[0])

    def elements(self, meta: Any, children: list[Any]) -> tree.ListExpression:
        return tree.ListExpression(self._span(meta), tuple(children))

    def bounds(self, meta: Any, children: list[Any]) -> tree.Range:
        return tree.Range(self._span(meta), *children)

    def compare(self, meta: Any, children: list[Any]) -> tree.Binary:
        return tree.Binary(self._span(meta), str(children[1]), children[0], children[2])

    binary = compare

    def _fixed(self, operator: str, meta: Any, children: list[Any]) -> tree.Binary:
        return tree.Binary(self._span(meta), operator, children[0], children[1])

    def or_(self, meta: Any, children: list[Any]) -> tree.Binary:
        return self._fixed("or", meta, children)

    def and_(self, meta: Any, children: list[Any]) -> tree.Binary:
        return self._fixed("and", meta, children)

    def binary_or(self, meta: Any, children: list[Any]) -> tree.Binary:
        return self._fixed("|", meta, children)

    def binary_xor(self, meta: Any, children: list[Any]) -> tree.Binary:
        return self._fixed("^", meta, children)

    def binary_and(self, meta: Any, children: list[Any]) -> tree.Binary:
        return self._fixed("&", meta, children)

    def not_(self, meta: Any, children: list[Any]) -> tree.Unary:
        return tree.Unary(self._span(meta), "not", children[0])

    def complement(self, meta: Any, children: list[Any]) -> tree.Unary:
        return tree.Unary(self._span(meta), "~", children[0])

    def in_(self, meta: Any, children: list[Any]) -> tree.In:
        return tree.In(self._span(meta), *children)

    in_range = in_


@v_args(meta=True)
class StatementBuilder(ExpressionBuilder):
    """The rules of statements."""

    def block(self, meta: Any, children: list[Any]) -> tree.Block:
        return tree.Block(self._span(meta), tuple(children))

    def alternative(self, _: Any, children: list[Any]) -> _Otherwise:
        return _Otherwise(children[0])

    def let(self, meta: Any, children: list[Any]) -> tree.Let:
        otherwise = only(_Otherwise, children)
        return tree.Let(self._span(meta), children[0], children[1], otherwise.name if otherwise else None)

    def assign(self, meta: Any, children: list[Any]) -> tree.Assign:
        otherwise = only(_Otherwise, children)
        return tree.Assign(self._span(meta), children[0], children[1], otherwise.name if otherwise else None)

    def add_assign(self, meta: Any, children: list[Any]) -> tree.Assign:
        return tree.Assign(self._span(meta), children[0], children[1], operator="+")

    def subtract_assign(self, meta: Any, children: list[Any]) -> tree.Assign:
        return tree.Assign(self._span(meta), children[0], children[1], operator="-")

    def if_statement(self, meta: Any, children: list[Any]) -> tree.If:
        no = children[2] if len(children) > 2 else None
        if isinstance(no, tree.If):
            no = tree.Block(no.span, (no,))
        return tree.If(self._span(meta), children[0], children[1], no)

    def for_loop(self, meta: Any, children: list[Any]) -> tree.For:
        return tree.For(self._span(meta), *children)

    def repeat(self, meta: Any, children: list[Any]) -> tree.Repeat:
        return tree.Repeat(self._span(meta), *children)

    def reject(self, meta: Any, children: list[Any]) -> tree.Reject:
        return tree.Reject(self._span(meta), children[0])

    def emit(self, meta: Any, children: list[Any]) -> tree.Emit:
        return tree.Emit(self._span(meta), children[0], tuple(children[1:]))

    def emitted_name(self, _: Any, children: list[Any]) -> tree.EmittedField:
        value = children[0]
        base = value if isinstance(value, tree.NameExpression) else value.base
        return tree.EmittedField(tree.Name(value.span, base.parts[-1]), value)

    def emitted_pair(self, _: Any, children: list[Any]) -> tree.EmittedField:
        return tree.EmittedField(*children)

    def action(self, meta: Any, children: list[Any]) -> tree.Action:
        return tree.Action(self._span(meta), children[0], tuple(children[1:]))

    def named(self, _: Any, children: list[Any]) -> tuple[tree.Name, tree.Expression]:
        return children[0], children[1]

    def named_from(self, meta: Any, children: list[Any]) -> tuple[tree.Name, tree.Expression]:
        span = self._span(meta)
        return tree.Name(Span(span.source, span.start, span.start + len("from")), "from"), children[0]

    def after(self, meta: Any, children: list[Any]) -> tree.Timed:
        return tree.Timed(self._span(meta), False, *children)

    def periodically(self, meta: Any, children: list[Any]) -> tree.Timed:
        return tree.Timed(self._span(meta), True, *children)

    def once_per(self, meta: Any, children: list[Any]) -> tree.OncePerConnection:
        return tree.OncePerConnection(self._span(meta), children[0])


def _network_hint(text: str) -> str | None:
    """The network that a prefix with host bits set belongs to."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return None
