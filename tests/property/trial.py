"""One program through everything: the checker of IR, both back ends, the verifier, conversations, the interpreter.

In each conversation one host runs the object of LLVM and the other that of clang, and in the next one the other way
round. Each object has maps of its own, and an interpreter beside it that is shown the same packets.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from differential.hostile import hostile_options
from differential.objects import Attached
from differential.replay import Replay, counters_of
from optdsl.backends.c import emit_c
from optdsl.backends.llvm import emit_object
from optdsl.compiler import lower_program
from optdsl.ir.check import check_program
from optdsl.ir.machine import Machine
from optdsl.ir.memory import Decoded
from optdsl.ir.program import Program
from optdsl.kernel.clang import compile_bpf
from optdsl.kernel.errors import KernelError
from optdsl.kernel.libbpf import Object
from optdsl.semantics.model import CheckedProgram
from property import settings
from property.options import SocketOptions
from property.oracle import check_meaning
from property.programs import NAME, checked
from property.ranges import check_ranges
from property.talks import Seen, Side, Stage, Talk, other
from property.wires import wires_of

ISOLATED: Final = "loose"
"""Records with a member of this name come when the kernel likes; they are not compared."""
_ATTEMPTS: Final = 3
"""Times that a conversation that differs is tried anew: a busy machine may delay an acknowledgement or a timer."""
_HOSTILE: Final = 24
"""Segments of a raw client."""
_NUMBERS: Final = {"mss_cache": 1448, "srtt_us": 8}


class TrialError(Exception):
    """A program for which something does not hold: what, and the details."""

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(what, detail)
        self.what = what
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.what}: {self.detail}"


def _seconds() -> defaultdict[str, float]:
    return defaultdict(float)


@dataclass(slots=True)
class Costs:
    """Seconds by phase, and what happened."""

    seconds: defaultdict[str, float] = field(default_factory=_seconds)
    events: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the time of a `with` block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


@dataclass(frozen=True, slots=True)
class Built:
    """A program and its objects."""

    text: str
    checked: CheckedProgram
    program: Program
    objects: dict[str, bytes]


def build(text: str, folder: Path, costs: Costs) -> Built:
    """Compiles a program that the checker accepts. Raises TrialError."""
    with costs.phase("lower"):
        program_checked = checked(text)
        program = lower_program(program_checked)
        if problems := check_program(program):
            raise TrialError("IR", "\n".join(problems))
    with costs.phase("llvm"):
        made = emit_object(program)
    with costs.phase("llvm again"):
        # From the text again: nothing may depend on where objects are in memory.
        again = emit_object(lower_program(checked(text)))
        if made != again:
            raise TrialError("two objects differ", f"{len(made)} and {len(again)} bytes")
    with costs.phase("clang"):
        source = folder / f"{NAME}.bpf.c"
        source.write_text(emit_c(program, lines=False), encoding="utf-8")
        try:
            from_c = compile_bpf(source, source.with_suffix(".o")).read_bytes()
        except KernelError as error:
            raise TrialError("clang", str(error)) from None
    return Built(text, program_checked, program, {"llvm": made, "c": from_c})


class Running:
    """The object of one back end, and the interpreter beside it."""

    def __init__(self, built: Built, backend: str, cleanup: ExitStack) -> None:
        self.backend = backend
        self.loaded = cleanup.enter_context(Object(built.objects[backend], built.program.name))
        try:
            self.loaded.load()
        except KernelError as error:
            raise TrialError(f"verifier, {backend}", f"{error}\n{error.verifier_log[-3000:]}") from None
        ring = self.loaded.ring_buffer("events") if built.program.records else None
        self.attached = Attached(built.program, self.loaded, ring)
        self.options = SocketOptions()
        self.machine = Machine(built.program, setsockopt=self.options.set, getsockopt=self.options.get)

    def compare(self, side: Side, talk: Talk, seen: Seen) -> None:
        """Shows the interpreter what one side saw. Raises TrialError where it gives something else than the kernel."""
        replay = Replay(self.machine, talk.cookies, _NUMBERS)
        self.options.begin()
        if side == "server":
            replay.listen(seen.port, ipv6=talk.ipv6 or talk.mapped)
            self.options.accept()
        replay.play(side, seen.as_processed(side), closed=True, mapped=talk.mapped and side == "server")
        where = f"{self.backend} at the {side} of {talk}"
        if replay.wrong:
            raise TrialError("wire", f"{where}\n" + "\n".join(replay.wrong))
        counters, expected = self.attached.counters(), counters_of(self.machine)
        if counters != expected:
            raise TrialError("counters", f"{where}\n{_differences(counters, expected)}")
        records, told = _compared(self.attached.records()), _compared(replay.records)
        if records != told:
            raise TrialError("records", f"{where}\nkernel      {records}\ninterpreter {told}")


def _compared(records: list[Decoded]) -> list[Decoded]:
    return [each for each in records if not (isinstance(each, dict) and any(name == ISOLATED for name in each))]


def _differences(found: object, expected: object) -> str:
    assert isinstance(found, dict)
    assert isinstance(expected, dict)
    return "\n".join(f"{name}: {found[name]}, not {expected[name]}" for name in found if found[name] != expected[name])


def try_program(text: str, seed: int, stage: Stage, folder: Path, costs: Costs) -> CheckedProgram:
    """Everything that must hold for a program that the checker accepts. Raises TrialError."""
    with costs.phase("meaning"):
        _check_meaning(text, seed)
    built = build(text, folder, costs)
    for attempt in range(_ATTEMPTS):
        try:
            _on_the_kernel(built, seed, stage, costs)
            break
        except TrialError as failure:
            costs.events["differs once"] += 1
            if attempt == _ATTEMPTS - 1 or failure.what.startswith("verifier"):
                raise
    return built.checked


def _check_meaning(text: str, seed: int) -> None:
    program = checked(text)
    try:
        check_ranges(program, seed)
    except AssertionError as error:
        raise TrialError("ranges", str(error)) from None
    try:
        check_meaning(program, lower_program(program), seed)
    except AssertionError as error:
        raise TrialError("meaning", str(error)) from None


def _on_the_kernel(built: Built, seed: int, stage: Stage, costs: Costs) -> None:
    chance = Random(seed)
    with ExitStack() as cleanup:
        with costs.phase("load"):
            running = {name: Running(built, name, cleanup) for name in ("llvm", "c")}
        order = [running["llvm"], running["c"]]
        for talk in talks(chance):
            _conversation(chance, talk, {"client": order[0], "server": order[1]}, stage, costs)
            order.reverse()
        if wires := wires_of(built.checked, chance):
            for each in order:
                _hostile(chance, wires, each, stage, costs)


def talks(chance: Random) -> list[Talk]:
    """Two conversations, or three."""
    return [_talk(chance) for _ in range(chance.choice([2, 2, 3]))]


def _talk(chance: Random) -> Talk:
    side: Side = chance.choice(["client", "client", "server"])
    steps: list[tuple[Side, int]] = []
    for _ in range(chance.randint(1, 5)):
        steps.append((side, chance.choice([1, 2, 100, 536, 1000, 1400, 1461, 3000, 5000])))
        side = other(side) if chance.random() < 0.9 else side
    family = chance.choice(["ipv4", "ipv4", "ipv6", "ipv6", "mapped"])
    late = tuple(chance.choice([1, 100, 2000]) for _ in range(chance.choice([0, 0, 1, 2])))
    return Talk(
        ipv6=family == "ipv6",
        mapped=family == "mapped",
        cookies=chance.random() < 0.25,
        timestamps=chance.random() < 0.4,
        steps=tuple(steps),
        first_end=chance.choice(["client", "client", "server"]),
        late=late,
    )


def _conversation(chance: Random, talk: Talk, sides: dict[Side, Running], stage: Stage, costs: Costs) -> None:
    with costs.phase("conversations"):
        _set(chance, sides.values())
        with _on_hosts(stage, sides):
            seen = stage.talk(talk)
    with costs.phase("replay"):
        for side, running in sides.items():
            running.compare(side, talk, seen)
    costs.events["conversations"] += 1
    costs.events["packets"] += len(seen.packets["client"])


def _hostile(chance: Random, wires: list[bytes], running: Running, stage: Stage, costs: Costs) -> None:
    talk = Talk(ipv6=chance.random() < 0.5)
    options = hostile_options(chance.getrandbits(32), wires, _HOSTILE)
    with costs.phase("hostile"):
        _set(chance, [running])
        with _on_hosts(stage, {"server": running}):
            seen = stage.hostile(options, ipv6=talk.ipv6)
    with costs.phase("replay"):
        running.compare("server", talk, seen)
    costs.events["hostile segments"] += len(options)


def _set(chance: Random, several: Iterable[Running]) -> None:
    """User space sets params and tables, now and then."""
    for each in several:
        if chance.random() < 0.7:
            settings.change(chance, each.machine, each.loaded)


@contextmanager
def _on_hosts(stage: Stage, sides: Mapping[Side, Running]) -> Iterator[None]:
    """Attaches programs for the length of a `with` block."""
    hosts = {"client": stage.lab.client, "server": stage.lab.server}
    with ExitStack() as cleanup:
        for side, running in sides.items():
            attachment = running.loaded.attach_sock_ops(running.machine.program.entry, hosts[side].cgroup)
            cleanup.callback(attachment.detach)
        yield
