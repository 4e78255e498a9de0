"""`optdsl check FILE...`: everything that `compile` checks, and no output."""

from __future__ import annotations

import argparse

from optdsl.cli.errors import Status
from optdsl.cli.front_end import add_input_arguments, checked_program, is_quiet, told_diagnostics
from optdsl.cli.sources import program_name, shown_name
from optdsl.cli.terminal import write

EXAMPLES = (
    ("optdsl check my_option.opt", "errors and warnings, nothing else"),
    ("optdsl check a.opt b.opt", "two files as one program"),
    ("optdsl check my_option.opt --kernel 5.10", "as for Linux 5.10"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_input_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Checks the files as one program."""
    with told_diagnostics(arguments) as diagnostics:
        program = checked_program(arguments, program_name(arguments.files[0]), diagnostics)
    if not is_quiet(arguments):
        options = ", ".join(option.name for option in program.options) or "no options"
        names = " ".join(map(shown_name, arguments.files))
        write(f"{names}: no errors ({options}; Linux {program.kernel} or newer)\n")
    return Status.OK
