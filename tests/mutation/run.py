"""`make mutants`: breaks the compiler in listed ways, one at a time, and shows which test notices each.

    python -m mutation.run                       # all; some minutes; needs root, BPF and clang for the kernel tests
    python -m mutation.run --only sum-range,ceil # some
    python -m mutation.run --list                # names and meanings

Run it from `tests`, or with `tests` in PYTHONPATH. Writes build/mutants.json; ends with 1 if a mutant survives.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from mutation import checker_mutants, lowering_mutants, output_mutants, tool_mutants
from mutation.mutant import Mutant, StaleMutantError
from mutation.trial import EVERYTHING, Outcome, Verdict, judged, try_mutant
from mutation.workplace import ROOT, Workplace, WrongPackageError

MUTANTS: Final[tuple[Mutant, ...]] = (
    *checker_mutants.MUTANTS, *lowering_mutants.MUTANTS, *output_mutants.MUTANTS, *tool_mutants.MUTANTS,
)  # fmt: skip

_STYLES: Final = {Verdict.NOTICED: "green", Verdict.SURVIVED: "bold red", Verdict.BROKEN: "bold yellow"}


class UnfitTestsError(Exception):
    """The tests fail without any mutant, so that they would notice everything."""


def main(argv: Sequence[str] | None = None) -> int:
    """0 if every mutant was noticed, 1 if one was not, 2 if nothing could be tried."""
    arguments = _parser().parse_args(argv)
    try:
        mutants = chosen(arguments.only)
        if arguments.list:
            _console().print(_list(mutants))
            return 0
        start = time.monotonic()
        outcomes = run(mutants, arguments.jobs)
    except (StaleMutantError, UnfitTestsError, WrongPackageError) as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 2
    _console().print(_table(outcomes, time.monotonic() - start))
    _write(outcomes, arguments.data)
    return int(any(each.verdict is not Verdict.NOTICED for each in outcomes))


def chosen(names: str | None) -> tuple[Mutant, ...]:
    """The mutants of a comma-separated list; all without one. Raises `StaleMutantError` for a name that none has."""
    if names is None:
        return MUTANTS
    known = {mutant.name: mutant for mutant in MUTANTS}
    if missing := [name for name in names.split(",") if name not in known]:
        raise StaleMutantError(f"there is no mutant {', '.join(missing)}; --list shows all")
    return tuple(known[name] for name in names.split(","))


def run(mutants: Sequence[Mutant], jobs: int, everything: Sequence[str] = EVERYTHING) -> list[Outcome]:
    """Tries mutants, `jobs` at a time, each in a copy of the tree of its own.

    Raises `StaleMutantError` before anything runs, and `UnfitTestsError` where tests fail without a mutant.
    """
    for mutant in mutants:
        mutant.applied(mutant.read(ROOT))
    with tempfile.TemporaryDirectory(prefix="optdsl-mutants-") as name:
        folder = Path(name)
        first = Workplace.make(folder / "0")
        _check_tests(first, mutants)
        free: SimpleQueue[Workplace] = SimpleQueue()
        free.put(first)
        for number in range(1, min(jobs, len(mutants))):
            free.put(Workplace.make(folder / str(number), first.folder))

        def work(mutant: Mutant) -> Outcome:
            workplace = free.get()
            try:
                outcome = try_mutant(workplace, mutant, everything)
            finally:
                free.put(workplace)
            print(f"{outcome.verdict}: {mutant.name}, {outcome.seconds:.0f} s", file=sys.stderr, flush=True)
            return outcome

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(work, mutants))


def _check_tests(workplace: Workplace, mutants: Iterable[Mutant]) -> None:
    """All tests that shall notice something pass as long as nothing is wrong."""
    tests = dict.fromkeys(test for mutant in mutants for test in mutant.tests)
    verdict, why = judged(workplace, tuple(tests))
    if verdict is not Verdict.SURVIVED:
        raise UnfitTestsError(f"without any mutant the tests do not pass:\n{why}")
    print(f"without a mutant: {why.splitlines()[-1]}", file=sys.stderr, flush=True)


# --------------------------------------------------------------------------------------------------- output


def _console() -> Console:
    """As wide as the terminal; in a file, as wide as the lines want to be."""
    return Console(width=None if sys.stdout.isatty() else 240)


def _list(mutants: Sequence[Mutant]) -> Table:
    table = Table("name", "meaning", "file", box=SIMPLE_HEAD)
    for each in mutants:
        table.add_row(each.name, each.meaning, each.file)
    return table


def _table(outcomes: Sequence[Outcome], seconds: float) -> Table:
    noticed = sum(each.verdict is Verdict.NOTICED for each in outcomes)
    title = f"{noticed} of {len(outcomes)} mutants noticed in {seconds:.0f} s"
    table = Table("mutant", "meaning", "verdict", Column("by", overflow="fold"), "s", title=title, box=SIMPLE_HEAD)
    for each in outcomes:
        verdict = each.verdict if each.as_expected or each.verdict is not Verdict.NOTICED else "noticed, elsewhere"
        table.add_row(
            each.mutant.name, each.mutant.meaning, f"[{_STYLES[each.verdict]}]{verdict}[/]",
            each.by.removeprefix("tests/").replace("[", r"\["), f"{each.seconds:.0f}",
        )  # fmt: skip
    return table


def _write(outcomes: Sequence[Outcome], path: Path) -> None:
    rows = [
        {**asdict(each.mutant), "verdict": each.verdict, "by": each.by, "seconds": each.seconds} for each in outcomes
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make mutants", description="breaks the compiler and asks the tests")
    parser.add_argument("--only", metavar="NAME,...", help="some mutants")
    parser.add_argument("--list", action="store_true", help="show the mutants and try none")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="so many at a time (2)")
    parser.add_argument("--data", type=Path, default=ROOT / "build" / "mutants.json", help="the JSON file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
