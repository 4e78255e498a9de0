"""The line of a suggestion as it would read, with what is new marked below.

    19 |         segments = clamp(wish, 1, 64)
       |                    ++++++    ++++++++

`+` marks text that is added around what is there, `~` text that takes the place of other text.
"""

from __future__ import annotations

from optdsl.diagnostics.model import Suggestion
from optdsl.diagnostics.render_marks import Mark, mark_rows
from optdsl.diagnostics.render_rows import Role, Row
from optdsl.diagnostics.render_window import window
from optdsl.record import record
from optdsl.source import Source

_MOST_LINES = 6
_NARROWEST = 24


@record
class Replacement:
    """`text` instead of the characters `start..end` of a source."""

    source: Source
    start: int
    end: int
    text: str

    @classmethod
    def of(cls, suggestion: Suggestion) -> Replacement | None:
        """What a suggestion would write; None if it is only advice."""
        if suggestion.span is None or suggestion.replacement is None:
            return None
        return cls(suggestion.span.source, suggestion.span.start, suggestion.span.end, suggestion.replacement)

    @property
    def first_line(self) -> int:
        return self.source.position(self.start)[0]

    def new_lines(self) -> tuple[str, int]:
        """The lines that change, as they would read, and where in them the replacement begins."""
        first, column = self.source.position(self.start)
        last, end = self.source.position(self.end)
        before = self.source.line_text(first)[: column - 1]
        return before + self.text + self.source.line_text(last)[end - 1 :], len(before)

    def changes(self) -> list[tuple[int, int, str]]:
        """The pieces of the replacement that are new, as (first, end, glyph)."""
        old = self.source.text[self.start : self.end]
        if old and self.text.count(old) == 1:
            kept = self.text.index(old)
            pieces = [(0, kept, "+"), (kept + len(old), len(self.text), "+")]
        else:
            pieces = [(0, len(self.text), "~" if old else "+")]
        return [piece for piece in pieces if piece[0] < piece[1]]


def replacement_rows(replacement: Replacement, gutter: int, width: int) -> list[Row]:
    """The changed lines and the marks below them. `gutter` is the width of the line numbers."""
    text, base = replacement.new_lines()
    changes = [(base + first, base + end, glyph) for first, end, glyph in replacement.changes()]
    lines = text.split("\n")
    rows: list[Row] = []
    offset = 0
    for index, line in enumerate(lines[:_MOST_LINES]):
        inside = [
            (max(first - offset, 0), min(end - offset, len(line)), glyph)
            for first, end, glyph in changes
            if first < offset + len(line) and end > offset
        ]
        rows += _line_rows(replacement.first_line + index, line, inside, gutter, width)
        offset += len(line) + 1
    if len(lines) > _MOST_LINES:
        rows.append(Row().put(0, "...", Role.SECONDARY))
    return rows


def _line_rows(number: int, line: str, changes: list[tuple[int, int, str]], gutter: int, width: int) -> list[Row]:
    column = gutter + 3
    room = max(width - column, _NARROWEST)
    view = window(line, room, [(first, end) for first, end, _ in changes])
    rows = [Row().put(0, f"{number:>{gutter}} |", Role.SECONDARY).put(column, view.cells)]
    marks = [Mark(*view.columns(first, end), "", glyph, Role.ADDED) for first, end, glyph in changes]
    for row in mark_rows(marks, room):
        rows.append(Row().put(gutter + 1, "|", Role.SECONDARY).put_row(column, row))
    return rows
