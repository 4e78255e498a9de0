"""Several options at once: in one program, in two programs on one host, and where the header has no room for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from optdsl.lab.attach import AttachedProgram, attached
from optdsl.lab.capture import capture
from optdsl.lab.hosts import Host
from optdsl.lab.pcap import Flags, Packet
from samples.conftest import Peers
from samples.conversation import Conversation, conversation
from samples.counting import nonzero
from samples.obstacles import dropping
from samples.wire import first_of, is_ack_or_data, is_data, until_acked

pytestmark = pytest.mark.kernel

WRITTEN: Final = {
    "cc": bytes.fromhex("fd05434303"),
    "iw": bytes.fromhex("fd0649570020"),
    "delack": bytes.fromhex("fd0644410204"),
    "uto": bytes.fromhex("1c04001e"),
}
"""Each option as it stands in the header, with the defaults of its sample."""
NAMES: Final = {"cc": "congestion_control", "iw": "initial_window", "delack": "delayed_ack", "uto": "user_timeout"}
CLIENT_ONLY: Final = {"cc", "iw"}
"""Sent by the client on the ACK that ends the handshake and on data; the others by both, on all ACKs and data."""
TIMESTAMPS: Final = 12
"""Bytes of the timestamps option with its padding, which is first."""
SACK, USER_TIMEOUT, KIND = 5, 28, 253
NO_OPERATION: Final = b"\x01"


def ours(packet: Packet) -> bytes:
    """What follows fixed header and timestamps."""
    return packet.raw[20 + TIMESTAMPS :]


def header(*samples: str) -> bytes:
    """These options one behind the other, filled up to a multiple of four bytes."""
    options = b"".join(WRITTEN[name] for name in samples)
    return options + NO_OPERATION * (-len(options) % 4)


def check_options(order: tuple[str, ...], talk: Conversation, packets: list[Packet]) -> None:
    """Each packet of a conversation has the options that it must have, in this order and in these bytes."""
    third_ack = first_of(packets, talk.client_port)[1]

    def is_request(packet: Packet) -> bool:
        return is_data(packet) or packet is third_ack

    for port in (talk.client_port, talk.server_port):
        sent = [name for name in order if port == talk.client_port or name not in CLIENT_ONLY]
        rules = [until_acked(packets, port, is_request if name in CLIENT_ONLY else is_ack_or_data) for name in sent]
        for options in zip(*rules, strict=True):
            packet = options[0][0]
            expected = [name for name, (_, carries) in zip(sent, options, strict=True) if carries]
            if packet.flags & Flags.SYN:
                assert expected == []
                assert {option.kind for option in packet.options}.isdisjoint({KIND, USER_TIMEOUT})
            else:
                assert ours(packet) == header(*expected), packet


@pytest.mark.parametrize("order", [("cc", "iw", "delack", "uto"), ("uto", "delack", "iw", "cc")], ids="-".join)
def test_four_options_in_one_program(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, order: tuple[str, ...], tmp_path: Path
) -> None:
    lab, object_file = peers.lab, compiled(backend, *order)
    with (
        attached(object_file, lab.client) as client,
        attached(object_file, lab.server) as server,
        capture(lab.client, tmp_path / "client.pcap") as seen,
        conversation(peers, ipv6=ipv6, server_options={"TCP_CONGESTION": "reno"}) as talk,
    ):
        assert talk.server.option("TCP_CONGESTION") == "bbr"
        assert talk.server.option("TCP_USER_TIMEOUT") == 30_000
        talk.ask(100)
        talk.answer(100)
        talk.ask(3000)
        talk.answer(3000)
        check_options(order, talk, talk.packets(seen))
        third_ack, request = first_of(talk.packets(seen), talk.client_port)[1:]
        assert ours(third_ack) == ours(request) == header(*order)
        for name in order:
            mine, theirs = nonzero(client, NAMES[name]), nonzero(server, NAMES[name])
            assert set(mine) | set(theirs) == {"sent", "received"}
            assert mine["sent"] == theirs["received"] == 2
            assert mine.get("received") == theirs.get("sent")


def test_room_is_kept_in_full_segments(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, tmp_path: Path
) -> None:
    """A first request of many segments: all carry all options, and none is longer than the link allows."""
    order = ("cc", "iw", "delack", "uto")
    with (
        attached(compiled(backend, *order), peers.lab.client),
        capture(peers.lab.client, tmp_path / "client.pcap") as seen,
        conversation(peers, ipv6=ipv6) as talk,
    ):
        talk.ask(12_000)
        data = [packet for packet in talk.from_client(seen) if is_data(packet)]
    assert sum(packet.payload_length for packet in data) == 12_000
    lengths = {len(packet.raw) + packet.payload_length for packet in data}
    assert max(lengths) == 1500 - (40 if ipv6 else 20)
    assert {ours(packet) for packet in data[:8]} == {header(*order)}


def test_two_programs_on_one_host(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, tmp_path: Path
) -> None:
    """They run in the order in which they were attached, share the header, and each reads its own."""
    first, second = compiled(backend, "delack"), compiled(backend, "uto")

    @contextmanager
    def both(host: Host) -> Iterator[tuple[AttachedProgram, AttachedProgram]]:
        with attached(first, host) as delack, attached(second, host) as uto:
            yield delack, uto

    with (
        both(peers.lab.client) as client,
        both(peers.lab.server) as server,
        capture(peers.lab.client, tmp_path / "x.pcap") as seen,
    ):
        with conversation(peers, ipv6=ipv6) as talk:
            talk.ask(100)
            talk.answer(100)
            talk.ask(3000)
            check_options(("delack", "uto"), talk, talk.packets(seen))
            assert talk.server.option("TCP_USER_TIMEOUT") == 30_000
        for program, name, peer in zip(client, ("delack", "uto"), server, strict=True):
            counted = nonzero(program, NAMES[name])
            sent, received = counted["sent"], counted["received"]
            assert counted == {"sent": sent, "received": received}
            assert nonzero(peer, NAMES[name]) == {"sent": received, "received": sent}
        # Each has its own settings.
        client[0].set_param("settings.until_acked_packets", 0)
        with conversation(peers, ipv6=ipv6) as talk:
            talk.ask(100)
            assert [ours(packet) for packet in first_of(talk.packets(seen), talk.client_port)[1:]] == [
                header("uto"),
                header("delack", "uto"),
            ]


@pytest.mark.parametrize("timestamps", [True, False], ids=["timestamps", "no-timestamps"])
def test_sack_blocks_come_first(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, timestamps: bool, tmp_path: Path
) -> None:
    """On ACKs that report holes an option that finds no room is left out and counted; a smaller one may still fit."""
    lab = peers.lab
    lab.server.set_sysctl("net.ipv4.tcp_timestamps", int(timestamps))
    try:
        with (
            attached(compiled(backend, "delack", "uto"), lab.client) as client,
            capture(lab.client, tmp_path / "x.pcap") as seen,
            conversation(peers, ipv6=ipv6) as talk,
        ):
            client.set_param("settings.until_acked_packets", 1000)
            with dropping(lab.client, f"tcp sport {talk.server_port} {every_other_segment()}"):
                talk.answer(15_000)
            acks = [packet for packet in talk.from_client(seen) if is_ack_or_data(packet)]
            counters = [client.counters()[NAMES[name]] for name in ("delack", "uto")]
            counted = [(each["sent"], each["no_space"]) for each in counters]
    finally:
        lab.server.set_sysctl("net.ipv4.tcp_timestamps", 1)
    blocks = [len(packet.option(SACK) or b"") // 8 for packet in acks]
    left = [40 - TIMESTAMPS * timestamps - (4 + 8 * count if count else 0) for count in blocks]
    assert set(blocks) >= {0, 1, 2, 3}
    delack = [space >= 8 for space in left]
    uto = [space >= 12 or space == 4 for space in left]
    assert [packet.option(KIND) is not None for packet in acks] == delack
    assert [packet.option(USER_TIMEOUT) is not None for packet in acks] == uto
    # Where nothing is left at all the kernel does not ask.
    refused = [sum(space > 0 and not fits for space, fits in zip(left, each, strict=True)) for each in (delack, uto)]
    assert counted == [(sum(delack), refused[0]), (sum(uto), refused[1])]
    assert refused == ([0, blocks.count(2)] if timestamps else [blocks.count(4), 0])


def every_other_segment() -> str:
    """Matches the second, fourth, sixth and eighth of the full segments."""
    return "meta length > 1000 numgen inc mod 1000 { 1, 3, 5, 7 }"
