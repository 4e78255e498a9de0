"""MPTCP_SCHEDULER, and what the schedulers redundant and roundrobin put on two paths, in simulated time."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from itertools import cycle
from pathlib import Path

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.schedulers import (
    ALL,
    MPTCP_SCHEDULER,
    common,
    connection,
    payload,
    say,
    scheduler,
    sent_ranges,
    set_scheduler,
    size,
    wait_for_subflows,
)
from optdsl.lab.capture import capture
from optdsl.lab.paths import MultipathLab, Shape
from optdsl.lab.paths.counters import counters
from optdsl.lab.paths.manager import (
    add_endpoint,
    change_endpoint,
    delete_endpoint,
    endpoints,
    use_all_paths,
)
from optdsl.lab.paths.sockets import SOL_MPTCP, Sockets, exchange

TIMEOUT = 900

_LINE = Shape(delay=0.010, rate=20_000_000)
_MEGABYTE = 1_000_000


# The option


def test_it_is_set_and_read_before_and_after_connecting(paths: MultipathLab) -> None:
    with Sockets() as sockets:
        listener = sockets.listen(paths.server)
        set_scheduler(listener, "roundrobin")
        assert scheduler(listener) == "roundrobin"
        unconnected = sockets.make(paths.client)
        assert scheduler(unconnected) == "default"
        set_scheduler(unconnected, "redundant")

        unconnected.connect((paths.server.ipv4, listener.getsockname()[1]))
        accepted, _ = listener.accept()
        with accepted:
            assert (scheduler(unconnected), scheduler(accepted)) == ("redundant", "roundrobin")
            for name in ALL:
                set_scheduler(accepted, name)
                assert scheduler(accepted) == name
                say(accepted, unconnected)
        assert scheduler(listener) == "roundrobin"


def test_a_shorter_buffer_gets_the_beginning(paths: MultipathLab) -> None:
    with Sockets() as sockets:
        made = sockets.make(paths.client)
        assert made.getsockopt(SOL_MPTCP, MPTCP_SCHEDULER, 4) == b"defa"
        assert made.getsockopt(SOL_MPTCP, MPTCP_SCHEDULER, 64) == b"default".ljust(16, b"\0")


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize(
    ("name", "number"),
    [
        (b"fastest", errno.ENOENT),
        (b"defaul", errno.ENOENT),
        (b"123456789012345\0", errno.ENOENT),
        (b"\0", errno.ENOENT),
        (b"", errno.EINVAL),
        (b"1234567890123456", errno.EINVAL),
        (b"default\0".ljust(17, b"\0"), errno.EINVAL),
    ],
)
def test_a_name_is_refused(paths: MultipathLab, name: bytes, number: int, ipv6: bool) -> None:
    with connection(paths, ipv6=ipv6) as (client, _):
        set_scheduler(client, "redundant")
        with pytest.raises(OSError) as raised:
            client.setsockopt(SOL_MPTCP, MPTCP_SCHEDULER, name)
        assert raised.value.errno == number
        assert scheduler(client) == "redundant"


def test_plain_tcp_and_a_connection_that_fell_back_have_none(paths: MultipathLab) -> None:
    with Sockets() as sockets:
        listener = sockets.listen(paths.server, mptcp=False)
        plain = sockets.make(paths.client, mptcp=False)
        fallen, server = sockets.connect(paths.client, paths.server.ipv4, listener)
        for end in (plain, fallen):
            with pytest.raises(OSError) as raised:
                set_scheduler(end, "redundant")
            assert raised.value.errno in (errno.ENOPROTOOPT, errno.EOPNOTSUPP)
        exchange(fallen, server, sent=_MEGABYTE, received=_MEGABYTE)


def test_no_privilege_is_needed(paths: MultipathLab) -> None:
    with Sockets() as sockets:
        made = sockets.make(paths.client)
        os.seteuid(65534)
        try:
            set_scheduler(made, "redundant")
        finally:
            os.seteuid(0)
        assert scheduler(made) == "redundant"


def test_the_sysctl_is_the_default(paths: MultipathLab) -> None:
    assert set(paths.client.sysctl("net.mptcp.available_schedulers").split()) == set(ALL)
    paths.client.set_sysctl("net.mptcp.scheduler", "redundant")
    with Sockets() as sockets:
        assert scheduler(sockets.make(paths.client)) == "redundant"
        assert scheduler(sockets.make(paths.server)) == "default"
    assert paths.client.run(["sysctl", "-w", "net.mptcp.scheduler=none"], check=False).returncode
    assert paths.client.sysctl("net.mptcp.scheduler") == "redundant"


def test_switches_while_the_connection_ends(paths: MultipathLab) -> None:
    for step in range(8):
        with connection(paths, "redundant") as (client, server):
            client.sendall(bytes(50_000))
            if step & 1:
                client.shutdown(socket.SHUT_WR)
            if step & 2:
                server.close()
                time.sleep(0.015)
            if step & 4:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
            for name in ALL:
                set_scheduler(client, name)
        time.sleep(0.1)


# Redundant


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("csum", [0, 1], ids=["plain", "checksums"])
def test_redundant_sends_each_message_on_both_paths(paths: MultipathLab, results: Path, ipv6: bool, csum: int) -> None:
    for host in paths.hosts:
        host.set_sysctl("net.mptcp.checksum_enabled", csum)
    one, two = paths.paths
    with (
        capture(one.client, results / "one.pcap") as first,
        capture(two.client, results / "two.pcap") as second,
        connection(paths, ipv6=ipv6) as (client, server),
    ):
        before = [size(sent_ranges(seen.packets(), end.address(ipv6=ipv6)))
                  for seen, end in ((first, one.client), (second, two.client))]  # fmt: skip
        set_scheduler(client, "redundant")
        for _ in range(50):
            say(client, server, 700)
            time.sleep(0.05)
        on_one = sent_ranges(first.packets(), one.client.address(ipv6=ipv6))
        on_two = sent_ranges(second.packets(), two.client.address(ipv6=ipv6))
    assert common(on_one, on_two) == 50 * 700
    assert size(on_one) - before[0] == 50 * 700
    assert size(on_two) - before[1] == 50 * 700
    known = counters(paths.server)
    assert known["MPTcpExtDuplicateData"] >= 50
    assert known["MPTcpExtDataCsumErr"] == 0


@pytest.mark.shapes(_LINE, _LINE)
@pytest.mark.parametrize("name", ["default", "redundant"])
def test_redundant_sends_all_of_a_transfer_on_both_paths(paths: MultipathLab, results: Path, name: str) -> None:
    one, two = paths.paths
    with (
        capture(one.client, results / "one.pcap") as first,
        capture(two.client, results / "two.pcap") as second,
        connection(paths, name) as (client, server),
    ):
        exchange(client, server, sent=2 * _MEGABYTE)
        on_one = sent_ranges(first.packets(), one.client.ipv4)
        on_two = sent_ranges(second.packets(), two.client.ipv4)
    if name == "default":
        assert common(on_one, on_two) < 100_000
    else:
        assert common(on_one, on_two) > 1.9 * _MEGABYTE
        # no path carries the same data twice
        assert payload(first.packets(), one.client.ipv4) < 2.1 * _MEGABYTE
        assert payload(second.packets(), two.client.ipv4) < 2.1 * _MEGABYTE


@pytest.mark.shapes(Shape(delay=0.100), Shape(delay=0.010))
@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_redundant_has_the_delay_of_the_fast_path(paths: MultipathLab, ipv6: bool) -> None:
    with connection(paths, "redundant", ipv6=ipv6) as (client, server):
        assert max(say(client, server) for _ in range(20)) < 0.012
        assert max(say(server, client) for _ in range(20)) < 0.012
        paths.paths[1].set(loss=100)
        assert max(say(client, server) for _ in range(20)) < 0.102
        paths.paths[1].set(loss=0)
        time.sleep(5)
        assert max(say(client, server) for _ in range(20)) < 0.012


@pytest.mark.shapes(Shape(delay=0.200, rate=500_000), _LINE)
def test_a_slow_path_does_not_hold_back_a_fast_one(paths: MultipathLab) -> None:
    with connection(paths, "redundant") as (client, server):
        seconds = exchange(client, server, sent=10 * _MEGABYTE).seconds
    # 10 MB with headers at 20 Mbit/s take 4.2 s
    assert seconds < 5.5


@pytest.mark.shapes(Shape(delay=0.010, rate=20_000_000, loss=2), Shape(delay=0.030, rate=20_000_000, loss=2))
@pytest.mark.parametrize("name", ALL)
def test_what_is_lost_on_both_paths_arrives(paths: MultipathLab, name: str) -> None:
    with connection(paths, name) as (client, server):
        exchange(client, server, sent=2 * _MEGABYTE, received=2 * _MEGABYTE)


@pytest.mark.parametrize("name", ["redundant", "roundrobin"])
def test_backup_subflows_carry_data_only_when_no_other_is_left(paths: MultipathLab, results: Path, name: str) -> None:
    one, two = paths.paths
    with connection(paths, name) as (client, server):
        (endpoint,) = endpoints(paths.client)
        change_endpoint(paths.client, endpoint.id, "backup")
        time.sleep(1)
        with capture(two.client, results / "two.pcap") as seen:
            exchange(client, server, sent=_MEGABYTE)
            assert payload(seen.packets(), two.client.ipv4) == 0
            one.set(loss=100)
            say(client, server, 300_000)
            assert payload(seen.packets(), two.client.ipv4) >= 300_000


@pytest.mark.shapes(_LINE, _LINE)
@pytest.mark.parametrize("csum", [0, 1], ids=["plain", "checksums"])
@pytest.mark.parametrize("name", ["redundant", "roundrobin"])
def test_a_subflow_that_closes_takes_no_data_with_it(paths: MultipathLab, name: str, csum: int) -> None:
    for host in paths.hosts:
        host.set_sysctl("net.mptcp.checksum_enabled", csum)
    with connection(paths, name) as (client, server):
        (endpoint,) = endpoints(paths.client)
        closing = threading.Timer(0.3, delete_endpoint, (paths.client, endpoint.id))
        closing.start()
        exchange(client, server, sent=3 * _MEGABYTE, received=3 * _MEGABYTE)
        closing.join()
        wait_for_subflows(client, 0)
        exchange(client, server, sent=_MEGABYTE)


@pytest.mark.shapes(_LINE, _LINE)
def test_redundant_does_not_notice_that_a_path_dies(paths: MultipathLab) -> None:
    with connection(paths, "redundant") as (client, server):
        dying = threading.Timer(0.5, lambda: paths.paths[0].set(loss=100))
        dying.start()
        seconds = exchange(client, server, sent=5 * _MEGABYTE).seconds
        dying.join()
    assert seconds < 3


@pytest.mark.shapes(Shape(delay=0.010), Shape(delay=0.010), Shape(delay=0.010))
def test_a_dead_path_does_not_hold_up_the_backup(paths: MultipathLab) -> None:
    """The retransmission timer of one copy backs off for half a minute; the other copies do not wait for that."""
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    add_endpoint(paths.client, paths.paths[2].client.ipv4, "subflow", "backup")
    with connection(paths, "redundant") as (client, server):
        paths.paths[1].set(loss=100)
        for _ in range(33):
            say(client, server)
            time.sleep(1)
        paths.paths[0].set(loss=100)
        assert say(client, server, 1000) < 5


# Round robin, and switching


@pytest.mark.shapes(_LINE, _LINE)
def test_round_robin_shares_the_bytes(paths: MultipathLab, results: Path) -> None:
    one, two = paths.paths
    with (
        capture(one.client, results / "one.pcap") as first,
        capture(two.client, results / "two.pcap") as second,
        connection(paths, "roundrobin") as (client, server),
    ):
        exchange(client, server, sent=4 * _MEGABYTE)
        on_one, on_two = payload(first.packets(), one.client.ipv4), payload(second.packets(), two.client.ipv4)
    assert on_one == pytest.approx(2 * _MEGABYTE, rel=0.25)
    assert on_two == pytest.approx(2 * _MEGABYTE, rel=0.25)


def test_round_robin_takes_turns(paths: MultipathLab, results: Path) -> None:
    one, two = paths.paths
    with (
        capture(one.client, results / "one.pcap") as first,
        capture(two.client, results / "two.pcap") as second,
        connection(paths, "roundrobin") as (client, server),
    ):
        before = payload(first.packets(), one.client.ipv4), payload(second.packets(), two.client.ipv4)
        for _ in range(20):
            say(client, server)
            time.sleep(0.1)
        after = payload(first.packets(), one.client.ipv4), payload(second.packets(), two.client.ipv4)
    assert [new - old for old, new in zip(before, after, strict=True)] == [1000, 1000]


@pytest.mark.shapes(_LINE, Shape(delay=0.040, rate=5_000_000))
@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_the_switch_of_a_live_connection(paths: MultipathLab, results: Path, ipv6: bool) -> None:
    one, two = paths.paths
    done = threading.Event()

    def switch(end: socket.socket) -> None:
        for name in cycle(ALL):
            set_scheduler(end, name)
            if done.wait(0.05):
                return

    with (
        capture(one.client, results / "one.pcap") as first,
        capture(two.client, results / "two.pcap") as second,
        connection(paths, ipv6=ipv6) as (client, server),
    ):
        switching = [threading.Thread(target=switch, args=(end,)) for end in (client, server)]
        for each in switching:
            each.start()
        exchange(client, server, sent=5 * _MEGABYTE, received=5 * _MEGABYTE)
        done.set()
        for each in switching:
            each.join()
        on_one = sent_ranges(first.packets(), one.client.address(ipv6=ipv6))
        on_two = sent_ranges(second.packets(), two.client.address(ipv6=ipv6))
    assert 50_000 < common(on_one, on_two) < 4 * _MEGABYTE


# Requests of programs


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_a_program_switches(paths: MultipathLab, program: LoadProgram, ipv6: bool) -> None:
    asking = program("request_scheduler", paths.client)
    with connection(paths, ipv6=ipv6) as (client, server):
        for number, name in ((1, "redundant"), (2, "roundrobin"), (0, "default")):
            asking.set("wanted", number)
            say(client, server)
            time.sleep(0.1)
            assert (scheduler(client), scheduler(server)) == (name, "default")
            assert asking.value("answer") == 0
        for number, error in ((3, errno.ENOENT), (4, errno.EINVAL)):
            asking.set("wanted", number)
            say(client, server)
            time.sleep(0.1)
            assert scheduler(client) == "default"
            assert asking.value("answer") == -error


@pytest.mark.shapes(_LINE, _LINE)
def test_a_program_switches_with_every_measurement_of_the_rtt(paths: MultipathLab, program: LoadProgram) -> None:
    asking = program("request_scheduler", paths.client, paths.server)
    for step in range(4):
        with connection(paths) as (client, server):
            asking.set("wanted", 5)
            exchange(client, server, sent=_MEGABYTE, received=_MEGABYTE)
            client.sendall(bytes(100_000))
            if step & 1:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
            if step & 2:
                client.close()
        time.sleep(1)
        asking.set("wanted", -1)
    requests, at_end = asking.value("requests"), asking.value("requests_at_end")
    assert isinstance(requests, int)
    assert isinstance(at_end, int)
    assert requests > 100
    assert at_end >= 8
