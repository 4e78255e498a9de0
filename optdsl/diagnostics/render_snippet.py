"""Source lines with marks: the body of a diagnostic.

     --> delack.opt:4:5
      |
    4 | /     layout {
    5 | |         rtt_divisor : u8
    6 | |         segments    : u6
      | |                       -- 6 bits
    7 | |     }
      | |_____^ 14 bits, 2 short of 2 bytes

A span of several lines has a lane between the line numbers and the text. Lines without marks are left out, save where
that would hide a single one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from optdsl.diagnostics.render_marks import Mark, mark_rows
from optdsl.diagnostics.render_rows import Role, Row
from optdsl.diagnostics.render_window import Window, window
from optdsl.record import record
from optdsl.source import Source, Span

_NARROWEST = 24


@record
class Annotation:
    """A span with a remark. Lines count from 1; `first` and `last` are character indices in their lines."""

    first_line: int
    first: int
    last_line: int
    last: int
    text: str
    glyph: str
    role: Role

    @property
    def is_long(self) -> bool:
        """Whether it spans several lines."""
        return self.last_line > self.first_line


def annotation(span: Span, text: str, glyph: str, role: Role) -> Annotation:
    """The annotation of a span, without a line break at its end and held inside its text."""
    source = span.source
    start = min(max(span.start, 0), len(source.text))
    end = min(max(span.end, start), len(source.text))
    while end > start and source.text[end - 1] in "\r\n":
        end -= 1
    first_line, first = source.position(start)
    last_line, last = source.position(end)
    first = min(first - 1, len(source.line_text(first_line)))
    return Annotation(first_line, first, last_line, min(last - 1, len(source.line_text(last_line))), text, glyph, role)


def snippet_rows(source: Source, annotations: Sequence[Annotation], gutter: int, width: int) -> list[Row]:
    """The lines of one source that annotations speak about. `gutter` is the width of the line numbers."""
    snippet = _Snippet(source, annotations, gutter, width)
    rows: list[Row] = []
    previous = 0
    for line in _shown_lines(annotations):
        if previous and line > previous + 1:
            rows.append(snippet.gap(line))
        rows += snippet.line(line)
        previous = line
    return rows


def _shown_lines(annotations: Sequence[Annotation]) -> list[int]:
    """The lines with an end of a span, and single lines between two of them."""
    marked = sorted({line for each in annotations for line in (each.first_line, each.last_line)})
    between = [line + 1 for line, following in pairwise(marked) if following == line + 2]
    return sorted([*marked, *between])


class _Snippet:
    """Draws the lines of one source; knows where the lanes and the text stand."""

    def __init__(self, source: Source, annotations: Sequence[Annotation], gutter: int, width: int) -> None:
        self._source = source
        self._gutter = gutter
        self._short = [each for each in annotations if not each.is_long]
        # The outermost span has the leftmost lane.
        self._lanes = sorted((each for each in annotations if each.is_long), key=lambda a: (a.first_line, -a.last_line))
        self._lane_column = gutter + 3
        self._text_column = self._lane_column + (len(self._lanes) + 1 if self._lanes else 0)
        self._width = max(width - self._text_column, _NARROWEST)

    def gap(self, following: int) -> Row:
        """The row that stands for lines left out."""
        row = Row().put(0, "...", Role.SECONDARY)
        return self._put_lanes(row, following - 1)

    def line(self, number: int) -> list[Row]:
        """A line of source and the rows that belong to it."""
        text = self._source.line_text(number)
        short = [each for each in self._short if each.first_line == number]
        begins = [each for each in self._lanes if each.first_line == number and not self._at_margin(each)]
        ends = [each for each in reversed(self._lanes) if each.last_line == number]
        marked = [(each.first, each.last) for each in short]
        marked += [(each.first, each.first + 1) for each in begins if each.first < len(text)]
        marked += [(max(each.last - 1, 0), each.last) for each in ends]
        view = window(text, self._width, marked)
        head = Row().put(0, f"{number:>{self._gutter}} |", Role.SECONDARY).put(self._text_column, view.cells)
        rows = [self._put_lanes(head, number, begun=False)]
        marks = [Mark(*view.columns(each.first, each.last), each.text, each.glyph, each.role) for each in short]
        for marked_row in mark_rows(marks, self._width):
            rows.append(self._put_lanes(self._margin().put_row(self._text_column, marked_row), number))
        closed: list[Annotation] = []
        for each in ends:
            rows.append(self._end_row(each, view, number, closed))
            closed.append(each)
        opened: list[Annotation] = []
        for each in begins:
            opened.append(each)
            rows.append(self._begin_row(each, view, number, opened, closed))
        return rows

    def _begin_row(
        self, each: Annotation, view: Window, number: int, opened: list[Annotation], closed: list[Annotation]
    ) -> Row:
        """` _____^`: from the lane to where a span begins."""
        column = self._text_column + view.columns(each.first, each.first)[0]
        row = self._margin().fill(self._lane_of(each) + 1, column, "_", each.role).put(column, each.glyph, each.role)
        return self._put_lanes(row, number, opened=[lane for lane in opened if lane is not each], closed=closed)

    def _end_row(self, each: Annotation, view: Window, number: int, closed: list[Annotation]) -> Row:
        """`|_____^ remark`: from the lane to where a span ends."""
        column = self._text_column + view.columns(max(each.last - 1, 0), each.last)[0]
        row = self._margin().fill(self._lane_of(each) + 1, column, "_", each.role).put(column, each.glyph, each.role)
        if each.text:
            row.put(column + 2, each.text, each.role)
        return self._put_lanes(row, number, closed=closed)

    def _put_lanes(
        self,
        row: Row,
        number: int,
        *,
        begun: bool = True,
        opened: Sequence[Annotation] = (),
        closed: Sequence[Annotation] = (),
    ) -> Row:
        """Draws the lanes that pass a row at or below line `number`. `begun`: the row stands below the line's text."""
        for each in self._lanes:
            if each in closed or not each.first_line <= number <= each.last_line:
                continue
            if each.first_line < number or each in opened or (begun and self._at_margin(each)):
                row.put(self._lane_of(each), "|", each.role)
            elif self._at_margin(each):
                row.put(self._lane_of(each), "/", each.role)
        return row

    def _lane_of(self, each: Annotation) -> int:
        return self._lane_column + next(index for index, lane in enumerate(self._lanes) if lane is each)

    def _at_margin(self, each: Annotation) -> bool:
        """Whether nothing stands before a span on its first line: its lane then begins beside the text."""
        return not self._source.line_text(each.first_line)[: each.first].strip()

    def _margin(self) -> Row:
        return Row().put(0, " " * self._gutter + " |", Role.SECONDARY)
