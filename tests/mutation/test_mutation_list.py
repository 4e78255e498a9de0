"""The mutants fit the source as it is, some quick ones are noticed, and the tool tells one that survives."""

from __future__ import annotations

import ast
import json
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from mutation.mutant import Mutant, StaleMutantError
from mutation.run import MUTANTS, main, run
from mutation.trial import Verdict
from mutation.workplace import ROOT

_QUICK: Final = ("sum-range", "until-acked", "stack")
_JUDGED: Final = frozenset("semantics lower ir backends differential samples hostile property elf targets".split())
"""Folders of tests about which the mutants say something."""

_HARMLESS: Final = Mutant(
    "harmless",
    "nothing is wrong",
    "optdsl/semantics/ranges.py",
    "return Interval(a.low + b.low, a.high + b.high)",
    "return Interval(b.low + a.low, b.high + a.high)",
    ("tests/targets/test_targets_tables.py::test_versions_are_ordered_by_number_and_not_by_text",),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name)
def test_a_mutant_fits_the_source(mutant: Mutant) -> None:
    text = mutant.read(ROOT)
    mutated = mutant.applied(text)
    assert mutated != text
    if mutant.file.endswith(".py"):
        compile(mutated, mutant.file, "exec")
        assert ast.dump(ast.parse(mutated)) != ast.dump(ast.parse(text))
    assert mutant.meaning
    assert mutant.tests


@pytest.mark.parametrize("test", sorted({test for mutant in MUTANTS for test in mutant.tests}))
def test_the_tests_of_mutants_are_there(test: str) -> None:
    path, _, function = test.partition("::")
    assert (ROOT / path).exists()
    assert "golden" not in test
    if function:
        assert f"def {function.partition('[')[0]}(" in (ROOT / path).read_text(encoding="utf-8")


def test_the_mutants_are_many_and_ask_every_kind_of_test() -> None:
    assert [name for name, times in Counter(each.name for each in MUTANTS).items() if times > 1] == []
    first = Counter(Path(each.tests[0]).parts[1] for each in MUTANTS)
    assert set(first) >= _JUDGED
    assert len(MUTANTS) >= 24


def test_a_stale_mutant_is_told() -> None:
    with pytest.raises(StaleMutantError, match="mutant harmless: its text stands 0 times"):
        _HARMLESS.applied("nothing of the kind")
    with pytest.raises(StaleMutantError, match="stands 2 times"):
        _HARMLESS.applied(2 * _HARMLESS.old)


def test_quick_mutants_are_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "mutants.json"
    assert main(["--only", ",".join(_QUICK), "--data", str(data)]) == 0
    rows = json.loads(data.read_text(encoding="utf-8"))
    assert [(row["name"], row["verdict"]) for row in rows] == [(name, "noticed") for name in _QUICK]
    for row, mutant in zip(rows, (each for each in MUTANTS if each.name in _QUICK), strict=True):
        assert row["by"].startswith(tuple(test.partition("::")[0] for test in mutant.tests))
    assert "3 of 3 mutants noticed" in capsys.readouterr().out


def test_a_survivor_is_told() -> None:
    (outcome,) = run([_HARMLESS], jobs=1, everything=())
    assert outcome.verdict is Verdict.SURVIVED
    assert not outcome.as_expected


def test_names_that_no_mutant_has_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "nothing"]) == 2
    assert "there is no mutant nothing" in capsys.readouterr().err
