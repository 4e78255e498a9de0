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
    actions: tuple[Command, ...] = ()
    """What a command with actions can do, each as a command of its own such as `lab run`. The command itself has all
    their options, and first of its arguments the action."""

    @property
    def spelled_out(self) -> tuple[Command, ...]:
        """The actions, or of a command without any the command."""
        return self.actions or (self,)


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
    actions: tuple[Command, ...] = ()
    for action in _actions(parser):
        if isinstance(action, argparse._SubParsersAction):
            actions = tuple(
                command(f"{name} {word}", (each.description or "").rstrip("."), each, values)
                for word, each in action.choices.items()
            )
            arguments.append(Argument(_metavar(action), _words(action), Words(tuple(action.choices))))
            continue
        value = _value(name, action, values)
        words = _words(action)
        if action.option_strings:
            takes = value if action.nargs != 0 else None
            options.append(Option(tuple(action.option_strings), words, _metavar(action) if takes else "", takes))
        else:
            repeats, required = action.nargs in ("+", "*", argparse.REMAINDER), action.nargs not in ("?", "*")
            arguments.append(Argument(_metavar(action), words, value, repeats, required))
    known = {option.spellings for option in options}
    options += {each.spellings: each for one in actions for each in one.options if each.spellings not in known}.values()
    longest: tuple[Argument, ...] = ()
    for each in actions:
        longest = max(longest, each.arguments, key=len)
    arguments += longest
    return Command(name, text, tuple(options), tuple(arguments), examples, actions)


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
