"""`optdsl`: finds the command, runs it, and turns whatever happens into an exit status.

Nothing is imported here that a command may not need: `optdsl --version` is as fast as Python starts.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Collection, Sequence
from typing import NoReturn

from optdsl import __version__
from optdsl.cli import terminal
from optdsl.cli.errors import AlreadyToldError, CommandError, Status, UsageError

GROUPS = {
    "write": {
        "new": "write a commented .opt file to begin with",
        "check": "check .opt files without compiling them",
        "fmt": "format .opt files: one layout for all, without options",
    },
    "compile and run": {
        "compile": "compile .opt files into one BPF object, C, or another form",
        "verify": "ask the kernel's verifier, and show what it rejects at its line",
        "param": "show and set the params of a loaded program",
        "demo": "compile .opt files and show them at work between two hosts",
        "lab": "build a kernel with more for TCP options, and run commands on it",
    },
    "look up": {
        "explain": "explain the code of an error or warning, with an example",
        "inspect": "show what is in an object, and the code of each source line",
        "targets": "list the events, attributes and option space of a target",
        "doctor": "show what this machine lacks, and how to get it",
        "help": "show this list, or the help of a command",
        "completion": "print a script that completes command lines in a shell",
    },
}
COMMANDS = {name: text for group in GROUPS.values() for name, text in group.items()}
EXAMPLES = (
    ("optdsl new my_option", "my_option.opt, to begin with"),
    ("optdsl check my_option.opt", "errors and warnings, nothing else"),
    ("optdsl compile my_option.opt", "my_option.bpf.o, and how to load it"),
    ("optdsl demo my_option.opt", "as root: the option on real packets"),
)
_STATUSES = "exit status: 0 fine, 1 errors in the input, 2 wrong usage, 70 internal error"


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
    if chosen is not None and chosen not in COMMANDS:
        raise _unknown_command(chosen)
    whole, commands = parsers([chosen] if chosen else [])
    try:
        arguments, unknown = whole.parse_known_args(argv)
    except SystemExit:  # --help, --version
        terminal.write("")
        return Status.OK
    if unknown:
        raise _unknown_arguments(unknown, _innermost(commands[chosen], arguments) if chosen else whole)
    if arguments.command is None:
        whole.print_help(sys.stderr)
        return Status.USAGE
    status: int = module(arguments.command).run(arguments)
    return status


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal, found out without `shutil`, which argparse would import for each command."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=terminal.columns(sys.stdout) - 2)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors look like all others."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, ("note", _usage(self)), ("help", f"`{self.prog} --help` tells more"))


def parsers(wanted: Collection[str]) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of the whole command line, and those of some commands; the others are only named in its help."""
    width = max(map(len, COMMANDS))
    groups = "".join(f"\n\n{title}:\n{_table(tuple(group.items()), width)}" for title, group in GROUPS.items())
    whole = _Parser(
        prog="optdsl", usage="optdsl COMMAND [ARGUMENT ...]", allow_abbrev=False,
        description=f"Define a TCP option in twenty lines and run it in the Linux kernel.{groups}",
        epilog=f"{_examples(EXAMPLES)}`optdsl help COMMAND` tells more about a command\n{_STATUSES}",
        formatter_class=_Formatter,
    )  # fmt: skip
    whole.add_argument("--version", action="version", version=f"optdsl {__version__}", help="show the version and exit")
    adding = whole.add_subparsers(dest="command", metavar="COMMAND", help=argparse.SUPPRESS, prog="optdsl")
    commands: dict[str, argparse.ArgumentParser] = {}
    for name in wanted:
        text = COMMANDS[name]
        command = adding.add_parser(name, description=text[0].upper() + text[1:] + ".", allow_abbrev=False,
                                    formatter_class=_Formatter)  # fmt: skip
        module(name).add_arguments(command)
        command.epilog = _examples(module(name).EXAMPLES) + _STATUSES
        commands[name] = command
    return whole, commands


def help_text(command: str | None = None) -> str:
    """The help of a command, or the list of all. Raises UsageError for a command that there is not."""
    if command is not None and command not in COMMANDS:
        raise _unknown_command(command)
    whole, commands = parsers([] if command is None else [command])
    return (whole if command is None else commands[command]).format_help()


def _examples(examples: Sequence[tuple[str, str]]) -> str:
    return f"examples:\n{_table(examples)}\n\n" if examples else ""


def _table(rows: Sequence[tuple[str, str]], width: int = 0) -> str:
    width = max(width, *(len(left) for left, _ in rows))
    return "\n".join(f"  {left:<{width}}  {right}" for left, right in rows)


def _innermost(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> argparse.ArgumentParser:
    """The parser that had the last word: of a command with actions, that of the action."""
    for each in parser._actions:
        if isinstance(each, argparse._SubParsersAction):
            action: argparse.ArgumentParser = each.choices[getattr(arguments, each.dest)]
            return action
    return parser


def _unknown_arguments(unknown: Sequence[str], parser: argparse.ArgumentParser) -> UsageError:
    from difflib import get_close_matches

    option = unknown[0].partition("=")[0]
    if not option.startswith("-"):
        return UsageError(f"`{option}` is one argument too many", ("note", _usage(parser)))
    near = get_close_matches(option, parser._option_string_actions, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"`{parser.prog} --help` lists what it has"
    return UsageError(f"`{parser.prog}` has no option `{option}`", ("help", hint))


def _usage(parser: argparse.ArgumentParser) -> str:
    return " ".join(parser.format_usage().split())


def _unknown_command(name: str) -> UsageError:
    from difflib import get_close_matches

    hints = [("help", f"did you mean `optdsl {near}`?") for near in get_close_matches(name, COMMANDS, n=1)]
    return UsageError(f"unknown command `{name}`", ("note", f"commands: {', '.join(COMMANDS)}"), *hints)


def module(command: str):  # type: ignore[no-untyped-def]
    """The module of a command, with `add_arguments(parser)`, `run(arguments) -> int`, and EXAMPLES for its help."""
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
