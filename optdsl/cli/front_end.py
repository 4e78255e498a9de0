"""What `compile` and `check` share: from a command line to a checked program, with the diagnostics printed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from optdsl.cli.errors import AlreadyToldError
from optdsl.cli.target import add_target_arguments, chosen_target
from optdsl.cli.terminal import show_diagnostics

if TYPE_CHECKING:
    from optdsl.diagnostics import Diagnostics
    from optdsl.semantics.model import CheckedProgram


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the files and what they are compiled for."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="an .opt file; several files are one program")
    add_target_arguments(parser)
    parser.add_argument(
        "--no-timestamps", action="store_true", help="count option space as where TCP timestamps are switched off"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="print nothing but errors and warnings")


@contextmanager
def told_diagnostics() -> Iterator[Diagnostics]:
    """Collects diagnostics and prints them at the end.

    Raises AlreadyToldError if an error is among them, and for a CompileError.
    """
    from optdsl.diagnostics import CompileError, Diagnostics

    diagnostics = Diagnostics()
    try:
        yield diagnostics
    except CompileError as error:
        for diagnostic in error.diagnostics:
            diagnostics.add(diagnostic)
        show_diagnostics(diagnostics.found)
        raise AlreadyToldError from None
    show_diagnostics(diagnostics.found)
    if diagnostics.has_errors:
        raise AlreadyToldError


def checked_program(arguments: argparse.Namespace, name: str) -> CheckedProgram:
    """Reads and checks the files. Raises CommandError; diagnostics have been printed then."""
    from optdsl.cli.sources import module_loader, read_source
    from optdsl.compiler import Options, analyse

    options = Options(name, chosen_target(arguments), timestamps=not arguments.no_timestamps)
    paths = [Path(file) for file in arguments.files]
    with told_diagnostics() as diagnostics:
        sources = [read_source(path) for path in paths]
        return analyse(sources, options, module_loader(paths[0].parent), diagnostics)
