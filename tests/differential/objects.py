"""Programs as objects of both back ends, loaded and attached to the hosts of a lab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from optdsl.backends.c import emit_c
from optdsl.backends.llvm import emit_object
from optdsl.ir.memory import Decoded, decode
from optdsl.ir.program import Program
from optdsl.kernel.btf import Value
from optdsl.kernel.clang import compile_bpf
from optdsl.kernel.libbpf import Object
from optdsl.kernel.ring_buffer import RingBuffer
from optdsl.lab.hosts import Host

BACKENDS = ("llvm", "c")


@dataclass(frozen=True, slots=True)
class Attached:
    """A program that runs on some hosts."""

    program: Program
    loaded: Object
    ring: RingBuffer | None

    def counters(self) -> dict[str, Value]:
        """All counters by option and name, added up over the CPUs."""
        if not self.program.counters.members:
            return {}
        found = self.loaded.map("counters").read()
        assert isinstance(found, dict)
        return found

    def records(self) -> list[Decoded]:
        """The records since the last call, in order, without their times."""
        return [self._decoded(data) for data in self.ring.poll()] if self.ring is not None else []

    def _decoded(self, data: bytes) -> Decoded:
        number = int.from_bytes(data[8:12], "little")
        found = decode(self.program.records[number], data)
        assert isinstance(found, dict)
        return {name: value for name, value in found.items() if name != "time"}


def object_of(program: Program, backend: str, folder: Path) -> bytes:
    """The object that a back end makes of a program."""
    if backend == "llvm":
        return emit_object(program)
    source = folder / f"{program.name}.bpf.c"
    source.write_text(emit_c(program, lines=False), encoding="utf-8")
    return compile_bpf(source, source.with_suffix(".o")).read_bytes()


@contextmanager
def attached(program: Program, backend: str, folder: Path, *hosts: Host) -> Iterator[Attached]:
    """Compiles, loads and attaches a program for the length of a `with` block; all hosts share its maps."""
    with Object(object_of(program, backend, folder), program.name) as loaded:
        loaded.load()
        for host in hosts:
            loaded.attach_sock_ops(program.entry, host.cgroup)
        ring = loaded.ring_buffer("events") if program.records else None
        yield Attached(program, loaded, ring)
