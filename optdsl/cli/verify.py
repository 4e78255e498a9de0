"""`optdsl verify FILE...`: asks the running kernel's verifier, and shows what it rejects at the line of the source."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from optdsl.cli.errors import InputError, Status, UsageError
from optdsl.cli.front_end import checked_program, is_quiet, told_diagnostics
from optdsl.cli.sources import STANDARD_INPUT, program_name, read_bytes, shown_name
from optdsl.cli.target import add_target_arguments
from optdsl.cli.terminal import style_of, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optdsl.cli.verdicts import File
    from optdsl.diagnostics import Diagnostics
    from optdsl.kernel.verify import Verdict
    from optdsl.source import Source

EXAMPLES = (
    ("optdsl verify my_option.opt", "as root: compiled, and asked about"),
    ("optdsl verify my_option.bpf.o --log", "and the kernel's whole log"),
    ("optdsl verify x.bpf.o --explain-log x.log", "a log of bpftool; no root"),
)
MOST_BYTES = 64 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    from optdsl.diagnostics.formats import Format

    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="a BPF object, also of clang, or an .opt file; each by itself"
    )
    parser.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    parser.add_argument("--log", action="store_true", help="print the kernel's whole log of a rejected program")
    parser.add_argument(
        "--explain-log", metavar="LOG", help="take the verdicts from what bpftool or libbpf printed, - for a pipe"
    )
    add_target_arguments(parser)
    parser.add_argument(
        "--message-format", choices=[form.value for form in Format], default=Format.TEXT.value,
        help="form of errors and warnings (default: %(default)s)",
    )  # fmt: skip
    parser.set_defaults(no_timestamps=False, quiet=False)


def run(arguments: argparse.Namespace) -> int:
    """Verifies the files, each by itself. Succeeds if the kernel accepts every program."""
    saved = _saved_log(arguments)
    if saved is None:
        _demand_privileges()
    from optdsl.cli.verdicts import File

    with told_diagnostics(arguments) as diagnostics:
        files = [File(shown_name(name), _verdicts(name, saved, arguments, diagnostics)) for name in arguments.files]
        _report(files, arguments)
        diagnostics.extend(each.rejection for file in files for each in file.verdicts if each.rejection)
    return Status.OK


def _saved_log(arguments: argparse.Namespace) -> str | None:
    """The text of `--explain-log`; None without it. Raises UsageError and InputError."""
    if arguments.explain_log is None:
        return None
    if len(arguments.files) > 1:
        raise UsageError("`--explain-log` is about one FILE")
    if arguments.explain_log == STANDARD_INPUT and arguments.files[0] == STANDARD_INPUT:
        raise UsageError("the standard input is either the FILE or the LOG")
    return read_bytes(arguments.explain_log, MOST_BYTES).decode("utf-8", "replace")


def _demand_privileges() -> None:
    """Raises InputError where this process may not load programs at all."""
    from optdsl.kernel.finding import State
    from optdsl.kernel.probe_kernel import privileges

    if not sys.platform.startswith("linux"):
        raise InputError(f"the kernel cannot be asked: {sys.platform} is not Linux")
    found = privileges()
    if found.state is State.FAIL:
        raise InputError(
            f"the kernel cannot be asked: {found.detail}",
            ("help", f"run this as root (`{found.fix}`); `optdsl doctor` shows all that is missing"),
        )


def _verdicts(
    name: str, saved: str | None, arguments: argparse.Namespace, diagnostics: Diagnostics
) -> tuple[Verdict, ...]:
    """The verdicts on one file. Raises InputError, and CompileError for an `.opt` file."""
    from optdsl.elf.errors import ObjectError
    from optdsl.kernel.errors import KernelError
    from optdsl.kernel.verify import verdicts_in, verify

    shown = shown_name(name)
    data, sources = _object(name, arguments, diagnostics)
    try:
        if saved is None:
            return verify(data, program_name(name), sources)
        found = verdicts_in(saved, data, sources)
    except ObjectError as error:
        raise InputError(f"cannot read {shown}: {error}", file=shown) from None
    except KernelError as error:
        head, *more = str(error).splitlines()
        raise InputError(f"{shown}: {head}", *(("note", line) for line in more), file=shown) from None
    if not found:
        log = shown_name(arguments.explain_log)
        raise InputError(f"{log} holds no log of the verifier", ("help", "`bpftool -d` prints it"), file=log)
    return found


def _object(name: str, arguments: argparse.Namespace, diagnostics: Diagnostics) -> tuple[bytes, Sequence[Source]]:
    """The object in a file, or the one that an `.opt` file compiles to, with the texts it was made from."""
    if Path(name).suffix != ".opt":
        return read_bytes(name, MOST_BYTES), ()
    from optdsl.backends.llvm import emit_object
    from optdsl.cli.limits import told_limits
    from optdsl.compiler import lower_program

    alone = argparse.Namespace(**{**vars(arguments), "files": [name]})
    program = lower_program(checked_program(alone, program_name(name), diagnostics))
    with told_limits(program.sources):
        return emit_object(program), program.sources


def _report(files: Sequence[File], arguments: argparse.Namespace) -> None:
    from optdsl.cli.verdicts import log_text, verdicts_json, verdicts_text

    if arguments.json:
        write(verdicts_json(files))
    elif not is_quiet(arguments):
        write(verdicts_text(files, style_of(sys.stdout)))
        if not arguments.log and any(not verdict.is_accepted for file in files for verdict in file.verdicts):
            write("`--log` shows the kernel's whole log of what it rejects\n")
    if arguments.log:
        stream = sys.stderr if arguments.json or is_quiet(arguments) else sys.stdout
        for file in files:
            for text in log_text(file):
                write(text, stream)
