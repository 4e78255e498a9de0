"""What `compile` and `check` share: from a command line to a checked program, with the diagnostics printed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from optdsl.cli.errors import AlreadyToldError, InputError, UsageError
from optdsl.cli.sources import STANDARD_INPUT
from optdsl.cli.target import add_target_arguments, chosen_target
from optdsl.cli.terminal import show_diagnostics

if TYPE_CHECKING:
    from optdsl.diagnostics import Diagnostic, Diagnostics
    from optdsl.semantics.model import CheckedProgram


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the files and what they are compiled for."""
    from optdsl.diagnostics.formats import Format

    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="an .opt file, - for the standard input; several files are one program"
    )
    add_target_arguments(parser)
    parser.add_argument(
        "--no-timestamps", action="store_true", help="count option space as where TCP timestamps are switched off"
    )
    parser.add_argument(
        "--message-format", choices=[form.value for form in Format], default=Format.TEXT.value,
        help="form of errors and warnings (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--quiet", "-q", action="store_true", help="print nothing but errors and warnings")


@contextmanager
def told_diagnostics(arguments: argparse.Namespace, *, output_on_stdout: bool = False) -> Iterator[Diagnostics]:
    """Collects what a command finds and prints it at the end, in the form that `--message-format` asks for.

    Raises AlreadyToldError if an error is among it, also for a CompileError and, in forms for programs, an InputError.
    `output_on_stdout` keeps a SARIF document off the standard output.
    """
    from optdsl.diagnostics import CompileError, Diagnostics
    from optdsl.diagnostics.formats import Format

    form = Format(arguments.message_format)
    stream = sys.stdout if form.is_document and not output_on_stdout else sys.stderr
    diagnostics = Diagnostics()
    try:
        yield diagnostics
    except CompileError as error:
        diagnostics.extend(error.diagnostics)
    except InputError as error:
        if form is Format.TEXT:
            show_diagnostics(diagnostics.found, form, stream)
            raise
        diagnostics.add(_of_no_place(error))
    except Exception:
        show_diagnostics(diagnostics.found)
        raise
    show_diagnostics(diagnostics.found, form, stream)
    if diagnostics.has_errors:
        raise AlreadyToldError


def is_quiet(arguments: argparse.Namespace) -> bool:
    """Whether nothing but diagnostics is wanted: a SARIF document stands alone."""
    from optdsl.diagnostics.formats import Format

    return arguments.quiet or Format(arguments.message_format).is_document


def checked_program(arguments: argparse.Namespace, name: str, diagnostics: Diagnostics) -> CheckedProgram:
    """Reads and checks the files. Raises InputError, UsageError and CompileError."""
    from optdsl.cli.sources import module_loader, read_source
    from optdsl.compiler import Options, analyse

    options = Options(name, chosen_target(arguments), timestamps=not arguments.no_timestamps)
    if arguments.files.count(STANDARD_INPUT) > 1:
        raise UsageError(f"`{STANDARD_INPUT}` can be read once only")
    sources = [read_source(file) for file in arguments.files]
    return analyse(sources, options, module_loader(Path(arguments.files[0]).parent), diagnostics)


def _of_no_place(error: InputError) -> Diagnostic:
    """An error that is about no place in a source as a diagnostic, for the forms that know nothing else."""
    from optdsl.diagnostics import Diagnostic, Suggestion

    notes = tuple(text for word, text in error.remarks if word == "note")
    advice = next((Suggestion(text) for word, text in error.remarks if word == "help"), None)
    return Diagnostic("", error.message, None, notes=notes, suggestion=advice, file=error.file)
