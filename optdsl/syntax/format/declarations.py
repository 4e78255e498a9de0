"""The layout of declarations: options and their members."""

from __future__ import annotations

from collections.abc import Sequence

from optdsl.syntax.format.concrete import Node, Part, part_first, part_last
from optdsl.syntax.format.document import Break, Doc, Space, concat, group, nest
from optdsl.syntax.format.layout import INDENT
from optdsl.syntax.format.statements import Statements

_SIGNS = {
    "field": (":",), "param": (":",), "socket_state": (":",), "connection_state": (":",), "argument": (":",),
    "const": (":", "="), "enumerator": ("=",),
}  # fmt: skip
_KEYWORDS = {"param", "socket_state", "connection_state", "const"}


class Declarations(Statements):
    """The rules of declarations, and of the whole file."""

    def doc(self, part: Part) -> Doc:
        if isinstance(part, int):
            return super().doc(part)
        if part.rule == "file":
            *items, end = part.parts
            return self.items(items, part_first(end), declarations=True)
        if part.rule in _SIGNS:
            return self.item(part).doc()
        return super().doc(part)

    def item_body(self, part: Part, parts: Sequence[Part]) -> Doc:
        match part.rule if isinstance(part, Node) else "":
            case "option" | "path_manager":
                word, name, opening, *members, closing = parts
                head = concat(self.doc(word), Space(), self.doc(name), Space())
                return concat(head, self.braced(opening, members, closing))
            case "layout":
                word, opening, *fields, closing = parts
                return group(self.doc(word), Space(), self.block(opening, fields, closing))
            case "function":
                return self._function(parts)
            case "enum":
                head, rest = self._up_to("{", parts)
                return concat(head, Space(), self.listed(rest, pad=1, last_comma=True, keep_lines=True))
            case "send" | "receive" | "handler":
                return self._handler(parts)
            case "constant_table" | "tunable_table" | "enumerator" | "param" | "const" | "argument":
                return self.joined(parts)
            case _:
                return super().item_body(part, parts)

    def aligned_sign(self, rule: str, parts: Sequence[Part]) -> int | None:
        if rule not in _SIGNS:
            return super().aligned_sign(rule, parts)
        return self.first_of(_SIGNS[rule], parts)

    def table(self, rule: str, parts: Sequence[Part]) -> str:
        return self.text(parts[0]) if rule in _KEYWORDS else super().table(rule, parts)

    def behind_sign(self, rule: str, parts: Sequence[Part]) -> Doc:
        return self.joined(parts) if rule in _SIGNS else super().behind_sign(rule, parts)

    def _up_to(self, bracket: str, parts: Sequence[Part]) -> tuple[Doc, Sequence[Part]]:
        """What stands before a bracket, and the bracket with the rest."""
        index = self.first_of((bracket,), parts)
        assert index is not None
        return self.joined(parts[:index]), parts[index:]

    def _function(self, parts: Sequence[Part]) -> Doc:
        name, rest = self._up_to("(", parts)
        end = self.first_of((")",), rest)
        assert end is not None
        arguments = self.listed(rest[: end + 1], pad=0, last_comma=False, keep_lines=False)
        result, (opening, *inner, closing) = self._up_to("{", rest[end + 1 :])
        arrow = (Space(), nest(2 * INDENT, result)) if end + 1 < len(rest) and self.text(rest[end + 1]) == "->" else ()
        return group(name, arguments, *arrow, Space(), self.block(opening, inner, closing))

    def _handler(self, parts: Sequence[Part]) -> Doc:
        """`send`, `receive` and `on`: a head too long for its line has `when` on one of its own."""
        *head, block = parts
        guards = [part for part in head if isinstance(part, Node) and part.rule == "guard"]
        doc: Doc = nest(2 * INDENT, self.joined([part for part in head if part not in guards]))
        if guards:
            word, condition = guards[0].parts
            guard = concat(self.doc(word), Space(), nest(INDENT, self.doc(condition)))
            broken = self.has_comments(part_first(head[0]), part_last(head[-1]))
            doc = group(doc, nest(2 * INDENT, Break(), guard), broken=broken)
        return group(doc, Space(), self.doc(block))
