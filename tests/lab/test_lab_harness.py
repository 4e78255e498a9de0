"""The harness of `tests/kernel_patches`: what becomes of tests in the lab that pass, fail, skip, or bring it down."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kernel_patches.host_side import NotRunError, chosen_kernel

pytestmark = pytest.mark.timeout(0)

_ROOT = Path(__file__).parents[2]
_HARNESS = ("__init__", "conftest", "host_side", "lab_side", "mptcp_actions", "mptcp_events", "programs")
_OUTCOMES = """
import platform, sys, time
import pytest


@pytest.fixture
def broken():
    raise OSError("a fixture that breaks")

def test_passes(paths, results):
    time.sleep(600)
    (results / "kept").write_text(platform.release())

@pytest.mark.parametrize("value", [1, "two words"])
def test_compares(value):
    print("what it printed")
    assert value == 1

@pytest.mark.skip(reason="a reason to skip")
def test_skips(): ...

@pytest.mark.xfail(strict=True)
def test_is_expected_to_fail():
    raise ValueError

def test_has_a_broken_fixture(broken): ...
"""
_COMPLAINS = """
from pathlib import Path
def test_complains():
    Path("/dev/kmsg").write_text("BUG: a complaint of this test\\\\n")
def test_is_quiet(): ...
"""
_PANICS = """
from pathlib import Path
def test_before(): ...
def test_panics():
    Path("/proc/sysrq-trigger").write_text("c")
def test_after(): ...
"""
_HANGS = """
import time
TIME, TIMEOUT = "real", 12
def test_hangs():
    time.sleep(600)
"""
_NEEDS_A_PROGRAM = """
def test_program(program):
    program("broken")
"""


@pytest.fixture(scope="module")
def kernel() -> Path:
    try:
        return chosen_kernel(patches=True).folder
    except NotRunError as error:
        if error.is_skip:
            pytest.skip(error.reason)
        raise


def run(folder: Path, kernel: Path | None, *options: str, **modules: str) -> subprocess.CompletedProcess[str]:
    """Runs pytest on modules in a copy of the harness."""
    tests = folder / "tests"
    here = tests / "kernel_patches"
    (here / "programs").mkdir(parents=True, exist_ok=True)
    shutil.copy(_ROOT / "tests" / "conftest.py", tests)
    shutil.copy(_ROOT / "pyproject.toml", folder)
    for name in _HARNESS:
        shutil.copy(_ROOT / "tests" / "kernel_patches" / f"{name}.py", here)
    (here / "programs" / "broken.bpf.c").write_text("this is no C\n")
    for name, text in modules.items():
        (here / f"test_{name}.py").write_text(text)
    chosen = {"OPTDSL_LAB_KERNEL": str(kernel)} if kernel else {}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPTDSL_")}
    environment = {**kept, **chosen, "PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-v", f"--basetemp={folder / 'temporary'}", *options, str(here)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)


def outcomes(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    """Each test with its outcome, in the order in which pytest tells them."""
    return re.findall(r"::(test_.*?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL)", done.stdout.partition("== FAILURES")[0])


def test_every_outcome_comes_back(kernel: Path, tmp_path: Path) -> None:
    done = run(tmp_path, kernel, outcomes=_OUTCOMES)
    told = done.stdout.partition("= ERRORS")[0]
    assert re.findall(r"::(test_.*?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL)", told) == [
        ("test_passes", "PASSED"),
        ("test_compares[1]", "PASSED"),
        ("test_compares[two words]", "FAILED"),
        ("test_skips", "SKIPPED"),
        ("test_is_expected_to_fail", "XFAIL"),
        ("test_has_a_broken_fixture", "ERROR"),
    ]
    assert done.returncode == 1
    for text in ("assert 'two words' == 1", "what it printed", "OSError: a fixture that breaks", "a reason to skip"):
        assert text in done.stdout
    kept = tmp_path / "temporary" / "test_outcomes0" / "test_passes" / "kept"
    assert kept.read_text().startswith("6.12")


def test_a_selection_runs_alone(kernel: Path, tmp_path: Path) -> None:
    done = run(tmp_path, kernel, "-x", "-k", "compares", outcomes=_OUTCOMES.replace('[1, "two words"]', "[0, 1, 2]"))
    assert outcomes(done) == [("test_compares[0]", "FAILED")]
    assert "stopping after 1 failures" in done.stdout


def test_a_log_that_is_not_clean_fails_the_module(kernel: Path, tmp_path: Path) -> None:
    done = run(tmp_path, kernel, complains=_COMPLAINS)
    assert "1 error" in done.stdout
    assert "2 passed" in done.stdout
    assert "the kernel log is not clean" in done.stdout
    assert "BUG: a complaint of this test" in done.stdout


def test_a_panic_is_told_where_it_happened(kernel: Path, tmp_path: Path) -> None:
    done = run(tmp_path, kernel, panics=_PANICS)
    assert outcomes(done) == [("test_before", "PASSED"), ("test_panics", "FAILED"), ("test_after", "FAILED")]
    assert "the lab ended during this test" in done.stdout
    assert "Kernel panic - not syncing" in done.stdout
    assert "the lab ended before this test" in done.stdout


def test_a_module_that_takes_too_long_is_ended(kernel: Path, tmp_path: Path) -> None:
    done = run(tmp_path, kernel, hangs=_HANGS)
    assert outcomes(done) == [("test_hangs", "FAILED")]
    assert "the lab ended during this test with status 124" in done.stdout


def test_a_program_that_does_not_compile(kernel: Path, tmp_path: Path) -> None:
    done = run(tmp_path, kernel, needs=_NEEDS_A_PROGRAM)
    assert "1 error" in done.stdout
    assert "clang cannot compile broken.bpf.c" in done.stdout
