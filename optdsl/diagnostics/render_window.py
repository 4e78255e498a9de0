"""The part of a line that fits the terminal, chosen so that its marks are inside.

let wish = if granularity == minutes { timeout * 1min } else { timeout * 1s }
...arity == minutes { timeout * 1min } else { timeo...
"""

from __future__ import annotations

from optdsl.diagnostics.render_cells import Cells, cells_of
from optdsl.record import record

_CUT_WIDTH = 3


@record
class Window:
    """The columns `left..left + width` of a line. What is cut off on a side is shown as `...` inside the window."""

    line: Cells
    left: int
    width: int

    @property
    def cells(self) -> tuple[str, ...]:
        """What is shown, cell by cell."""
        shown = list(self.line.cells[self.left : self.left + self.width])
        if self._cut_left:
            shown[:_CUT_WIDTH] = "..."
            if len(shown) > _CUT_WIDTH and not shown[_CUT_WIDTH]:
                shown[_CUT_WIDTH] = " "  # the second half of a wide character whose first half is cut
        if self._cut_right:
            end = len(shown) - _CUT_WIDTH
            if not shown[end]:
                shown[end - 1] = " "
            shown[end:] = "..."
        return tuple(shown)

    def columns(self, first: int, end: int) -> tuple[int, int]:
        """The columns of the characters `first..end`, cut to what is shown and at least one column wide."""
        low = _CUT_WIDTH if self._cut_left else 0
        high = self.width - (_CUT_WIDTH if self._cut_right else 0)
        start = min(max(self.line.columns[first] - self.left, low), high)
        return start, max(min(self.line.columns[end] - self.left, high), start + 1)

    @property
    def _cut_left(self) -> bool:
        return self.left > 0

    @property
    def _cut_right(self) -> bool:
        return self.left + self.width < self.line.width


def window(text: str, width: int, marked: list[tuple[int, int]]) -> Window:
    """The window of `width` columns on a line that shows the marked characters, or the first of them if all are not
    near enough to each other."""
    line = cells_of(text)
    ends = [line.columns[end] for _, end in marked]
    # The caret behind the last character needs a column as well.
    if line.width <= width or max(ends, default=0) + _CUT_WIDTH <= width:
        return Window(line, 0, width)
    first = min(line.columns[start] for start, _ in marked)
    middle = (first + min(max(ends), first + width // 2)) // 2
    return Window(line, max(0, min(middle - width // 2, line.width + 1 - width)), width)
