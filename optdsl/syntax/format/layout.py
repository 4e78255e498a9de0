"""What the layouts of all constructs share: words side by side, lists in brackets, items below each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate

from optdsl.record import record, replace
from optdsl.syntax.format.columns import NO_ROW, Row, paddings
from optdsl.syntax.format.concrete import Node, Part, part_first, part_last
from optdsl.syntax.format.document import (
    NOTHING,
    Break,
    Doc,
    Hard,
    IfBroken,
    Space,
    Text,
    Token,
    concat,
    flat_width,
    forced,
    group,
    nest,
)
from optdsl.syntax.format.printer import LINE_LIMIT
from optdsl.syntax.format.words import Word

INDENT = 4

_GLUED_BEHIND = {"(", "[", ".", "..=", "~"}
_GLUED_BEFORE = {")", "]", ".", "..=", ",", "[", "("}


@record
class Item:
    """One of several things below each other: a declaration, a statement, an entry of a list.

    `lead`: the lines above it, comments and documentation. `left` and `right`: the two sides of the sign that is
    aligned with those of its neighbours; `left` alone if there is none. `row`: how it takes part in that.
    """

    rule: str
    lead: Doc
    left: Doc
    right: Doc | None
    row: Row
    below_blank: bool
    blank_inside_lead: bool
    one_line: bool

    def doc(self, padding: Doc = NOTHING) -> Doc:
        """The item with its lead."""
        if self.right is None:
            return concat(self.lead, self.left)
        return concat(self.lead, self.left, padding, Space(), self.right)


class Layout:
    """Documents for nodes. Classes derived from this one add the rules of the grammar."""

    def __init__(self, words: Sequence[Word]) -> None:
        self._words = list(words)
        self._above = [0, *accumulate(bool(word.above) for word in words)]
        self._behind = [0, *accumulate(bool(word.behind) for word in words)]
        self._new_lines = [0, *accumulate(word.on_new_line for word in words)]
        self._indent = 0

    # ------------------------------------------------------------------------------------------------- asking

    def text(self, part: Part) -> str:
        """The text of a word; empty for a node."""
        return self._words[part].text if isinstance(part, int) else ""

    def has_comments(self, first: int, last: int) -> bool:
        """Whether comments stand between two words."""
        above = self._above[last + 1] - self._above[min(first, last) + 1]
        return above + self._behind[last] - self._behind[first] > 0

    def has_line_ends(self, first: int, last: int) -> bool:
        """Whether the author ended a line between two words."""
        return self._new_lines[last + 1] - self._new_lines[first + 1] > 0

    def opens_line(self, bracket: int) -> bool:
        """Whether the author ended the line behind a bracket: what is in it stays on lines of its own."""
        return self._words[bracket + 1].on_new_line

    def first_of(self, texts: Sequence[str], parts: Sequence[Part]) -> int | None:
        """Which of the parts is the first word that is one of these, if any."""
        return next((index for index, part in enumerate(parts) if self.text(part) in texts), None)

    # ------------------------------------------------------------------------------------------- side by side

    def doc(self, part: Part) -> Doc:
        """The document of a part."""
        return Token(self._words[part]) if isinstance(part, int) else self.joined(part.parts)

    def joined(self, parts: Sequence[Part]) -> Doc:
        """Parts on one line, with a blank where there is to be one."""
        result: list[Doc] = []
        for index, part in enumerate(parts):
            if index and self.text(part) not in _GLUED_BEFORE and self.text(parts[index - 1]) not in _GLUED_BEHIND:
                result.append(Space())
            # A word is indented where a comment has put it on a line of its own.
            result.append(nest(INDENT, self.doc(part)) if isinstance(part, int) else self.nested(part))
        return concat(*result)

    def nested(self, part: Part) -> Doc:
        """A part whose further lines are to be told from what stands around it."""
        return self.doc(part)

    # ----------------------------------------------------------------------------------------------- comments

    def comments_above(self, number: int, *, keep_blanks: bool = True) -> tuple[Doc, bool]:
        """Takes the comments above a word: their lines, and whether there is a blank line behind one of them."""
        word = self._words[number]
        if not word.above:
            return NOTHING, False
        self._words[number] = replace(word, above=())
        blanks = [*(comment.below_blank for comment in word.above[1:]), word.below_blank]
        lines = [
            (Text(comment.text), Hard(blank and keep_blanks)) for comment, blank in zip(word.above, blanks, strict=True)
        ]
        return concat(*(each for line in lines for each in line)), any(blanks)

    def comments_before_end(self, closing: int) -> Doc:
        """Takes the comments above a closing bracket: they are part of what is inside."""
        word = self._words[closing]
        self._words[closing] = replace(word, above=())
        lines = [(Hard(comment.below_blank), Text(comment.text)) for comment in word.above]
        return concat(*(each for line in lines for each in line))

    def comment_behind(self, number: int) -> Doc:
        """Takes the comment behind a word."""
        word = self._words[number]
        self._words[number] = replace(word, behind="")
        return Token(Word("", behind=word.behind)) if word.behind else NOTHING

    # -------------------------------------------------------------------------------------- below each other

    def item(self, part: Part) -> Item:
        """A part as one of several below each other."""
        first = body = part_first(part)
        below_blank = self._words[first].starts_below_blank
        lead, blank_inside = self.comments_above(first)
        parts: Sequence[Part] = part.parts if isinstance(part, Node) else (part,)
        if isinstance(parts[0], Node) and parts[0].rule == "docs":
            lines = [each for number in parts[0].parts for each in (self.doc(number), Hard())]
            parts, body = parts[1:], part_first(parts[1])
            lead = concat(lead, *lines, self.comments_above(body, keep_blanks=False)[0])
        rule = part.rule if isinstance(part, Node) else ""
        sign = self.aligned_sign(rule, parts)
        left = self.item_body(part, parts) if sign is None else self.joined(parts[:sign])
        right = None if sign is None else self.behind_sign(rule, parts[sign:])
        forced_open = forced(left) or (right is not None and forced(right)) or self.has_comments(body, part_last(part))
        width = self._indent + flat_width(left) + (0 if right is None else 1 + flat_width(right))
        one_line = not forced_open and width <= LINE_LIMIT
        row = NO_ROW
        if sign is not None:
            # A layout is a table even where a field takes several lines or has its documentation above.
            table = rule == "field" and not self.has_comments(body, part_last(parts[sign]))
            apart = below_blank or blank_inside or (lead is not NOTHING and not table)
            key = self.table(rule, parts) if table or one_line else ""
            row = Row(key, flat_width(left) + 1 + len(self.text(parts[sign])), 0 if table else width, apart)
        return Item(rule, lead, left, right, row, below_blank, blank_inside, one_line)

    def item_body(self, part: Part, parts: Sequence[Part]) -> Doc:
        """An item without a sign to align, `parts` being what is behind its documentation."""
        del parts
        return self.doc(part)

    def aligned_sign(self, rule: str, parts: Sequence[Part]) -> int | None:
        """Which of the parts is the sign that neighbours have in one column."""
        del rule, parts
        return None

    def table(self, rule: str, parts: Sequence[Part]) -> str:
        """What lines of a table have in common: the keyword, or the rule where there is none."""
        del parts
        return rule

    def behind_sign(self, rule: str, parts: Sequence[Part]) -> Doc:
        """The sign and what is behind it."""
        del rule
        return self.joined(parts)

    @contextmanager
    def indented(self) -> Iterator[None]:
        self._indent += INDENT
        try:
            yield
        finally:
            self._indent -= INDENT

    def items(self, parts: Sequence[Part], closing: int, *, declarations: bool = False) -> Doc:
        """Items below each other, each behind a line end, and the comments before the word that ends them.

        At most one blank line is kept between two of them; between `declarations` there is one unless both are of one
        line and of one kind.
        """
        items = [self.item(part) for part in parts]
        result: list[Doc] = []
        above: Item | None = None
        for item, padding in zip(items, paddings([item.row for item in items], LINE_LIMIT), strict=True):
            blank = item.below_blank
            if declarations and above is not None and not item.blank_inside_lead:
                blank = blank or not (above.one_line and item.one_line and above.rule == item.rule)
            result += [Hard(blank and above is not None), item.doc(Space(padding))]
            above = item
        return concat(*result, self.comments_before_end(closing))

    def listed(self, parts: Sequence[Part], *, pad: int, last_comma: bool, keep_lines: bool) -> Doc:
        """A list in brackets, on one line or with one entry a line.

        `parts`: the brackets and what is in them. `pad`: blanks inside the brackets where it is on one line.
        `last_comma`: whether a comma may stand behind the last entry. `keep_lines`: whether a line end that the author
        put behind the opening bracket keeps it on several lines.
        """
        (opening, *inner, closing) = parts
        first, last = part_first(opening), part_last(closing)
        entries = [part for part in inner if self.text(part) != ","]
        commas = [part for part in inner if self.text(part) == ","]
        if not entries and not self.has_comments(first, last):
            return concat(self.doc(opening), Space(pad), self.doc(closing))
        lone = last_comma and entries and len(commas) < len(entries)
        comment = self.comment_behind(part_last(entries[-1])) if lone else NOTHING
        with self.indented():
            items = [self.item(part) for part in entries]
        result: list[Doc] = []
        columns = paddings([item.row for item in items], LINE_LIMIT)
        for index, (item, padding) in enumerate(zip(items, columns, strict=True)):
            result.append(Break(1 if index else pad, blank=item.below_blank and index > 0))
            result.append(item.doc(IfBroken(Space(padding))))
            if index < len(commas):
                comma = self.doc(commas[index])
                result.append(comma if index < len(entries) - 1 else IfBroken(comma))
        result += [IfBroken(Text(",")), comment] if lone else []
        inside = nest(INDENT, *result, self.comments_before_end(last))
        broken = (keep_lines and self.opens_line(first)) or self.has_comments(first, last)
        return group(self.doc(opening), inside, Break(pad), self.doc(closing), broken=broken)

    def braced(self, opening: Part, inner: Sequence[Part], closing: Part) -> Doc:
        """A block with an item a line."""
        first, last = part_first(opening), part_last(closing)
        if not inner and not self.has_comments(first, last):
            return concat(self.doc(opening), Space(), self.doc(closing))
        with self.indented():
            content = self.items(inner, last)
        return concat(self.doc(opening), nest(INDENT, content), Hard(), self.doc(closing))
