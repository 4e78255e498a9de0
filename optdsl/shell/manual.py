"""The parts of `optdsl(1)` that the command line knows better than a writer: synopsis, commands, examples."""

from __future__ import annotations

import re
from collections.abc import Iterator

from optdsl.shell.commands import Argument, Command, CommandLine, Option, Words


def manual(frame: str, line: CommandLine) -> str:
    """A page in man(7) with its generated parts, between `begin NAME` and `end NAME`, made anew."""
    for name, lines in (("synopsis", _synopsis(line)), ("commands", _commands(line)), ("examples", _examples(line))):
        begin, end = f'.\\" begin {name}\n', f'.\\" end {name}\n'
        before, _, rest = frame.partition(begin)
        _, _, after = rest.partition(end)
        frame = before + begin + "".join(f"{each}\n" for each in lines) + end + after
    return frame


def _synopsis(line: CommandLine) -> Iterator[str]:
    for number, command in enumerate(each for whole in line.commands for each in whole.spelled_out):
        if number:
            yield ".br"
        yield f".B optdsl {command.name}"
        shown = ["[\\fIOPTION\\fR]..." if len(command.options) > 1 else "", *map(_place, command.arguments)]
        yield from filter(None, [" ".join(filter(None, shown))])
    for option in line.whole.options:
        yield from (".br", f".B optdsl {escaped(option.spellings[-1])}")


def _place(argument: Argument) -> str:
    shown = f"\\fI{escaped(argument.metavar)}\\fR" + ("..." if argument.repeats else "")
    return shown if argument.required else f"[{shown}]"


def _commands(line: CommandLine) -> Iterator[str]:
    for title, commands in line.groups:
        yield f".SS {title[0].upper()}{title[1:]}"
        for command in commands:
            for each in command.spelled_out:
                yield from _command(each)


def _command(command: Command) -> Iterator[str]:
    yield ".TP"
    yield " ".join([f"\\fBoptdsl {command.name}\\fR", *map(_place, command.arguments)])
    yield _sentence(command.text)
    parts = [(f"\\fI{escaped(each.metavar)}\\fR", each.text) for each in command.arguments]
    parts += [(_option(each), each.text) for each in command.options if "--help" not in each.spellings]
    if parts:
        yield ".RS"
        for shown, text in parts:
            yield from (".TP", shown, _sentence(text))
        yield ".RE"


def _option(option: Option) -> str:
    shown = _bold(option.spellings, ", ")
    if isinstance(option.value, Words) and option.metavar not in ("VERSION", "TARGET"):
        return f"{shown} {_bold(option.value.words, ' | ')}"
    return f"{shown} \\fI{escaped(option.metavar)}\\fR" if option.value else shown


def _bold(words: tuple[str, ...], between: str) -> str:
    return between.join(f"\\fB{escaped(each)}\\fR" for each in words)


def _examples(line: CommandLine) -> Iterator[str]:
    for command in line.commands:
        for example, remark in command.examples:
            yield from (".TP", f".B {escaped(example)}", _sentence(remark))


def _sentence(text: str) -> str:
    """A remark of the help as a sentence, unless it begins with a name."""
    first = text.split(maxsplit=1)[0].rstrip(",;:")
    return escaped(text[0].upper() + text[1:] if first.isalpha() else text) + "."


def escaped(text: str) -> str:
    """Text as man(7) wants it: what roff would take for something else is told apart."""
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq").replace("^", "\\(ha")
    )
    text = text.replace("~", "\\(ti")
    return re.sub(r"^\.", r"\\&.", text)
