"""Figure: what the stages of the compiler cost in a process that is warm, and how that grows with the options."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from performance.growth_stages import MOST_OPTIONS
from performance.measuring import Effort, Figure, exponent, milliseconds, table

_RUNS = {1: 15, 10: 9, 100: 5, 1000: 2}
"""By the number of options: how often they are compiled."""
_STAGES = ("front end", "lowering", "LLVM IR", "LLVM", "object", "C")
_MEMORY = ("memory", "memory of LLVM")
_PARENT = Path(__file__).resolve().parents[1]
_TEXT = """\
Options that only receive, since what is sent must fit the header, compiled in a process that has imported everything. A
program takes about {most} of them, so 1000 are {programs} programs. Milliseconds of processor time, the least of
several runs: `front end` reads and checks, `lowering` makes the IR, `LLVM IR` writes it as text, `LLVM` optimises it
and generates code in a process of its own, `object` is all of these together; `C` writes C instead. Memory is the peak
in MiB, of the compiler and of LLVM's process.

{table}

The exponent is that of the growth from {sizes} options; 1 is linear.
"""


def measure(effort: Effort) -> Figure:
    """Compiles each number of options in a fresh process. Raises CalledProcessError if that fails."""
    runs = {1: 3, 10: 5, 100: 3, 1000: 0} if effort.quick else _RUNS
    found = {count: _stages(count, times) for count, times in runs.items() if times}
    sizes = [count for count in found if 1 < count <= MOST_OPTIONS]
    grows = {name: exponent(sizes, [found[count][name] for count in sizes]) for name in _STAGES}
    rows = [[name, *(milliseconds(found[count][name]) for count in found), f"{grows[name]:.2f}"] for name in _STAGES]
    rows += [[name, *(f"{found[count][name] / 2**20:.0f}" for count in found), ""] for name in _MEMORY]
    head = ["options", *(str(count) for count in found), "exponent"]
    between = " to ".join(str(size) for size in sizes)
    text = _TEXT.format(programs=-(-1000 // MOST_OPTIONS), most=MOST_OPTIONS, table=table(head, rows), sizes=between)
    data = {"exponents": grows, "programs": {str(count): stages for count, stages in found.items()}}
    return Figure("Stages, and many options", text, data)


def _stages(count: int, runs: int) -> dict[str, float]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_PARENT), str(_PARENT.parent)])}
    command = [sys.executable, "-m", "performance.growth_stages", str(count), str(runs)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    stages: dict[str, float] = json.loads(done.stdout)
    return stages
