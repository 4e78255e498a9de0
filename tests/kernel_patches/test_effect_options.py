"""Options that a receiver writes and that change what its peer sends: use cases of the papers, in simulated time."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from kernel_patches.ack_strategy import (
    DELACK_RTT_DIVISOR,
    DELACK_SEGS,
    acks,
    get_option,
    segments_per_ack,
    share,
    steady,
)
from kernel_patches.ack_strategy import connection as tcp_connection
from kernel_patches.conftest import LoadProgram
from kernel_patches.effects import (
    ARPHRD_SIT,
    TUNNEL_CLIENT,
    carried,
    lay_tunnel,
    out_of_tunnel,
    path_table,
    stream,
)
from kernel_patches.mptcp_wire import priorities
from kernel_patches.schedulers import common, connection, payload, say, scheduler, sent_ranges, size, wait_for_subflows
from kernel_patches.suboptions import OURS, option, with_subtype
from optdsl.lab.capture import capture
from optdsl.lab.paths import MultipathLab, Shape
from optdsl.lab.paths.manager import add_endpoint, set_limits
from optdsl.lab.paths.sockets import Sockets, exchange
from optdsl.lab.pcap import Flags, Packet, read_packets

LINE: Final = Shape(delay=0.020, rate=20_000_000)
LONG_LINE: Final = (Shape(delay=0.080, rate=20_000_000, queue=5000), Shape())


def written(packets: list[Packet], sender: str) -> set[bytes]:
    """The options of our subtype that an address has sent."""
    found = (with_subtype(packet, OURS) for packet in packets if packet.src == sender)
    return {each for each in found if each is not None}


# A cap for the rate of subflows


@pytest.mark.shapes(LINE, LINE)
def test_the_rate_over_one_type_of_device_is_capped(
    paths: MultipathLab, program: LoadProgram, sockets: Sockets, results: Path
) -> None:
    one, two = paths.paths
    lay_tunnel(two)
    for host in paths.hosts:
        set_limits(host, subflows=1)
    add_endpoint(paths.client, TUNNEL_CLIENT, "subflow")
    asking, capping = (program("effect_rate_cap", host) for host in paths.hosts)
    asking.set("device_type", ARPHRD_SIT)
    with (
        capture(one.server, results / "one.pcap") as first,
        capture(two.server, results / "two.pcap", "ip proto 41") as second,
    ):
        listener = sockets.listen(paths.server, ipv6=True)
        client, server = sockets.connect(paths.client, one.server.ipv6, listener)
        say(client, server)
        say(server, client)
        wait_for_subflows(client, 1)
        begin = time.time()
        exchange(client, server, sent=0, received=12_000_000)
        assert capping.value("window") == 0
        asking.set("rate", 4000)
        change = time.time()
        exchange(client, server, sent=0, received=20_000_000)
        end = time.time()
    on_one, on_two = first.packets(), read_packets(out_of_tunnel(second.path))
    sender = one.server.ipv6
    one_carries, two_carries = (partial(carried, seen, sender) for seen in (on_one, on_two))
    (results / "rates.txt").write_text(text := path_table(one_carries, two_carries, begin, end))
    assert one_carries(begin + 0.5, change - 0.3) > 16, text
    assert two_carries(begin + 0.5, change - 0.3) > 16, text
    assert 3.2 < two_carries(change + 1, end - 0.3) < 4.1, text
    # what had been scheduled for the second path before arrives late, and keeps the first one waiting for a while
    assert one_carries(change + 4, end - 0.3) > 16, text
    assert written(on_one, one.client.ipv6) == set()
    assert written([p for p in on_two if p.time < change], TUNNEL_CLIENT) == set()
    assert written(on_two, TUNNEL_CLIENT) == {option(OURS, b"\0" + (4000).to_bytes(4, "big"))}


# A request for a scheduler


@pytest.mark.shapes(LINE, LINE)
def test_a_receiver_chooses_the_scheduler(paths: MultipathLab, program: LoadProgram, results: Path) -> None:
    one, two = paths.paths
    asking, serving = (program("effect_scheduler_request", host) for host in paths.hosts)
    for number, known in enumerate((b"default", b"redundant", b"roundrobin"), 1):
        serving.map("schedulers").update(number.to_bytes(4, "little"), known.ljust(16, b"\0"))
    lines = ["first path s  scheduler   latency s: least, most"]
    found: dict[tuple[float, str], list[float]] = {}
    with (
        capture(one.server, results / "one.pcap") as first,
        capture(two.server, results / "two.pcap") as second,
        connection(paths) as (client, server),
    ):
        for delay in (0.020, 0.060, 0.100, 0.150):
            one.set(delay=delay)
            for number, name in ((1, "default"), (2, "redundant")):
                asking.set("wanted", number)
                for _ in range(2):
                    say(server, client)
                    time.sleep(1)
                assert (scheduler(server), scheduler(client)) == (name, "default")
                found[delay, name] = []
                for _ in range(10):
                    found[delay, name].append(say(server, client))
                    time.sleep(0.5)
                least, most = min(found[delay, name]), max(found[delay, name])
                lines.append(f"{delay:12.3f}  {name:10}  {least:.6f} {most:.6f}")
        (results / "latency.txt").write_text("\n".join(lines) + "\n")
        begin = time.time()
        for _ in range(20):
            say(server, client, 1000)
            time.sleep(0.5)
    seen = [[p for p in each.packets() if p.time >= begin or p.flags & Flags.SYN] for each in (first, second)]
    # on the second path the server has the same address: the client's decides
    on_one, on_two = (sent_ranges(packets, one.server.ipv4) for packets in seen)
    assert written(seen[0], one.client.ipv4) == {bytes([30, 4, OURS << 4, 2])}
    assert (size(on_one), size(on_two), common(on_one, on_two)) == (20_000, 20_000, 20_000)
    assert all(max(found[delay, "redundant"]) < 0.022 for delay, _ in found), lines
    assert min(found[0.150, "default"]) > 0.149, lines
    assert (serving.value("switched"), serving.value("unknown")) == (8, 0)


def test_a_wish_that_is_not_understood(paths: MultipathLab, program: LoadProgram) -> None:
    asking, serving = (program("effect_scheduler_request", host) for host in paths.hosts)
    serving.map("schedulers").update((3).to_bytes(4, "little"), b"fastest".ljust(16, b"\0"))
    with connection(paths) as (client, server):
        # outside of the table, an empty name, a scheduler that there is not
        for count, number in enumerate((200, 5, 3), 1):
            asking.set("wanted", number)
            say(server, client)
            time.sleep(1)
            assert (serving.value("switched"), serving.value("unknown")) == (0, count)
        assert scheduler(server) == "default"
        exchange(client, server, sent=100_000, received=100_000)


# A threshold for the use of the backup


@pytest.mark.shapes(Shape(delay=0.005), Shape(delay=0.005))
@pytest.mark.parametrize("milliseconds", [100, 0], ids=["above-100-ms", "no-threshold"])
def test_traffic_moves_to_the_backup_and_back(
    paths: MultipathLab, program: LoadProgram, sockets: Sockets, results: Path, milliseconds: int
) -> None:
    one, two = paths.paths
    asking, deciding = (program("effect_delay_threshold", host) for host in paths.hosts)
    asking.set("milliseconds", milliseconds)
    for host in paths.hosts:
        set_limits(host, subflows=1)
    add_endpoint(paths.client, two.client.ipv4, "subflow", "backup")
    with (
        capture(one.server, results / "one.pcap") as first,
        capture(two.server, results / "two.pcap") as second,
    ):
        client, server = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
        say(client, server)
        say(server, client)
        wait_for_subflows(server, 1)
        begin = time.time()
        changes = {4.0: lambda: one.set(delay=0.060), 8.0: lambda: one.set(delay=0.005)}
        stream(server, client, seconds=12, block=10_000, interval=0.020, at=changes)
        seen = first.packets(), second.packets()
    sender = paths.server.ipv4
    on_one, on_two = (partial(carried, packets, sender) for packets in seen)
    (results / "paths.txt").write_text(text := path_table(on_one, on_two, begin, begin + 12))
    for start, stop in ((0, 4), (9.5, 12)) if milliseconds else ((0, 12),):
        assert on_one(begin + start, begin + stop) > 3.8, text
        assert on_two(begin + start, begin + stop) < 0.01, text
    if milliseconds:
        assert on_two(begin + 5, begin + 8) > 3, text
        assert on_one(begin + 5, begin + 8) < 1, text
    assert deciding.value("changes") == (2 if milliseconds else 0)
    assert priorities(seen[0] + seen[1]) == [], "the decision is the sender's own"
    wishes = {option(OURS, milliseconds.to_bytes(2, "big"))} if milliseconds else set()
    assert written(seen[0], one.client.ipv4) == wishes
    assert payload(seen[0], one.client.ipv4) == 100


# A request for acknowledgements


@pytest.mark.shapes(LONG_LINE)
@pytest.mark.parametrize(("segments", "divisor", "understood"), [(4, 4, True), (10, 2, True), (10, 2, False)])
def test_a_sender_chooses_how_often_to_acknowledge(
    paths: MultipathLab, program: LoadProgram, results: Path, segments: int, divisor: int, understood: bool
) -> None:
    (path,) = paths.paths
    asking = program("effect_ack_request", paths.client)
    asking.set("segments", segments)
    asking.set("divisor", divisor)
    if understood:
        program("effect_ack_request", paths.server)
    with capture(path.server, results / "server.pcap") as seen, tcp_connection(path) as (client, server):
        exchange(client, server, sent=4_000_000)
        packets = seen.packets()
        wanted = (segments, divisor) if understood else (0, 0)
        assert tuple(get_option(server, each) for each in (DELACK_SEGS, DELACK_RTT_DIVISOR)) == wanted
        sent = [packet for packet in packets if packet.src == path.client.ipv4]
        found = segments_per_ack(steady(acks(packets, server)))
    assert share(found, segments if understood else 2) > (0.95 if understood else 0.8), found
    told = [packet.option(254, 0xACE5) for packet in sent]
    with_option = [data for data in told if data is not None]
    assert set(with_option) == {bytes([segments, divisor])}
    assert len(with_option) < 40, "only until the peer has answered"
    assert with_option == told[1 : 1 + len(with_option)], "on all segments after the SYN until then"
