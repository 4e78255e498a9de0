"""Rows of terminal cells with roles, and the colours of the roles."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import groupby

from optdsl.diagnostics.render_cells import cells_of, visible
from optdsl.record import record


class Role(Enum):
    """What a piece of output is. The value is its SGR parameters (ECMA-48), empty for plain text."""

    PLAIN = ""
    TITLE = "1"
    ERROR = "1;31"
    WARNING = "1;33"
    SECONDARY = "1;34"
    HELP = "1;36"
    ADDED = "32"


@record
class Style:
    """How text is shown: the width of the terminal in columns, and whether it has colours."""

    width: int = 120
    color: bool = False


def painted(text: str, role: Role, style: Style) -> str:
    """A text in the colour of its role."""
    return f"\x1b[{role.value}m{text}\x1b[0m" if style.color and role.value and text else text


class Row:
    """A line of output under construction: cells that are written in any order, later ones over earlier ones."""

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        self._cells: list[tuple[str, Role]] = []

    def put(self, column: int, text: str | Sequence[str], role: Role = Role.PLAIN) -> Row:
        """Writes text, or ready cells, from a column on."""
        cells = cells_of(visible(text)).cells if isinstance(text, str) else text
        missing = column + len(cells) - len(self._cells)
        self._cells += [(" ", Role.PLAIN)] * missing
        for index, cell in enumerate(cells):
            self._cells[column + index] = (cell, role)
        return self

    def fill(self, first: int, end: int, glyph: str, role: Role) -> Row:
        """Writes one glyph to the columns `first..end`."""
        return self.put(first, [glyph] * (end - first), role)

    def put_row(self, column: int, other: Row) -> Row:
        """Writes another row from a column on."""
        for index, (cell, role) in enumerate(other._cells):
            self.put(column + index, (cell,), role)
        return self

    def text(self, style: Style) -> str:
        """The finished line, without blanks at its end."""
        cells = self._cells[:]
        while cells and cells[-1][0] == " ":
            cells.pop()
        runs = groupby(cells, key=lambda cell: cell[1])
        return "".join(painted("".join(cell for cell, _ in run), role, style) for role, run in runs)
