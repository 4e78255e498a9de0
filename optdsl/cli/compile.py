"""`optdsl compile FILE...`: one program out of one or several files, written whole or not at all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from optdsl.cli.errors import Status, UsageError
from optdsl.cli.front_end import add_input_arguments, checked_program, is_quiet, told_diagnostics
from optdsl.cli.output import STANDARD_OUTPUT, write_output
from optdsl.cli.sources import STANDARD_INPUT, program_name
from optdsl.record import record

if TYPE_CHECKING:
    from optdsl.backends.llvm.child import Child
    from optdsl.ir.program import Program
    from optdsl.semantics.model import CheckedProgram


EXAMPLES = (
    ("optdsl compile my_option.opt", "the object, and how to load it"),
    ("optdsl compile a.opt b.opt -o both.bpf.o", "one object of two files"),
    ("optdsl compile my_option.opt --emit c", "my_option.bpf.c, to read"),
    ("optdsl compile my_option.opt --kernel 5.10", "refuses what 5.10 lacks"),
)


@record
class Request:
    """How an output is wanted, and the process that LLVM is in, where it is needed."""

    lines: bool
    child: Child | None


@record
class Emission:
    """A form of output: the ending of its file, how it is made, whether it is binary or needs LLVM.

    A program is made from the IR by `make`; what only tells of the options, from the checked program by `describe`.
    """

    ending: str
    make: Callable[[Program, Request], bytes] | None = None
    describe: Callable[[CheckedProgram], bytes] | None = None
    is_binary: bool = False
    needs_llvm: bool = False


def _object(program: Program, request: Request) -> bytes:
    from optdsl.backends.llvm import emit_object

    return emit_object(program, request.child)


def _c(program: Program, request: Request) -> bytes:
    from optdsl.backends.c import emit_c

    return emit_c(program, lines=request.lines).encode()


def _ir(program: Program, _: Request) -> bytes:
    from optdsl.ir.printer import print_program

    return print_program(program).encode()


def _llvm(program: Program, _: Request) -> bytes:
    from optdsl.backends.llvm import emit_llvm

    return emit_llvm(program).encode()


def _assembly(program: Program, request: Request) -> bytes:
    from optdsl.backends.llvm import emit_assembly

    return emit_assembly(program, request.child).encode()


def _json(checked: CheckedProgram) -> bytes:
    from optdsl.backends.description import description_text

    return description_text(checked).encode()


_EMISSIONS = {
    "object": Emission(".bpf.o", _object, is_binary=True, needs_llvm=True),
    "c": Emission(".bpf.c", _c),
    "ir": Emission(".ir", _ir),
    "llvm": Emission(".ll", _llvm),
    "asm": Emission(".s", _assembly, needs_llvm=True),
    "json": Emission(".json", describe=_json),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    add_input_arguments(parser)
    parser.add_argument(
        "-o", dest="output", metavar="OUT", help="output file, - for the standard output (default: FILE's name here)"
    )
    parser.add_argument("--emit", choices=list(_EMISSIONS), default="object", help="form (default: %(default)s)")
    parser.add_argument("--no-lines", action="store_true", help="leave #line directives out of the C")


def run(arguments: argparse.Namespace) -> int:
    """Compiles, writes the output, and reports on it. A file that is at the output path stays if anything fails."""
    destination = _destination(arguments)
    with told_diagnostics(arguments, output_on_stdout=destination == STANDARD_OUTPUT) as diagnostics:
        with _llvm_beside(arguments) as child:
            checked = checked_program(arguments, _name(arguments), diagnostics)
            data = _output(checked, arguments, child)
        write_output(destination, data)
    if not is_quiet(arguments):
        _report(checked, data, destination, arguments)
    return Status.OK


@contextmanager
def _llvm_beside(arguments: argparse.Namespace) -> Iterator[Child | None]:
    """A process that loads LLVM while this one reads and checks the program, which takes as long."""
    if not _EMISSIONS[arguments.emit].needs_llvm:
        yield None
        return
    from optdsl.backends.llvm.driver import start
    from optdsl.cli.limits import told_limits

    with told_limits(()):
        child = start()
    try:
        yield child
    finally:
        child.abandon()


def _destination(arguments: argparse.Namespace) -> str:
    """Where the output goes. Raises UsageError where that cannot be meant."""
    emission = _EMISSIONS[arguments.emit]
    if arguments.no_lines and arguments.emit != "c":
        raise UsageError("--no-lines is for the C output", ("help", "add `--emit c`"))
    if arguments.output is None:
        name = Path(arguments.files[0]).name
        stem = (name.removesuffix(".opt") if name != STANDARD_INPUT else "") or "option"
        destination = stem + emission.ending
    else:
        destination = arguments.output
    if destination == STANDARD_OUTPUT:
        if emission.is_binary and sys.stdout.isatty():
            raise UsageError("an object is not for a terminal to show", ("help", "use `--emit asm`, or a pipe"))
    elif any(_is_same_file(destination, file) for file in arguments.files):
        raise UsageError(f"the output would overwrite {destination}", ("help", "name another file with `-o`"))
    return destination


def _is_same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):
        return False


def _name(arguments: argparse.Namespace) -> str:
    """One file gives the program its name; several get that of the output, where there is one."""
    named_output = arguments.output is not None and arguments.output != STANDARD_OUTPUT
    return program_name(arguments.output if len(arguments.files) > 1 and named_output else arguments.files[0])


def _output(checked: CheckedProgram, arguments: argparse.Namespace, child: Child | None) -> bytes:
    from optdsl.cli.limits import told_limits
    from optdsl.compiler import lower_program

    emission = _EMISSIONS[arguments.emit]
    if emission.describe is not None:
        return emission.describe(checked)
    assert emission.make is not None
    program = lower_program(checked)
    with told_limits(program.sources):
        return emission.make(program, Request(lines=not arguments.no_lines, child=child))


def _report(checked: CheckedProgram, data: bytes, destination: str, arguments: argparse.Namespace) -> None:
    from optdsl.cli.next_steps import next_steps
    from optdsl.cli.report import Outcome, report_text
    from optdsl.cli.terminal import style_of, write

    stream = sys.stderr if destination == STANDARD_OUTPUT else sys.stdout
    outcome = Outcome(arguments.emit, destination, data, asked_kernel=arguments.kernel is not None)
    style = style_of(stream)
    write("\n".join([report_text(checked, outcome, style), *next_steps(checked, outcome, style)]) + "\n", stream)
