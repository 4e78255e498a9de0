"""Where a span begins and ends, in the numbers that programs ask for."""

from __future__ import annotations

from dataclasses import dataclass

from optdsl.source import Source, Span


@dataclass(frozen=True, slots=True)
class Place:
    """A place between two characters of a source.

    `line` and `column` count from 1, the column in Unicode code points. `offset` counts the bytes of UTF-8 from 0; a
    byte order mark at the start of a file is not counted.
    """

    line: int
    column: int
    offset: int


def places_of(span: Span) -> tuple[Place, Place]:
    """The start of a span, and its end, which is behind its last character."""
    return _place(span.source, span.start), _place(span.source, span.end)


def _place(source: Source, offset: int) -> Place:
    offset = min(max(offset, 0), len(source.text))
    line, column = source.position(offset)
    return Place(line, column, len(source.text[:offset].encode("utf-8", "surrogatepass")))
