"""`optdsl inspect OBJECT`: sections, maps, variables, programs, and the code between its source lines."""

from __future__ import annotations

import argparse

from optdsl.cli.errors import InputError, Status
from optdsl.cli.sources import read_bytes, shown_name
from optdsl.cli.terminal import write

EXAMPLES = (("optdsl inspect my_option.bpf.o", "maps, params, and code between source lines"),)
MOST_BYTES = 64 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("object", metavar="OBJECT", help="a BPF object, or - for the standard input")


def run(arguments: argparse.Namespace) -> int:
    """Prints the listing of an object."""
    from optdsl.elf.listing import listing
    from optdsl.elf.object import ObjectError, read_object

    data = read_bytes(arguments.object, MOST_BYTES)
    try:
        found = read_object(data)
    except ObjectError as error:
        raise InputError(f"cannot read {shown_name(arguments.object)}: {error}") from None
    write(listing(found))
    return Status.OK
