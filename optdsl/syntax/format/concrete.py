"""The concrete syntax: rules of the grammar over words, with every keyword and bracket.

    `param x : u8 = 1` is the rule `param` with the parts `param`, `x`, `:`, a type, and the rule `initial`.

Rules that matched nothing are left out.
"""

from __future__ import annotations

from typing import Any

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import syntax as wording
from optdsl.record import record
from optdsl.source import Source, Span
from optdsl.syntax.lexer import Token
from optdsl.syntax.parser import parse_with


@record
class Node:
    """A rule of the grammar: its parts in order, words by their number, and its first and last word."""

    rule: str
    parts: tuple[Part, ...]
    first: int
    last: int


Part = Node | int


def concrete(source: Source) -> tuple[Node, list[Token]]:
    """The concrete syntax of a text and its tokens; the last word is the end of the text, with number `len(tokens)`.

    Raises CompileError.
    """
    builder = _Builder(source)
    node: Node = parse_with(source, builder)
    return node, builder.tokens


def part_first(part: Part) -> int:
    """The first word of a part."""
    return part if isinstance(part, int) else part.first


def part_last(part: Part) -> int:
    """The last word of a part."""
    return part if isinstance(part, int) else part.last


class _Builder:
    """The parser leaves out words that the grammar spells out; the places of the rules tell where they belong."""

    def __init__(self, source: Source) -> None:
        self.tokens: list[Token] = []
        self._source = source
        self._starts: dict[int, int] = {}
        self._ends: dict[int, int] = {}

    def token(self, terminal: str, start: int, end: int) -> None:
        self._starts[start] = self._ends[end] = len(self.tokens)
        self.tokens.append(Token(terminal, start, end))

    def node(self, rule: str, start: int, end: int, children: list[Any]) -> Node | None:
        if rule == "file":
            return self._node(rule, 0, len(self.tokens), children)
        return self._node(rule, self._starts[start], self._ends[end], children) if end else None

    def too_deep(self, start: int) -> CompileError:
        return CompileError(wording.too_deep(Span(self._source, start, start + 1)))

    def _node(self, rule: str, first: int, last: int, children: list[Any]) -> Node:
        parts: list[Part] = []
        number = first
        for child in children:
            if isinstance(child, Node):
                parts += [*range(number, child.first), child]
                number = child.last + 1
        return Node(rule, (*parts, *range(number, last + 1)), first, last)
