"""Several objects loaded at once, of which one at a time is on the hosts of a lab: for rounds that are interleaved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from optdsl.kernel import bpftool, tools
from optdsl.kernel.bpftool import Pinned
from optdsl.lab.hosts import Host
from optdsl.lab.leftovers import unique_name


@dataclass(frozen=True, slots=True)
class Runs:
    """What the kernel has counted of a program (`kernel.bpf_stats_enabled`)."""

    nanoseconds: int
    count: int

    def __sub__(self, before: Runs) -> Runs:
        return Runs(self.nanoseconds - before.nanoseconds, self.count - before.count)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loaded object with one program."""

    pinned: Pinned

    @property
    def program(self) -> Path:
        """The pin of its program."""
        (only,) = self.pinned.programs()
        return only

    def runs(self) -> Runs:
        """All runs so far."""
        shown = json.loads(tools.run(["bpftool", "--json", "prog", "show", "pinned", str(self.program)]).stdout)
        return Runs(shown.get("run_time_ns", 0), shown.get("run_cnt", 0))

    @contextmanager
    def on(self, *hosts: Host) -> Iterator[None]:
        """Attached for the length of a `with` block."""
        with ExitStack() as cleanup:
            for host in hosts:
                bpftool.attach_cgroup(self.program, host.cgroup)
                cleanup.callback(bpftool.detach_cgroup, self.program, host.cgroup)
            yield


@contextmanager
def loaded(objects: Mapping[str, Path]) -> Iterator[dict[str, Loaded]]:
    """Loads all objects for the length of a `with` block."""
    with ExitStack() as cleanup:
        made: dict[str, Loaded] = {}
        for name, path in objects.items():
            pinned = bpftool.load(path, unique_name())
            cleanup.callback(pinned.remove)
            made[name] = Loaded(pinned)
        yield made


@contextmanager
def statistics_of_programs() -> Iterator[None]:
    """The kernel measures all programs for the length of a `with` block, which costs each run some nanoseconds."""
    setting = Path("/proc/sys/kernel/bpf_stats_enabled")
    before = setting.read_text(encoding="ascii")
    setting.write_text("1", encoding="ascii")
    try:
        yield
    finally:
        setting.write_text(before, encoding="ascii")
