"""Paths with delay, loss and rate in simulated time: what is asked for is what is measured."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from optdsl.lab.capture import capture
from optdsl.lab.paths import MultipathLab, Shape
from optdsl.lab.paths.counters import connections, counters, round_trip, subflows, tokens
from optdsl.lab.paths.manager import use_all_paths
from optdsl.lab.paths.sockets import Sockets, exchange, mptcp_info
from optdsl.lab.paths.transfer import transfer

CLOCK = 5e-6
"""Seconds: each reading of the clock costs 256 ns of simulated time, and nothing else costs any."""


@pytest.mark.shapes(Shape(delay=0.040), (Shape(delay=0.010), Shape(delay=0.020)))
@pytest.mark.parametrize("ipv6", [False, True])
def test_a_round_trip_is_exact(paths: MultipathLab, ipv6: bool) -> None:
    first, second = paths.paths
    assert round_trip(first.client, first.server, ipv6=ipv6) == pytest.approx(0.080, abs=CLOCK)
    assert round_trip(second.client, second.server, ipv6=ipv6) == pytest.approx(0.030, abs=CLOCK)
    second.set(delay=0.1, towards=paths.server)
    assert round_trip(second.client, second.server, ipv6=ipv6) == pytest.approx(0.120, abs=CLOCK)
    second.set(delay=0)
    assert round_trip(second.client, second.server, ipv6=ipv6) < CLOCK


@pytest.mark.shapes(Shape(delay=0.040), Shape(delay=0.040))
def test_the_wire_shows_the_same(paths: MultipathLab, sockets: Sockets, results: Path) -> None:
    with capture(paths.client, results / "x.pcap") as seen:
        sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    syn, syn_ack, *_ = seen.packets()
    assert (syn_ack.time_ns - syn.time_ns) / 1e6 == pytest.approx(80.0, abs=0.001)


def test_four_minutes_pass(paths: MultipathLab) -> None:
    start = time.monotonic()
    paths.client.run(["sleep", "240"], timeout=300)
    assert time.monotonic() - start == pytest.approx(240, abs=0.1)


@pytest.mark.shapes(Shape(delay=0.010, rate=8_000_000), Shape())
def test_a_rate_is_exact(paths: MultipathLab, sockets: Sockets) -> None:
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server, mptcp=False), mptcp=False)
    assert exchange(*ends, sent=1_000_000).seconds == pytest.approx(1_000_000 * 8 / 8e6 * 1514 / 1448, rel=0.05)


@pytest.mark.shapes(Shape(delay=0.010, rate=8_000_000, queue=20), Shape(delay=0.010, loss=5))
def test_packets_are_lost(paths: MultipathLab, sockets: Sockets) -> None:
    listener = sockets.listen(paths.server, mptcp=False)
    for path in paths.paths:
        before = counters(paths.client)["TcpRetransSegs"]
        ends = sockets.connect(paths.client, path.server.ipv4, listener, source=path.client.ipv4, mptcp=False)
        exchange(*ends, sent=1_000_000)
        assert counters(paths.client)["TcpRetransSegs"] > before, f"path {path.number}"


def test_a_path_goes_down_during_a_transfer(paths: MultipathLab, sockets: Sockets) -> None:
    first, second = paths.paths
    first.set(rate=20_000_000)
    second.set(rate=20_000_000)
    use_all_paths(paths.client, paths.server, [second.client])
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=1_000_000)
    assert mptcp_info(ends[0]).subflows == 1
    second.down()
    assert exchange(*ends, sent=3_000_000).seconds < 30
    second.up()
    second.set(rate=0)
    assert round_trip(second.client, second.server) == pytest.approx(0.020, abs=CLOCK)


def test_what_is_told_of_connections(paths: MultipathLab, sockets: Sockets) -> None:
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    client, server = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(client, server, sent=100_000)
    time.sleep(1)
    exchange(client, server, sent=100_000)
    (connection,) = connections(paths.client)
    assert connection.details["subflows"] == "1"
    assert int(connection.details["token"], 16) == mptcp_info(client).token
    found = {each.local.address: each for each in subflows(paths.client)}
    assert set(found) == {"10.0.1.1", "10.0.2.1"}
    assert tokens(found["10.0.2.1"]) == (mptcp_info(server).token, mptcp_info(client).token)
    assert found["10.0.2.1"].number("minrtt") == 20


def test_a_transfer_between_processes(paths: MultipathLab) -> None:
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    done = transfer(paths, send=1_000_000, receive=500_000)
    assert (done.sent, done.received, done.intact, done.mptcp, done.subflows) == (1_000_000, 500_000, True, True, 1)
