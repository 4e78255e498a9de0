"""`make bench` works and gives all its sections; what does not depend on how fast a machine is stays within bounds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from performance.bench import FIGURES
from performance.handwritten_objects import BY_HAND, SAMPLES
from performance.traffic_programs import SCENARIOS

pytestmark = pytest.mark.kernel

_TESTS: Final = Path(__file__).resolve().parents[1]
_LARGEST: Final = 1.0
"""Instructions of a generated program in the kernel, as a share of those of the program by hand."""
_MOST_EXECUTED: Final = 1.12
"""The same of those that are executed, over all the callbacks of a client and a server."""
_STEEPEST: Final = 1.6
"""Exponent of the growth with the number of options; small programs on a busy machine give rough figures."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """The document and the data of a quick run."""
    folder = tmp_path_factory.mktemp("bench")
    document, data = folder / "performance.md", folder / "bench.json"
    command = [sys.executable, "-m", "performance.bench", "--quick", "--document", str(document), "--data", str(data)]
    environment = {**os.environ, "PYTHONPATH": str(_TESTS.parent)}
    done = subprocess.run(command, check=False, cwd=_TESTS, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return document.read_text(encoding="utf-8"), json.loads(data.read_text(encoding="utf-8"))


def test_every_section_is_there(written: tuple[str, dict[str, Any]]) -> None:
    document, data = written
    assert data["machine"].keys() >= {"processor", "kernel", "clang", "llvmlite", "Python"}
    for name in FIGURES:
        assert data[name]
        assert f"--only {name}`" in document
    assert document.count("\n## ") == len(FIGURES)
    assert all(f"| {scenario} (LLVM) |" in document for scenario in SCENARIOS)


def test_generated_programs_are_as_small_as_those_by_hand(written: tuple[str, dict[str, Any]]) -> None:
    sizes = written[1]["size"]["sizes"]
    for sample in SAMPLES:
        for maker in ("llvm", "c"):
            made, by_hand = sizes[sample][maker]["instructions"], sizes[sample][BY_HAND]["instructions"]
            assert 0 < made <= by_hand * _LARGEST, (sample, maker)


def test_generated_programs_execute_no_more_than_those_by_hand(written: tuple[str, dict[str, Any]]) -> None:
    for sample, steps in written[1]["size"]["paths"].items():
        usual = [executed for name, executed in steps.items() if "stranger" not in name]
        made, by_hand = (sum(executed[maker] for executed in usual) for maker in ("llvm", BY_HAND))
        assert 0 < made <= by_hand * _MOST_EXECUTED, sample


def test_the_work_grows_with_the_options(written: tuple[str, dict[str, Any]]) -> None:
    exponents = written[1]["growth"]["exponents"]
    assert all(exponent < _STEEPEST for exponent in exponents.values()), exponents


def test_callbacks_and_flows_were_measured(written: tuple[str, dict[str, Any]]) -> None:
    _, data = written
    for runs in data["callbacks"].values():
        assert all(nanoseconds > 0 and count > 0 for each in runs.values() for nanoseconds, count in each)
    assert all(run["throughput"] > 0 and run["round_trip"] > 0 for runs in data["traffic"].values() for run in runs)
