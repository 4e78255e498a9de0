"""`delack.opt`: the wish on the wire until it is acknowledged, and acknowledgements that come when it says."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from optdsl.lab.attach import attached
from optdsl.lab.capture import Capture, capture
from optdsl.lab.pcap import Packet
from peer.raw_peer import RawConnection, raw_client
from samples.conftest import Peers
from samples.conversation import Conversation, conversation
from samples.counting import nonzero
from samples.wire import is_ack_or_data, is_data, until_acked

pytestmark = pytest.mark.kernel

OPTION = "delayed_ack"
KIND, EXID = 253, 0x4441
DEFAULT_WISH = b"\x02\x04"
ROUNDS = 7
EXCHANGES = 3
"""Questions that Linux must have seen answered at once before it delays an ACK (pingpong mode); one is enough today."""
PAUSE = 0.06
"""Longer than the longest delay that is expected, shorter than 200 ms, after which Linux acknowledges at once again."""
LINUX_DELAY = 0.040
"""TCP_ATO_MIN, what Linux waits if nobody wishes anything else."""
TICK = 0.010
"""The longest tick of Linux (HZ=100)."""


def wish(packet: Packet) -> bytes | None:
    """What a packet asks for."""
    return packet.option(KIND, EXID)


def delays(packets: Sequence[Packet], client_port: int) -> list[float]:
    """Seconds from a client's segment to the pure ACK that answers it, for those that are answered by one."""
    return [
        second.time - first.time
        for first, second in pairwise(packets)
        if first.sport == client_port and is_data(first) and second.sport != client_port and not is_data(second)
    ]


def exchange_and_wait(talk: Conversation, seen: Capture) -> list[float]:
    """Questions with an answer, then one without: how long the server waited with the ACK of the latter, each round."""
    for _ in range(ROUNDS):
        for _ in range(EXCHANGES):
            talk.ask(1)
            talk.answer(1)
        talk.ask(1)
        time.sleep(PAUSE)
    # The first pure ACK of a connection may come at once, for its first segment: Linux starts in quick mode.
    return delays(talk.packets(seen), talk.client_port)[-ROUNDS:]


def test_on_the_wire(peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, tmp_path: Path) -> None:
    lab, object_file = peers.lab, compiled(backend, "delack")
    with (
        attached(object_file, lab.client) as client,
        attached(object_file, lab.server) as server,
        capture(lab.client, tmp_path / "client.pcap") as at_client,
        capture(lab.server, tmp_path / "server.pcap") as at_server,
        conversation(peers, ipv6=ipv6) as talk,
    ):
        # The first data of either side is one segment: of two, the kernel may send the second before it looks at the
        # ACK of the first, although it has come.
        for asked, answered_with in ((100, 1000), (3000, 60_000)):
            talk.ask(asked)
            talk.answer(answered_with)
        talk.finish()
        counted = [nonzero(program, OPTION) for program in (client, server)]
        sent = []
        for seen, port in ((at_client, talk.client_port), (at_server, talk.server_port)):
            expected = list(until_acked(talk.packets(seen), port, is_ack_or_data))
            assert [wish(packet) for packet, _ in expected] == [DEFAULT_WISH if yes else None for _, yes in expected]
            sent.append(sum(yes for _, yes in expected))
    assert counted == [{"sent": sent[0], "received": sent[1]}, {"sent": sent[1], "received": sent[0]}]
    first = talk.from_client(at_client)[:3]
    assert [(is_data(packet), wish(packet)) for packet in first] == [  # SYN, the third ACK, the first request
        (False, None),
        (False, DEFAULT_WISH),
        (True, DEFAULT_WISH),
    ]
    assert wish(talk.from_server(at_server)[0]) is None
    assert not any(packet.malformed for packet in talk.packets(at_client))


def test_params_change_what_is_written(
    peers: Peers, compiled: Callable[..., Path], backend: str, tmp_path: Path
) -> None:
    with (
        attached(compiled(backend, "delack"), peers.lab.client) as client,
        capture(peers.lab.client, tmp_path / "x.pcap") as seen,
        conversation(peers) as talk,
    ):
        assert client.params()[OPTION] == {"divisor": 2, "threshold": 4}
        # The client has sent no data, so its ACKs go on carrying the option.
        for divisor, threshold in ((9, 4), (255, 64), (0, 200)):
            client.set_param(f"{OPTION}.divisor", divisor)
            client.set_param(f"{OPTION}.threshold", threshold)
            talk.answer(10)
            time.sleep(PAUSE)
    wishes = [wish(packet) for packet in talk.from_client(seen)]
    # What no declaration allows is brought back into its range.
    assert wishes[:5] == [None, b"\x02\x04", b"\x09\x04", b"\xff\x40", b"\x01\x40"]


def test_the_peer_acknowledges_sooner(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, tmp_path: Path
) -> None:
    waited = []
    for wished in (False, True):
        with ExitStack() as stack:
            if wished:
                stack.enter_context(attached(compiled(backend, "delack"), *peers.lab.hosts))
            seen = stack.enter_context(capture(peers.lab.server, tmp_path / f"{wished}.pcap"))
            talk = stack.enter_context(conversation(peers, ipv6=ipv6))
            waited.append(statistics.median(exchange_and_wait(talk, seen)))
    without, with_wish = waited
    assert without >= LINUX_DELAY - TICK / 2
    # Half of a round trip of microseconds is held at 5 ms, which the kernel rounds up to whole ticks.
    assert 0.003 <= with_wish <= 2 * TICK


@pytest.mark.parametrize(("divisor", "expected"), [(1, 0.040), (4, 0.025), (10, 0.010)])
def test_the_delay_is_a_fraction_of_the_round_trip(
    peers: Peers, compiled: Callable[..., Path], backend: str, divisor: int, expected: float, tmp_path: Path
) -> None:
    with (
        attached(compiled(backend, "delack"), peers.lab.server) as server,
        raw_client(peers.lab) as client,
        capture(peers.lab.server, tmp_path / "x.pcap") as seen,
    ):
        listener = peers.server.listen()
        connection = client.open(listener.port)
        time.sleep(0.1)  # the round trip that the server measures with its SYN-ACK
        connection.send(options=option(divisor, 4))
        accepted = peers.server.accept(listener)
        for _ in range(ROUNDS):
            for _ in range(EXCHANGES):
                connection.send(b"?")
                accepted.receive(1)
                accepted.send(1)
                assert answered(connection)
            assert connection.exchange(b"?") is not None
            accepted.receive(1)
        measured = delays(seen.packets(), connection.ports[0])[-ROUNDS:]
        connection.reset()
        counted = nonzero(server, OPTION)
    assert counted == {"received": 1, "sent": counted["sent"]}
    assert statistics.median(measured) == pytest.approx(expected, abs=TICK)


def test_what_the_declaration_excludes_is_rejected(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool
) -> None:
    invalid = {
        option(0, 4): "bad_rtt_divisor",
        option(2, 0): "bad_segments",
        option(2, 65): "bad_segments",
        bytes.fromhex("fd05444102"): "bad_length",
        bytes.fromhex("fd07444102 0404"): "bad_length",
    }
    with attached(compiled(backend, "delack"), peers.lab.server) as server, raw_client(peers.lab, ipv6=ipv6) as client:
        listener = peers.server.listen(ipv6=ipv6)
        for number, bad in enumerate(invalid, start=1):
            connection = client.connect(listener.port, ack=bad)
            peers.server.accept(listener)
            connection.reset()
            reasons = Counter(list(invalid.values())[:number])
            assert nonzero(server, OPTION) == {"received": number, **reasons}


def option(divisor: int, segments: int) -> bytes:
    """The whole option."""
    return bytes((KIND, 6)) + EXID.to_bytes(2, "big") + bytes((divisor, segments))


def answered(connection: RawConnection) -> bool:
    """Takes what the server sends until its data has come."""
    while packet := connection.receive():
        if is_data(packet):
            return True
    return False
