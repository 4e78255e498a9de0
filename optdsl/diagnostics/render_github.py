"""Diagnostics as commands that a GitHub workflow turns into annotations: `--message-format github`.

    ::error file=a.opt,line=6,endLine=6,col=27,endColumn=37,title=OPT0203::value may not fit: 2..=65 here

The escapes are those of `@actions/core` (packages/core/src/command.ts in actions/toolkit).
"""

from __future__ import annotations

from collections.abc import Iterable

from optdsl.diagnostics.model import Diagnostic
from optdsl.diagnostics.places import places_of


def render_github(diagnostics: Iterable[Diagnostic]) -> str:
    """One line for each diagnostic."""
    return "".join(f"{_command(each)}\n" for each in diagnostics)


def _command(each: Diagnostic) -> str:
    properties = ",".join(f"{name}={_property(str(value))}" for name, value in _properties(each).items())
    return f"::{each.severity.value}{' ' if properties else ''}{properties}::{_data(_message(each))}"


def _properties(each: Diagnostic) -> dict[str, str | int]:
    properties: dict[str, str | int] = {}
    if each.span is not None:
        start, end = places_of(each.span)
        properties = {"file": each.span.source.name, "line": start.line, "endLine": end.line}
        if start.line == end.line:  # GitHub refuses columns for a range of several lines
            properties |= {"col": start.column, "endColumn": end.column}
    elif each.file is not None:
        properties = {"file": each.file}
    return {**properties, "title": each.code} if each.code else properties


def _message(each: Diagnostic) -> str:
    """What the annotation says: it stands beside the line, so that no source is quoted."""
    lines = [f"{each.message}: {each.label}" if each.label else each.message]
    lines += [f"{label.span}: {label.text}" for label in each.labels if label.text]
    lines += [f"note: {note}" for note in each.notes]
    suggestion = each.suggestion
    if suggestion is not None:
        written = f": {suggestion.replacement}" if suggestion.replacement else ""
        lines.append(f"help: {suggestion.text}{written}")
    return "\n".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
