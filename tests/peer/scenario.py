"""One connection between two sides, in the scenarios of the kernel's own test, for whichever programs the sides run.

The scenarios follow tools/testing/selftests/bpf/prog_tests/tcp_hdr_options.c of Linux, between two hosts instead of
over the loopback interface. A side is whatever has `attach(host, scenario)`: a context manager that gives a function
which reads the side's results. It is called after both FINs and before the sockets are closed. Both sides are attached
before the server listens, as a program must see that to set up its listener. One of our own objects:

    @dataclass(frozen=True)
    class OurSide:
        object_file: Path

        @contextmanager
        def attach(self, host: Host, scenario: Scenario) -> Iterator[Callable[[], dict[str, Any]]]:
            with attached(self.object_file, host) as program:      # optdsl.lab.attach
                program.set_param("selftest.rand", scenario.sends.syn.rand)
                yield program.counters

    seen = run_scenario(lab, OurSide(object_file), SelftestSide(theirs), scenario.SYN_COOKIES, tmp_path)
    assert seen.server.passive_estab_in == scenario.SYN_COOKIES.sends.syn
    assert carried(seen) == EXPECTED[scenario.SYN_COOKIES]         # peer.expected
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, Literal, Protocol, TypeVar

from optdsl.lab.capture import capture
from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Host, Lab
from optdsl.lab.pcap import Flags, Packet
from optdsl.lab.remote import RemotePeer, RemoteSocket
from peer.option import EXPERIMENTAL, NOTHING, OWN_KIND, Form, Option

C = TypeVar("C")
S = TypeVar("S")
C_co = TypeVar("C_co", covariant=True)
S_co = TypeVar("S_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Sends:
    """What the sides write, if they follow the scenario."""

    syn: Option = NOTHING
    synack: Option = NOTHING
    """Without RESEND, which the server adds by itself when it works with SYN cookies."""
    client_fin: Option = NOTHING
    server_fin: Option = NOTHING


@dataclass(frozen=True, slots=True)
class Scenario:
    """One connection: what is written, under which settings, and what is sent. The client finishes first."""

    name: str
    sends: Sends
    form: Form = EXPERIMENTAL
    client_sysctls: Mapping[str, int] = field(default_factory=dict, hash=False)
    server_sysctls: Mapping[str, int] = field(default_factory=dict, hash=False)
    fastopen: int = 0
    """Bytes on the SYN."""
    client_data: int = 0
    """Bytes that the client sends in each round, in one write."""
    server_data: int = 0
    """Bytes that the server sends when it has those of the client, in one write."""
    rounds: int = 1


_ON_SYN: Final = Option.of(max_delack_ms=11, rand=0xFA)
_ON_SYNACK: Final = Option.of(max_delack_ms=22, rand=0xCE)
_ESTABLISH: Final = Sends(_ON_SYN, _ON_SYNACK)
_COOKIES: Final = {"net.ipv4.tcp_syncookies": 2}
"""Always, not only when the queue is full."""
_WITHOUT_COOKIE: Final = {"net.ipv4.tcp_fastopen": 0x607}
"""Client and server, send and accept data on a SYN without a Fast Open cookie, on every listener."""
_ON_FINS: Final = Sends(_ON_SYN, _ON_SYNACK, Option.of(rand=0xFA), Option.of(rand=0xCE))

SIMPLE: Final = Scenario("simple", _ESTABLISH)
OTHER_KIND: Final = Scenario("other kind", _ESTABLISH, OWN_KIND)
SYN_COOKIES: Final = Scenario("syn cookies", _ESTABLISH, server_sysctls=_COOKIES)
FAST_OPEN: Final = Scenario(
    "fast open", _ESTABLISH, client_sysctls=_WITHOUT_COOKIE, server_sysctls=_WITHOUT_COOKIE, fastopen=8
)
FIN: Final = Scenario("fin", Sends(client_fin=_ON_FINS.client_fin, server_fin=_ON_FINS.server_fin))
ALL: Final = Scenario("all", _ON_FINS, client_data=1000, server_data=1000)
COOKIES_AND_DATA: Final = Scenario(
    "cookies and data", _ESTABLISH, server_sysctls=_COOKIES, client_data=1000, server_data=1000
)
COOKIES_AND_FIN: Final = Scenario(
    "cookies and fin", _ON_FINS, server_sysctls=_COOKIES, client_data=1000, server_data=1000
)
COOKIES_AND_ANSWER: Final = Scenario("cookies and answer", _ESTABLISH, server_sysctls=_COOKIES, server_data=1000)
"""The server speaks first."""
TIMERS: Final = Scenario("timers", _ESTABLISH, client_data=100, server_data=100, rounds=30)
"""As many round trips as the retransmission timeout needs to follow its minimum down."""
ONLY_SYN: Final = Scenario("only syn", Sends(syn=_ON_SYN))
"""The server has nothing to say."""
ONLY_SYNACK: Final = Scenario("only synack", Sends(synack=_ON_SYNACK))
"""The client has nothing to say, and then the server says nothing on the SYN-ACK either."""

SCENARIOS: Final = (
    SIMPLE,
    OTHER_KIND,
    SYN_COOKIES,
    FAST_OPEN,
    FIN,
    ALL,
    COOKIES_AND_DATA,
    COOKIES_AND_FIN,
    COOKIES_AND_ANSWER,
    TIMERS,
    ONLY_SYN,
    ONLY_SYNACK,
)


class Side(Protocol[R_co]):
    """What runs on a host for the length of a connection."""

    def attach(self, host: Host, scenario: Scenario) -> AbstractContextManager[Callable[[], R_co]]:
        """Puts the program on a host; the `with` block gets a function that reads what the program saw so far."""


@dataclass(frozen=True, slots=True)
class Bystander:
    """A side without a program."""

    @contextmanager
    def attach(self, host: Host, scenario: Scenario) -> Iterator[Callable[[], None]]:  # noqa: ARG002
        """Does nothing."""
        yield lambda: None


@dataclass(frozen=True, slots=True)
class Step:
    """A packet, as far as the option is concerned."""

    sender: Literal["client", "server"]
    flags: Flags
    payload: int
    """Bytes."""
    option: Option
    """`NOTHING` if the packet has none."""

    @property
    def is_pure_ack(self) -> bool:
        """True for an ACK that carries nothing else."""
        return self.flags == Flags.ACK and not self.payload

    def __str__(self) -> str:
        names = "+".join(flag.name or "" for flag in Flags if flag in self.flags)
        content = self.option.encode().hex(" ") if self.option.flags else "-"
        return f"{self.sender:6} {names:12} {self.payload:5} {content}"


@dataclass(frozen=True, slots=True)
class Observation(Generic[C_co, S_co]):
    """What one connection was like."""

    scenario: Scenario
    packets: tuple[Packet, ...]
    """All of it, as the client's interface saw it."""
    client_port: int
    server_port: int
    client: C_co
    """The results of the client's side."""
    server: S_co
    """The results of the server's side."""
    client_info: Mapping[str, int]
    """TCP_INFO of the client's socket before the first FIN; the times in microseconds, as in `struct tcp_info`."""
    server_info: Mapping[str, int]
    """TCP_INFO of the server's socket at that moment."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The packets in order. Raises ValueError if an option is not well formed."""
        return tuple(
            Step(
                "client" if packet.sport == self.client_port else "server",
                packet.flags,
                packet.payload_length,
                self.scenario.form.find(packet),
            )
            for packet in self.packets
        )

    def sent(self, sender: Literal["client", "server"]) -> tuple[Step, ...]:
        """The packets of one side, in order."""
        return tuple(step for step in self.steps if step.sender == sender)


def run_scenario(
    lab: Lab, client: Side[C], server: Side[S], scenario: Scenario, folder: Path, *, ipv6: bool = False
) -> Observation[C, S]:
    """Runs one connection and tells what was on the wire and what both sides read; the capture goes into `folder`.

    The lab is left as it was, so that it can be shared. Raises LabError or KernelError.
    """
    with (
        _settings(lab.client, scenario.client_sysctls),
        _settings(lab.server, scenario.server_sysctls),
        client.attach(lab.client, scenario) as client_results,
        server.attach(lab.server, scenario) as server_results,
        capture(lab.client, folder / "scenario.pcap") as seen,
        _connection(lab, scenario, ipv6) as (active, passive, listener),
    ):
        _send_data(active, passive, scenario)
        client_info, server_info = active.tcp_info(), passive.tcp_info()
        _finish(active, passive)
        _finish(passive, active)
        return Observation(
            scenario=scenario,
            packets=tuple(packet for packet in seen.packets() if listener.port in (packet.sport, packet.dport)),
            client_port=active.port,
            server_port=listener.port,
            client=client_results(),
            server=server_results(),
            client_info=client_info,
            server_info=server_info,
        )


@contextmanager
def _settings(host: Host, sysctls: Mapping[str, int]) -> Iterator[None]:
    """Kernel parameters of a host for the length of a `with` block."""
    before = {name: host.sysctl(name) for name in sysctls}
    try:
        for name, value in sysctls.items():
            host.set_sysctl(name, value)
        yield
    finally:
        for name, text in before.items():
            host.set_sysctl(name, text)


@contextmanager
def _connection(lab: Lab, scenario: Scenario, ipv6: bool) -> Iterator[tuple[RemoteSocket, RemoteSocket, RemoteSocket]]:
    """Both ends of a new connection and the listener. The peers are new too: their sockets belong to this run alone."""
    peers = RemotePeer(lab.client), RemotePeer(lab.server)
    listener = peers[1].listen(ipv6=ipv6)
    active = peers[0].connect(lab.server.address(ipv6=ipv6), listener.port, fastopen=scenario.fastopen)
    passive = peers[1].accept(listener)
    yield active, passive, listener
    for opened in (active, passive, listener):
        opened.close()


def _send_data(active: RemoteSocket, passive: RemoteSocket, scenario: Scenario) -> None:
    if scenario.fastopen:
        _receive(passive, scenario.fastopen)
    for _ in range(scenario.rounds):
        if scenario.client_data:
            active.send(scenario.client_data)
            _receive(passive, scenario.client_data)
        if scenario.server_data:
            passive.send(scenario.server_data)
            _receive(active, scenario.server_data)


def _receive(connection: RemoteSocket, count: int) -> None:
    received = connection.receive(count).count
    if received != count:
        raise LabError(f"the connection ended after {received} of {count} bytes")


def _finish(sender: RemoteSocket, receiver: RemoteSocket) -> None:
    """Finishes one direction, and returns when the other side knows."""
    sender.shutdown()
    if not receiver.receive(1).finished:
        raise LabError("there is data after the end")
