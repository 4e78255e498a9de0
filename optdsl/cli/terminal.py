"""The standard streams: what they can show, and how to leave them in peace."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

from optdsl.cli.errors import InputError

if TYPE_CHECKING:
    from optdsl.diagnostics import Diagnostic
    from optdsl.diagnostics.formats import Format
    from optdsl.diagnostics.render import Style

DEFAULT_WIDTH = 120
"""Columns where the output is not a terminal."""


def prepare() -> None:
    """Makes both streams usable: closed ones swallow what is written, odd encodings never raise.

    Files and pipes that are opened later never get the numbers of closed streams, where messages would end in them.
    """
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(nowhere, True)
    os.close(nowhere)
    if sys.stdout is None or sys.stderr is None:
        from pathlib import Path
    if sys.stdout is None:  # a shell's `>&-`
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def style_of(stream: TextIO) -> Style:
    """Colours on a terminal that has them, unless NO_COLOR (no-color.org) forbids them; and where FORCE_COLOR
    (force-color.org) or CLICOLOR_FORCE (bixense.com/clicolors) wants them anywhere."""
    from optdsl.diagnostics.render import Style

    is_terminal = stream.isatty()
    forced = any(os.environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE"))
    color = forced or (is_terminal and os.environ.get("TERM") != "dumb")
    return Style(columns(stream) if is_terminal else DEFAULT_WIDTH, color=color and not os.environ.get("NO_COLOR"))


def columns(terminal: TextIO) -> int:
    """Columns: what COLUMNS says, else what this terminal says, which need not be the one of the standard output."""
    with contextlib.suppress(ValueError):
        if (wanted := int(os.environ.get("COLUMNS", ""))) > 0:
            return wanted
    with contextlib.suppress(OSError, ValueError):
        return os.get_terminal_size(terminal.fileno()).columns or DEFAULT_WIDTH
    return DEFAULT_WIDTH


def show_diagnostics(
    diagnostics: Sequence[Diagnostic], form: Format | None = None, stream: TextIO | None = None
) -> None:
    """Prints diagnostics, as text with a summary or in another form.

    Raises InputError if the standard output should take them and cannot.
    """
    from optdsl.diagnostics.formats import Format, rendered

    if not diagnostics and form in (None, Format.TEXT):
        return
    stream = stream or sys.stderr
    _tell(rendered(diagnostics, form or Format.TEXT, style_of(stream)), stream)


def show_error(message: str, remarks: Iterable[tuple[str, str]] = ()) -> None:
    """Prints an error that has no place in a source."""
    from optdsl.diagnostics import Severity
    from optdsl.diagnostics.render import headline, remark

    style = style_of(sys.stderr)
    lines = [headline(Severity.ERROR, message, style), *(remark(word, text, style) for word, text in remarks)]
    _tell("\n".join(lines) + "\n", sys.stderr)


def _tell(text: str, stream: TextIO) -> None:
    """Writes errors. Where even those cannot be written, the exit status says it alone."""
    if stream is not sys.stderr:
        write(text, stream)
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        _abandon(stream)


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
    _abandon(sys.stdout)


def _abandon(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    except (OSError, ValueError):
        pass
    finally:
        os.close(nowhere)
