"""Completion for bash, 4.0 or newer, with or without the package bash-completion."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import assert_never

from optdsl.shell.commands import Command, CommandLine, Files, Free, Value, Words

_HEAD = """\
# Completion of optdsl VERSION for bash.
#
# For this shell:       source <(optdsl completion bash)
# For all, with the package bash-completion:
#                       optdsl completion bash > ~/.local/share/bash-completion/completions/optdsl
# For all, without it:  add the first line to ~/.bashrc

_optdsl_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

# Files with one of these endings, and the folders in which there may be some.
_optdsl_files() {
    local current=$1 ending
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(
        compgen -d -- "$current"
        for ending in "${@:2}"; do
            compgen -f -X "!*$ending" -- "$current"
        done
    )
}

_optdsl() {
    local current=$2 word command= option= given=0
    COMPREPLY=()
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [[ $word == = ]]; then
            continue  # bash cuts `--emit=c` into three words
        elif [[ $option ]]; then
            option=
        elif [[ $word == -* ]]; then
            case "$command $word" in
                TAKING_VALUES) option=$word ;;
            esac
        elif [[ ! $command ]]; then
            command=$word
        else
            ((given += 1))
        fi
    done
    if [[ $current == = ]]; then
        current=
    fi

    if [[ $option ]]; then
        case "$command $option" in
"""
_TAIL = """\
}

complete -F _optdsl optdsl
"""


def bash_script(line: CommandLine) -> str:
    """The script: a function that finds out where the cursor is, and three lists of what may stand there."""
    every = (line.whole, *line.commands)
    taking = [f'"{command.name} {each}"' for command in every for option in command.options if option.value
              for each in option.spellings]  # fmt: skip
    lines = [
        _HEAD.replace("VERSION", line.version).replace("TAKING_VALUES", " | ".join(taking)).rstrip("\n"),
        *(f"            {each}" for command in every for each in _values(command)),
        "        esac",
        "    elif [[ $current == -* ]]; then",
        '        case "$command" in',
        *(f"            {_case(command.name, _words(_spellings(command)))}" for command in every),
        "        esac",
        "    else",
        '        case "$command" in',
        f"            {_case('', _words(command.name for command in line.commands))}",
        *(f"            {_case(command.name, each)}" for command in line.commands if (each := _arguments(command))),
        "        esac",
        "    fi",
    ]
    return "\n".join(lines) + "\n" + _TAIL


def _case(pattern: str, action: str) -> str:
    return f"{shlex.quote(pattern)}) {action} ;;"


def _values(command: Command) -> Iterator[str]:
    for option in command.options:
        if option.value is not None and (action := _action(option.value)):
            pattern = " | ".join(f'"{command.name} {each}"' for each in option.spellings)
            yield f"{pattern}) {action} ;;"


def _arguments(command: Command) -> str:
    """What may stand without an option; where nothing may, the options."""
    if not command.arguments:
        return _words(_spellings(command))
    actions = [_action(argument.value) for argument in command.arguments]
    if len(actions) == 1:
        only = command.arguments[0]
        return actions[0] if only.repeats or not actions[0] else f"((given)) || {actions[0]}"
    places = ["*" if argument.repeats else str(number) for number, argument in enumerate(command.arguments)]
    arms = [f"{place}) {action}" for place, action in zip(places, actions, strict=True) if action]
    return f"case $given in {' ;; '.join(arms)} ;; esac"


def _spellings(command: Command) -> Iterator[str]:
    return (each for option in command.options for each in option.spellings)


def _action(value: Value) -> str:
    match value:
        case Words(words):
            return _words(words)
        case Files(endings):
            return " ".join(['_optdsl_files "$current"', *(endings or ["''"])])
        case Free():
            return ""
        case _:
            assert_never(value)


def _words(words: Iterator[str] | tuple[str, ...]) -> str:
    return f'_optdsl_words "{" ".join(words)}" "$current"'
