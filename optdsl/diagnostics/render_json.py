"""Diagnostics as JSON, one object a line: `--message-format json`. docs/diagnostics.md has the schema."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from optdsl.diagnostics.model import Diagnostic, Label, Suggestion
from optdsl.diagnostics.places import Place, places_of
from optdsl.source import Span


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """One line for each diagnostic; pure ASCII, so that no terminal or locale can spoil it."""
    return "".join(json.dumps(_diagnostic(each)) + "\n" for each in diagnostics)


def _diagnostic(each: Diagnostic) -> dict[str, Any]:
    return {
        "code": each.code or None,
        "severity": each.severity.value,
        "message": each.message,
        "file": each.file if each.span is None else each.span.source.name,
        "span": None if each.span is None else _span(each.span),
        "label": each.label or None,
        "labels": [_label(label) for label in each.labels],
        "notes": list(each.notes),
        "suggestion": None if each.suggestion is None else _suggestion(each.suggestion),
    }


def _label(label: Label) -> dict[str, Any]:
    return {"message": label.text, "file": label.span.source.name, "span": _span(label.span)}


def _suggestion(suggestion: Suggestion) -> dict[str, Any]:
    """Advice without a replacement has neither a place nor a text."""
    if suggestion.span is None or suggestion.replacement is None:
        return {"message": suggestion.text, "file": None, "span": None, "replacement": None}
    return {
        "message": suggestion.text,
        "file": suggestion.span.source.name,
        "span": _span(suggestion.span),
        "replacement": suggestion.replacement,
    }


def _span(span: Span) -> dict[str, Any]:
    start, end = places_of(span)
    return {"start": _place(start), "end": _place(end)}


def _place(place: Place) -> dict[str, int]:
    return {"line": place.line, "column": place.column, "offset": place.offset}
