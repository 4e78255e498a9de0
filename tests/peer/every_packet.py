"""The kernel's selftest program that writes two options on every packet of the client, `test_misc_tcp_hdr_options`.

    FE 04 EB 9F B9 04 FA CE 01 01 01 01

Four bytes more are reserved than written. On the way it provokes the errors of the helpers and gives up if one is not
the documented one. Client and server share one loaded object: the server compares ports that the client has noted.
The server's checks are for IPv6 only, and expect both addresses to end in `:1`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from optdsl.kernel.libbpf import Object
from optdsl.lab.hosts import Host
from peer.scenario import Scenario
from peer.selftest_side import ProgramError, program_errors

_PROGRAM: Final = "misc_estab"
WRITTEN: Final = bytes.fromhex("FE04EB9F B904FACE 01010101")
"""The end of every header that the client sends."""


@dataclass(frozen=True, slots=True)
class EveryPacketResults:
    """The packets with both options that the server has read, since the object was loaded."""

    syn: int
    data: int
    pure_ack: int
    """With the ACK that ends the handshake."""
    fin: int
    errors: dict[int, ProgramError]
    """By local port, of both sides."""


@dataclass(frozen=True, slots=True)
class EveryPacketSide:
    """The loaded program as a side of a scenario, of which only the traffic matters; attach it to both hosts."""

    loaded: Object

    @contextmanager
    def attach(self, host: Host, scenario: Scenario) -> Iterator[Callable[[], EveryPacketResults]]:  # noqa: ARG002
        """Puts the program on a host for the length of a `with` block."""
        attachment = self.loaded.attach_sock_ops(_PROGRAM, host.cgroup)
        try:
            yield lambda: _results(self.loaded)
        finally:
            attachment.detach()


@contextmanager
def every_packet_side(object_file: Path) -> Iterator[EveryPacketSide]:
    """Loads the program for the length of a `with` block; `kernel_selftest.compiled` makes the object file."""
    with Object(object_file.read_bytes(), _PROGRAM) as loaded:
        loaded.load()
        yield EveryPacketSide(loaded)


def _results(loaded: Object) -> EveryPacketResults:
    (bss,) = [found for name, found in loaded.maps.items() if name.endswith(".bss")]
    values = bss.read()
    assert isinstance(values, dict)
    counts = {name: value for name, value in values.items() if isinstance(value, int)}
    return EveryPacketResults(
        counts["nr_syn"], counts["nr_data"], counts["nr_pure_ack"], counts["nr_fin"], program_errors(loaded)
    )
