"""Boxes of bits, drawn by hand and by the code."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optdsl.backends.diagram_grid import Box, draw, label_width

_RULER = [
    " 0                   1                   2                   3",
    " 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1",
]
_LINE = "+" + "-+" * 32


def test_one_row() -> None:
    assert draw([Box("Kind=28", 8), Box("Length=4", 8), Box("G", 1), Box("timeout", 15)]) == [
        *_RULER,
        _LINE,
        "|    Kind=28    |   Length=4    |G|           timeout           |",
        _LINE,
    ]


def test_a_row_that_ends_early_and_a_ruler_as_short_as_the_option() -> None:
    assert draw([Box("a", 8), Box("b", 8), Box("c", 8)]) == [
        " 0                   1                   2",
        " 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3",
        "+" + "-+" * 24,
        "|       a       |       b       |       c       |",
        "+" + "-+" * 24,
    ]
    assert draw([Box("a", 32), Box("b", 8)])[-3:] == [_LINE, "|       b       |", "+-+-+-+-+-+-+-+-+"]


def test_a_box_of_several_rows_is_open_inside() -> None:
    assert draw([Box("k", 16), Box("x", 16), Box("address", 64)])[4:] == [
        _LINE,
        "|                                                               |",
        "+                            address                            +",
        "|                                                               |",
        _LINE,
    ]


def test_parts_that_do_not_touch_are_marked_and_parts_that_touch_are_not() -> None:
    assert draw([Box("head", 16), Box("exid", 32), Box("x", 16)])[3:] == [
        "|             head              |             exid              |",
        _LINE,
        "|            (cont.)            |               x               |",
        _LINE,
    ]
    assert draw([Box("k", 8), Box("touching", 32), Box("x", 24)])[3:6] == [
        "|       k       |                   touching                    |",
        "+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+",
        "|    (cont.)    |                       x                       |",
    ]
    assert draw([Box("k", 8), Box("w", 56)])[3:] == [
        "|       k       |                                               |",
        "+-+-+-+-+-+-+-+-+                                               +",
        "|                               w                               |",
        _LINE,
    ]


def test_a_part_of_varying_length_has_open_sides() -> None:
    assert draw([Box("a", 8), Box("many", 0)])[3:] == [
        "|       a       |",
        _LINE,
        ":                             many                              :",
        _LINE,
    ]


@given(st.lists(st.integers(1, 64), min_size=1, max_size=12).filter(lambda sizes: sum(sizes) <= 320))
def test_every_label_is_drawn_and_every_line_is_as_wide_as_its_bits(sizes: list[int]) -> None:
    position, boxes = 0, []
    for number, bits in enumerate(sizes):
        assert label_width(position, bits) >= 1
        boxes.append(Box(chr(ord("a") + number), bits, continued=""))
        position += bits
    lines = draw(boxes)
    body = lines[2:]
    assert len(body) == 2 * -(-position // 32) + 1
    assert sorted("".join(body).translate({ord(c): None for c in "+-| "})) == sorted(box.label for box in boxes)
    for row, line in enumerate(body[1::2]):
        assert len(line) == 2 * min(32, position - 32 * row) + 1
        assert line[0] == line[-1] == "|"
