"""The whole command line as values, with what may stand for FILE, CODE and the like: for completion and the manual."""

from __future__ import annotations

from optdsl import __version__
from optdsl.cli import main
from optdsl.shell.commands import Command, CommandLine, Files, Free, Value, Words, command


def command_line() -> CommandLine:
    """Every command with its options, as the parsers have them."""
    whole, parsers = main.parsers(main.COMMANDS)
    values = _values()

    def read(name: str, text: str) -> Command:
        return command(name, text, parsers[name], values, main.module(name).EXAMPLES)

    groups = tuple((title, tuple(read(*each) for each in group.items())) for title, group in main.GROUPS.items())
    return CommandLine(__version__, command("", whole.description or "", whole, values, main.EXAMPLES), groups)


def _values() -> dict[str, Value]:
    """By the metavar of an argument or an option, if need be with the command: what may stand there."""
    from optdsl.resources import page_codes
    from optdsl.targets import Target, TargetName, find_target
    from optdsl.targets.version import KNOWN_KERNELS

    targets = [name.value for name in TargetName if isinstance(find_target(name.value, None), Target)]
    return {
        "FILE": Files((".opt",)),
        "OBJECT": Files((".o",)),
        "verify FILE": Files((".opt", ".o")),
        "PIN": Files(),
        "CODE": Words(tuple(page_codes())),
        "COMMAND": Words(tuple(main.COMMANDS)),
        "VERSION": Words(tuple(map(str, KNOWN_KERNELS))),
        "TARGET": Words(tuple(targets)),
        "NAME": Free(),
        "SIZE": Free(),
        "SECONDS": Free(),
        "lab run COMMAND": Files(),
        "lab run FILE": Files(),
        "lab shell FILE": Files(),
        "N": Free(),
    }
