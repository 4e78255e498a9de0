"""The terminal of `optdsl lab shell`: this one, whose keys all go to the lab until the shell ends."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

_PROMPT = r"\[\e[1m\]lab\[\e[0m\]:\w\$ "


@contextlib.contextmanager
def raw_terminal() -> Iterator[None]:
    """Lets every key through, also Ctrl-C and Ctrl-Z, and makes the terminal, if it is still there, as it was."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    sys.stdout.flush()
    try:
        tty.setraw(terminal)
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextlib.contextmanager
def shell() -> Iterator[tuple[list[str], dict[str, str]]]:
    """An interactive shell whose prompt says that it is the lab: its command line and its environment.

    It gets this terminal's size; what happens to the size later it does not hear of.
    """
    size = shutil.get_terminal_size()
    stty = f"stty sane rows {size.lines} cols {size.columns}"
    with tempfile.TemporaryDirectory(prefix="optdsl-lab-") as folder:
        start = Path(folder) / "bashrc"
        start.write_text(f"[ -r ~/.bashrc ] && . ~/.bashrc\nPS1={shlex.quote(_PROMPT)}\nunset PROMPT_COMMAND\n")
        bash = shutil.which("bash")
        line = f"{stty}; exec {bash} --rcfile {shlex.quote(str(start))} -i" if bash else f"{stty}; exec sh -i"
        yield ["sh", "-c", line], {**os.environ, "PS1": "lab# ", "HISTFILE": ""}
