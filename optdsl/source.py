"""Source texts and the spans that point into them.

A `Span` travels with every node of every stage, so that a diagnostic, a `#line` directive, a debug location and a
verifier log all lead back to the same characters of the `.opt` file.
"""

from __future__ import annotations

from bisect import bisect_right

from optdsl.record import field, record


@record(eq=False)
class Source:
    """One `.opt` text. `name` is what diagnostics show: the path as the user gave it, or `std.x` for a module."""

    name: str
    text: str = field(shown=False)
    _line_starts: list[int] = field(init=False, shown=False)

    def __post_init__(self) -> None:
        starts = [0]
        starts.extend(index + 1 for index, character in enumerate(self.text) if character == "\n")
        object.__setattr__(self, "_line_starts", starts)

    @property
    def base_name(self) -> str:
        """The name without its folders: what goes into objects, which never hold a path of the building machine."""
        return self.name.replace("\\", "/").rsplit("/", 1)[-1]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, of a character offset in 0..=len(text)."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line_text(self, line: int) -> str:
        """The text of a line (from 1) without its newline; empty past the end."""
        if not 1 <= line <= len(self._line_starts):
            return ""
        start = self._line_starts[line - 1]
        end = self._line_starts[line] - 1 if line < len(self._line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r")


@record
class Span:
    """The characters `start..end` of a source."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of another in the same source."""
        return Span(self.source, self.start, max(self.end, other.end))

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"
