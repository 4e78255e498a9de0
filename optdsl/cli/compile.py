"""`optdsl compile FILE...`: one program out of one or several files, written whole or not at all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from optdsl.cli.errors import AlreadyToldError, InputError, Status, UsageError
from optdsl.cli.front_end import add_input_arguments, checked_program, told_diagnostics
from optdsl.cli.output import STANDARD_OUTPUT, write_output
from optdsl.cli.sources import program_name
from optdsl.record import record

if TYPE_CHECKING:
    from optdsl.backends.llvm import BackendError
    from optdsl.ir.program import Program
    from optdsl.semantics.model import CheckedProgram


@record
class Emission:
    """A form of output: the ending of its file, whether it is binary, and how it is made from the IR."""

    ending: str
    make: Callable[[Program, argparse.Namespace], bytes]
    is_binary: bool = False


def _object(program: Program, arguments: argparse.Namespace) -> bytes:
    from optdsl.backends.llvm import emit_object

    del arguments
    return emit_object(program)


def _c(program: Program, arguments: argparse.Namespace) -> bytes:
    from optdsl.backends.c import emit_c

    return emit_c(program, lines=not arguments.no_lines).encode()


def _ir(program: Program, arguments: argparse.Namespace) -> bytes:
    from optdsl.ir.printer import print_program

    del arguments
    return print_program(program).encode()


def _llvm(program: Program, arguments: argparse.Namespace) -> bytes:
    from optdsl.backends.llvm import emit_llvm

    del arguments
    return emit_llvm(program).encode()


def _assembly(program: Program, arguments: argparse.Namespace) -> bytes:
    from optdsl.backends.llvm import emit_assembly

    del arguments
    return emit_assembly(program).encode()


_EMISSIONS = {
    "object": Emission(".bpf.o", _object, is_binary=True),
    "c": Emission(".bpf.c", _c),
    "ir": Emission(".ir", _ir),
    "llvm": Emission(".ll", _llvm),
    "asm": Emission(".s", _assembly),
}
_JSON = "json"
_JSON_ENDING = ".json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    add_input_arguments(parser)
    parser.add_argument(
        "-o", dest="output", metavar="OUT", help="output file, - for the standard output (default: FILE's name here)"
    )
    parser.add_argument("--emit", choices=[*_EMISSIONS, _JSON], default="object", help="form (default: %(default)s)")
    parser.add_argument("--no-lines", action="store_true", help="leave #line directives out of the C")


def run(arguments: argparse.Namespace) -> int:
    """Compiles, writes the output, and reports on it. A file that is at the output path stays if anything fails."""
    destination = _destination(arguments)
    checked = checked_program(arguments, _name(arguments))
    data = _output(checked, arguments)
    write_output(destination, data)
    if not arguments.quiet:
        _report(checked, data, destination, arguments)
    return Status.OK


def _destination(arguments: argparse.Namespace) -> str:
    """Where the output goes. Raises UsageError where that cannot be meant."""
    emission = _EMISSIONS.get(arguments.emit)
    if arguments.no_lines and arguments.emit != "c":
        raise UsageError("--no-lines is for the C output", ("help", "add `--emit c`"))
    if arguments.output is None:
        stem = Path(arguments.files[0]).name.removesuffix(".opt") or "option"
        destination = stem + (emission.ending if emission else _JSON_ENDING)
    else:
        destination = arguments.output
    if destination == STANDARD_OUTPUT:
        if emission is not None and emission.is_binary and sys.stdout.isatty():
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


def _output(checked: CheckedProgram, arguments: argparse.Namespace) -> bytes:
    from optdsl.backends.llvm import BackendError
    from optdsl.compiler import lower_program

    if arguments.emit == _JSON:
        from optdsl.backends.description import description_text

        return description_text(checked).encode()
    with told_diagnostics():
        program = lower_program(checked)
    try:
        return _EMISSIONS[arguments.emit].make(program, arguments)
    except BackendError as error:
        _tell_limit(error, program)
        raise AlreadyToldError from None


def _tell_limit(error: BackendError, program: Program) -> None:
    """Shows a limit of the kernel that the program exceeds; other errors of a back end are defects, and go on up."""
    from optdsl.cli.terminal import show_diagnostics
    from optdsl.diagnostics import Diagnostic
    from optdsl.source import Span

    source = next((each for each in program.sources if each.base_name == error.file), None)
    if source is None or error.line is None:
        if error.stage == "generate":
            raise InputError(f"no kernel would accept this program: {error.message}") from None
        raise error
    text = source.line_text(error.line)
    start = sum(len(line) + 1 for line in source.text.split("\n")[: error.line - 1])
    span = Span(source, start + len(text) - len(text.lstrip()), start + len(text.rstrip()))
    show_diagnostics([Diagnostic("", "no kernel would accept this program", span, notes=(error.message,))])


def _report(checked: CheckedProgram, data: bytes, destination: str, arguments: argparse.Namespace) -> None:
    from optdsl.cli.next_steps import next_steps
    from optdsl.cli.report import Outcome, report_text
    from optdsl.cli.terminal import style_of, write

    stream = sys.stderr if destination == STANDARD_OUTPUT else sys.stdout
    outcome = Outcome(arguments.emit, destination, data, asked_kernel=arguments.kernel is not None)
    style = style_of(stream)
    write("\n".join([report_text(checked, outcome, style), *next_steps(checked, outcome, style)]) + "\n", stream)
