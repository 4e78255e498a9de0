"""Verdicts of the kernel's verifier as a table, and as JSON.

Pure functions from values to text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optdsl.diagnostics.render_json import render_json
from optdsl.diagnostics.render_rows import Role, Style, painted
from optdsl.kernel.verify import Verdict
from optdsl.record import record

_HEADINGS = ("program", "verdict", "instructions", "peak states", "stack", "time", "xlated", "jited")
_NONE = "-"


@record
class File:
    """The verdicts on the programs of one file, under the name that the user gave it."""

    name: str
    verdicts: tuple[Verdict, ...]


def verdicts_text(files: Sequence[File], style: Style) -> str:
    """One table for all files; columns that say nothing are left out."""
    rows = [(file.name, *_cells(verdict)) for file in files for verdict in file.verdicts]
    rows += [(file.name, _NONE, "no programs", *[_NONE] * (len(_HEADINGS) - 2)) for file in files if not file.verdicts]
    table = [("file", *_HEADINGS), *rows]
    columns = [column for column in zip(*table, strict=True) if any(cell != _NONE for cell in column[1:])]
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for number, line in enumerate(zip(*columns, strict=True)):
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        role = Role.TITLE if number == 0 else Role.ERROR if "rejected" in line else None
        text = "  ".join(cells).rstrip()
        lines.append(painted(text, role, style) if role else text)
    return "\n".join(lines) + "\n"


def verdicts_json(files: Sequence[File]) -> str:
    """A list with one entry a program; sizes in bytes, the time in microseconds, null for what is not known."""
    entries = [{"file": file.name, **_entry(verdict)} for file in files for verdict in file.verdicts]
    return json.dumps(entries, indent=2) + "\n"


def log_text(file: File) -> Iterator[str]:
    """The whole logs of the rejected programs of a file."""
    for verdict in file.verdicts:
        if not verdict.is_accepted:
            yield f"--- the kernel's log of {verdict.program}, {file.name}\n{verdict.log.strip()}\n---\n"


def _cells(verdict: Verdict) -> tuple[str, ...]:
    entry = _entry(verdict)
    stack = entry["stack"]
    return (
        verdict.program,
        "accepted" if verdict.is_accepted else "rejected",
        _number(entry["instructions"]),
        _number(entry["peak_states"]),
        "+".join(map(str, stack)) + " B" if stack else _NONE,
        _number(entry["time"], " µs"),
        _number(entry["xlated"], " B"),
        _number(entry["jited"], " B"),
    )


def _number(value: int | None, unit: str = "") -> str:
    return _NONE if value is None else f"{value}{unit}"


def _entry(verdict: Verdict) -> Mapping[str, Any]:
    figures = verdict.statistics
    return {
        "program": verdict.program,
        "accepted": verdict.is_accepted,
        "instructions": figures.processed if figures else None,
        "limit": figures.limit if figures else None,
        "total_states": figures.total_states if figures else None,
        "peak_states": figures.peak_states if figures else None,
        "stack": list(figures.stack) if figures else [],
        "time": figures.time if figures else None,
        "xlated": verdict.xlated or None,
        "jited": verdict.jited or None,
        "rejection": json.loads(render_json([verdict.rejection])) if verdict.rejection else None,
    }
