"""The IR of the samples and of a program with a little of everything, as text: `pytest --update-golden` rewrites it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lower.driver import lowered
from optdsl.ir.printer import print_program

_HERE = Path(__file__).parent
PROGRAMS = ("delack", "uto", "cc", "iw", "rich")


def text_of(name: str) -> str:
    """The text of a sample, or of a case beside this test."""
    case = _HERE / "cases" / f"{name}.opt"
    return case.read_text(encoding="utf-8") if case.exists() else sample(name)


def sample(name: str) -> str:
    return (_HERE.parents[1] / "samples" / f"{name}.opt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_ir_is_the_golden_one(name: str, request: pytest.FixtureRequest) -> None:
    golden = _HERE / "golden" / f"{name}.ir"
    found = print_program(lowered(text_of(name), name=name))
    if request.config.getoption("--update-golden"):
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


def test_the_same_text_gives_the_same_ir() -> None:
    assert print_program(lowered(text_of("rich"))) == print_program(lowered(text_of("rich")))
