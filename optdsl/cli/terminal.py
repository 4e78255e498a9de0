"""The standard streams: what they can show, and how to leave them in peace."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from optdsl.cli.errors import InputError

if TYPE_CHECKING:
    from optdsl.diagnostics import Diagnostic
    from optdsl.diagnostics.render import Style

DEFAULT_WIDTH = 120
"""Columns where the output is not a terminal."""


def prepare() -> None:
    """Makes both streams usable: closed ones swallow what is written, odd encodings never raise."""
    if sys.stdout is None:  # a shell's `>&-`
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def style_of(stream: TextIO) -> Style:
    """Colours on a terminal only, and not where NO_COLOR (no-color.org) or a dumb terminal forbids them."""
    from optdsl.diagnostics.render import Style

    if not stream.isatty():
        return Style(DEFAULT_WIDTH, color=False)
    columns = shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns
    return Style(columns, color=not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb")


def show_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Prints diagnostics and their summary."""
    from optdsl.diagnostics.render import render_all

    sys.stderr.write(render_all(diagnostics, style_of(sys.stderr)))


def show_error(message: str, remarks: Iterable[tuple[str, str]] = ()) -> None:
    """Prints an error that has no place in a source."""
    from optdsl.diagnostics import Severity
    from optdsl.diagnostics.render import headline, remark

    style = style_of(sys.stderr)
    lines = [headline(Severity.ERROR, message, style), *(remark(word, text, style) for word, text in remarks)]
    sys.stderr.write("\n".join(lines) + "\n")


def write(text: str, stream: TextIO | None = None) -> None:
    """Writes text to the standard output or another stream. Raises InputError if that fails, say on a full disk."""
    stream = stream or sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon_stdout()
        raise InputError(f"cannot write to the standard output: {error.strerror}") from None


def abandon_stdout() -> None:
    """Keeps Python from complaining at exit that nobody reads the standard output any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        pass
    finally:
        os.close(nowhere)
