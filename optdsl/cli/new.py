"""`optdsl new NAME`: writes NAME.opt, a commented option to begin with; never over a file that is there."""

from __future__ import annotations

import argparse
import shlex
import sys

from optdsl.cli.errors import AlreadyToldError, Status
from optdsl.cli.output import STANDARD_OUTPUT, write_new_file, write_output
from optdsl.cli.terminal import show_diagnostics, style_of, write

EXAMPLES = (
    ("optdsl new my_option", "my_option.opt, to begin with"),
    ("optdsl new my_option --exid 0xABCD", "with this one"),
    ("optdsl new my_option --kind 200 -o -", "to the standard output"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    parser.add_argument("name", metavar="NAME", help="name of the option, such as my_option")
    parser.add_argument(
        "-o", dest="output", metavar="OUT", help="file to write, - for the standard output (default: NAME.opt)"
    )
    number = parser.add_mutually_exclusive_group()
    number.add_argument("--kind", metavar="N", type=_number, help="kind of the option (default: experimental)")
    number.add_argument("--exid", metavar="N", type=_number, help="experiment identifier (default: made of the name)")


def run(arguments: argparse.Namespace) -> int:
    """Writes the file and tells what to type next. Nothing is written if the numbers or the name are refused."""
    from optdsl.starter import name_fault, starter

    fault = name_fault(arguments.name)
    if fault is not None:
        show_diagnostics([fault])
        raise AlreadyToldError(Status.USAGE)
    own_file = f"{arguments.name}.opt"
    destination = arguments.output or own_file
    file = own_file if destination == STANDARD_OUTPUT or not destination.isprintable() else destination
    text = starter(arguments.name, shlex.quote(file), kind=arguments.kind, exid=arguments.exid)
    _check(file, text)
    if destination == STANDARD_OUTPUT:
        write_output(destination, text.encode())
    else:
        write_new_file(destination, text.encode())
        write(_next_steps(destination))
    return Status.OK


def _number(text: str) -> int:
    """A number as the language writes it. Raises ValueError for anything else."""
    if not text[:1].isdigit():
        raise ValueError(text)
    return int(text, 0)


_number.__name__ = "number"  # argparse tells it: "invalid number value"


def _check(file: str, text: str) -> None:
    """Tells what the checker has to say about the kind or the identifier that was asked for."""
    from optdsl.compiler import Options, analyse
    from optdsl.diagnostics import CompileError, Diagnostics
    from optdsl.source import Source

    diagnostics = Diagnostics()
    try:
        analyse([Source(file, text)], Options(), lambda _: None, diagnostics)
    except CompileError as error:
        diagnostics.extend(error.diagnostics)
    show_diagnostics(diagnostics.found)
    if diagnostics.has_errors:
        raise AlreadyToldError


def _next_steps(destination: str) -> str:
    from optdsl.diagnostics.render_rows import Role, painted

    file = shlex.quote(destination)
    steps = (
        (f"optdsl check {file}", "whenever you have changed it"),
        (f"optdsl compile {file}", "the object, and how to load it"),
        (f"optdsl demo {file}", "as root: the option on real packets"),
    )
    width = max(len(command) for command, _ in steps)
    lines = [f"  {command:<{width}}  # {remark}" for command, remark in steps]
    return (
        "\n".join([f"{destination} is written", "", painted("next", Role.TITLE, style_of(sys.stdout)), *lines]) + "\n"
    )
