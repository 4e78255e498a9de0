"""Programs as pieces that can be taken out: lines, and blocks of lines.

A piece that the checker refuses gives way to its next fallback, and when there is none it is removed. What is left in
the end is a program that the checker accepts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.semantics.model import CheckedProgram

_INDENT = "    "


@dataclass(slots=True, eq=False)
class Piece:
    """A line, or the head of a block with what is inside."""

    text: str
    fallbacks: list[str] = field(default_factory=list)
    body: list[Piece] | None = None
    otherwise: list[Piece] | None = None
    is_fixed: bool = False
    """Never removed: without it the program would not be one."""
    is_removed: bool = False

    def refuse(self) -> bool:
        """Gives way; False if it cannot."""
        if self.fallbacks:
            self.text = self.fallbacks.pop(0)
        elif self.is_fixed:
            return False
        else:
            self.is_removed = True
        return True


def rendered(pieces: list[Piece]) -> tuple[str, list[Piece]]:
    """The text, and for each of its lines the piece that it belongs to."""
    lines: list[tuple[str, Piece]] = []
    _render(pieces, lines, 0)
    return "".join(f"{text}\n" for text, _ in lines), [piece for _, piece in lines]


def _render(pieces: list[Piece], lines: list[tuple[str, Piece]], depth: int) -> None:
    for piece in pieces:
        if piece.is_removed or not piece.text:
            continue
        indent = _INDENT * depth
        if piece.body is None:
            lines.append((indent + piece.text, piece))
            continue
        lines.append((f"{indent}{piece.text} {{", piece))
        _render(piece.body, lines, depth + 1)
        if piece.otherwise is not None:
            lines.append((f"{indent}}} else {{", piece))
            _render(piece.otherwise, lines, depth + 1)
        lines.append((f"{indent}}}", piece))


def accept(
    pieces: list[Piece], analyse: Callable[[str, Diagnostics], CheckedProgram]
) -> tuple[str, CheckedProgram | None]:
    """The program of the pieces that the checker does not refuse, and its text; None if nothing is left.

    Raises AssertionError with the diagnostics if the checker refuses something that cannot give way.
    """
    while True:
        text, owners = rendered(pieces)
        found = Diagnostics()
        try:
            return text, analyse(text, found)
        except CompileError:
            errors = [each for each in found.found if each.is_error]
        wrong = {
            owners[each.span.line - 1] for each in errors if each.span is not None and each.span.line <= len(owners)
        }
        if not [piece for piece in wrong if piece.refuse()]:
            if not any(piece.body and any(not each.is_removed for each in piece.body) for piece in pieces):
                return text, None
            raise AssertionError(f"{[f'{each.code} {each.span} {each.message}' for each in errors]}\n{text}")
