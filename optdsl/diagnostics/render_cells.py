"""Text as a terminal shows it: one cell a column, with tabs, wide characters and what cannot be shown.

    "a\\t語"  ->  cells "a", " ", " ", " ", "語", ""      the second column of a wide character is empty

Characters that would command the terminal or reorder the line are shown as pictures, never passed on.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from optdsl.record import record

TAB_STOP = 4
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@record
class Cells:
    """A line of text in cells. `columns[i]` is the column of character `i`; one more entry is the column of the end."""

    cells: tuple[str, ...]
    columns: tuple[int, ...]

    @property
    def width(self) -> int:
        return len(self.cells)


@lru_cache(maxsize=32)
def cells_of(text: str) -> Cells:
    """The cells of one line. Combining characters share the cell of the character before them."""
    cells: list[str] = []
    columns: list[int] = []
    for character in text:
        columns.append(len(cells))
        if character == "\t":
            cells += [" "] * (TAB_STOP - len(cells) % TAB_STOP)
            continue
        shown, width = _shown(character)
        if width == 0 and cells:
            last = len(cells) - 1 if cells[-1] else len(cells) - 2
            cells[last] += shown
            columns[-1] = last
        else:
            cells.append(shown)
            cells += [""] * (width - 1)
    columns.append(len(cells))
    return Cells(tuple(cells), tuple(columns))


def visible(text: str) -> str:
    """Text that can be printed on one line: line breaks and tabs as spaces, control characters as pictures."""
    return "".join(" " if character in "\t\r\n" else _shown(character)[0] for character in text)


def width_of(text: str) -> int:
    """Columns that a text takes."""
    return cells_of(text).width


def _shown(character: str) -> tuple[str, int]:
    """What is printed for a character, and the columns it takes."""
    if " " <= character <= "~":
        return character, 1
    if character < " ":
        return chr(0x2400 + ord(character)), 1  # the block "Control Pictures" is in the order of ASCII
    if character == "\x7f":
        return "\N{SYMBOL FOR DELETE}", 1
    category = unicodedata.category(character)
    if character in _BIDIRECTIONAL or category in ("Cc", "Cs", "Zl", "Zp"):
        return _REPLACEMENT, 1
    if category in ("Mn", "Me", "Cf"):
        return character, 0
    return character, 2 if unicodedata.east_asian_width(character) in "WF" else 1
