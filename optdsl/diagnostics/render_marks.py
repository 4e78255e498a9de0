"""The rows below a line of source: marks under its spans, and the remarks that belong to them.

    |     socket.min_rtt + socket.mss
    |     --------------^^^---------- a segment size
    |     |
    |     a duration

The remark of the rightmost span stands beside its mark where it fits; the others hang below theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

from optdsl.diagnostics.render_cells import width_of
from optdsl.diagnostics.render_rows import Role, Row
from optdsl.record import record


@record
class Mark:
    """A span on one line, in columns of the screen: `first..end`, at least one column wide."""

    first: int
    end: int
    text: str
    glyph: str
    role: Role


def mark_rows(marks: Sequence[Mark], width: int) -> list[Row]:
    """The rows below a line: first the marks, then the remarks that hang below them. `width` is the screen's."""
    if not marks:
        return []
    underline = Row()
    # The longest first: what is inside another mark stays visible.
    for mark in sorted(marks, key=lambda mark: (mark.first - mark.end, mark.glyph == "^")):
        underline.fill(mark.first, mark.end, mark.glyph, mark.role)
    labelled = sorted((mark for mark in marks if mark.text), key=lambda mark: (mark.first, mark.end))
    if labelled and _fits_beside(labelled[-1], marks, width):
        beside = labelled.pop()
        underline.put(beside.end + 1, beside.text, beside.role)
    return [underline, *_hanging_rows(labelled)]


def _fits_beside(mark: Mark, marks: Sequence[Mark], width: int) -> bool:
    """Whether a remark can follow its mark on the same row: nothing is in its way, and hanging would not help."""
    if any(other.end > mark.end or (other.first > mark.first and other.text) for other in marks):
        return False
    length = width_of(mark.text)
    return mark.end + 1 + length <= width or mark.first + length > width


def _hanging_rows(marks: Sequence[Mark]) -> list[Row]:
    """Remarks below their marks, the rightmost highest, with a line from each mark down to its remark."""
    if not marks:
        return []
    levels: list[list[Mark]] = []
    leftmost = 0
    for mark in reversed(marks):
        if levels and mark.first + width_of(mark.text) + 2 <= leftmost:
            levels[-1].append(mark)
        else:
            levels.append([mark])
        leftmost = mark.first
    rows = [_connectors(marks)]
    for number, level in enumerate(levels):
        row = _connectors([mark for lower in levels[number + 1 :] for mark in lower])
        for mark in level:
            row.put(mark.first, mark.text, mark.role)
        rows.append(row)
    return rows


def _connectors(marks: Sequence[Mark]) -> Row:
    row = Row()
    for mark in marks:
        row.put(mark.first, "|", mark.role)
    return row
