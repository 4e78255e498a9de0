"""`optdsl fmt FILE...`: gives `.opt` files their one form, in place, or says which ones do not have it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from optdsl.cli.errors import InputError, Status, UsageError
from optdsl.cli.opt_files import opt_files
from optdsl.cli.output import replace_file, write_output
from optdsl.cli.sources import STANDARD_INPUT, read_source, shown_name
from optdsl.cli.terminal import show_diagnostics, show_error, style_of, write
from optdsl.record import record

if TYPE_CHECKING:
    from optdsl.diagnostics import Diagnostic

EXAMPLES = (
    ("optdsl fmt my_option.opt", "formats the file"),
    ("optdsl fmt --check .", "names the files that are not formatted"),
    ("optdsl fmt --diff my_option.opt", "shows what would change"),
    ("optdsl fmt < my_option.opt", "to the standard output"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    parser.add_argument(
        "files", metavar="FILE", nargs="*",
        help="an .opt file, a folder with such files, - for the standard input (default: -, if it is no terminal)",
    )  # fmt: skip
    parser.add_argument("--check", action="store_true", help="write nothing; name the files that would change")
    parser.add_argument("--diff", action="store_true", help="write nothing; show what would change")
    parser.add_argument("--quiet", "-q", action="store_true", help="print nothing but errors and what `--diff` shows")


@record(frozen=False)
class _Outcome:
    changed: int = 0
    unchanged: int = 0
    failed: int = 0

    def summary(self, *, dry: bool) -> str:
        """`2 files reformatted, 3 left unchanged`."""
        counts = (
            (self.changed, "would be reformatted" if dry else "reformatted"),
            (self.unchanged, "would be left unchanged" if dry else "left unchanged"),
            (self.failed, "with errors"),
        )
        parts = [[str(count), text] for count, text in counts if count]
        if not parts:
            return "no .opt files\n"
        parts[0].insert(1, "file" if parts[0][0] == "1" else "files")
        return ", ".join(map(" ".join, parts)) + "\n"


def run(arguments: argparse.Namespace) -> int:
    """Formats the files, whatever is wrong with some of them, and says how many have changed."""
    from optdsl.diagnostics import CompileError

    outcome = _Outcome()
    found: list[Diagnostic] = []
    try:
        for name in opt_files(_names(arguments)):
            try:
                _format(name, arguments, outcome)
            except CompileError as error:
                found.extend(error.diagnostics)
                outcome.failed += 1
            except InputError as error:
                show_error(error.message, error.remarks)
                outcome.failed += 1
    finally:
        show_diagnostics(found)
    dry = arguments.check or arguments.diff
    if not arguments.quiet and (dry or arguments.files not in ([], [STANDARD_INPUT])):
        write(outcome.summary(dry=dry), sys.stderr)
    return Status.INPUT if outcome.failed or (dry and outcome.changed) else Status.OK


def _names(arguments: argparse.Namespace) -> list[str]:
    names: list[str] = arguments.files or [STANDARD_INPUT]
    if not arguments.files and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("nothing to format", ("help", "name files or folders, such as `optdsl fmt .`"))
    if STANDARD_INPUT in names and len(names) > 1:
        raise UsageError(f"`{STANDARD_INPUT}` stands alone: its output is the standard output")
    return names


def _format(name: str, arguments: argparse.Namespace, outcome: _Outcome) -> None:
    from optdsl.syntax.format import formatted

    source = read_source(name)
    text = formatted(source)
    dry = arguments.check or arguments.diff
    if name == STANDARD_INPUT and not dry:
        write_output(name, text.encode())
    elif text != source.text:
        if arguments.diff:
            _show_diff(shown_name(name), source.text, text)
        elif not dry:
            replace_file(name, text.encode())
        elif not arguments.quiet:
            write(f"{shown_name(name)}\n")
        outcome.changed += 1
    else:
        outcome.unchanged += 1


def _show_diff(name: str, old: str, new: str) -> None:
    from optdsl.cli.unified_diff import unified_diff

    write(unified_diff(name, old, new, style_of(sys.stdout)))
