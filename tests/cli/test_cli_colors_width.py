"""Colours and widths on real terminals, with the environment variables that users set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_run import BAD, on_terminal, run, write


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize(
    ("env", "terminal", "pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"CLICOLOR_FORCE": "0"}, True, False),
        ({"FORCE_COLOR": "", "CLICOLOR_FORCE": ""}, True, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_who_gets_colours(env: dict[str, str], terminal: bool, pipe: bool, tmp_path: Path) -> None:
    write(tmp_path, "bad.opt", BAD)
    assert ("\x1b[1;31merror" in on_terminal("check", "bad.opt", cwd=tmp_path, columns=100, env=env).stdout) == terminal
    assert ("\x1b" in run("check", "bad.opt", cwd=tmp_path, env=env).stderr) == pipe


@pytest.mark.parametrize("only_stderr", [False, True])
def test_the_width_is_that_of_the_terminal_that_shows_it(only_stderr: bool, tmp_path: Path) -> None:
    text = BAD.replace("send on ack", "\n" + " " * 90 + "send on ack")
    write(tmp_path, "bad.opt", text)
    for columns in (60, 90, 200):
        shown = plain(on_terminal("check", "bad.opt", cwd=tmp_path, columns=columns, only_stderr=only_stderr).stdout)
        snippet, marks = next(
            pair for pair in zip(shown.split("\n"), shown.split("\n")[1:], strict=False) if "^" in pair[1]
        )
        assert len(snippet) <= columns
        assert ("..." in snippet) == (columns < 140)
        assert snippet[marks.index("^") : marks.rindex("^") + 1] == "wanted + 1"


def test_columns_override_the_terminal_and_no_size_means_the_default(tmp_path: Path) -> None:
    write(tmp_path, "bad.opt", BAD.replace("send on ack", "\n" + " " * 40 + "send on ack"))
    narrow = plain(on_terminal("check", "bad.opt", cwd=tmp_path, columns=200, env={"COLUMNS": "50"}).stdout)
    assert "..." in narrow
    assert "..." not in plain(on_terminal("check", "bad.opt", cwd=tmp_path, columns=0).stdout)
    wide = on_terminal("check", "bad.opt", cwd=tmp_path, columns=200, env={"COLUMNS": "wide"})
    assert "..." not in plain(wide.stdout)


def test_tabs_wide_and_combining_characters_stay_above_their_marks(tmp_path: Path) -> None:
    line = "\tsend on ack { /// 語\U0001f600e\u0301\n\t\tvalue = wanted + 1 }"
    write(tmp_path, "bad.opt", BAD.replace("    send on ack { value = wanted + 1 }", line.replace("/// ", "// ")))
    shown = plain(on_terminal("check", "bad.opt", cwd=tmp_path, columns=100).stdout).split("\n")
    at = next(number for number, row in enumerate(shown) if "^" in row)
    assert "\t" not in "".join(shown)
    assert shown[at - 1][shown[at].index("^") :].startswith("wanted + 1")
