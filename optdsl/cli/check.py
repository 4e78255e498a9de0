"""`optdsl check FILE...`: everything that `compile` checks, and no output."""

from __future__ import annotations

import argparse

from optdsl.cli.errors import Status
from optdsl.cli.front_end import add_input_arguments, checked_program
from optdsl.cli.sources import program_name
from optdsl.cli.terminal import write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_input_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Checks the files as one program."""
    program = checked_program(arguments, program_name(arguments.files[0]))
    if not arguments.quiet:
        options = ", ".join(option.name for option in program.options) or "no options"
        write(f"{' '.join(arguments.files)}: no errors ({options}; Linux {program.kernel} or newer)\n")
    return Status.OK
