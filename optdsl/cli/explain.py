"""`optdsl explain CODE...`: what a code of a diagnostic means, why the compiler insists, and what to write instead."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from optdsl.cli.errors import Status, UsageError
from optdsl.cli.terminal import style_of, write

if TYPE_CHECKING:
    from optdsl.diagnostics.explain import Page

EXAMPLES = (
    ("optdsl explain OPT0203", "the page about a code; 203 will do"),
    ("optdsl explain", "all codes with their titles"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("codes", metavar="CODE", nargs="*", help="a code of a diagnostic, as OPT0203 or 203")
    parser.add_argument("--list", action="store_true", help="list all codes with their titles, as without a CODE")


def run(arguments: argparse.Namespace) -> int:
    """Prints the pages of the codes, or the list of all."""
    from optdsl.diagnostics.explain import every_page, listing

    if arguments.list and arguments.codes:
        raise UsageError("`--list` lists all codes and takes none")
    if arguments.codes:
        _show(_chosen(arguments.codes))
    else:
        write(listing(every_page()))
    return Status.OK


def _chosen(words: list[str]) -> list[Page]:
    """The page of each code, each once. Raises UsageError for what is no code."""
    from optdsl.diagnostics.explain import code_named, near_code, page

    found = {}
    for word in words:
        code = code_named(word)
        if code is None:
            near = near_code(word)
            hint = f"did you mean `optdsl explain {near}`?" if near else "`optdsl explain` lists all codes"
            raise UsageError(f"no diagnostic has the code `{word}`", ("help", hint))
        found[code] = page(code)
    return list(found.values())


def _show(pages: list[Page]) -> None:
    style = style_of(sys.stdout)
    if not style.color:
        write("\n".join(each.text for each in pages))
        return
    from optdsl.cli.markdown import colored

    write("\n".join(colored(each.text, style.width) for each in pages))
