"""`optdsl`: finds the command, runs it, and turns whatever happens into an exit status.

Nothing is imported here that a command may not need: `optdsl --version` is as fast as Python starts.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from optdsl import __version__
from optdsl.cli import terminal
from optdsl.cli.errors import AlreadyToldError, CommandError, Status, UsageError

_COMMANDS = {
    "compile": "compile .opt files into one BPF object, C, or another form",
    "check": "check .opt files without compiling them",
    "demo": "compile .opt files and show them at work in a transfer between two hosts made for it",
    "inspect": "show what is in an object, with the code between its source lines",
    "targets": "list events, attributes and option space of a target",
    "doctor": "show what this machine and its kernel allow, and how to mend what is missing",
}
_STATUSES = "exit status: 0 fine, 1 errors in the input, 2 wrong usage, 70 an internal error"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status; never raises."""
    terminal.prepare()
    try:
        return _guarded(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return Status.INTERRUPTED
    except BrokenPipeError:
        terminal.abandon_stdout()
        return Status.BROKEN_PIPE
    except Exception as error:
        _show_internal_error(error)
        return Status.INTERNAL


def _guarded(argv: list[str]) -> int:
    try:
        return _run(argv)
    except AlreadyToldError as error:
        return error.status
    except CommandError as error:
        terminal.show_error(error.message, error.remarks)
        return error.status


def _run(argv: list[str]) -> int:
    chosen = next((argument for argument in argv if not argument.startswith("-")), None)
    if chosen is not None and chosen not in _COMMANDS:
        raise _unknown_command(chosen)
    parser = _parser(chosen)
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as end:  # --help, --version, or wrong usage
        terminal.write("")
        return int(end.code or 0)
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return Status.USAGE
    status: int = _module(arguments.command).run(arguments)
    return status


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser, in which only the chosen command has its arguments."""
    parser = argparse.ArgumentParser(
        prog="optdsl", description="Define a TCP option in twenty lines and run it in the Linux kernel.",
        epilog=_STATUSES, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"optdsl {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, text in _COMMANDS.items():
        command = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", epilog=_STATUSES, allow_abbrev=False
        )
        if name == chosen:
            _module(name).add_arguments(command)
    return parser


def _unknown_command(name: str) -> UsageError:
    from difflib import get_close_matches

    hints = [("help", f"did you mean `optdsl {near}`?") for near in get_close_matches(name, _COMMANDS, n=1)]
    return UsageError(f"unknown command `{name}`", ("note", f"commands: {', '.join(_COMMANDS)}"), *hints)


def _module(command: str):  # type: ignore[no-untyped-def]
    """The module of a command, which has `add_arguments(parser)` and `run(arguments) -> int`."""
    return importlib.import_module(f"optdsl.cli.{command}")


def _show_internal_error(error: Exception) -> None:
    terminal.show_error(
        f"internal error in stage {_stage(error)}: {type(error).__name__}: {error}",
        (
            ("note", f"this is a defect of optdsl {__version__}, not of your program"),
            ("help", "please report it with the files that show it and what OPTDSL_DEBUG=1 prints"),
        ),
    )
    if os.environ.get("OPTDSL_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)


def _stage(error: Exception) -> str:
    """The part of the compiler that an exception comes from: the folder of the innermost frame that is ours."""
    stage = "start"
    trace = error.__traceback__
    while trace is not None:
        parts = str(trace.tb_frame.f_globals.get("__name__", "")).split(".")
        if parts[0] == "optdsl" and len(parts) > 1:
            stage = parts[1]
        trace = trace.tb_next
    return stage
