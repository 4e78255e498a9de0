"""`uto.opt`: RFC 5482 on the wire, the timeout in the peer's socket, and a connection that dies of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from optdsl.lab.attach import AttachedProgram, attached
from optdsl.lab.capture import capture, tshark_fields
from optdsl.lab.remote import PeerError
from samples.conftest import Peers
from samples.conversation import conversation
from samples.counting import nonzero
from samples.obstacles import dropping
from samples.wire import is_ack_or_data, until_acked

pytestmark = pytest.mark.kernel

KIND: Final = 28
SECOND: Final = 1_000_000
"""Params of type `duration` are in microseconds."""
ESTABLISHED, CLOSED = 1, 7
"""Of enum tcp_state (include/net/tcp_states.h)."""


def set_params(program: AttachedProgram, **seconds: int) -> None:
    """Sets params of the option, in seconds."""
    for name, value in seconds.items():
        program.set_param(f"user_timeout.{name}", value * SECOND)


def test_on_the_wire(peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, tmp_path: Path) -> None:
    lab, object_file = peers.lab, compiled(backend, "uto")
    with (
        attached(object_file, lab.client) as client,
        attached(object_file, lab.server) as server,
        capture(lab.client, tmp_path / "client.pcap") as at_client,
        capture(lab.server, tmp_path / "server.pcap") as at_server,
        conversation(peers, ipv6=ipv6) as talk,
    ):
        set_params(server, announced=60)
        for size in (100, 3000):
            talk.ask(size)
            talk.answer(size)
        talk.finish()
        counted = [nonzero(program, "user_timeout") for program in (client, server)]
        sent = []
        for seen, port, value in (
            (at_client, talk.client_port, b"\x00\x1e"),
            (at_server, talk.server_port, b"\x00\x3c"),
        ):
            expected = list(until_acked(talk.packets(seen), port, is_ack_or_data))
            found = [packet.option(KIND) for packet, _ in expected]
            assert found == [value if yes else None for _, yes in expected]
            sent.append(sum(yes for _, yes in expected))
    assert min(sent) >= 2
    assert counted == [{"sent": sent[0], "received": sent[1]}, {"sent": sent[1], "received": sent[0]}]
    # Wireshark knows this option, and calls it by its name.
    rows = tshark_fields(at_client.path, ["tcp.options.user_to_val"])
    assert {row["tcp.options.user_to_val"] for row in rows} == {"", "30", "60"}


def test_seconds_and_minutes(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, tmp_path: Path
) -> None:
    object_file = compiled(backend, "uto")
    with (
        attached(object_file, peers.lab.client) as client,
        attached(object_file, peers.lab.server) as server,
        capture(peers.lab.client, tmp_path / "x.pcap") as seen,
    ):
        set_params(server, announced=1, lower=1, upper=86400)
        for announced, on_the_wire, understood in (
            (1, "0001", 1),
            (32767, "7fff", 32767),
            (32768, "8222", 546 * 60),
            (86400, "85a0", 86400),
        ):
            set_params(client, announced=announced)
            with conversation(peers, ipv6=ipv6) as talk:
                # The ACK that ended the handshake has carried the wish: no data is needed.
                assert talk.server.option("TCP_USER_TIMEOUT") == 1000 * understood
                assert talk.client.option("TCP_USER_TIMEOUT") == 1000 * announced
                talk.ask(10)
                assert talk.server.option("TCP_USER_TIMEOUT") == 1000 * understood
            found = {packet.option(KIND) for packet in talk.from_client(seen)} - {None}
            assert found == {bytes.fromhex(on_the_wire)}


@pytest.mark.parametrize(
    ("ours", "theirs", "lower", "upper", "expected"),
    [
        (30, 45, 10, 3600, 45),
        (45, 30, 10, 3600, 45),
        (2, 3, 10, 3600, 10),
        (100, 20, 1, 50, 50),
        (20, 100, 1, 50, 50),
    ],
)
def test_the_timeout_in_the_socket(
    peers: Peers,
    compiled: Callable[..., Path],
    backend: str,
    ours: int,
    theirs: int,
    lower: int,
    upper: int,
    expected: int,
) -> None:
    """The greater of the two wishes, between the limits (RFC 5482, section 3.1); here the client is `ours`."""
    object_file = compiled(backend, "uto")
    with attached(object_file, peers.lab.client) as client, attached(object_file, peers.lab.server) as server:
        set_params(client, announced=ours, lower=lower, upper=upper)
        set_params(server, announced=theirs)
        with conversation(peers) as talk:
            assert talk.client.option("TCP_USER_TIMEOUT") == 1000 * ours  # it has heard nothing yet
            talk.ask(10)
            talk.answer(10)
            assert talk.client.option("TCP_USER_TIMEOUT") == 1000 * expected
            # What has been agreed stays when the params change.
            set_params(client, announced=77)
            talk.answer(10)
            assert talk.client.option("TCP_USER_TIMEOUT") == 1000 * expected


def test_a_connection_whose_peer_vanishes_dies(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool
) -> None:
    object_file = compiled(backend, "uto")
    with (
        conversation(peers, ipv6=ipv6) as without,
        attached(object_file, peers.lab.client) as client,
        attached(object_file, peers.lab.server) as server,
    ):
        set_params(client, announced=1, lower=1)
        set_params(server, announced=2)
        with conversation(peers, ipv6=ipv6) as talk:
            talk.ask(10)
            talk.answer(10)
            assert talk.client.option("TCP_USER_TIMEOUT") == 2000
            with dropping(peers.lab.server, f"tcp dport {{ {talk.server_port}, {without.server_port} }}"):
                started = time.monotonic()
                without.client.send(10)
                talk.client.send(10)
                with pytest.raises(PeerError, match="Connection timed out"):
                    talk.client.receive(1)
                took = time.monotonic() - started
                assert talk.client.tcp_info()["state"] == CLOSED
                # One that never heard of the option goes on trying, for a quarter of an hour.
                assert without.client.tcp_info()["state"] == ESTABLISHED
    assert 1.9 <= took < 4
