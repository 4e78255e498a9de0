"""`until acked` in connections that are not as they should be: no data to be acknowledged, or no acknowledgements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from optdsl.lab.attach import attached
from optdsl.lab.capture import capture
from optdsl.lab.pcap import Packet
from samples.conftest import Peers
from samples.conversation import conversation, wait_until
from samples.counting import nonzero
from samples.obstacles import dropping
from samples.wire import DEFAULT_LIMIT, is_ack_or_data, is_data, until_acked

pytestmark = pytest.mark.kernel

OPTION: Final = "delayed_ack"
KIND: Final = 253
LIMIT: Final = "settings.until_acked_packets"


@pytest.mark.parametrize("limit", [None, 3, 0])
def test_a_client_that_only_listens(
    peers: Peers, compiled: Callable[..., Path], backend: str, limit: int | None, tmp_path: Path
) -> None:
    """As in a download after a request by other means: nothing that is sent is ever acknowledged, so a limit holds."""
    with (
        attached(compiled(backend, "delack"), peers.lab.client) as client,
        capture(peers.lab.client, tmp_path / "x.pcap") as seen,
    ):
        assert client.params()["settings"] == {"until_acked_packets": DEFAULT_LIMIT}
        if limit is not None:
            client.set_param(LIMIT, limit)
        with conversation(peers) as talk:
            for _ in range(50):
                talk.answer(3000)
            acks = [packet.option(KIND) is not None for packet in talk.from_client(seen) if is_ack_or_data(packet)]
            allowed = DEFAULT_LIMIT if limit is None else limit
            assert len(acks) > allowed + 10
            assert acks == [number < allowed for number in range(len(acks))]
            assert client.counters()[OPTION]["sent"] == allowed
            # Data still carries it, as long as it takes.
            talk.ask(100)
            talk.answer(100)
            talk.ask(100)
            data = [packet.option(KIND) is not None for packet in talk.from_client(seen) if is_data(packet)]
            assert data == [True, False]


def test_a_client_that_is_kept_alive(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, tmp_path: Path
) -> None:
    """The server asks every second whether an idle client is still there; only so many answers carry the option."""
    with (
        attached(compiled(backend, "delack"), peers.lab.client) as client,
        capture(peers.lab.client, tmp_path / "x.pcap") as seen,
    ):
        client.set_param(LIMIT, 2)
        with conversation(peers, ipv6=ipv6) as talk:
            for option, value in (("TCP_KEEPIDLE", 1), ("TCP_KEEPINTVL", 1), ("SO_KEEPALIVE", 1)):
                talk.server.set_option(option, value)
            wait_until(lambda: len(talk.from_client(seen)) >= 4)
            packets = talk.from_client(seen)
    assert [packet.option(KIND) is not None for packet in packets[:4]] == [False, True, True, False]


def test_data_that_nobody_acknowledges(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, tmp_path: Path
) -> None:
    """New data and retransmissions carry the option until the server is there again; the limit is not for them."""
    with (
        attached(compiled(backend, "delack"), peers.lab.client) as client,
        attached(compiled(backend, "delack"), peers.lab.server) as server,
        capture(peers.lab.client, tmp_path / "x.pcap") as seen,
    ):
        client.set_param(LIMIT, 1)
        with conversation(peers, ipv6=ipv6, client_options={"TCP_NODELAY": 1}) as talk:
            with dropping(peers.lab.server, f"tcp dport {talk.server_port}"):
                talk.client.send(50, chunk=10, delay=0.01)
                wait_until(lambda: retransmissions(talk.from_client(seen)) >= 1)
            assert talk.server.receive(50).count == 50
            talk.ask(10)
            talk.answer(10)
            talk.ask(10)
            expected = list(until_acked(talk.packets(seen), talk.client_port, is_ack_or_data, limit=1))
            assert [packet.option(KIND) is not None for packet, _ in expected] == [yes for _, yes in expected]
            assert sum(yes and is_data(packet) for packet, yes in expected) >= 6
            assert [yes for packet, yes in expected if is_data(packet)][-2:] == [False, False]
        counted = nonzero(client, OPTION)
        assert counted == {"sent": sum(yes for _, yes in expected), "received": counted["received"]}
        assert 0 < nonzero(server, OPTION)["received"] < counted["sent"]


def retransmissions(packets: list[Packet]) -> int:
    """How many segments with data begin where an earlier one began."""
    starts = [packet.seq for packet in packets if is_data(packet)]
    return len(starts) - len(set(starts))
