"""Completion for zsh, on top of its own `_arguments` and `_describe`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import assert_never

from optdsl.shell.commands import Argument, Command, CommandLine, Files, Free, Option, Value, Words

_HEAD = """\
#compdef optdsl
# Completion of optdsl VERSION for zsh.
#
# For this shell:  source <(optdsl completion zsh)        (after `autoload -U compinit && compinit`)
# For all:         optdsl completion zsh > DIR/_optdsl    where DIR is one of the folders of $fpath

_optdsl() {
    local curcontext="$curcontext" state line
    local -a commands
    typeset -A opt_args
"""
_TAIL = """\
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _optdsl "$@"
else
    compdef _optdsl optdsl
fi
"""


def zsh_script(line: CommandLine) -> str:
    """The script: it works from $fpath, where zsh calls it by its name, and by `source`."""
    lines = [
        _HEAD.replace("VERSION", line.version),
        "    _arguments -C \\",
        *(f"        {_option(option)} \\" for option in line.whole.options),
        "        '1:command:->command' '*::argument:->argument' && return",
        "    case $state in",
        "        command)",
        "            commands=(",
        *("                " + _quoted(f"{each.name}:{_escaped(each.text, ':')}") for each in line.commands),
        "            )",
        "            _describe -t commands command commands",
        "            ;;",
        "        argument)",
        '            curcontext="${curcontext%:*:*}:optdsl-$words[1]:"',
        "            case $words[1] in",
        *(f"                {each}" for command in line.commands for each in _command(command)),
        "            esac",
        "            ;;",
        "    esac",
        "}",
        "",
    ]
    return "\n".join(lines) + "\n" + _TAIL


def _command(command: Command) -> Iterator[str]:
    specs = [*map(_option, command.options), *map(_argument, command.arguments)]
    yield f"{command.name})"
    yield "    _arguments \\"
    yield from (f"        {spec} \\" for spec in specs[:-1])
    yield f"        {specs[-1]}"
    yield "    ;;"


def _option(option: Option) -> str:
    """`'(-q --quiet)'{-q,--quiet}'[print nothing]'`: only one of the spellings, and its text."""
    # Behind `--help` or `--version` nothing else counts.
    others = "- *" if {"--help", "--version"} & set(option.spellings) else " ".join(option.spellings)
    told = f"[{_escaped(option.text, '[]:')}]"
    if option.value is not None:
        told += f":{option.metavar}:{_action(option.value)}"
    spellings = [each + _joint(each, option) for each in option.spellings]
    if len(spellings) == 1:
        return _quoted(f"({others}){spellings[0]}{told}")
    return _quoted(f"({others})") + "{" + ",".join(map(_quoted, spellings)) + "}" + _quoted(told)


def _joint(spelling: str, option: Option) -> str:
    """How a value may follow: `--emit=c` or `--emit c`, `-oFILE` or `-o FILE`."""
    if option.value is None:
        return ""
    return "=" if spelling.startswith("--") else "+"


def _argument(argument: Argument) -> str:
    place = "*:" if argument.repeats else ":" if argument.required else "::"
    return _quoted(f"{place}{argument.metavar}:{_action(argument.value)}")


def _action(value: Value) -> str:
    match value:
        case Words(words):
            return f"({' '.join(words)})"
        case Files(endings):
            # Alone in parentheses an ending would be taken for qualifiers of the pattern.
            pattern = f"*({'|'.join(endings)})" if len(endings) > 1 else f"*{''.join(endings)}"
            return f'_files -g "{pattern}"' if endings else "_files"
        case Free():
            return ""
        case _:
            assert_never(value)


def _escaped(text: str, characters: str) -> str:
    return re.sub(f"[{re.escape(characters)}]", lambda match: f"\\{match[0]}", text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
