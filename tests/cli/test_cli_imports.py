"""A command imports what it needs and nothing else: starting is what a user waits for most often."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_run import GOOD, run, write

_HEAVY = {"lark", "llvmlite", "elftools", "rich", "ctypes", "subprocess", "json"}


def imported(*arguments: str, cwd: Path) -> set[str]:
    """The modules that a command imports."""
    done = run(*arguments, cwd=cwd, python=("-X", "importtime"))
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))


def packages(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_version_and_help_import_next_to_nothing(argument: str, tmp_path: Path) -> None:
    modules = imported(argument, cwd=tmp_path)
    assert not packages(modules) & _HEAVY
    assert {each for each in modules if each.startswith("optdsl.")} <= {
        "optdsl.cli", "optdsl.cli.start", "optdsl.cli.main", "optdsl.cli.errors", "optdsl.cli.terminal",
    }  # fmt: skip


def test_help_of_a_command_reads_no_program(tmp_path: Path) -> None:
    modules = imported("compile", "--help", cwd=tmp_path)
    assert not packages(modules) & _HEAVY
    assert "optdsl.semantics.check" not in modules


@pytest.mark.parametrize("arguments", [("completion", "bash"), ("help",), ("help", "compile")])
def test_telling_about_the_command_line_reads_no_program(arguments: tuple[str, ...], tmp_path: Path) -> None:
    modules = imported(*arguments, cwd=tmp_path)
    assert not packages(modules) & _HEAVY
    assert not {each for each in modules if each.startswith(("optdsl.semantics", "optdsl.syntax", "optdsl.backends"))}


def test_targets_needs_no_parser(tmp_path: Path) -> None:
    assert not packages(imported("targets", cwd=tmp_path)) & {"lark", "llvmlite", "elftools", "rich"}


def test_checking_needs_no_code_generator(tmp_path: Path) -> None:
    modules = imported("check", write(tmp_path, "good.opt", GOOD), cwd=tmp_path)
    assert not packages(modules) & {"llvmlite", "elftools", "rich"}
    assert not {each for each in modules if each.startswith(("optdsl.lower", "optdsl.backends"))}
    # Of the IR only the operators, which stand in `ops_values`.
    assert "optdsl.ir.ops" not in modules


def test_a_description_needs_no_code_generator(tmp_path: Path) -> None:
    name = write(tmp_path, "good.opt", GOOD)
    modules = imported("compile", name, "--emit", "json", "-q", cwd=tmp_path)
    assert not packages(modules) & {"llvmlite", "elftools", "rich"}
