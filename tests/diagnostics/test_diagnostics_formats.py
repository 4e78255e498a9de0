"""Diagnostics for programs: JSON lines, SARIF and workflow commands say all that the text says, at the same places."""

from __future__ import annotations

import json
from typing import Any

import pytest

from optdsl.diagnostics import Diagnostic, Label, Severity, Suggestion
from optdsl.diagnostics.formats import Format, rendered
from optdsl.diagnostics.places import Place, places_of
from optdsl.diagnostics.render import Style
from optdsl.source import Source, Span

TEXT = "// 語é\r\noption a {\n\tkind 200\n    param 語 = 𝛼 + 1 { }\n}\n"
SOURCE = Source("dir a/é,b:c.opt", TEXT)
MODULE = Source("std.kinds", "const x = 1\n")


def at(text: str, source: Source = SOURCE) -> Span:
    start = source.text.index(text)
    return Span(source, start, start + len(text))


RICH = Diagnostic(
    "OPT0203", "`{x}` may not fit", at("𝛼 + 1"), "1..=2 here",
    (Label(at("x", MODULE), "declared\nhere"), Label(at("a {"))),
    ("100% sure", "second"), Suggestion("hold it", at("𝛼"), "clamp({𝛼})"),
)  # fmt: skip
PLAIN = Diagnostic("", "cannot read x.opt: No such file", None, file="/tmp/x y.opt")
WARNING = Diagnostic(
    "OPT0802", "kind 28 is taken", at("kind 200"), severity=Severity.WARNING, suggestion=Suggestion("so")
)
LONG = Diagnostic("OPT0501", "long", at("option a {\n\tkind"))


def shown(form: Format, *diagnostics: Diagnostic) -> str:
    return rendered(diagnostics, form, Style())


# ------------------------------------------------------------------------------------------------- places


def test_columns_count_characters_and_offsets_count_bytes() -> None:
    start, end = places_of(at("𝛼 + 1"))
    assert (start, end) == (Place(4, 15, 47), Place(4, 20, 55))
    assert TEXT.encode()[start.offset : end.offset].decode() == "𝛼 + 1"


def test_places_at_the_edges() -> None:
    assert places_of(Span(Source("x", ""), 0, 0)) == (Place(1, 1, 0), Place(1, 1, 0))
    assert places_of(Span(SOURCE, len(TEXT), len(TEXT) + 9))[1] == Place(6, 1, len(TEXT.encode()))


# --------------------------------------------------------------------------------------------------- JSON


def test_json_is_one_object_a_line_with_everything() -> None:
    lines = shown(Format.JSON, RICH, PLAIN, WARNING).splitlines()
    rich, plain, warning = map(json.loads, lines)
    assert rich == {
        "code": "OPT0203",
        "severity": "error",
        "message": "`{x}` may not fit",
        "file": "dir a/é,b:c.opt",
        "span": {"start": {"line": 4, "column": 15, "offset": 47}, "end": {"line": 4, "column": 20, "offset": 55}},
        "label": "1..=2 here",
        "labels": [
            {
                "message": "declared\nhere",
                "file": "std.kinds",
                "span": {"start": {"line": 1, "column": 7, "offset": 6}, "end": {"line": 1, "column": 8, "offset": 7}},
            },
            {
                "message": "",
                "file": "dir a/é,b:c.opt",
                "span": {
                    "start": {"line": 2, "column": 8, "offset": 17},
                    "end": {"line": 2, "column": 11, "offset": 20},
                },
            },
        ],
        "notes": ["100% sure", "second"],
        "suggestion": {
            "message": "hold it",
            "file": "dir a/é,b:c.opt",
            "span": {"start": {"line": 4, "column": 15, "offset": 47}, "end": {"line": 4, "column": 16, "offset": 51}},
            "replacement": "clamp({𝛼})",
        },
    }
    assert plain == {
        "code": None, "severity": "error", "message": "cannot read x.opt: No such file", "file": "/tmp/x y.opt",
        "span": None, "label": None, "labels": [], "notes": [], "suggestion": None,
    }  # fmt: skip
    assert warning["severity"] == "warning"
    assert warning["suggestion"] == {"message": "so", "file": None, "span": None, "replacement": None}
    assert all(line.isascii() for line in lines)
    assert shown(Format.JSON) == ""


# -------------------------------------------------------------------------------------------------- SARIF


def sarif(*diagnostics: Diagnostic) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(shown(Format.SARIF, *diagnostics))
    assert document["version"] == "2.1.0"
    assert document["$schema"].endswith("sarif-schema-2.1.0.json")
    assert len(document["runs"]) == 1
    run: dict[str, Any] = document["runs"][0]
    return run


def test_sarif_has_what_the_standard_requires() -> None:
    run = sarif(RICH, PLAIN, WARNING, RICH)
    driver = run["tool"]["driver"]
    assert driver["name"] == "optdsl"
    assert [rule["id"] for rule in driver["rules"]] == ["OPT0203", "OPT0802"]
    assert run["columnKind"] == "unicodeCodePoints"
    assert [result["level"] for result in run["results"]] == ["error", "error", "warning", "error"]
    for result in run["results"]:
        assert result["message"]["text"]
        if "ruleId" in result:
            assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        for location in [*result["locations"], *result.get("relatedLocations", [])]:
            region = location["physicalLocation"].get("region", {"startLine": 1})
            assert all(value >= 1 for value in region.values())


def test_sarif_places_fixes_and_texts() -> None:
    rich, plain, warning = sarif(RICH, PLAIN, WARNING)["results"]
    region = {"startLine": 4, "startColumn": 15, "endLine": 4, "endColumn": 20}
    uri = {"uri": "dir%20a/%C3%A9%2Cb%3Ac.opt"}
    assert rich["locations"] == [{"physicalLocation": {"artifactLocation": uri, "region": region}}]
    assert rich["message"]["text"] == "`{{x}}` may not fit: 1..=2 here\nnote: 100% sure\nnote: second\nhelp: hold it"
    first, second = rich["relatedLocations"]
    assert (first["id"], first["message"]) == (0, {"text": "declared\nhere"})
    assert first["physicalLocation"]["artifactLocation"] == {"uri": "std.kinds"}
    assert (second["id"], "message" in second) == (1, False)
    (change,) = rich["fixes"][0]["artifactChanges"]
    assert change["artifactLocation"] == uri
    (replacement,) = change["replacements"]
    assert replacement["insertedContent"] == {"text": "clamp({𝛼})"}
    assert replacement["deletedRegion"] == region | {"endColumn": 16}
    assert plain["locations"] == [{"physicalLocation": {"artifactLocation": {"uri": "file:///tmp/x%20y.opt"}}}]
    assert "ruleId" not in plain
    assert "fixes" not in warning


def test_sarif_without_findings_is_a_document_all_the_same() -> None:
    assert sarif()["results"] == []


# ------------------------------------------------------------------------------------------------- GitHub


@pytest.mark.parametrize(
    ("diagnostic", "command"),
    [
        (
            RICH,
            "::error file=dir a/é%2Cb%3Ac.opt,line=4,endLine=4,col=15,endColumn=20,title=OPT0203::`{x}` may not fit: "
            "1..=2 here%0Astd.kinds:1:7: declared%0Ahere%0Anote: 100%25 sure%0Anote: second%0A"
            "help: hold it: clamp({𝛼})",
        ),
        (PLAIN, "::error file=/tmp/x y.opt::cannot read x.opt: No such file"),
        (Diagnostic("", "no space", None), "::error::no space"),
        (LONG, "::error file=dir a/é%2Cb%3Ac.opt,line=2,endLine=3,title=OPT0501::long"),
    ],
)
def test_workflow_commands(diagnostic: Diagnostic, command: str) -> None:
    assert shown(Format.GITHUB, diagnostic) == f"{command}\n"


def test_workflow_commands_stand_on_lines_of_their_own() -> None:
    text = shown(Format.GITHUB, RICH, WARNING)
    assert [line.partition(" ")[0] for line in text.splitlines()] == ["::error", "::warning"]
    assert shown(Format.GITHUB) == ""


def test_text_is_a_form_like_the_others() -> None:
    assert shown(Format.TEXT, PLAIN) == "error: cannot read x.opt: No such file\n\n1 error\n"
    assert [form.is_document for form in Format] == [False, False, True, False]
