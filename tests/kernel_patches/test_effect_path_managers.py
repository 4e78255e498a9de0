"""Path managers of the papers as programs: ndiffports, fullmesh, refreshing after resets, delayed opening."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.mptcp_actions import Address
from kernel_patches.mptcp_wire import announced, joins
from kernel_patches.programs import LoadedProgram
from kernel_patches.raw_segments import send_reset
from kernel_patches.schedulers import payload, say, wait_for_subflows
from optdsl.lab.capture import capture
from optdsl.lab.paths import MultipathLab, Shape
from optdsl.lab.paths.counters import counters, subflows
from optdsl.lab.paths.manager import set_limits
from optdsl.lab.paths.sockets import Sockets, exchange, mptcp_info

Connect: TypeAlias = Callable[..., tuple[socket.socket, socket.socket]]
LINE: Final = Shape(delay=0.010, rate=20_000_000)
MOST: Final = 8
"""MPTCP_PM_ADDR_MAX of net/mptcp/protocol.h: subflows beyond the first that the kernel's own path manager accepts."""


@pytest.fixture
def connect(paths: MultipathLab, sockets: Sockets) -> Connect:
    """Makes a connection on which a word went to and fro; the server takes as many subflows as it can."""
    set_limits(paths.server, subflows=MOST)

    def connected(*, ipv6: bool = False) -> tuple[socket.socket, socket.socket]:
        listener = sockets.listen(paths.server, ipv6=ipv6)
        client, server = sockets.connect(paths.client, paths.server.address(ipv6=ipv6), listener)
        say(client, server)
        say(server, client)
        return client, server

    return connected


def pairs(paths: MultipathLab) -> list[tuple[str, str]]:
    """The addresses of the client's subflows, sorted."""
    alive = [each for each in subflows(paths.client) if each.state == "ESTAB"]
    return sorted((each.local.address.strip("[]"), each.remote.address.strip("[]")) for each in alive)


def give(loaded: LoadedProgram, *addresses: Address) -> None:
    """Tells a program the further addresses of its host."""
    for number, address in enumerate(addresses):
        loaded.map("addresses").update(number.to_bytes(4, "little"), address.packed())


# ndiffports


@pytest.mark.parametrize(("count", "ipv6"), [(0, False), (5, False), (5, True)], ids=["none", "ipv4", "ipv6"])
def test_subflows_on_the_same_addresses(
    paths: MultipathLab, program: LoadProgram, connect: Connect, count: int, ipv6: bool
) -> None:
    opening = program("effect_ndiffports", paths.client)
    opening.set("subflows", count)
    client, server = connect(ipv6=ipv6)
    wait_for_subflows(client, count)
    time.sleep(1)
    ends = [host.address(ipv6=ipv6) for host in paths.hosts]
    assert pairs(paths) == [(ends[0], ends[1])] * (count + 1)
    assert len({each.local.port for each in subflows(paths.client)}) == count + 1
    exchange(client, server, sent=500_000, received=500_000)
    assert counters(paths.server)["MPTcpExtMPJoinAckRx"] == count


# Full mesh


def further(paths: MultipathLab, *, ipv6: bool) -> tuple[list[Address], list[Address]]:
    """The addresses of client and server on all paths but the first, identified by the paths' numbers."""
    client, server = (
        [Address(path.hosts[side].address(ipv6=ipv6), id=path.number) for path in paths.paths[1:]] for side in (0, 1)
    )
    return client, server


@pytest.mark.shapes(Shape(delay=0.010), Shape(delay=0.015), Shape(delay=0.020))
@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_all_pairs_with_announced_addresses(
    paths: MultipathLab, program: LoadProgram, connect: Connect, results: Path, ipv6: bool
) -> None:
    sides = further(paths, ipv6=ipv6)
    for host, addresses in zip(paths.hosts, sides, strict=True):
        give(program("effect_fullmesh", host), *addresses)
    with capture(paths.client, results / "first.pcap") as seen:
        client, server = connect(ipv6=ipv6)
        wait_for_subflows(client, MOST)
        time.sleep(1)
        told = {each.address for each in announced(seen.packets()) if not each.echo}
    assert told == {each.text for each in sides[1]}
    own, theirs = ([path.hosts[side].address(ipv6=ipv6) for path in paths.paths] for side in (0, 1))
    assert pairs(paths) == sorted((local, remote) for local in own for remote in theirs)
    exchange(client, server, sent=500_000, received=500_000)
    time.sleep(20)
    assert len(pairs(paths)) == 9, "no announcement leads to more"


@pytest.mark.shapes(Shape(delay=0.010), Shape(delay=0.015), Shape(delay=0.020))
def test_without_announcements_only_the_servers_first_address_is_used(
    paths: MultipathLab, program: LoadProgram, connect: Connect
) -> None:
    give(program("effect_fullmesh", paths.client), *further(paths, ipv6=False)[0])
    client, _ = connect()
    wait_for_subflows(client, 2)
    time.sleep(1)
    assert pairs(paths) == [(path.client.ipv4, paths.server.ipv4) for path in paths.paths]


# Refreshing


@contextlib.contextmanager
def _resets(path_number: int, paths: MultipathLab, folder: Path, every: float) -> Iterator[list[float]]:
    """Resets what goes over a path, at the client, again and again within a `with` block; when it did."""
    server = paths.paths[path_number].server
    done = threading.Event()
    times: list[float] = []
    with capture(server, folder / "reset.pcap") as seen:

        def reset() -> None:
            while not done.wait(every):
                received = [packet for packet in seen.packets() if packet.dst == paths.server.ipv4]
                if received:
                    send_reset(server, received[-1])
                    times.append(time.monotonic())

        thread = threading.Thread(target=reset)
        thread.start()
        try:
            yield times
        finally:
            done.set()
            thread.join()


@pytest.mark.shapes(LINE, LINE)
@pytest.mark.parametrize("refreshing", [True, False], ids=["refreshed", "not-refreshed"])
def test_what_is_reset_is_opened_again(
    paths: MultipathLab, program: LoadProgram, connect: Connect, results: Path, refreshing: bool
) -> None:
    give(program("effect_fullmesh", paths.client), Address(paths.paths[1].client.ipv4, id=2))
    loaded = program("effect_refresh", paths.client) if refreshing else None
    two = paths.paths[1]
    with capture(two.client, results / "second.pcap") as seen:
        client, server = connect()
        wait_for_subflows(client, 1)
        with _resets(1, paths, results, 0.5) as times:
            exchange(client, server, sent=10_000_000)
        packets = seen.packets()
    opened = joins(packets)
    on_two = payload(packets, two.client.ipv4)
    assert mptcp_info(client).flags & 1 == 0, "still MPTCP"
    if loaded is None:
        assert len(opened) == 1
        assert mptcp_info(client).subflows == 0
        assert on_two < 2_000_000
        return
    assert len(times) >= 3
    assert loaded.value("refreshed") == len(times)
    assert len(opened) == 1 + len(times)
    assert {(join.src, join.dst, join.id) for join in opened} == {(two.client.ipv4, paths.server.ipv4, 2)}
    assert on_two > 3_000_000
    assert mptcp_info(client).subflows == 1


def test_the_first_subflow_is_opened_again_too(
    paths: MultipathLab, program: LoadProgram, connect: Connect, results: Path
) -> None:
    refreshing = program("effect_refresh", paths.client)
    with capture(paths.server, results / "first.pcap") as seen:
        client, server = connect()
        for count in range(1, 4):
            time.sleep(1)  # so that the last segment of the client acknowledges everything
            send_reset(paths.server, [packet for packet in seen.packets() if packet.dst == paths.server.ipv4][-1])
            time.sleep(1)
            exchange(client, server, sent=100_000, received=100_000)
            assert refreshing.value("refreshed") == count
            assert len(pairs(paths)) == 1


@pytest.mark.shapes(LINE, LINE)
def test_what_times_out_is_opened_again(
    paths: MultipathLab, program: LoadProgram, connect: Connect, results: Path
) -> None:
    """A path that loses everything for a while: opening fails there, too, until it is back."""
    paths.client.set_sysctl("net.ipv4.tcp_retries2", 3)
    paths.client.set_sysctl("net.ipv4.tcp_syn_retries", 1)
    give(program("effect_fullmesh", paths.client), Address(paths.paths[1].client.ipv4, id=2))
    refreshing = program("effect_refresh", paths.client)
    two = paths.paths[1]
    client, server = connect()
    wait_for_subflows(client, 1)
    two.set(loss=100)
    exchange(client, server, sent=10_000_000)
    time.sleep(20)
    tried = refreshing.value("refreshed")
    assert isinstance(tried, int)
    assert tried >= 3, "the subflow, and SYNs in its place"
    assert pairs(paths) == [(paths.client.ipv4, paths.server.ipv4)]
    two.set(loss=0)
    time.sleep(10)
    assert pairs(paths) == [(paths.client.ipv4, paths.server.ipv4), (two.client.ipv4, paths.server.ipv4)]
    with capture(two.client, results / "second.pcap") as seen:
        exchange(client, server, sent=10_000_000)
        assert payload(seen.packets(), two.client.ipv4) > 3_000_000
    assert refreshing.value("refreshed") in (tried, tried + 1)


def test_what_is_closed_on_purpose_stays_closed(paths: MultipathLab, program: LoadProgram, connect: Connect) -> None:
    refreshing = program("effect_refresh", paths.client)
    opening = program("effect_ndiffports", paths.client)
    opening.set("subflows", 2)
    client, server = connect()
    wait_for_subflows(client, 2)
    time.sleep(1)
    client.close()
    server.close()
    time.sleep(1)
    assert refreshing.value("refreshed") == 0
    assert pairs(paths) == []


# Delayed opening


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_a_subflow_after_so_many_bytes(paths: MultipathLab, program: LoadProgram, connect: Connect, ipv6: bool) -> None:
    waiting = program("effect_delayed_open", paths.client)
    two = paths.paths[1]
    give(waiting, Address(two.client.address(ipv6=ipv6), id=2))
    client, server = connect(ipv6=ipv6)
    # 100 bytes of greeting have come already
    exchange(client, server, sent=300_000, received=(100 << 10) - 101)
    time.sleep(1)
    assert mptcp_info(client).subflows == 0, "what is sent does not count"
    say(server, client, 1)
    wait_for_subflows(client, 1)
    assert waiting.value("received") == 100 << 10
    time.sleep(1)
    assert (two.client.address(ipv6=ipv6), paths.server.address(ipv6=ipv6)) in pairs(paths)
    exchange(client, server, sent=0, received=1_000_000)
    assert mptcp_info(client).subflows == 1, "only one"


def test_the_threshold_is_tuned_at_run_time(paths: MultipathLab, program: LoadProgram, connect: Connect) -> None:
    waiting = program("effect_delayed_open", paths.client)
    give(waiting, Address(paths.paths[1].client.ipv4, id=2))
    for threshold, expected in ((10_000, 1), (1_000_000, 0), (0, 0), (50_000, 1)):
        waiting.set("threshold", threshold)
        client, server = connect()
        exchange(client, server, sent=0, received=60_000)
        time.sleep(1)
        assert mptcp_info(client).subflows == expected
