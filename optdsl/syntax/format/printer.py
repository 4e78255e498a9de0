"""Line breaking: a document in, lines out."""

from __future__ import annotations

from typing import assert_never

from optdsl.record import record
from optdsl.syntax.format.document import (
    Break,
    Concat,
    Doc,
    Group,
    Hard,
    IfBroken,
    IfFlat,
    Nest,
    Space,
    Text,
    Token,
)
from optdsl.syntax.format.words import Word

LINE_LIMIT = 100
"""Columns. Comments may be longer, and what cannot be broken."""

COMMENT_DISTANCE = "  "


@record
class _Pending:
    """What is still to be printed: a document, its indentation, and whether the group that it is in is on one line."""

    doc: Doc
    indent: int
    flat: bool


def printed(doc: Doc) -> str:
    """The text of a document, with a line end behind each line."""
    printer = _Printer(doc)
    while printer.waiting:
        printer.step()
    return printer.text()


def _parts(doc: IfBroken | IfFlat | Nest | Concat, indent: int, flat: bool) -> list[_Pending]:
    """What stands in a document that is nothing on its own, the first part last: that is printed next."""
    match doc:
        case IfBroken(content=content):
            return [] if flat else [_Pending(content, indent, flat)]
        case IfFlat(content=content):
            return [_Pending(content, indent, flat)] if flat else []
        case Nest(columns=columns, content=content):
            return [_Pending(content, indent + columns, flat)]
        case Concat(parts=parts):
            return [_Pending(part, indent, flat) for part in reversed(parts)]
        case _:
            assert_never(doc)


class _Printer:
    def __init__(self, doc: Doc) -> None:
        self.waiting = [_Pending(doc, 0, flat=False)]
        self._lines: list[str] = []
        self._line = ""
        self._space = 0
        self._indent = 0

    def text(self) -> str:
        self._end_line()
        return "".join(f"{line}\n" for line in self._lines)

    def step(self) -> None:
        """Prints the next document, or puts what it consists of in its place."""
        now = self.waiting.pop()
        match now.doc:
            case Text(text=text):
                self._put(text)
            case Token(word=word):
                self._put_word(word, now.indent)
            case Space(width=width):
                self._space += width
            case Break(width=width, blank=blank):
                if now.flat:
                    self._space += width
                else:
                    self._end_line(now.indent, blank=blank)
            case Hard(blank=blank):
                self._end_line(now.indent, blank=blank)
            case Group(content=content, broken=broken):
                flat = now.flat or (not broken and self._fits(content, now.indent))
                self.waiting.append(_Pending(content, now.indent, flat))
            case IfBroken() | IfFlat() | Nest() | Concat():
                self.waiting.extend(_parts(now.doc, now.indent, now.flat))
            case _:
                assert_never(now.doc)

    def _put(self, text: str) -> None:
        self._line += " " * (self._space if self._line else self._indent) + text
        self._space = 0

    def _put_word(self, word: Word, indent: int) -> None:
        for comment in word.above:
            self._end_line(indent)
            self._put(comment.text)
            self._end_line(indent)
        if word.text:
            self._put(word.text)
        if word.behind:
            self._line += COMMENT_DISTANCE + word.behind
            self._end_line(indent)

    def _end_line(self, indent: int = 0, *, blank: bool = False) -> None:
        """Ends the line if there is something on it; the next one begins at a column."""
        if self._line:
            self._lines.append(self._line)
        self._line, self._space, self._indent = "", 0, indent
        if blank and self._lines and self._lines[-1]:
            self._lines.append("")

    # ---------------------------------------------------------------------------------------------- measuring

    def _fits(self, doc: Doc, indent: int) -> bool:
        """Whether a document fits on the rest of the line, with what stands behind it up to the next line end."""
        left = LINE_LIMIT - (len(self._line) + self._space if self._line else self._indent)
        own = [_Pending(doc, indent, flat=True)]
        behind = reversed(self.waiting)
        while left >= 0:
            now = own.pop() if own else next(behind, None)
            if now is None:
                return True
            match now.doc:
                case Text(text=text):
                    left -= len(text)
                case Token(word=word):
                    if word.above:
                        # Only the first word of a group that has a chance has comments above it.
                        if not now.flat:
                            return True
                        left = LINE_LIMIT - now.indent
                    left -= len(word.text)
                    if word.behind:
                        return left >= 0
                case Space(width=width):
                    left -= width
                case Break(width=width):
                    if not now.flat:
                        return True
                    left -= width
                case Hard():
                    return True
                case Group(content=content, broken=broken):
                    own.append(_Pending(content, now.indent, now.flat and not broken))
                case IfBroken() | IfFlat() | Nest() | Concat():
                    own.extend(_parts(now.doc, now.indent, now.flat))
                case _:
                    assert_never(now.doc)
        return False
