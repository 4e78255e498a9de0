"""`optdsl help [COMMAND]`: the same as `optdsl [COMMAND] --help`."""

from __future__ import annotations

import argparse

from optdsl.cli.errors import Status
from optdsl.cli.terminal import write

EXAMPLES = (("optdsl help compile", "what `optdsl compile --help` shows"),)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", metavar="COMMAND", nargs="?", help="the command to tell about (default: all)")


def run(arguments: argparse.Namespace) -> int:
    """Prints the help of a command, or the list of commands."""
    from optdsl.cli.main import help_text

    write(help_text(arguments.topic))
    return Status.OK
