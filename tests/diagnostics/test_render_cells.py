"""Characters and the columns they take."""

from __future__ import annotations

import pytest

from optdsl.diagnostics.render_cells import cells_of, visible, width_of


@pytest.mark.parametrize(
    ("text", "cells", "columns"),
    [
        ("", "", (0,)),
        ("ab", "ab", (0, 1, 2)),
        ("\ta", "    a", (0, 4, 5)),
        ("ab\tc", "ab  c", (0, 1, 2, 4, 5)),
        ("abcd\te", "abcd    e", (0, 1, 2, 3, 4, 8, 9)),
        ("語x", "語x", (0, 2, 3)),
        ("e\u0301", "e\u0301", (0, 0, 1)),  # a combining accent shares the cell of its letter
        ("語\N{COMBINING ACUTE ACCENT}", "語\N{COMBINING ACUTE ACCENT}", (0, 0, 2)),
        ("\x1b[31m", "␛[31m", (0, 1, 2, 3, 4, 5)),
        ("a\u202eb", "a�b", (0, 1, 2, 3)),
        ("\x7f\x80", "␡�", (0, 1, 2)),
    ],
)
def test_cells_and_columns(text: str, cells: str, columns: tuple[int, ...]) -> None:
    found = cells_of(text)
    assert ("".join(found.cells), found.columns) == (cells, columns)


def test_a_wide_character_has_two_cells() -> None:
    assert cells_of("語").cells == ("語", "")
    assert [width_of(text) for text in ("語", "ｱ", "Ａ", "é")] == [2, 1, 2, 1]


def test_nothing_that_commands_a_terminal_is_passed_on() -> None:
    everything = "".join(chr(number) for number in range(0x20)) + "\x7f\x9b\u202e\u2066\u2028"
    shown = visible(everything)
    assert all(character.isprintable() for character in shown)
    assert visible("two\nlines") == "two lines"
