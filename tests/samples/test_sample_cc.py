"""`cc.opt`: the server's socket uses the congestion control that the client asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from optdsl.lab.attach import attached
from optdsl.lab.capture import capture
from optdsl.lab.pcap import Packet
from optdsl.lab.sockets import snapshot
from samples.conftest import Peers
from samples.conversation import Conversation, conversation
from samples.counting import nonzero
from samples.obstacles import PURE_ACK, dropping
from samples.wire import first_of, is_data, until_acked

pytestmark = pytest.mark.kernel

OPTION: Final = "congestion_control"
KIND, EXID = 253, 0x4343
RENO, CUBIC, BBR, DCTCP, NOBODY = 1, 2, 3, 5, 200
"""As `std.congestion` numbers them; no algorithm has the last number."""
USUAL: Final[Mapping[str, int | str]] = {"TCP_CONGESTION": "reno"}
"""What sockets are told to use before the client asks for anything; every kernel has it."""


@pytest.fixture
def available(peers: Peers) -> frozenset[str]:
    """The algorithms of this kernel."""
    return frozenset(peers.lab.server.sysctl("net.ipv4.tcp_available_congestion_control").split())


def asked(packet: Packet) -> bytes | None:
    """The algorithm that a packet asks for."""
    return packet.option(KIND, EXID)


@contextmanager
def usual_conversation(peers: Peers, *, ipv6: bool) -> Iterator[Conversation]:
    """A connection whose sockets would use what is usual."""
    with conversation(peers, ipv6=ipv6, client_options=USUAL, server_options=USUAL) as talk:
        yield talk


def in_use(talk: Conversation) -> tuple[int | str, int | str]:
    """The algorithm of the client's socket and of the server's."""
    return talk.client.option("TCP_CONGESTION"), talk.server.option("TCP_CONGESTION")


def test_on_the_wire(peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, tmp_path: Path) -> None:
    lab, object_file = peers.lab, compiled(backend, "cc")
    with (
        attached(object_file, lab.client) as client,
        attached(object_file, lab.server) as server,
        capture(lab.client, tmp_path / "x.pcap") as seen,
        usual_conversation(peers, ipv6=ipv6) as talk,
    ):
        for size in (100, 3000):
            talk.ask(size)
            talk.answer(size)
        talk.finish()
        packets = talk.packets(seen)
        third_ack = first_of(packets, talk.client_port)[1]
        expected = list(until_acked(packets, talk.client_port, lambda packet: is_data(packet) or packet is third_ack))
        assert [asked(packet) for packet, _ in expected] == [b"\x03" if yes else None for _, yes in expected]
        assert [yes for _, yes in expected][:3] == [False, True, True]  # the SYN, the third ACK, the first request
        assert {packet.option(KIND) for packet in talk.from_server(seen)} == {None}
        sent = sum(yes for _, yes in expected)
        assert nonzero(client, OPTION) == {"sent": sent}
        assert nonzero(server, OPTION) == {"received": sent}


def test_the_server_uses_what_the_client_asks_for(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, available: frozenset[str]
) -> None:
    object_file = compiled(backend, "cc")
    with attached(object_file, peers.lab.client) as client, attached(object_file, peers.lab.server):
        for number, name in ((None, "bbr"), (CUBIC, "cubic"), (RENO, "reno"), (BBR, "bbr")):
            if name not in available:
                continue
            if number is not None:
                client.set_param(f"{OPTION}.wanted", number)
            with usual_conversation(peers, ipv6=ipv6) as talk:
                assert in_use(talk) == ("reno", name)  # before any data
                talk.ask(100)
                talk.answer(100)
                assert in_use(talk) == ("reno", name)
                (socket,) = [s for s in snapshot(peers.lab.server, port=talk.server_port) if s.state == "ESTAB"]
                assert name in socket.details


@pytest.mark.parametrize(
    ("number", "reason"), [(0, "unknown_algorithm"), (NOBODY, "unknown_algorithm"), (DCTCP, "set_failed")]
)
def test_what_the_server_does_not_know_changes_nothing(
    peers: Peers,
    compiled: Callable[..., Path],
    backend: str,
    ipv6: bool,
    available: frozenset[str],
    number: int,
    reason: str,
) -> None:
    if number == DCTCP and "dctcp" in available:
        pytest.skip("this kernel has DCTCP")
    object_file = compiled(backend, "cc")
    with attached(object_file, peers.lab.client) as client, attached(object_file, peers.lab.server) as server:
        client.set_param(f"{OPTION}.wanted", number)
        with usual_conversation(peers, ipv6=ipv6) as talk:
            talk.ask(100)
            assert in_use(talk) == ("reno", "reno")
            sent = client.counters()[OPTION]["sent"]
        assert sent == 2
        assert nonzero(server, OPTION) == {"received": sent, reason: sent}


def test_the_third_ack_is_lost(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, tmp_path: Path
) -> None:
    lab, object_file = peers.lab, compiled(backend, "cc")
    with (
        attached(object_file, lab.client) as client,
        attached(object_file, lab.server) as server,
        capture(lab.client, tmp_path / "x.pcap") as seen,
    ):
        client.set_param(f"{OPTION}.wanted", CUBIC)
        listener = peers.server.listen(ipv6=ipv6, options=USUAL)
        with dropping(lab.server, f"tcp dport {listener.port} {PURE_ACK}"):
            connection = peers.client.connect(lab.server.address(ipv6=ipv6), listener.port)
            assert {found.state for found in snapshot(lab.server, port=listener.port)} == {"LISTEN", "SYN-RECV"}
            connection.send(100)  # the next packet brings the connection about, and the option
            accepted = peers.server.accept(listener)
        assert accepted.receive(100).count == 100
        assert accepted.option("TCP_CONGESTION") == "cubic"
        packets = [packet for packet in seen.packets() if packet.sport == connection.port]
        assert [(packet.payload_length, asked(packet)) for packet in packets[:3]] == [
            (0, None),
            (0, b"\x02"),
            (100, b"\x02"),
        ]
        assert client.counters()[OPTION]["sent"] == 2
        assert nonzero(server, OPTION) == {"received": 1}
        connection.close(reset=True)
        accepted.close()
        listener.close()
