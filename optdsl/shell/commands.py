"""The commands with their options and arguments as plain values, read from the parsers of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from optdsl.record import record


@record
class Words:
    """A value that is one of these."""

    words: tuple[str, ...]


@record
class Files:
    """A file whose name ends in one of these ways; any file if there are none. Folders lead to files."""

    endings: tuple[str, ...] = ()


@record
class Free:
    """A value that nobody can guess."""


Value = Words | Files | Free


@record
class Option:
    """An option with all its spellings; `value` is None for one that takes none."""

    spellings: tuple[str, ...]
    text: str
    metavar: str = ""
    value: Value | None = None


@record
class Argument:
    """What stands on the command line without an option's name, once or any number of times."""

    metavar: str
    text: str
    value: Value
    repeats: bool = False
    required: bool = True


@record
class Command:
    """A command, or with an empty name what the program takes before it knows the command."""

    name: str
    text: str
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    """Command lines, each with what it does."""


@record
class CommandLine:
    """Everything that can be typed: the program's own options, and its commands by group in the order of `--help`."""

    version: str
    whole: Command
    groups: tuple[tuple[str, tuple[Command, ...]], ...]

    @property
    def commands(self) -> tuple[Command, ...]:
        return tuple(command for _, group in self.groups for command in group)


def command(
    name: str,
    text: str,
    parser: argparse.ArgumentParser,
    values: Mapping[str, Value],
    examples: tuple[tuple[str, str], ...] = (),
) -> Command:
    """What a parser knows of a command.

    `values` tells by the metavar, or by the command and the metavar, what stands for FILE, OBJECT and the like, unless
    the parser itself lists choices. What it does not tell may be any file.
    """
    options, arguments = [], []
    for action in _actions(parser):
        value = _value(name, action, values)
        words = _words(action)
        if action.option_strings:
            takes = value if action.nargs != 0 else None
            options.append(Option(tuple(action.option_strings), words, _metavar(action) if takes else "", takes))
        else:
            repeats, required = action.nargs in ("+", "*"), action.nargs not in ("?", "*")
            arguments.append(Argument(_metavar(action), words, value, repeats, required))
    return Command(name, text, tuple(options), tuple(arguments), examples)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """What `--help` shows of a parser."""
    for action in parser._actions:
        if action.help is not argparse.SUPPRESS:
            yield action


def _words(action: argparse.Action) -> str:
    """The help of an action with its default put in, as `--help` shows it."""
    choices = ", ".join(map(str, action.choices or ()))
    return (action.help or "") % {"default": action.default, "choices": choices}


def _metavar(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    return action.dest.upper()


def _value(command: str, action: argparse.Action, values: Mapping[str, Value]) -> Value:
    if action.choices is not None:
        return Words(tuple(map(str, action.choices)))
    metavar = _metavar(action)
    return values.get(f"{command} {metavar}") or values.get(metavar) or Files()
