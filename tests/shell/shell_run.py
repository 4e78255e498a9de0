"""Real shells for the tests of the completion scripts: what they offer for a command line that was begun."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from optdsl.cli.command_line import command_line
from optdsl.shell.bash import bash_script
from optdsl.shell.fish import fish_script
from optdsl.shell.zsh import zsh_script

SCRIPTS = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}
_PATIENCE = 30.0
"""Seconds."""


def need(program: str) -> None:
    """Skips the test where a program is missing, and fails where everything is required."""
    if shutil.which(program) is None:
        message = f"needs {program}: apt-get install {program}"
        if os.environ.get("OPTDSL_REQUIRE_KERNEL") == "1":
            pytest.fail(message)
        pytest.skip(message)


def folder_with_files(folder: Path) -> Path:
    """Files of all kinds, and a home and an `optdsl` that shows if anybody calls it."""
    for name in ("one.opt", "two words.opt", "notes.txt", "one.bpf.o", "sub/deep.opt"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    program = folder / "bin" / "optdsl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho called >{folder}/called\n")
    program.chmod(0o755)
    return folder


def script(shell: str, folder: Path) -> Path:
    """The script for a shell, beside the folder's files but not among them."""
    path = folder / "bin" / f"completion.{shell}"
    path.write_text(SCRIPTS[shell](command_line()), encoding="utf-8")
    return path


def environment(folder: Path) -> dict[str, str]:
    return {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(folder / "bin"), "TERM": "dumb", "PS1": "> ",
            "LC_ALL": "C.UTF-8", "XDG_CONFIG_HOME": str(folder / "bin")}  # fmt: skip


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *command: str, cwd: Path) -> None:
        self._file, other = pty.openpty()
        self._process = subprocess.Popen(
            command, cwd=cwd, env=environment(cwd), stdin=other, stdout=other, stderr=other, start_new_session=True
        )
        os.close(other)

    def type(self, text: str) -> None:
        os.write(self._file, text.encode())

    def until(self, text: str) -> str:
        """What appears up to and with a text; the test fails if it does not come."""
        seen = ""
        end = time.monotonic() + _PATIENCE
        while text not in seen:
            ready, _, _ = select.select([self._file], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                pytest.fail(f"waited for {text!r}, saw {seen!r}")
            seen += os.read(self._file, 65536).decode(errors="replace")
        return seen

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._file)


@contextlib.contextmanager
def terminal(*command: str, cwd: Path) -> Iterator[Terminal]:
    """A program on a terminal, ended behind the block."""
    opened = Terminal(*command, cwd=cwd)
    try:
        yield opened
    finally:
        opened.close()


def optdsl(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """One command of optdsl."""
    command = [sys.executable, "-m", "optdsl", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
