"""docs/optdsl.1 says what the command line has, and is good man(7)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from optdsl.cli.command_line import command_line
from optdsl.cli.errors import Status
from optdsl.shell.manual import escaped, manual

PAGE = Path(__file__).resolve().parents[2] / "docs" / "optdsl.1"


def need(program: str) -> None:
    if shutil.which(program) is None:
        if os.environ.get("OPTDSL_REQUIRE_KERNEL") == "1":
            pytest.fail(f"needs {program}")
        pytest.skip(f"needs {program}")


def rendered() -> str:
    """The page as a reader sees it, without the overstriking of bold and underlined letters."""
    need("mandoc")
    done = subprocess.run(["mandoc", "-T", "utf8", PAGE], capture_output=True, text=True, check=True)
    return re.sub(".\b", "", done.stdout)


def test_it_is_up_to_date(request: pytest.FixtureRequest) -> None:
    found = PAGE.read_text(encoding="utf-8")
    wanted = manual(found, command_line())
    if request.config.getoption("--update-golden"):
        PAGE.write_text(wanted, encoding="utf-8")
    else:
        assert found == wanted, "run `make golden` to renew docs/optdsl.1"


def test_the_formatters_have_nothing_to_warn_of() -> None:
    need("mandoc")
    # A page without a date is meant: it would change from day to day.
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", PAGE], capture_output=True, text=True, check=False)
    warnings = [line for line in done.stdout.splitlines() if "missing date" not in line]
    assert (warnings, done.stderr) == ([], "")
    if shutil.which("groff"):
        done = subprocess.run(
            ["groff", "-man", "-ww", "-z", "-K", "utf8", PAGE], capture_output=True, text=True, check=True
        )
        assert done.stderr == ""


def test_every_command_option_and_status_is_there() -> None:
    text = rendered()
    line = command_line()
    for command in line.commands:
        assert f"optdsl {command.name}" in text
        for option in command.options:
            assert all(spelling in text for spelling in option.spellings if "--help" not in option.spellings)
        for example, _ in command.examples:
            assert example in text
    statuses = text.split("EXIT STATUS")[1].split("ENVIRONMENT")[0]
    assert {int(number) for number in re.findall(r"^ +(\d+) ", statuses, re.MULTILINE)} == {
        each.value for each in Status
    }


def test_text_is_text_to_the_formatter(tmp_path: Path) -> None:
    need("mandoc")
    text = ".a 'b' `c` \\fB --d ~^"
    page = tmp_path / "x.1"
    page.write_text(f'.TH X 1 "" x\n.SH NAME\nx \\- y\n.SH TEXT\n{escaped(text)}\n')
    shown = subprocess.run(["mandoc", "-T", "utf8", page], capture_output=True, text=True, check=True).stdout
    assert text in re.sub(".\b", "", shown)
