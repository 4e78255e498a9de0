"""`optdsl targets`: the events, attributes and option space that a program may use."""

from __future__ import annotations

import argparse

from optdsl.cli.errors import Status
from optdsl.cli.target import add_target_arguments, chosen_target
from optdsl.cli.terminal import write

EXAMPLES = (
    ("optdsl targets", "all that programs may use"),
    ("optdsl targets --kernel 5.10", "what Linux 5.10 has"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the tables of a target."""
    from optdsl.targets.tables import render_tables, target_tables

    write(render_tables(target_tables(chosen_target(arguments))))
    return Status.OK
