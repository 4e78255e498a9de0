"""Completion for fish, 3.0 or newer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from optdsl.shell.commands import Command, CommandLine, Files, Free, Option, Value, Words

_HEAD = """\
# Completion of optdsl VERSION for fish.
#
# For this shell:  optdsl completion fish | source
# For all:         optdsl completion fish > ~/.config/fish/completions/optdsl.fish

# Whether the command on the line is this one; with '' whether there is none yet.
function __optdsl_at
    set -l words (commandline -opc)
    for word in $words[2..]
        if not string match -q -- '-*' $word
            test $word = "$argv[1]"
            return
        end
    end
    test -z "$argv[1]"
end

# Files with one of these endings, and the folders in which there may be some.
function __optdsl_files
    set -l endings (string join '|' (string escape --style=regex -- $argv))
    __fish_complete_path (commandline -ct) | string match -r -- ".*(?:/|$endings)(?:\\t.*)?\\$"
end

complete -c optdsl -e
complete -c optdsl -f
"""


def fish_script(line: CommandLine) -> str:
    """The script: one `complete` line for each command, option and argument."""
    lines = [f"{_at('')} -a {each.name} -d {_quoted(each.text)}" for each in line.commands]
    lines += [each for command in (line.whole, *line.commands) for each in _command(command)]
    return _HEAD.replace("VERSION", line.version) + "\n" + "\n".join(lines) + "\n"


def _command(command: Command) -> Iterator[str]:
    condition = _at(command.name)
    for option in command.options:
        yield f"{condition} {_option(option)}"
    for argument in command.arguments:
        if action := _action(argument.value):
            yield f"{condition} {action}"


def _at(command: str) -> str:
    """The beginning of a line that counts behind this command."""
    return f"complete -c optdsl -n '__optdsl_at \"{command}\"'"


def _option(option: Option) -> str:
    parts = [f"-l {each[2:]}" if each.startswith("--") else f"-s {each[1:]}" for each in option.spellings]
    if option.value is not None:
        parts.append(_value(option.value))
    return " ".join([*parts, f"-d {_quoted(option.text)}"])


def _value(value: Value) -> str:
    """What an option takes: `-r` something, `-x` nothing but what is listed."""
    action = _action(value)
    return f"-r {action}" if action == "-F" else f"-x {action}".rstrip()


def _action(value: Value) -> str:
    match value:
        case Words(words):
            return f"-a {_quoted(' '.join(words))}"
        case Files(endings):
            return f"-k -a '(__optdsl_files {' '.join(endings)})'" if endings else "-F"
        case Free():
            return ""
        case _:
            assert_never(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
