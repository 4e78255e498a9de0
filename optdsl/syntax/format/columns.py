"""Columns: blanks that put the `:` or `=` of neighbouring lines under each other.

Before and behind it:

    a : u8              a      : u8
    longer : u16        longer : u16

Neighbours only, so that a change moves no line far away.
"""

from __future__ import annotations

from collections.abc import Sequence

from optdsl.record import record


@record
class Row:
    """A line that may be one of a table.

    `key`: what it is a line of, "" if of no table. `left`: columns up to the end of the sign that is aligned. `width`:
    columns of the whole line. `apart`: it has nothing to do with the row above.
    """

    key: str
    left: int
    width: int
    apart: bool


NO_ROW = Row("", 0, 0, apart=True)


def paddings(rows: Sequence[Row], limit: int) -> list[int]:
    """Blanks to insert before the sign of each row. A row that would become longer than `limit` ends the table."""
    result: list[int] = []
    table: list[Row] = []
    for row in rows:
        if table and (row.apart or not row.key or row.key != table[-1].key):
            result += _in_table(table, limit)
            table = []
        table.append(row)
    return result + _in_table(table, limit)


def _in_table(rows: Sequence[Row], limit: int) -> list[int]:
    if not rows:
        return []
    widest = max(row.left for row in rows)
    for index, row in enumerate(rows):
        if len(rows) > 1 and row.width + widest - row.left > limit:
            return [*_in_table(rows[:index], limit), 0, *_in_table(rows[index + 1 :], limit)]
    return [widest - row.left for row in rows]
