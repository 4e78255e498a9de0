"""TCP_DELACK_SEGS and TCP_DELACK_RTT_DIVISOR: how a receiver acknowledges, seen on the wire in simulated time."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from kernel_patches.ack_strategy import (
    DELACK_RTT_DIVISOR,
    DELACK_SEGS,
    QUICK_ACKS,
    SEGMENT,
    STEADY_AFTER,
    TICK,
    Ack,
    ack_timeout,
    acks,
    connection,
    data_times,
    segments_per_ack,
    set_option,
    share,
    steady,
)
from kernel_patches.conftest import LoadProgram
from optdsl.lab.capture import capture
from optdsl.lab.paths import MultipathLab, Shape
from optdsl.lab.paths.sockets import Sockets, exchange
from optdsl.record import replace

_LINE = (Shape(delay=0.080, rate=20_000_000, queue=5000), Shape())
"""A full-sized segment every 0.6 ms, and an RTT of 80 ms, none of it between the server and its capture."""
_EMPTY_LINE = (Shape(delay=0.080), Shape())


@pytest.mark.shapes(_LINE)
@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("segments", [1, 2, 4, 8, 16])
def test_an_ack_every_n_segments(paths: MultipathLab, results: Path, segments: int, ipv6: bool) -> None:
    sent = _transfer(paths, results, segments, ipv6=ipv6)

    size = SEGMENT - 20 * ipv6
    assert share(segments_per_ack(sent[:QUICK_ACKS], size), 1) == 1
    found = segments_per_ack(steady(sent), size)
    assert share(found, segments) > 0.95, found


@pytest.mark.shapes(_LINE)
def test_the_kernels_own_rule_without_the_option(paths: MultipathLab, results: Path) -> None:
    sent = _transfer(paths, results, 0)

    assert share(segments_per_ack(sent[:QUICK_ACKS]), 1) == 1
    found = segments_per_ack(steady(sent))
    assert share(found, 2) > 0.8, found


@pytest.mark.shapes(_LINE)
def test_a_program_sets_the_strategy(paths: MultipathLab, results: Path, program: LoadProgram) -> None:
    loaded = program("ack_strategy", paths.server)
    loaded.set("segments", 8)
    loaded.set("divisor", 4)

    sent = _transfer(paths, results, None)

    answers = ("set_segments", "set_divisor", "set_short", "got_segments", "got_divisor")
    assert [loaded.value(each) for each in answers] == [0, 0, -22, 8, 4]
    assert share(segments_per_ack(steady(sent)), 8) > 0.95


@pytest.mark.shapes(_EMPTY_LINE)
def test_a_program_gets_an_error_for_what_is_out_of_range(paths: MultipathLab, program: LoadProgram) -> None:
    loaded = program("ack_strategy", paths.server)
    loaded.set("segments", 65)
    loaded.set("divisor", 256)

    with connection(paths.paths[0]):
        pass

    assert [loaded.value(each) for each in ("set_segments", "set_divisor", "got_segments", "got_divisor")] == [
        -22, -22, 0, 0,
    ]  # fmt: skip


@pytest.mark.shapes(_EMPTY_LINE)
@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize(("divisor", "ticks"), [(1, 8), (2, 4), (3, 2), (4, 2), (8, 1), (255, 1)])
def test_the_timer_is_a_fraction_of_the_minimum_rtt(
    paths: MultipathLab, results: Path, divisor: int, ticks: int, ipv6: bool
) -> None:
    # 80 ms / divisor in whole ticks, rounded down; the timer wheel adds up to one.
    with connection(paths.paths[0], ipv6=ipv6) as (client, server):
        set_option(server, DELACK_RTT_DIVISOR, divisor)
        delay = _delay_of_an_ack(paths, results, client, server)

        assert ack_timeout(server) == pytest.approx(ticks * TICK)
    assert ticks * TICK < delay <= (ticks + 1) * TICK


@pytest.mark.shapes((Shape(delay=0.800), Shape()))
def test_the_timer_stays_below_the_maximum(paths: MultipathLab, results: Path) -> None:
    # 800 ms / 2 is more than the 200 ms of TCP_DELACK_MAX, of which tcp_delack_max() leaves a tick less.
    with connection(paths.paths[0]) as (client, server):
        set_option(server, DELACK_RTT_DIVISOR, 2)
        delay = _delay_of_an_ack(paths, results, client, server, pause=1.2)

        assert ack_timeout(server) == pytest.approx(0.190)
    assert 0.190 < delay <= 0.200


@pytest.mark.shapes(_EMPTY_LINE)
def test_the_kernels_own_timer_where_no_rtt_is_known(paths: MultipathLab) -> None:
    # Without timestamps a SYN-ACK that had to be repeated tells the server nothing of the RTT.
    path = paths.paths[0]
    path.server.set_sysctl("net.ipv4.tcp_timestamps", 0)
    with connection(path):
        pass  # so that ARP does not wait
    with Sockets() as sockets:
        listener = sockets.listen(path.server, mptcp=False)
        client = sockets.make(path.client, mptcp=False)
        client.setblocking(False)
        path.set(loss=100, towards=path.client)
        client.connect_ex((path.server.ipv4, listener.getsockname()[1]))
        time.sleep(2)
        path.set(loss=0, towards=path.client)
        listener.settimeout(10)
        server, _ = listener.accept()
        with server:
            set_option(server, DELACK_RTT_DIVISOR, 8)
            _warm_up(client, server)

            assert ack_timeout(server) == pytest.approx(4 * TICK)


@pytest.mark.shapes(_EMPTY_LINE)
def test_pushed_data_that_are_read_wait_only_with_a_count(paths: MultipathLab, results: Path) -> None:
    with connection(paths.paths[0]) as (client, server):
        set_option(server, DELACK_RTT_DIVISOR, 4)
        assert _delay_of_an_ack(paths, results, client, server, reads=True) < 0.001
        set_option(server, DELACK_SEGS, 8)
        assert 0.020 < _delay_of_an_ack(paths, results, client, server, reads=True) <= 0.030


@pytest.mark.shapes(_EMPTY_LINE)
def test_quickack_asks_for_an_ack_all_the_same(paths: MultipathLab, results: Path) -> None:
    with connection(paths.paths[0]) as (client, server):
        set_option(server, DELACK_SEGS, 64)
        set_option(server, DELACK_RTT_DIVISOR, 1)
        assert _delay_of_an_ack(paths, results, client, server, reads=True, quickack=True) < 0.001


@pytest.mark.shapes(_LINE)
def test_out_of_order_data_is_answered_as_ever(paths: MultipathLab, results: Path) -> None:
    own = _answers_to_a_hole(paths, results / "own.pcap", 0)
    set_by_option = _answers_to_a_hole(paths, results / "set.pcap", 64)

    assert len(own) >= 4
    assert [(each.acked, each.sacked) for each in set_by_option] == [(each.acked, each.sacked) for each in own]
    # Simulated time is the same but for how netem rounds.
    assert [each.time for each in set_by_option] == pytest.approx([each.time for each in own], abs=5e-6)


@pytest.mark.shapes(_EMPTY_LINE)
def test_a_segment_that_comes_again_is_answered_at_once(paths: MultipathLab, results: Path) -> None:
    path = paths.paths[0]
    with capture(path.server, results / "server.pcap") as seen, connection(path) as (client, server):
        _warm_up(client, server)
        set_option(server, DELACK_SEGS, 64)
        path.set(loss=100, towards=path.client)
        client.send(bytes(100))
        time.sleep(1)
        path.set(loss=0, towards=path.client)

        again = data_times(seen.packets(), server)[-1]
        answer = acks(seen.packets(), server)[-1]
        assert answer.time - again < 0.001


@pytest.mark.shapes(_LINE)
@pytest.mark.parametrize("size", [20_000, 100_000, 3_000_000])
def test_throughput_does_not_collapse_with_rare_acks(paths: MultipathLab, size: int) -> None:
    # The window of congestion begins with 10 segments, so that 64 never come before the timer.
    seconds = []
    for segments in (0, 64):
        with connection(paths.paths[0]) as (client, server):
            set_option(server, DELACK_SEGS, segments)
            set_option(server, DELACK_RTT_DIVISOR, 4 if segments else 0)
            seconds.append(exchange(client, server, sent=size).seconds)

    assert seconds[1] < 1.25 * seconds[0], seconds


@pytest.mark.shapes(_LINE)
def test_a_small_window_is_acknowledged_twice(paths: MultipathLab) -> None:
    # 64 segments do not fit into the window: the sender would wait for the timer each time.
    seconds = []
    for segments in (0, 64):
        with connection(paths.paths[0]) as (client, server):
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
            set_option(server, DELACK_SEGS, segments)
            seconds.append(exchange(client, server, sent=500_000).seconds)

    assert seconds[1] < 1.25 * seconds[0], seconds


@pytest.mark.shapes(_LINE)
def test_a_window_that_opens_is_told_at_once(paths: MultipathLab, results: Path) -> None:
    path = paths.paths[0]
    with capture(path.server, results / "server.pcap") as seen, connection(path) as (client, server):
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        set_option(server, DELACK_SEGS, 64)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 200_000)
        client.setblocking(False)
        sent = client.send(bytes(200_000))
        time.sleep(3)
        assert sent > 100_000, "more than the receiver has room for"
        before = len(acks(seen.packets(), server))
        start = time.time()
        server.recv(1 << 20)
        time.sleep(1)

        opened = acks(seen.packets(), server)[before]
        assert 0 <= opened.time - start < 0.001


def _transfer(paths: MultipathLab, results: Path, segments: int | None, *, ipv6: bool = False) -> list[Ack]:
    """Sends two megabytes to a server that reads at once; the ACKs that answer it."""
    path = paths.paths[0]
    with capture(path.server, results / "server.pcap") as seen, connection(path, ipv6=ipv6) as (client, server):
        if segments is not None:
            set_option(server, DELACK_SEGS, segments)
        exchange(client, server, sent=2_000_000)
        return acks(seen.packets(), server)


def _warm_up(client: socket.socket, server: socket.socket) -> None:
    """Uses up the quick ACKs of a new connection, and leaves nothing unacknowledged."""
    exchange(client, server, sent=STEADY_AFTER)
    time.sleep(0.1)


def _delay_of_an_ack(
    paths: MultipathLab, results: Path, client: socket.socket, server: socket.socket, *,
    pause: float = 0.2, reads: bool = False, quickack: bool = False,
) -> float:  # fmt: skip
    """Seconds from a short segment to the ACK for it, whether or not the server's application reads it at once.

    `pause` in seconds is longer than the timer and shorter than the server's retransmission timeout, as data that come
    after a longer one are answered with quick ACKs again.
    """
    with capture(paths.paths[0].server, results / "server.pcap") as seen:
        _warm_up(client, server)
        before = 0
        for is_measured in (False, True):
            if is_measured:
                before = len(seen.packets())
            client.send(bytes(100))
            start = time.monotonic()
            if reads:
                server.recv(1000)
            if quickack and is_measured:
                set_option(server, socket.TCP_QUICKACK, 1)
            time.sleep(max(0.0, start + (2 if is_measured else pause) - time.monotonic()))
        data, ack = seen.packets()[before:]
    assert (data.payload_length, ack.payload_length, ack.sport) == (100, 0, server.getsockname()[1])
    return ack.time - data.time


def _answers_to_a_hole(paths: MultipathLab, pcap: Path, segments: int) -> list[Ack]:
    """What the server answers to data behind a segment that is lost, up to the ACK that covers it all.

    Times count from the first segment behind the hole.
    """
    path = paths.paths[0]
    with capture(path.server, pcap) as seen, connection(path) as (client, server):
        _warm_up(client, server)
        set_option(server, DELACK_SEGS, segments)
        before = len(seen.packets())
        path.set(loss=100, towards=path.server)
        client.send(bytes(SEGMENT))
        path.set(loss=0, towards=path.server)
        client.send(bytes(10 * SEGMENT))
        time.sleep(2)
        packets = seen.packets()
        start = data_times(packets[before:], server)[0]
        sent = [each for each in acks(packets, server) if each.time >= start]
        filled = max(each.acked for each in sent)
        last = next(place for place, each in enumerate(sent) if each.acked == filled)
        return [replace(each, time=each.time - start) for each in sent[: last + 1]]
