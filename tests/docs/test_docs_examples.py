"""Every example of README.md and docs/*.md is compiled, and comes out as the document says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.doc_examples import ROOT, Example, documents, examples
from optdsl import resources
from optdsl.backends.c import emit_c
from optdsl.backends.llvm import emit_object
from optdsl.compiler import Options, analyse, lower_program
from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.ir.check import check_program
from optdsl.semantics.model import CheckedProgram
from optdsl.source import Source

UNUSED = "OPT0314"
"""A fragment need not use all that stands around it."""

ALL = [example for path in documents() for example in examples(path)]


def check(example: Example) -> tuple[CheckedProgram | None, Diagnostics]:
    """The checked program of an example, None if it has errors, and what was found."""

    def load(name: str) -> Source | None:
        text = example.modules.get(name)
        if text is None and name.startswith("std."):
            text = resources.module_text(name.removeprefix("std."))
        return None if text is None else Source(name, text)

    diagnostics = Diagnostics()
    try:
        return analyse([Source("example.opt", example.text)], Options("example"), load, diagnostics), diagnostics
    except CompileError as error:
        for diagnostic in error.diagnostics:
            diagnostics.add(diagnostic)
        return None, diagnostics


def codes(diagnostics: Diagnostics) -> list[str]:
    return [f"{each.code} {each.severity.value}: {each.message} ({each.label})" for each in diagnostics.found]


@pytest.mark.parametrize("example", ALL, ids=lambda example: example.place)
def test_example(example: Example) -> None:
    program, diagnostics = check(example)
    if example.error is not None:
        assert program is None, f"compiles, but should be refused with {example.error}"
        errors = [each.code for each in diagnostics.found if each.is_error]
        assert errors == [example.error], codes(diagnostics)
        return
    assert program is not None, codes(diagnostics)
    is_whole = example.form == "file"
    found = [each.code for each in diagnostics.found if is_whole or each.code != UNUSED]
    assert found == ([example.warning] if example.warning else []), codes(diagnostics)
    ir = lower_program(program)
    assert check_program(ir) == []
    assert emit_c(ir).strip()
    assert emit_object(ir).startswith(b"\x7fELF")


def test_there_are_examples_of_every_form() -> None:
    forms = {example.form for example in ALL}
    assert forms >= {"file", "module", "context", "declarations", "option", "send", "receive", "on"}
    assert any(example.warning for example in ALL)


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_error_codes_exist(path: Path) -> None:
    wording = "\n".join(each.read_text() for each in (ROOT / "optdsl" / "diagnostics").glob("*.py"))
    known = set(re.findall(r'"(OPT\d{4})"', wording))
    # What a snippet adds to a file is not there yet.
    text = re.sub(r"^ *```diff .*?^ *```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"OPT\d{4}", text)) <= known


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_links_inside_a_document_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings
