"""Help, and what is told about wrong command lines."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from cli_run import run

from optdsl.cli.command_line import command_line
from optdsl.cli.main import COMMANDS, help_text, parsers
from optdsl.shell.commands import Command

LINE = command_line()
EXAMPLES = [example for command in (LINE.whole, *LINE.commands) for example, _ in command.examples]


def test_help_is_help(tmp_path: Path) -> None:
    assert run("help", cwd=tmp_path).stdout == run("--help", cwd=tmp_path).stdout == help_text()
    shown = run("help", "compile", cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == run("compile", "--help", cwd=tmp_path).stdout == help_text("compile")
    assert run("help", "help", cwd=tmp_path).stdout.startswith("usage: optdsl help")
    wrong = run("help", "compil", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "help: did you mean `optdsl compile`?" in wrong.stderr


def test_every_command_is_listed_with_one_line() -> None:
    text = help_text()
    for name, told in COMMANDS.items():
        assert f"  {name:<10}  {told}\n" in text
        assert told[0].islower()
        assert not told.endswith(".")


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_fits_into_a_terminal(command: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, help_text(command).splitlines())) <= 80


@pytest.mark.parametrize("command", list(LINE.commands), ids=lambda command: command.name)
def test_every_command_has_examples_and_says_what_its_arguments_are(command: Command) -> None:
    assert command.examples
    for text in [each.text for each in command.options] + [each.text for each in command.arguments]:
        assert re.fullmatch(r"\S.*[^.]", text), f"{text!r} should be words without a full stop"


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_are_good_usage(example: str) -> None:
    if "(optdsl" in example or "|" in example:
        example = re.sub(r".*(optdsl [a-z ]+[a-z]).*", r"\1", example)
    program, *arguments = shlex.split(example)
    assert program == "optdsl"
    whole, _ = parsers(COMMANDS)
    assert whole.parse_args(arguments).command == arguments[0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["compile", "x.opt", "--emti=c"], "error: `optdsl compile` has no option `--emti`\n"),
        (["compile", "x.opt", "--emti=c"], "  = help: did you mean `--emit`?\n"),
        (["--vresion"], "error: `optdsl` has no option `--vresion`\n  = help: did you mean `--version`?\n"),
        (["doctor", "x"], "error: `x` is one argument too many\n  = note: usage: optdsl doctor [-h]\n"),
        (["check"], "error: the following arguments are required: FILE\n  = note: usage: optdsl check [-h]"),
        (["check"], "  = help: `optdsl check --help` tells more\n"),
    ],
)  # fmt: skip
def test_wrong_usage_reads_like_any_other_error(arguments: list[str], told: str, tmp_path: Path) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
