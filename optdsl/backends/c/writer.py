"""Lines of C: indentation with tabs, comments, lines of at most 100 columns, and `#line` directives.

A directive says where the *next* physical line comes from, and the compiler counts on from there:

    #line 16 "delack.opt"
            if (socket->delayed_ack.done)
                    return 0;                   <- would be line 17 without another directive

so the writer keeps track of what the compiler presumes and writes a directive only where that is wrong. With
directives a statement stays on one line, however long: its second half would count as the next line of the source, and
inside the arguments of a macro no directive may stand.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from optdsl.source import Source, Span

TAB_WIDTH = 8
LINE_LENGTH = 100

# An expression may be broken behind these (kernel coding style: the operator stays on the upper line).
# Those that bind least come first: between them it is broken first.
_BREAK_BEHIND = ((",",), (" ?", " :"), ("&&", "||"), (" +", " -", " *", " /", " |", " ^", " &"))


class Writer:
    """Collects the lines of a file. `lines` says whether code carries `#line` directives."""

    def __init__(self, *, lines: bool) -> None:
        self._lines = lines
        self._text: list[str] = []
        self._depth = 0
        # Where the code being written comes from, the line there, and where the compiler thinks that it is.
        self._home: Source | None = None
        self._line = 0
        self._presumed: tuple[str, int] | None = None

    def enter(self, span: Span) -> None:
        """Starts a function that comes from `span`. What stems from another source counts as the line before it.

        clang 14 files all code of a function under the name of the file in which the function begins, so a line
        number of any other file would quote the wrong text.
        """
        self._home, self._line = span.source, span.line

    def code(self, text: str, span: Span | None = None) -> None:
        """A line of code that comes from `span`, or from the same line as the code before it."""
        if not self._lines or self._home is None:
            for line in wrap(text, self._depth):
                self._put(line)
            return
        if span is not None and span.source is self._home:
            self._line = span.line
        wanted = (self._home.base_name, self._line)
        if self._presumed != wanted:
            self._put(f"#line {self._line} {quoted(wanted[0])}")
            self._presumed = wanted
        self._put("\t" * self._depth + text)

    def label(self, name: str) -> None:
        """The target of a `goto`, with the empty statement that C wants behind it."""
        self._put(f"{name}:")
        self.code(";")

    def plain(self, *lines: str) -> None:
        """Lines as they are: comments, declarations, preprocessor directives."""
        for line in lines:
            self._put("\t" * self._depth + line if line else "")

    def gap(self) -> None:
        """An empty line between statements, where directives do not tear them apart anyway."""
        if not self._lines:
            self._put("")

    @contextmanager
    def indented(self) -> Iterator[None]:
        self._depth += 1
        yield
        self._depth -= 1

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self._text)

    def _put(self, line: str) -> None:
        self._text.append(line)
        if self._presumed is not None and not line.startswith("#line"):
            self._presumed = (self._presumed[0], self._presumed[1] + 1)


def wrap(text: str, depth: int) -> list[str]:
    """`text` at an indentation of `depth` tabs, broken where the fewest parentheses are open and aligned to them."""
    lines: list[str] = []
    prefix, column, opened = "\t" * depth, TAB_WIDTH * depth, [TAB_WIDTH * (depth + 1)]
    while column + len(text) > LINE_LENGTH:
        found = _best_break(text, column, opened)
        if found is None:
            break
        position, opened = found
        lines.append(prefix + text[:position])
        text = text[position + 1 :]
        column = opened[-1]
        prefix = "\t" * (column // TAB_WIDTH) + " " * (column % TAB_WIDTH)
    return [*lines, prefix + text]


def _best_break(text: str, column: int, opened: list[int]) -> tuple[int, list[int]] | None:
    """The position of the space to break at, and the columns behind the parentheses that are open there."""
    best: tuple[int, list[int]] | None = None
    best_rank = (len(text), 0)
    stack = list(opened)
    for position, character in enumerate(text[: LINE_LENGTH - column + 1]):
        if character in "([{":
            stack.append(column + position + 1)
        elif character in ")]}" and len(stack) > 1:
            stack.pop()
        elif character == " ":
            ranks = [rank for rank, ends in enumerate(_BREAK_BEHIND) if text[:position].endswith(ends)]
            if ranks and (len(stack), ranks[0]) <= best_rank:
                best, best_rank = (position, list(stack)), (len(stack), ranks[0])
    return best


def comment(text: str, depth: int = 0) -> list[str]:
    """A comment without indentation: on one line if it fits, else a block; empty for empty text."""
    lines = _safe(text).strip().splitlines()
    width = LINE_LENGTH - TAB_WIDTH * depth
    if not lines:
        return []
    if len(lines) == 1 and len(lines[0]) + 6 <= width:
        return [f"/* {lines[0]} */"]
    body = [part for line in lines for part in _filled(line, width - 3) or [""]]
    return ["/*", *(f" * {line}".rstrip() for line in body), " */"]


def _filled(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False)


def quoted(text: str) -> str:
    """A string literal; characters other than printable ASCII as octal escapes of their UTF-8 bytes."""
    return '"' + "".join(_character(byte) for byte in text.encode()) + '"'


def _character(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"


def _safe(text: str) -> str:
    """Text that neither ends a comment nor seems to start another (`-Wcomment`)."""
    return text.replace("*/", "* /").replace("/*", "/ *")
