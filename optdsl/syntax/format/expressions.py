"""The layout of expressions: broken behind operators, calls with one argument a line."""

from __future__ import annotations

from collections.abc import Sequence

from optdsl.syntax.format.concrete import Node, Part, part_first, part_last
from optdsl.syntax.format.document import Break, Doc, Space, concat, forced, group, nest
from optdsl.syntax.format.layout import INDENT, Layout

_CHAINS = {"or_", "and_", "compare", "in_", "in_range", "binary_or", "binary_xor", "binary_and", "binary"}
_ASSOCIATIVE = _CHAINS - {"compare", "in_", "in_range"}
_LEVELS = {"<<": 1, ">>": 1, "+": 2, "-": 2, "*": 3, "/": 3, "%": 3}
"""Operators that the grammar calls by one name: which of them bind equally."""


class Expressions(Layout):
    """The rules of expressions and types."""

    def doc(self, part: Part) -> Doc:
        if isinstance(part, int):
            return super().doc(part)
        match part.rule:
            case rule if rule in _CHAINS:
                return self._chain(part, 0)
            case "call" | "action":
                callee, *rest = part.parts
                return concat(self.doc(callee), self._arguments(rest))
            case "parenthesised":
                return self._arguments(part.parts)
            case "elements":
                return self.listed(part.parts, pad=0, last_comma=True, keep_lines=True)
            case "braces":
                return self.listed(part.parts, pad=1, last_comma=True, keep_lines=True)
            case "pair" | "emitted_pair" | "named" | "named_from":
                return self._pair(part)
            case "enumerated_type":
                return self._enumerated_type(part)
            case "conditional":
                return self._conditional(part)
            case _:
                return super().doc(part)

    def nested(self, part: Part) -> Doc:
        if isinstance(part, Node) and part.rule in _CHAINS:
            return self._chain(part, INDENT)
        return self.doc(part)

    def _chain(self, node: Node, indent: int) -> Doc:
        """Operators of one level and their operands: a line ends behind each of them or behind none."""
        links: list[tuple[Part, Part]] = []
        left: Part = node
        while isinstance(left, Node) and self._continues(node, left):
            left, operator, right = left.parts
            links.append((operator, right))
        rest: list[Doc] = []
        for operator, right in reversed(links):
            rest += [Space(), self.doc(operator), Break(), self.nested(right)]
        return group(self.nested(left), nest(indent, *rest), broken=self.has_comments(node.first, node.last))

    def _continues(self, node: Node, left: Node) -> bool:
        if node is left:
            return True
        if node.rule != left.rule or node.rule not in _ASSOCIATIVE:
            return False
        return _LEVELS.get(self.text(node.parts[1])) == _LEVELS.get(self.text(left.parts[1]))

    def _arguments(self, parts: Sequence[Part]) -> Doc:
        """Expressions in round brackets. A single one needs no further indentation to be told from others."""
        if len(parts) != 3:
            return self.listed(parts, pad=0, last_comma=False, keep_lines=False)
        opening, value, closing = parts
        broken = self.has_comments(part_first(opening), part_last(closing))
        return group(self._inside(opening, value, closing, 0), broken=broken)

    def _pair(self, node: Node) -> Doc:
        key, colon, value = node.parts
        # `fd00::` and a colon would be another address.
        glue = Space(int(self._words[part_last(key)].text.endswith(":")))
        return concat(self.doc(key), glue, self.doc(colon), Space(), self.nested(value))

    def _enumerated_type(self, node: Node) -> Doc:
        name, opening, names, closing = node.parts
        assert isinstance(names, Node)
        parts = (opening, *names.parts, closing)
        return concat(self.doc(name), Space(), self.listed(parts, pad=1, last_comma=True, keep_lines=True))

    def _conditional(self, node: Node) -> Doc:
        """`if c { a } else { b }` on one line, or every branch on a line of its own."""
        content, opened = self._branches(node)
        return group(content, broken=opened or self.has_comments(node.first, node.last))

    def _branches(self, node: Node) -> tuple[Doc, bool]:
        word, condition, opening, yes, closing, otherwise, *rest = node.parts
        opened = self.opens_line(part_first(opening))
        if len(rest) == 1:
            assert isinstance(rest[0], Node)
            last, last_opened = self._branches(rest[0])
        else:
            last = self._inside(rest[0], rest[1], rest[2], 1)
            last_opened = self.opens_line(part_first(rest[0]))
        head = (self.doc(word), Space(), nest(2 * INDENT, self.doc(condition)), Space())
        doc = concat(*head, self._inside(opening, yes, closing, 1), Space(), self.doc(otherwise), Space(), last)
        return doc, opened or last_opened or forced(doc)

    def _inside(self, opening: Part, value: Part, closing: Part, pad: int) -> Doc:
        """An expression in brackets, on one line if its group is."""
        comments = self.comments_before_end(part_last(closing))
        inside = nest(INDENT, Break(pad), self.doc(value), comments)
        return concat(self.doc(opening), inside, Break(pad), self.doc(closing))
