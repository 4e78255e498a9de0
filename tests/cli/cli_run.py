"""Runs the command line as its users do: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
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
    unwanted = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "OPTDSL_DEBUG", "COLUMNS")
    clean = {name: value for name, value in os.environ.items() if name not in unwanted}
    return subprocess.run(
        command, cwd=cwd, env={**clean, **(env or {})}, capture_output=True, encoding="utf-8", check=False, timeout=60
    )


def write(folder: Path, name: str, text: str | bytes) -> str:
    """Writes a file and returns its name, as a user in that folder would type it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return name
