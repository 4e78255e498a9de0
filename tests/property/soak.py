"""`make soak`: ten thousand programs through everything that must hold; goes on where it was interrupted.

    python -m property.soak [--programs N] [--from SEED] [--workers N]

The next seed and the counts are kept in `build/soak/state.json`. A program that fails is made small and written to
`tests/property/regressions`, where pytest runs it from then on.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from property.batch import Job, Result, run
from property.features import EXPECTED
from property.programs import NO_TIMESTAMPS

REGRESSIONS: Final = Path(__file__).parent / "regressions"
_STATE: Final = Path(__file__).parents[2] / "build" / "soak" / "state.json"
_FIRST_SEED: Final = 1_000_000
"""Far from the seeds of the tests."""
_LEAST: Final = 3.0
"""Per cent of the programs that every feature must be in."""


class State:
    """What is kept from one run to the next."""

    def __init__(self, path: Path, first: int | None) -> None:
        self._path = path
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self.next_seed: int = known.get("next_seed", _FIRST_SEED) if first is None else first
        self.counts: Counter[str] = Counter(known.get("counts", {}))
        self.features: Counter[str] = Counter(known.get("features", {}))
        self.seconds: dict[str, float] = known.get("seconds", {})
        self._done: set[int] = set()

    def add(self, result: Result) -> None:
        """Counts a result; the next run begins behind the last seed before which all are done."""
        self.counts["programs"] += 1
        self.counts["accepted"] += result.accepted
        self.counts["failed"] += bool(result.what)
        self.counts.update(result.costs.events)
        self.features.update(result.features)
        for phase, seconds in result.costs.seconds.items():
            self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds
        self._done.add(result.job.seed)
        while self.next_seed in self._done:
            self._done.remove(self.next_seed)
            self.next_seed += 1

    def save(self) -> None:
        """Writes the file, whole or not at all."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"next_seed": self.next_seed, "counts": self.counts, "features": self.features, "seconds": self.seconds}
        new = self._path.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        new.replace(self._path)


def _said(detail: str) -> list[str]:
    """The first lines of what went wrong, of a traceback the last, without the folders of this machine."""
    lines = [re.sub(r"(?:/[\w.+-]+)+/", "", each.strip()) for each in detail.splitlines() if each.strip()]
    return lines[-1:] if lines and lines[0].startswith("Traceback") else lines[:2]


def write_regression(result: Result, folder: Path = REGRESSIONS) -> Path:
    """Keeps a failing program as a case for ever."""
    text = result.smaller or result.text
    first = f"{NO_TIMESTAMPS}\n" if text.startswith(NO_TIMESTAMPS) else ""
    header = [f"seed {result.job.seed}", f"failed: {result.what}", *_said(result.detail)]
    comment = "".join(f"// {line[:110]}\n" for line in header)
    name = re.sub(r"\W+", "_", result.what.lower()).strip("_")
    path = folder / f"{name}_{result.job.seed}.opt"
    path.write_text(first + comment + text.removeprefix(first), encoding="utf-8")
    return path


def main(arguments: list[str]) -> int:
    """Runs the command; 1 if a program failed, 2 if a feature is hardly tried."""
    parser = argparse.ArgumentParser(prog="make soak", description="Tries random programs on the kernel.")
    parser.add_argument("--programs", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--from", type=int, dest="first", help="the first seed (default: behind the last run)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a CPU)")
    given = parser.parse_args(arguments)
    # A shell starts background jobs with SIGINT ignored; either signal ends the soak in good order.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console, state = Console(), State(_STATE, given.first)
    failed = _soak(given.programs, given.workers, state, console)
    report(console, state)
    rare = [name for name in EXPECTED if 100 * state.features[name] < _LEAST * state.counts["accepted"]]
    if failed:
        console.print(f"{failed} programs failed; they stand in {REGRESSIONS}")
    return 1 if failed else 2 if rare and state.counts["accepted"] >= 300 else 0


def _soak(programs: int, workers: int, state: State, console: Console) -> int:
    failed = 0
    first = state.next_seed
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TimeRemainingColumn())  # fmt: skip
    jobs = (Job(seed, reduce=True) for seed in range(first, first + programs))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"from seed {first}", total=programs)
        saved = time.monotonic()
        try:
            for result in run(jobs, workers):
                state.add(result)
                if result.what:
                    failed += 1
                    progress.console.print(f"seed {result.job.seed}: {result.what}, {write_regression(result)}")
                if time.monotonic() - saved > 5 or result.what:
                    state.save()
                    saved = time.monotonic()
                progress.advance(task)
        except KeyboardInterrupt:
            console.print("interrupted; the next run goes on from here")
        finally:
            state.save()
    return failed


def report(console: Console, state: State) -> None:
    """The counts, what each phase has cost, and the share of programs with each feature."""
    total = max(1, state.counts["accepted"])
    console.print(", ".join(f"{name}: {count}" for name, count in state.counts.items()))
    phases = sorted(state.seconds.items(), key=lambda each: -each[1])
    costs = ", ".join(f"{name} {1000 * each / total:.0f}" for name, each in phases)
    console.print(f"milliseconds for a program: {costs}")
    table = Table("feature", "% of programs", "feature ", "% of programs ")
    rows = sorted((100 * state.features[name] / total, name) for name in EXPECTED | set(state.features))
    half = -(-len(rows) // 2)
    for index in range(half):
        pair = rows[index : index + half + 1 : half]
        table.add_row(
            *(cell for share, name in pair for cell in (name, f"{share:.1f}{' !' if share < _LEAST else ''}"))
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
