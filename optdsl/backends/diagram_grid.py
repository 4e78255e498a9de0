"""Boxes of bits drawn in rows of 32, as RFCs draw headers (RFC 9293, section 3.1).

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |    Kind=28    |   Length=4    |G|           timeout           |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

A box that goes on in the next row has no line between its parts; where they do not touch, the second part is marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from optdsl.record import record

ROW_BITS = 32


@record
class Box:
    """`bits` bits with a label. A box of 0 bits stands for a part of varying length: a row of its own, with open sides.

    `continued` marks parts of the box that do not touch the part with the label.
    """

    label: str
    bits: int
    continued: str = "(cont.)"


@record
class _Piece:
    """The part of a box that stands in one row, at the bits `start..end`."""

    box: int
    row: int
    start: int
    end: int

    @property
    def width(self) -> int:
        """Characters between its two borders."""
        return 2 * (self.end - self.start) - 1

    def touches(self, other: _Piece) -> bool:
        return abs(self.row - other.row) == 1 and self.start < other.end and other.start < self.end


def label_width(start: int, bits: int) -> int:
    """Characters that a label may have in a box that begins at a bit of the option."""
    return max(piece.width for piece in _pieces(0, start, bits))


def draw(boxes: Sequence[Box]) -> list[str]:
    """The lines of the drawing, none with a blank at its end."""
    pieces = _place(boxes)
    rows = max(piece.row for piece in pieces) + 1
    by_row = [[piece for piece in pieces if piece.row == row] for row in range(rows)]
    extent = max(piece.end for piece in pieces)
    lines = _ruler(extent)
    for row in range(rows + 1):
        above = by_row[row - 1] if row else []
        below = by_row[row] if row < rows else []
        lines.append(_separator(above, below))
        if below:
            lines.append(_content(boxes, below))
    for index, box in enumerate(boxes):
        _write_label(lines, box, [piece for piece in pieces if piece.box == index])
    return [line.rstrip() for line in lines]


def _place(boxes: Sequence[Box]) -> list[_Piece]:
    pieces: list[_Piece] = []
    position = 0
    for index, box in enumerate(boxes):
        if box.bits:
            pieces += _pieces(index, position, box.bits)
            position += box.bits
        else:
            row = -(-position // ROW_BITS)
            pieces.append(_Piece(index, row, 0, ROW_BITS))
            position = (row + 1) * ROW_BITS
    return pieces


def _pieces(box: int, position: int, bits: int) -> list[_Piece]:
    """A box cut at the ends of rows."""
    pieces = []
    end = position + bits
    while position < end:
        row, start = divmod(position, ROW_BITS)
        length = min(end - position, ROW_BITS - start)
        pieces.append(_Piece(box, row, start, start + length))
        position += length
    return pieces


def _ruler(extent: int) -> list[str]:
    tens = " ".join(str(bit // 10) if bit % 10 == 0 else " " for bit in range(extent))
    return [f" {tens}".rstrip(), " " + " ".join(str(bit % 10) for bit in range(extent))]


def _separator(above: Sequence[_Piece], below: Sequence[_Piece]) -> str:
    """The line between two rows: dashes, but blanks inside of a box that goes on."""
    extent = max(piece.end for piece in (*above, *below))
    inside = [_owner(above, bit) is not None and _owner(above, bit) == _owner(below, bit) for bit in range(extent)]
    line = []
    for bit in range(extent):
        open_corner = bit > 0 and inside[bit - 1] and inside[bit] and _owner(below, bit - 1) == _owner(below, bit)
        line.append((" " if open_corner else "+") + (" " if inside[bit] else "-"))
    return "".join(line) + "+"


def _owner(pieces: Sequence[_Piece], bit: int) -> int | None:
    return next((piece.box for piece in pieces if piece.start <= bit < piece.end), None)


def _content(boxes: Sequence[Box], pieces: Sequence[_Piece]) -> str:
    border = "|" if boxes[pieces[0].box].bits else ":"
    return border + border.join(" " * piece.width for piece in pieces) + border


def _write_label(lines: list[str], box: Box, pieces: Sequence[_Piece]) -> None:
    """Writes a label into the widest part of its box; between two rows where that is the middle."""
    width = max(piece.width for piece in pieces)
    widest = [piece for piece in pieces if piece.width == width]
    middle = widest[len(widest) // 2]
    between = len(widest) % 2 == 0 and middle.touches(widest[len(widest) // 2 - 1])
    if not between:
        middle = widest[(len(widest) - 1) // 2]
    _write(lines, 2 + 2 * middle.row + (0 if between else 1), middle, box.label)
    for previous, piece in pairwise(pieces):
        if not piece.touches(previous):
            other = piece if piece is not middle else previous
            _write(lines, 3 + 2 * other.row, other, box.continued if len(box.continued) <= other.width else "")


def _write(lines: list[str], line: int, piece: _Piece, label: str) -> None:
    start = 2 * piece.start + 1
    text = (" " * ((piece.width - len(label)) // 2) + label).ljust(piece.width)
    lines[line] = lines[line][:start] + text + lines[line][start + piece.width :]
