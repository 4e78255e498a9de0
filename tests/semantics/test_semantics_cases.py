"""The Markdown suites beside this file: see `semantics_cases`."""

from __future__ import annotations

import pytest
from semantics_cases import Case, describe, every_case

from diagnostic_codes import built_codes
from optdsl.diagnostics import Diagnostic
from optdsl.source import Source

CASES = every_case()
WRONG = [case for case in CASES if any(each.severity == "error" for each in case.expectations)]
RIGHT = [case for case in CASES if case not in WRONG]

NOT_HERE = {
    "OPT0111": "told by whoever reads files, before there is a text",
    "OPT0901": "told by the kernel, of a program that is loaded",
    "OPT0902": "told by the kernel, of a program that is loaded",
    "OPT0903": "told by the kernel, of a program that is loaded",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.origin} {case.name}")
def test_the_checker_says_what_stands_in_the_program(case: Case) -> None:
    differences = case.differences()
    assert not differences, "\n".join([f"{case.origin} {case.name}", *differences])


def test_there_are_many_cases() -> None:
    assert len(WRONG) >= 210
    assert len(RIGHT) >= 90


def test_every_code_is_exercised() -> None:
    expected = {each.code for case in CASES for each in case.expectations}
    worded = built_codes()
    assert worded - expected == set(NOT_HERE)
    assert not expected - worded


def _suggesting() -> list[tuple[Case, Diagnostic]]:
    found = [(case, each) for case in CASES for each in case.check()[1]]
    return [(case, each) for case, each in found if each.suggestion and each.suggestion.replacement is not None]


@pytest.mark.parametrize(("case", "told"), _suggesting(), ids=lambda value: getattr(value, "origin", None))
def test_a_suggested_replacement_mends_what_it_is_told_for(case: Case, told: Diagnostic) -> None:
    assert told.suggestion is not None
    span, replacement = told.suggestion.span, told.suggestion.replacement
    assert span is not None
    assert replacement is not None
    text = span.source.text[: span.start] + replacement + span.source.text[span.end :]
    mended = [Source(each.name, text) if each is span.source else each for each in case.sources]
    if span.source not in case.sources:
        pytest.skip("the mistake is in a module")
    _, found = case.check(mended)
    end = span.start + len(replacement)
    again = [each for each in found if each.code == told.code and each.span and span.start <= each.span.start < end]
    # Nor does it bring a mistake that was not there: a bound without its unit, say.
    before = {(each.code, each.span.text) for each in case.check()[1] if each.span}
    inside = [each for each in found if each.span and span.start <= each.span.start < each.span.end <= end]
    again += [each for each in inside if (each.code, each.span and each.span.text) not in before]
    assert not again, f"{text}\n" + "\n".join(map(describe, found))


def test_the_findings_of_a_program_are_in_its_files() -> None:
    for case in CASES:
        for each in case.check()[1]:
            assert each.span is not None
            assert 0 <= each.span.start <= each.span.end <= len(each.span.source.text)
            for label in each.labels:
                assert label.span.start < label.span.end
            assert not each.message.endswith("."), "a message is a sentence without a full stop"
