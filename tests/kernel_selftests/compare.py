"""Runs the kernel's MPTCP selftests on the vanilla and on the patched kernel, and writes the list of results.

    PYTHONPATH=tests python -m kernel_selftests.compare
    PYTHONPATH=tests python -m kernel_selftests.compare --only mptcp_sockopt --only 'mptcp_join.sh -b'

It goes on where it was interrupted: outputs are remembered in the cache until kernel or scripts change. Without --only
it writes `kernel-patches/6.12/selftests.md`. It ends with 1 if the kernels do not agree, or if a subtest is not `ok`
for a reason that `runs.NOTES` does not tell.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kernel_selftests import kept
from kernel_selftests.kept import Both
from kernel_selftests.outcomes import Results
from kernel_selftests.running import Memory, run
from kernel_selftests.runs import RUNS, Run
from optdsl.lab.errors import LabError
from optdsl.lab.kernels import Kernel, ensure_built, source


def main() -> int:
    options = _options()
    chosen = [each for each in RUNS if not options.only or any(each.name.startswith(name) for name in options.only)]
    if not chosen:
        print(f"no run begins like that; there are: {', '.join(each.name for each in RUNS)}", file=sys.stderr)
        return 2
    try:
        kernels = tuple(_kernel(folder, is_patched) for is_patched, folder in enumerate(options.kernels))
        found = _run_all(chosen, kernels, options.jobs, options.again)
        if not options.only:
            _write(kept.text(found, f"Linux {_release()} (Debian's `linux-source-{source.SERIES}`)"))
    except (LabError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    complaints = list(kept.unexplained(found))
    print("\n".join(complaints) or "both kernels give the same results")
    return 1 if complaints else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kernel_selftests.compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", metavar="RUN", help="runs whose name begins so; writes no list")
    parser.add_argument("--again", action="store_true", help="runs what is remembered as well")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="kernels at a time")
    parser.add_argument(
        "--kernels", nargs=2, type=Path, default=(None, None), metavar=("VANILLA", "PATCHED"),
        help="folders with a file `linux`, instead of the kernels of `optdsl lab build`",
    )  # fmt: skip
    return parser.parse_args()


def _kernel(folder: Path | None, is_patched: int) -> Kernel:
    if folder is not None:
        return Kernel(folder.absolute(), "", bool(is_patched), debug=False)
    return ensure_built(patches=bool(is_patched))


def _run_all(chosen: list[Run], kernels: tuple[Kernel, ...], jobs: int, again: bool) -> dict[str, Both]:
    """Runs on both kernels side by side, with a line as each is done. Raises LabError, OSError."""
    memories = [Memory(each) for each in kernels]

    def results(work: tuple[Run, int]) -> Results:
        what, which = work
        told = None if again else memories[which].recall(what)
        if told is None:
            told = run(kernels[which], what)
            memories[which].keep(what, told)
            print(f"{what.name} on {(kept.VANILLA, kept.PATCHED)[which]}: {told.seconds:.0f} s", file=sys.stderr)
        return told.results

    work = [(what, which) for what in chosen for which in range(2)]
    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        done = iter(pool.map(results, work))
        return {what.name: both for what, both in zip(chosen, _pairs(done), strict=True)}


def _pairs(done: Iterator[Results]) -> Iterator[Both]:
    for vanilla in done:
        yield vanilla, next(done)


def _release() -> str:
    """The version of the source, as its package has it."""
    import subprocess

    name = f"linux-source-{source.SERIES}"
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True, check=False)
    return done.stdout.partition("-")[0] or source.SERIES


def _write(text: str) -> None:
    temporary = kept.FILE.with_name(f".{kept.FILE.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(kept.FILE)


if __name__ == "__main__":
    sys.exit(main())
