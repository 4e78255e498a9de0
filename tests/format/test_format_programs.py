"""The formatter over every program of the repository: nothing is lost, twice is once, and layout is all it changes."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from docs.doc_examples import documents, fences
from format.format_fences import fence_form
from format.format_perturb import comments, on_few_lines, tokens, with_other_blanks, with_other_lines
from format.format_programs import OURS, ROOT, Program, programs
from optdsl.diagnostics import CompileError
from optdsl.record import fields, is_record
from optdsl.source import Source, Span
from optdsl.syntax.format import FormatError, formatted
from optdsl.syntax.format.verify import verify
from optdsl.syntax.format.words import words_of
from optdsl.syntax.lexer import Token
from optdsl.syntax.parser import parse_module

SHORT = [each for each in programs() if len(each.text) < 3000]
PERTURBED = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def form(text: str) -> str:
    return formatted(Source("program.opt", text))


def meaning(text: str) -> object:
    """The tree of a text without places."""

    def plain(node: object) -> object:
        if isinstance(node, Span | Source):
            return None
        if isinstance(node, tuple):
            return [plain(each) for each in node]
        if is_record(node):
            return type(node), [plain(getattr(node, name)) for name in fields(node)]
        return node

    return plain(parse_module(Source("program.opt", text)))


def check(text: str) -> str:
    """The form of a text, which is sound."""
    found = form(text)
    assert meaning(found) == meaning(text)
    assert comments(found) == comments(text)
    assert form(found) == found
    assert all(line == line.rstrip() for line in found.split("\n"))
    assert "\n\n\n" not in found
    assert not found.startswith("\n")
    assert found == "" or found.endswith("\n")
    assert not found.endswith("\n\n")
    return found


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_samples_and_library_have_their_form(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert form(text) == text


def test_there_are_programs_of_every_kind() -> None:
    places = " ".join(each.place for each in programs())
    assert len(programs()) > 250
    assert all(
        part in places for part in ("samples/", "stdlib/", "tests/", "language.md", "layouts.md", "narrowing.md")
    )


@pytest.mark.parametrize("program", programs(), ids=lambda program: program.place)
def test_program(program: Program) -> None:
    check(program.text)


@PERTURBED
@given(st.sampled_from(SHORT), st.integers(0, 2**32))
def test_blanks_make_no_difference(program: Program, seed: int) -> None:
    changed = with_other_blanks(program.text, Random(seed))
    assume(changed != program.text)
    assert form(changed) == form(program.text)


@PERTURBED
@given(st.sampled_from(SHORT), st.integers(0, 2**32))
def test_line_ends_and_comments_anywhere(program: Program, seed: int) -> None:
    check(with_other_lines(program.text, Random(seed)))


@PERTURBED
@given(st.sampled_from(SHORT), st.integers(0, 2**32))
def test_few_lines(program: Program, seed: int) -> None:
    changed = on_few_lines(program.text, Random(seed))
    check(changed)
    check(with_other_lines(changed, Random(seed)))


def test_the_perturbations_perturb() -> None:
    text = (ROOT / "samples" / "uto.opt").read_text(encoding="utf-8")
    for perturb in (with_other_blanks, with_other_lines, on_few_lines):
        changed = [perturb(text, Random(seed)) for seed in range(10)]
        assert sum(each != text for each in changed) >= 8
    assert any(len(comments(with_other_lines(text, Random(seed)))) > len(comments(text)) + 5 for seed in range(10))


@pytest.mark.parametrize(
    ("new", "what"),
    [
        ("const a = 2  // one\n", "meaning"),
        ("const a = 1\n", "comments"),
        ("const a = 0x1  // one\n", "words"),
        ("const a = 1  // two\n", "comments"),
    ],
)
def test_mistakes_of_the_formatter_are_found(new: str, what: str) -> None:
    old = "const a = 1  // one\n"

    def parts(text: str) -> tuple[object, object]:
        source = Source("program.opt", text)
        found = [Token("ANY", start, end) for _, start, end in tokens(text)]
        return parse_module(source), words_of(text, found)

    verify(*parts(old), *parts(old))  # type: ignore[arg-type]
    with pytest.raises(FormatError, match=what):
        verify(*parts(old), *parts(new))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_examples_in_documents_have_their_form(path: Path) -> None:
    for line, info, body in fences(path.read_text(encoding="utf-8")):
        if info.split()[:1] == ["opt"]:
            try:
                found = fence_form(info.split(), body)
            except CompileError:
                assert "error OPT01" in info
            else:
                assert found == body, f"{path.name}:{line}"
