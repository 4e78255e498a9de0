"""`optdsl completion SHELL`: a script that completes command lines of optdsl; it does not call optdsl itself."""

from __future__ import annotations

import argparse

from optdsl.cli.errors import Status
from optdsl.cli.terminal import write

EXAMPLES = (
    ("source <(optdsl completion bash)", "for this shell, in bash and zsh"),
    ("optdsl completion fish | source", "for this shell, in fish"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shell", choices=["bash", "zsh", "fish"], metavar="SHELL", help="%(choices)s; the script says how to install it"
    )


def run(arguments: argparse.Namespace) -> int:
    """Prints the script."""
    from optdsl.cli.command_line import command_line
    from optdsl.shell.bash import bash_script
    from optdsl.shell.fish import fish_script
    from optdsl.shell.zsh import zsh_script

    scripts = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}
    write(scripts[arguments.shell](command_line()))
    return Status.OK
