"""Unified diffs of two texts, as `patch` reads them and, in colours, as people do."""

from __future__ import annotations

import difflib

from optdsl.diagnostics.render_rows import Role, Style, painted

_ROLES = {"+": Role.ADDED, "-": Role.ERROR, "@": Role.HELP}


def unified_diff(name: str, old: str, new: str, style: Style) -> str:
    """The difference between two texts of one file; empty if there is none."""
    lines: list[str] = []
    for number, line in enumerate(difflib.unified_diff(_lines(old), _lines(new), name, name)):
        text, end, _ = line.partition("\n")
        role = Role.TITLE if number < 2 else _ROLES.get(line[0], Role.PLAIN)
        lines.append(painted(text, role, style) + "\n")
        if not end:
            lines.append("\\ No newline at end of file\n")
    return "".join(lines)


def _lines(text: str) -> list[str]:
    """Lines with their ends: `splitlines` also splits at characters that end no line of a program."""
    lines = [f"{line}\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines
