"""Diagnostics as one SARIF 2.1.0 document (OASIS), for code scanning and editors: `--message-format sarif`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from optdsl import __version__
from optdsl.diagnostics.explain import code_named, page
from optdsl.diagnostics.model import Diagnostic, Label, Suggestion
from optdsl.diagnostics.places import places_of
from optdsl.source import Span

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render_sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """The document; without diagnostics it has an empty list of results."""
    codes = sorted({each.code for each in diagnostics if each.code})
    driver = {"name": "optdsl", "semanticVersion": __version__, "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, codes) for each in diagnostics],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(code: str) -> dict[str, Any]:
    """What is the same for all results of a code: the title of its page."""
    return {"id": code, "shortDescription": _message(page(code).title)} if code_named(code) else {"id": code}


def _result(each: Diagnostic, codes: Sequence[str]) -> dict[str, Any]:
    result: dict[str, Any] = {"level": each.severity.value, "message": _message(_text(each)), "locations": []}
    if each.code:
        result |= {"ruleId": each.code, "ruleIndex": codes.index(each.code)}
    if each.span is not None:
        result["locations"] = [{"physicalLocation": _place(each.span)}]
    elif each.file is not None:
        result["locations"] = [{"physicalLocation": {"artifactLocation": _artifact(each.file)}}]
    if each.labels:
        result["relatedLocations"] = [_related(number, label) for number, label in enumerate(each.labels)]
    if (fix := _fix(each.suggestion)) is not None:
        result["fixes"] = [fix]
    return result


def _text(each: Diagnostic) -> str:
    lines = [f"{each.message}: {each.label}" if each.label else each.message]
    lines += [f"note: {note}" for note in each.notes]
    lines += [f"help: {each.suggestion.text}"] if each.suggestion else []
    return "\n".join(lines)


def _related(number: int, label: Label) -> dict[str, Any]:
    location: dict[str, Any] = {"id": number, "physicalLocation": _place(label.span)}
    return {**location, "message": _message(label.text)} if label.text else location


def _fix(suggestion: Suggestion | None) -> dict[str, Any] | None:
    if suggestion is None or suggestion.span is None or suggestion.replacement is None:
        return None
    replacement = {
        "deletedRegion": _region(suggestion.span),
        "insertedContent": {"text": suggestion.replacement},
    }
    change = {"artifactLocation": _artifact(suggestion.span.source.name), "replacements": [replacement]}
    return {"description": _message(suggestion.text), "artifactChanges": [change]}


def _message(text: str) -> dict[str, str]:
    """Braces are doubled (section 3.11.5): single ones are placeholders."""
    return {"text": text.replace("{", "{{").replace("}", "}}")}


def _place(span: Span) -> dict[str, Any]:
    return {"artifactLocation": _artifact(span.source.name), "region": _region(span)}


def _region(span: Span) -> dict[str, int]:
    """Lines and columns from 1; the end column is behind the last character (section 3.30)."""
    start, end = places_of(span)
    return {"startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column}


def _artifact(name: str) -> dict[str, str]:
    """The name of a file as a URI: absolute for an absolute path, else relative to where the compiler ran."""
    prefix = "file://" if PurePosixPath(name).is_absolute() else ""
    return {"uri": prefix + quote(name, safe="/")}
