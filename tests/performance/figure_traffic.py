"""Figure: throughput, round-trip time and processor time of one flow, without and with programs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Host, Lab, two_hosts
from performance.attached_in_turn import Loaded, loaded
from performance.handwritten_objects import BY_HAND, compile_by
from performance.measuring import Effort, Figure, interleaved, median, percent, spread, table
from performance.traffic_programs import SCENARIOS, by_hand, generated

_NONE, _AGAIN = "no program", "no program, again"
_PORT = 5201
_TEXT = """\
One flow of iperf3 for {seconds} s from client to server over a veth pair, {rounds} rounds in turn: the best and the
median in Gbit/s with half of the distance of the quartiles; the sender's mean RTT in microseconds; and the processor
time of both iperf3 processes, which includes the kernel's work for them, in milliseconds per Gbit. The last columns
compare the throughput with that without a program, and with that of the program by hand, in the same round (median).
What differs less than the two rows of no program do is noise.

- `insert`: an option of 6 bytes on every packet, on the client only
- `insert and parse`: on both hosts, which also find and validate it on every packet that comes
- `insert, parse, set`: each of these also sets TCP_USER_TIMEOUT to what it says
- `delack`: the sample on both hosts, whose option is sent until it is acknowledged

{table}
"""


@dataclass(frozen=True, slots=True)
class Flow:
    """What iperf3 tells: bits per second, microseconds, percent of a processor."""

    throughput: float
    round_trip: float
    processor: float


def measure(effort: Effort) -> Figure:
    """Runs all configurations in turn. Needs root and iperf3."""
    rounds, seconds = (1, 0.3) if effort.quick else (14, 1.0)
    with TemporaryDirectory() as folder, two_hosts() as lab, loaded(_objects(Path(folder))) as programs:
        actions: dict[str, Callable[[], Flow]] = {name: partial(_flow, lab, seconds, []) for name in (_NONE, _AGAIN)}
        for name, program in programs.items():
            hosts = [lab.client] if name.startswith(f"{SCENARIOS[0]} (") else list(lab.hosts)
            actions[name] = partial(_flow, lab, seconds, [(program, hosts)])
        found = interleaved(actions, rounds)
    rows = [_row(name, runs, found) for name, runs in found.items()]
    head = ("program", "best", "median", "RTT", "processor", "to no program", "to by hand")
    text = _TEXT.format(seconds=seconds, rounds=rounds, table=table(head, rows))
    return Figure("Throughput", text, {name: [asdict(run) for run in runs] for name, runs in found.items()})


def _objects(folder: Path) -> dict[str, Path]:
    objects: dict[str, Path] = {}
    for scenario in SCENARIOS:
        objects[f"{scenario} (LLVM)"] = generated(scenario, folder)
        objects[f"{scenario} (by hand)"] = by_hand(scenario, folder)
    objects["delack (LLVM)"] = compile_by("llvm", "delack", folder)
    objects["delack (by hand)"] = compile_by(BY_HAND, "delack", folder)
    return objects


def _flow(lab: Lab, seconds: float, programs: list[tuple[Loaded, list[Host]]]) -> Flow:
    with ExitStack() as stack:
        for program, hosts in programs:
            stack.enter_context(program.on(*hosts))
        with _server(lab):
            command = ["iperf3", "--client", lab.server.ipv4, "--port", str(_PORT), "--json"]
            if (os.cpu_count() or 1) > 1:
                command += ["--affinity", "0,1"]  # throughput depends much on where the two processes are
            done = lab.client.run([*command, "--bytes" if seconds < 1 else "--time", _amount(seconds)])
    end = json.loads(done.stdout)["end"]
    used = end["cpu_utilization_percent"]
    return Flow(
        end["sum_received"]["bits_per_second"],
        end["streams"][0]["sender"]["mean_rtt"],
        used["host_total"] + used["remote_total"],
    )


def _amount(seconds: float) -> str:
    """iperf3 counts whole seconds; what is to be shorter is counted in bytes."""
    return "100M" if seconds < 1 else str(round(seconds))


@contextmanager
def _server(lab: Lab) -> Iterator[None]:
    """A server for one test; returns when it listens."""
    process = lab.server.spawn(["iperf3", "--server", "--one-off", "--port", str(_PORT), "--forceflush"])
    assert process.stdout is not None
    while line := process.stdout.readline():
        if "listening" in line:
            break
    else:
        raise LabError("iperf3 does not start")
    yield
    process.communicate()


def _row(name: str, runs: list[Flow], found: dict[str, list[Flow]]) -> list[str]:
    throughput = [run.throughput for run in runs]
    other = name.replace("(LLVM)", f"({BY_HAND})")
    return [
        name,
        f"{max(throughput) / 1e9:.1f}",
        f"{median(throughput) / 1e9:.1f} ± {spread(throughput) * 100:.0f} %",
        f"{median([run.round_trip for run in runs]):.0f}",
        f"{median([run.processor / 100 / run.throughput * 1e12 for run in runs]):.0f}",
        "" if name == _NONE else _against(throughput, found[_NONE]),
        "" if name == other else _against(throughput, found[other]),
    ]


def _against(throughput: list[float], others: list[Flow]) -> str:
    """The median of what differs in the same round."""
    return percent(median([one / other.throughput - 1 for one, other in zip(throughput, others, strict=True)]))
