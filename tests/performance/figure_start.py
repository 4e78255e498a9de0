"""Figure: what a compile costs from the shell, as a whole process, against clang on the same program as C."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from optdsl import resources
from optdsl.kernel import tools
from optdsl.kernel.clang import compile_bpf
from performance.measuring import Effort, Figure, interleaved, median, milliseconds, table

_SAMPLE = "delack"
_CLANG = "clang, the same as C"
_COMPILE = "`optdsl compile`"
_TEXT = """\
`samples/delack.opt` to an object, as a process of its own, in turn with `clang -O2 -g -target bpf -c` on the C that
`optdsl compile --emit c` makes of it; {rounds} rounds. Wall-clock and processor time in milliseconds, user and system
together.

{table}

Median against median, `optdsl compile` takes {ratio:.2f} times as long as clang, least against least {least:.2f} times
(goal: at most 2), and {cpu:.2f} times its processor time: LLVM loads in a second process meanwhile.
"""


@dataclass(frozen=True, slots=True)
class Process:
    """What one process took: seconds on the clock, and of processors."""

    wall: float
    cpu: float


def measure(effort: Effort) -> Figure:
    """Runs all commands in turn. Raises RuntimeError if one fails."""
    rounds = effort.rounds(40, 3)
    with TemporaryDirectory() as folder:
        found = interleaved(_commands(Path(folder)), rounds)
    ours, clang = found[_COMPILE], found[_CLANG]
    ratios = {
        "ratio": median([each.wall for each in ours]) / median([each.wall for each in clang]),
        "least": min(each.wall for each in ours) / min(each.wall for each in clang),
        "cpu": median([each.cpu for each in ours]) / median([each.cpu for each in clang]),
    }
    rows = [
        (
            name,
            milliseconds(min(each.wall for each in runs)),
            milliseconds(median([each.wall for each in runs])),
            milliseconds(median([each.cpu for each in runs])),
        )
        for name, runs in found.items()
    ]
    text = _TEXT.format(rounds=rounds, table=table(("process", "least", "median", "processor"), rows), **ratios)
    data = {"ratios": ratios, "runs": {name: [asdict(each) for each in runs] for name, runs in found.items()}}
    return Figure("Compiling from the shell", text, data)


def _commands(folder: Path) -> dict[str, Callable[[], Process]]:
    sample = str(resources.folder("samples") / f"{_SAMPLE}.opt")
    optdsl = str(Path(sys.executable).with_name("optdsl"))
    source, made = folder / f"{_SAMPLE}.bpf.c", folder / f"{_SAMPLE}.bpf.o"
    run([optdsl, "compile", sample, "--emit", "c", "--no-lines", "-q", "-o", str(source)])
    compile_bpf(source, made)  # says what is missing, if anything is
    include = f"-I/usr/include/{os.uname().machine}-linux-gnu"
    clang = [tools.find("clang"), *"-O2 -g -target bpf".split(), include, "-c", str(source), "-o", str(made)]
    commands = {
        _COMPILE: [optdsl, "compile", sample, "-q", "-o", str(made)],
        _CLANG: clang,
        "`optdsl check`": [optdsl, "check", sample],
        "`optdsl --version`": [optdsl, "--version"],
        "`python -c pass`": [sys.executable, "-c", "pass"],
    }
    for command in commands.values():
        run(command)  # from here on everything is in the page cache, and Python has compiled its modules
    return {name: partial(run, command) for name, command in commands.items()}


def run(command: list[str]) -> Process:
    """Runs a command to its end, without its output. Raises RuntimeError if it fails."""
    quiet = [(os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_RDWR, 0) for descriptor in (0, 1, 2)]
    start = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
    _, status, used = os.wait4(process, 0)
    wall = time.perf_counter() - start
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return Process(wall, used.ru_utime + used.ru_stime)
