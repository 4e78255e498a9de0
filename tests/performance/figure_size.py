"""Figure: how large the programs are in the kernel, how much the verifier works, and what each callback executes."""

from __future__ import annotations

import contextlib
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from optdsl.kernel.errors import KernelError
from optdsl.kernel.libbpf import Object
from peer import kernel_selftest
from performance.handwritten_objects import BY_HAND, MAKERS, SAMPLES, compile_by
from performance.measuring import Effort, Figure, table
from performance.paths import walk
from performance.random_callbacks import OPTIONS

_STATISTICS = 4
"""BPF_LOG_STATS: of the verifier's log only the sums."""
_NAMES = {"llvm": "LLVM", "c": "C", BY_HAND: "by hand"}
_KERNELS_OWN = "the kernel's own selftest"
_SIZE_TEXT = """\
Each sample through both back ends, and the same by hand in C (`tests/performance/handwritten`, compiled by clang, with
equal behaviour proven by `tests/performance/test_performance_handwritten.py`). Instructions as the verifier left them,
bytes of machine code, instructions that the verifier went through, and bytes of stack.

{table}
"""
_PATHS_TEXT = """\
Executed instructions of each callback on the usual ways of a client and a server, from the objects' code
(`tests/performance/object_machine.py`): LLVM back end / by hand, in bold where the generated program executes more. For
a packet that is sent, both callbacks together: the one that asks for the length, and the one that writes, if any.

{table}
"""


@dataclass(frozen=True, slots=True)
class Size:
    """A loaded program."""

    instructions: int
    machine_code: int
    verified: int
    stack: int


def measure(_: Effort) -> Figure:
    """Loads all programs. The kernel's own selftest is left out where its source is not installed."""
    with TemporaryDirectory() as folder:
        objects = {
            sample: {maker: compile_by(maker, sample, Path(folder)).read_bytes() for maker in MAKERS}
            for sample in SAMPLES
        }
        sizes = {sample: {maker: _size(data) for maker, data in made.items()} for sample, made in objects.items()}
        with contextlib.suppress(KernelError):
            sizes[_KERNELS_OWN] = {BY_HAND: _size(kernel_selftest.compiled(Path(folder)).read_bytes())}
    rows = [
        [sample, _NAMES[maker], *asdict(size).values()]
        for sample, made in sizes.items()
        for maker, size in made.items()
    ]
    head = ("sample", "made by", "instructions", "machine code", "verified", "stack")
    paths = _paths(objects)
    text = f"{_SIZE_TEXT.format(table=table(head, rows))}\n{_PATHS_TEXT.format(table=_paths_table(paths))}"
    plain = {name: {maker: asdict(size) for maker, size in made.items()} for name, made in sizes.items()}
    return Figure("Instructions", text, {"sizes": plain, "paths": paths})


def _size(data: bytes) -> Size:
    with Object(data, "performance", log_level=_STATISTICS) as loaded:
        loaded.load()
        translated, machine_code = loaded.program_sizes(loaded.programs[0])
        log = loaded.verifier_log
    verified = re.search(r"processed (\d+) insns", log)
    stacks = re.search(r"stack depth ([\d+]+)", log)
    assert verified is not None
    assert stacks is not None
    return Size(translated // 8, machine_code, int(verified[1]), sum(int(part) for part in stacks[1].split("+")))


def _paths(objects: dict[str, dict[str, bytes]]) -> dict[str, dict[str, dict[str, int]]]:
    """By sample, callback (or packet sent) and maker: executed instructions."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for sample, made in objects.items():
        walks = {maker: walk(data, OPTIONS[sample]) for maker, data in made.items()}
        steps = found.setdefault(sample, {})
        for maker, each in walks.items():
            for step in each:
                executed = steps.setdefault(step.name.partition(":")[0], {})
                executed[maker] = executed.get(maker, 0) + step.executed
    return found


def _paths_table(paths: dict[str, dict[str, dict[str, int]]]) -> str:
    names = list(dict.fromkeys(name for steps in paths.values() for name in steps))
    rows = [[name, *(_pair(steps.get(name)) for steps in paths.values())] for name in names]
    return table(["callback", *paths], rows)


def _pair(executed: dict[str, int] | None) -> str:
    if executed is None:
        return ""
    pair = f"{executed['llvm']} / {executed[BY_HAND]}"
    return f"**{pair}**" if executed["llvm"] > executed[BY_HAND] else pair
