"""The layout of statements: heads, blocks, assignments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from optdsl.syntax.format.concrete import Node, Part, part_first, part_last
from optdsl.syntax.format.document import Break, Doc, Space, concat, group, nest
from optdsl.syntax.format.expressions import Expressions
from optdsl.syntax.format.layout import INDENT

_ASSIGNMENTS = {"assign", "add_assign", "subtract_assign"}
_HEADED = {"for_loop", "repeat", "after", "periodically", "once_per"}


class Statements(Expressions):
    """The rules of statements."""

    def doc(self, part: Part) -> Doc:
        if isinstance(part, int):
            return super().doc(part)
        match part.rule:
            case "let" | "assign" | "add_assign" | "subtract_assign":
                return self.item(part).doc()
            case "if_statement":
                return self._if(part)
            case "emit":
                word, name, *rest = part.parts
                fields = self.listed(rest, pad=1, last_comma=True, keep_lines=True)
                return concat(self.doc(word), Space(), self.doc(name), Space(), fields)
            case rule if rule in _HEADED:
                head = nest(2 * INDENT, self.joined(part.parts[:-1]))
                return group(head, Space(), self.doc(part.parts[-1]))
            case "block":
                opening, *inner, closing = part.parts
                return self.block(opening, inner, closing)
            case _:
                return super().doc(part)

    def item_body(self, part: Part, parts: Sequence[Part]) -> Doc:
        del parts
        # It may be an expression: the value of a function, an entry of a list, an argument.
        return self.nested(part)

    def aligned_sign(self, rule: str, parts: Sequence[Part]) -> int | None:
        if rule == "let" or rule in _ASSIGNMENTS:
            return self.first_of(("=", "+=", "-="), parts)
        return super().aligned_sign(rule, parts)

    def table(self, rule: str, parts: Sequence[Part]) -> str:
        return "assign" if rule in _ASSIGNMENTS else super().table(rule, parts)

    def behind_sign(self, rule: str, parts: Sequence[Part]) -> Doc:
        sign, value, *alternative = parts
        if not alternative:
            return super().behind_sign(rule, parts)
        otherwise = nest(INDENT, Break(), self.doc(alternative[0]))
        return concat(self.doc(sign), Space(), group(self.nested(value), otherwise))

    # ------------------------------------------------------------------------------------------------- blocks

    def stays_on_line(self, opening: Part, inner: Sequence[Part], closing: Part) -> bool:
        """Whether the author wrote a block on one line, and it is simple enough to stay there."""
        first, last = part_first(opening), part_last(closing)
        return len(inner) <= 1 and not self.has_line_ends(first, last) and not self.has_comments(first, last)

    def block(self, opening: Part, inner: Sequence[Part], closing: Part) -> Doc:
        """A block of statements or fields: it goes on one line if the group of its head does."""
        layout = self.one_line if self.stays_on_line(opening, inner, closing) else self.braced
        return layout(opening, inner, closing)

    def one_line(self, opening: Part, inner: Sequence[Part], closing: Part) -> Doc:
        """A block on one line, unless its group is broken."""
        if not inner:
            return self.braced(opening, inner, closing)
        with self.indented():
            content = self.doc(inner[0])
        return concat(self.doc(opening), nest(INDENT, Break(), content), Break(), self.doc(closing))

    def _if(self, node: Node) -> Doc:
        """`if`, `else if` and `else`: all on one line, or each block with a statement a line."""
        heads, blocks = zip(*self._arms(node, ()), strict=True)
        first, last = blocks[0].first, blocks[-1].last
        flat = all(len(block.parts) <= 3 for block in blocks)
        flat = flat and not self.has_line_ends(first, last) and not self.has_comments(first, last)
        layout = self.one_line if flat else self.braced
        arms: list[Doc] = []
        for head, block in zip(heads, blocks, strict=True):
            opening, *inner, closing = block.parts
            arms += [Space(), head, Space(), layout(opening, inner, closing)]
        return group(*arms[1:])

    def _arms(self, node: Node, otherwise: Sequence[Doc]) -> Iterator[tuple[Doc, Node]]:
        """The heads and blocks of an `if`; `otherwise` is the `else` before it."""
        if node.rule != "if_statement":
            yield concat(*otherwise[:1]), node
            return
        word, condition, block, *rest = node.parts
        assert isinstance(block, Node)
        yield concat(*otherwise, self.doc(word), Space(), nest(2 * INDENT, self.doc(condition))), block
        if rest:
            assert isinstance(rest[1], Node)
            yield from self._arms(rest[1], (self.doc(rest[0]), Space()))
