"""Runs the command line as its users do: in a process of its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
GOLDEN = Path(__file__).parent / "golden"

GOOD = """\
/// A small option.
option small {
    kind experimental 0x1234
    layout { value : u8 in 1..=64 }
    param wanted : u8 = 2 in 1..=64
    send on ack { value = wanted }
    receive { socket.delack_max = 10ms }
}
"""
BAD = GOOD.replace("value = wanted", "value = wanted + 1")


def run(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, python: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """One command, with what it printed."""
    command = [sys.executable, *python, "-m", "optdsl", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=_environment(env), capture_output=True, encoding="utf-8", check=False, timeout=60
    )


def on_terminal(
    *arguments: str, cwd: Path, columns: int = 100, only_stderr: bool = False, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One command, with what a terminal of some width gets from it; `stdout` is both streams, or stderr alone."""
    command = [sys.executable, "-m", "optdsl", *arguments]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    output = subprocess.DEVNULL if only_stderr else theirs
    shown = b""
    with subprocess.Popen(
        command, cwd=cwd, stdout=output, stderr=theirs, env=_environment({"TERM": "xterm", **(env or {})})
    ) as process:
        os.close(theirs)
        # Linux tells the end of a terminal as an error.
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65536):
                shown += piece
        os.close(ours)
    text = shown.decode().replace("\r\n", "\n")
    return subprocess.CompletedProcess(command, process.returncode, text, "")


def _environment(wanted: Mapping[str, str] | None) -> dict[str, str]:
    unwanted = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "OPTDSL_DEBUG", "COLUMNS", "LINES")
    return {**{name: value for name, value in os.environ.items() if name not in unwanted}, **(wanted or {})}


def write(folder: Path, name: str, text: str | bytes) -> str:
    """Writes a file and returns its name, as a user in that folder would type it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return name
