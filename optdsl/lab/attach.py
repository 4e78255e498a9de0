"""A program on the hosts of a lab: loaded and attached by bpftool, with counters and parameters; removed at the end.

    with attached(Path("delayed_ack.bpf.o"), lab.client, lab.server) as program:
        program.set_param("delayed_ack.divisor", 4)
        http_transfer(lab)
        print(program.counters()["delayed_ack"]["sent"])

Hosts of one `attached` share counters and parameters; for separate ones attach the object once to each.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from optdsl.kernel import bpftool
from optdsl.kernel.bpftool import Pinned
from optdsl.kernel.btf import Value
from optdsl.kernel.errors import KernelError
from optdsl.kernel.rejection import explained
from optdsl.lab.hosts import Host
from optdsl.lab.leftovers import unique_name
from optdsl.record import record

_PARAMS: Final = ".data.params"
_COUNTERS: Final = "counters"


@record
class AttachedProgram:
    """An object that is loaded, pinned and attached."""

    pinned: Pinned
    hosts: tuple[Host, ...]

    def counters(self) -> dict[str, Any]:
        """The counters of all options, `counters()["delayed_ack"]["sent"]`, added up over all CPUs."""
        return _structure(self.read(_COUNTERS))

    def params(self) -> dict[str, Any]:
        """The parameters of all options as they are now, `params()["delayed_ack"]["divisor"]`."""
        return _structure(self.read(_PARAMS))

    def set_param(self, path: str, value: int) -> None:
        """Sets a parameter by its path, `delayed_ack.divisor`. Raises KernelError: ENOENT, ERANGE."""
        bpftool.set_member(self.pinned.map(_PARAMS), path, value)

    def read(self, name: str) -> Value:
        """The decoded value of a one-entry map."""
        return bpftool.read(self.pinned.map(name))


@contextmanager
def attached(object_file: Path, *hosts: Host, multi: bool = True) -> Iterator[AttachedProgram]:
    """Loads an object and attaches all its programs to the hosts' control groups for the length of a `with` block.

    With `multi` several programs share a host. Raises KernelError; for a program that the verifier rejects that is a
    RejectedError, whose diagnostics say where and why.
    """
    with ExitStack() as cleanup:
        pinned = _load(object_file)
        cleanup.callback(pinned.remove)
        for host in hosts:
            for program in pinned.programs():
                bpftool.attach_cgroup(program, host.cgroup, multi=multi)
                cleanup.callback(_detach, program, host)
        yield AttachedProgram(pinned, hosts)


def _load(object_file: Path) -> Pinned:
    try:
        return bpftool.load(object_file, unique_name())
    except KernelError as error:
        raise explained(error, object_file.read_bytes()) from error


def _detach(program: Path, host: Host) -> None:
    if host.cgroup.exists():  # a removed control group has dropped its programs
        bpftool.detach_cgroup(program, host.cgroup)


def _structure(value: Value) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise KernelError("the map holds no structure")
    return value
