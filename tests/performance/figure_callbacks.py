"""Figure: nanoseconds of a callback, generated and by hand, over the same traffic."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from optdsl.lab.hosts import Lab, two_hosts
from performance.attached_in_turn import Loaded, Runs, loaded, statistics_of_programs
from performance.handwritten_objects import BY_HAND, MAKERS, SAMPLES, compile_by
from performance.measuring import Effort, Figure, interleaved, median, percent, spread, table

_SCRIPT = Path(__file__).with_name("exchange.py")
_TEXT = """\
Nanoseconds of a callback, as the kernel measures them with `kernel.bpf_stats_enabled`, its own clock included. The
program runs at both ends. `short` are {short.connections} connections of {short.rounds} exchanges of {short.size}
bytes, where the option is sent, received and acted upon; `long` is one connection of {long.rounds} exchanges of
{long.size} bytes, which nearly always asks for the length of an option that is done. {rounds} rounds in turn: the
least, and the median with half of the distance of the quartiles. The last column compares the least of LLVM with the
least by hand.

{table}
"""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Connections one after the other, exchanges on each, bytes of each question and answer."""

    connections: int
    rounds: int
    size: int


_KINDS = {"short": Traffic(120, 4, 400), "long": Traffic(1, 400, 60_000)}
_QUICK = {"short": Traffic(10, 2, 400), "long": Traffic(1, 20, 20_000)}


def measure(effort: Effort) -> Figure:
    """Runs the traffic under each program in turn. Needs root."""
    kinds, rounds = (_QUICK, 2) if effort.quick else (_KINDS, 15)
    samples = SAMPLES[:1] if effort.quick else SAMPLES
    rows, data = [], {}
    with TemporaryDirectory() as folder, two_hosts() as lab, statistics_of_programs():
        port = _start_server(lab)
        for sample in samples:
            objects = {maker: compile_by(maker, sample, Path(folder)) for maker in MAKERS}
            with loaded(objects) as programs:
                for kind, traffic in kinds.items():
                    actions = {name: partial(_round, lab, port, program, traffic) for name, program in programs.items()}
                    found = interleaved(actions, rounds)
                    rows.append(_row(sample, kind, found))
                    data[f"{sample} {kind}"] = {
                        name: [(each.nanoseconds, each.count) for each in runs] for name, runs in found.items()
                    }
    head = ("sample", "traffic", "callbacks", "LLVM", "C", "by hand", "LLVM to by hand")
    text = _TEXT.format(rounds=rounds, table=table(head, rows), **kinds)
    return Figure("Nanoseconds of a callback", text, data)


def _start_server(lab: Lab) -> int:
    process = lab.server.spawn([sys.executable, str(_SCRIPT), "serve"], stderr=None)
    assert process.stdout is not None
    return int(process.stdout.readline())


def _round(lab: Lab, port: int, program: Loaded, traffic: Traffic) -> Runs:
    before = program.runs()
    with program.on(*lab.hosts):
        numbers = (port, traffic.connections, traffic.rounds, traffic.size)
        lab.client.run([sys.executable, str(_SCRIPT), "ask", lab.server.ipv4, *(str(number) for number in numbers)])
    return program.runs() - before


def _row(sample: str, kind: str, found: dict[str, list[Runs]]) -> list[str]:
    times = {name: [run.nanoseconds / run.count for run in runs] for name, runs in found.items()}
    cells = [f"{min(each):.0f}, {median(each):.0f} ± {spread(each) * 100:.0f} %" for each in times.values()]
    return [sample, kind, str(found["llvm"][0].count), *cells, percent(min(times["llvm"]) / min(times[BY_HAND]) - 1)]
