"""Colours and widths on real terminals, with the environment variables that users set."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from cli_run import BAD, run, write

_VARIABLES = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES")


def on_terminal(
    *arguments: str, cwd: Path, columns: int, only_stderr: bool = False, env: dict[str, str] | None = None
) -> str:
    """What a command prints on a terminal of some width, as the terminal gets it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    clean = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    try:
        subprocess.run(
            [sys.executable, "-m", "optdsl", *arguments], cwd=cwd, check=False, timeout=60,
            stdout=subprocess.DEVNULL if only_stderr else theirs, stderr=theirs,
            env={**clean, "TERM": "xterm", **(env or {})},
        )  # fmt: skip
    finally:
        os.close(theirs)
    data = b""
    try:
        while chunk := os.read(ours, 65536):
            data += chunk
    except OSError:  # the end, as Linux tells it for terminals
        pass
    os.close(ours)
    return data.decode().replace("\r\n", "\n")


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
    assert ("\x1b[1;31merror" in on_terminal("check", "bad.opt", cwd=tmp_path, columns=100, env=env)) == terminal
    assert ("\x1b" in run("check", "bad.opt", cwd=tmp_path, env=env).stderr) == pipe


@pytest.mark.parametrize("only_stderr", [False, True])
def test_the_width_is_that_of_the_terminal_that_shows_it(only_stderr: bool, tmp_path: Path) -> None:
    text = BAD.replace("send on ack", "\n" + " " * 90 + "send on ack")
    write(tmp_path, "bad.opt", text)
    for columns in (60, 90, 200):
        shown = plain(on_terminal("check", "bad.opt", cwd=tmp_path, columns=columns, only_stderr=only_stderr))
        snippet, marks = next(
            pair for pair in zip(shown.split("\n"), shown.split("\n")[1:], strict=False) if "^" in pair[1]
        )
        assert len(snippet) <= columns
        assert ("..." in snippet) == (columns < 140)
        assert snippet[marks.index("^") : marks.rindex("^") + 1] == "wanted + 1"


def test_columns_override_the_terminal_and_no_size_means_the_default(tmp_path: Path) -> None:
    write(tmp_path, "bad.opt", BAD.replace("send on ack", "\n" + " " * 40 + "send on ack"))
    narrow = plain(on_terminal("check", "bad.opt", cwd=tmp_path, columns=200, env={"COLUMNS": "50"}))
    assert "..." in narrow
    assert "..." not in plain(on_terminal("check", "bad.opt", cwd=tmp_path, columns=0))
    assert "..." not in plain(on_terminal("check", "bad.opt", cwd=tmp_path, columns=200, env={"COLUMNS": "wide"}))


def test_tabs_wide_and_combining_characters_stay_above_their_marks(tmp_path: Path) -> None:
    line = "\tsend on ack { /// 語\U0001f600e\u0301\n\t\tvalue = wanted + 1 }"
    write(tmp_path, "bad.opt", BAD.replace("    send on ack { value = wanted + 1 }", line.replace("/// ", "// ")))
    shown = plain(on_terminal("check", "bad.opt", cwd=tmp_path, columns=100)).split("\n")
    at = next(number for number, row in enumerate(shown) if "^" in row)
    assert "\t" not in "".join(shown)
    assert shown[at - 1][shown[at].index("^") :].startswith("wanted + 1")
