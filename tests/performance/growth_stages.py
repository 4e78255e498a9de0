"""Compiles N options in this process and prints what each stage took, as JSON.

    python -m performance.growth_stages 64 3      # 64 options, each stage the least of 3 runs

More options than a program may have are spread over several programs, as users would have to. The options only receive:
what is sent must share the 40 bytes of a header.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from optdsl.backends.c import emit_c
from optdsl.backends.llvm import emit_llvm, emit_object
from optdsl.compiler import Options, analyse, lower_program
from optdsl.diagnostics import Diagnostics
from optdsl.source import Source

T = TypeVar("T")
MOST_OPTIONS = 200
"""In one program (OPT0412)."""
_OPTION = """\
option o{number} {{
    kind experimental {exid:#06x}
    layout {{ value : u8 in 1..=64 }}
    receive {{ socket.tos = value }}
}}
"""


def stages(count: int, runs: int) -> dict[str, float]:
    """Processor seconds of each stage, the least of so many runs; and the peak memory here and of LLVM in bytes."""
    numbers = range(count)
    programs = [numbers[start : start + MOST_OPTIONS] for start in range(0, count, MOST_OPTIONS)]
    times: dict[str, float] = {}
    for program in programs:
        for name, seconds in _stages_of(program, runs).items():
            times[name] = times.get(name, 0.0) + seconds
    return times | {
        "programs": len(programs),
        "memory": _peak_memory(),
        "memory of LLVM": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024.0,
    }


def _stages_of(numbers: Iterable[int], runs: int) -> dict[str, float]:
    """Processor seconds of each stage for one program."""
    text = "".join(_OPTION.format(number=number, exid=number + 1) for number in numbers)
    source, diagnostics = Source("many.opt", text), Diagnostics()
    front, checked = _least(lambda: analyse([source], Options("many"), lambda _: None, diagnostics), runs)
    lower, program = _least(lambda: lower_program(checked), runs)
    llvm_text, _ = _least(lambda: emit_llvm(program), runs)
    made, _ = _least(lambda: emit_object(program), runs)
    c_text, _ = _least(lambda: emit_c(program), runs)
    return {
        "front end": front,
        "lowering": lower,
        "LLVM IR": llvm_text,
        "LLVM": made - llvm_text,
        "object": front + lower + made,
        "C": c_text,
    }


def _least(action: Callable[[], T], runs: int) -> tuple[float, T]:
    """The first run also pays for imports and caches; with more than one it does not count."""
    times = []
    for _ in range(runs):
        start = _processor_time()
        result = action()
        times.append(_processor_time() - start)
    return min(times), result


def _processor_time() -> float:
    """Seconds of processors that this process and LLVM's have had: other work on the machine matters little to it."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def _peak_memory() -> float:
    """Of this program: what getrusage tells includes the process that has started it."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return float(found[1]) * 1024 if found else 0.0


if __name__ == "__main__":
    stages(1, 1)  # imports and caches
    print(json.dumps(stages(int(sys.argv[1]), int(sys.argv[2]))))
