"""Events of MPTCP connections at the programs of both hosts: which ones, in what order, with what arguments."""

from __future__ import annotations

import errno
import socket
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.mptcp_events import CLOSED, RST_RECEIVED, RST_TRANSIENT, Address, Kind, Watch, bits
from kernel_patches.raw_segments import mp_tcprst, send_reset
from kernel_patches.schedulers import say, set_scheduler, wait_for_subflows
from optdsl.lab.capture import capture
from optdsl.lab.paths import MultipathLab, Shape
from optdsl.lab.paths.counters import counters
from optdsl.lab.paths.manager import add_endpoint, delete_endpoint, set_limits, use_all_paths
from optdsl.lab.paths.sockets import Sockets, exchange, mptcp_info, on

_ETHERNET = 1
"""ARPHRD_ETHER of include/uapi/linux/if_arp.h."""
_LOOPBACK = 772
"""ARPHRD_LOOPBACK."""
_PROHIBITED, _MIDDLEBOX = 3, 6
"""MPTCP_RST_EPROHIBIT and MPTCP_RST_EMIDDLEBOX of include/uapi/linux/mptcp.h."""
_PLENTY = 8


def watches(paths: MultipathLab, program: LoadProgram) -> tuple[Watch, Watch]:
    """The program at the client and at the server, asking for all events."""
    both = Watch(program("mptcp_events", paths.client)), Watch(program("mptcp_events", paths.server))
    for each in both:
        each.ask()
    return both


def interface_index(paths: MultipathLab, number: int) -> int:
    """Of the client's interface on a path, counted from 1."""
    with on(paths.client):
        return socket.if_nametoindex(paths.paths[number - 1].client.interface)


# A connection from its beginning to its end


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_a_connection_with_two_subflows(
    paths: MultipathLab, sockets: Sockets, program: LoadProgram, ipv6: bool
) -> None:
    client, server = watches(paths, program)
    use_all_paths(paths.client, paths.server, [paths.paths[1].client], ipv6=ipv6)
    listener = sockets.listen(paths.server, ipv6=ipv6)
    ends = sockets.connect(paths.client, paths.server.address(ipv6=ipv6), listener)
    exchange(*ends, sent=10_000, received=10_000)
    time.sleep(1)
    tokens = [mptcp_info(end).token for end in ends]

    assert [(each.kind, each.of) for each in client.events()] == [
        (Kind.NEW_SESSION, (0, 0, 0)),
        (Kind.SYNACK, (1, interface_index(paths, 1), _ETHERNET)),
        (Kind.ESTABLISHED, (1, 1, 0)),
        (Kind.SUBFLOW_ADDED, (2, 1 << 8, 0)),
        (Kind.SYNACK, (2, interface_index(paths, 2), _ETHERNET)),
        (Kind.ESTABLISHED, (0, 2, 0)),
    ]
    assert [(each.kind, each.of) for each in server.events()] == [
        (Kind.NEW_SESSION, (1, 0, 0)),
        (Kind.ESTABLISHED, (1, 1, 0)),
        (Kind.SUBFLOW_ADDED, (2, 1, 1)),
        (Kind.ESTABLISHED, (0, 2, 0)),
    ]

    for end in ends:
        end.close()
    time.sleep(120)
    for watch, token in zip((client, server), tokens, strict=True):
        *closed, last = watch.events(Kind.SUBFLOW_CLOSED, Kind.SESSION_CLOSED)
        assert sorted(each.of for each in closed) == [(1, 0, 0), (2, 0, 0)]
        assert {each.kind for each in closed} == {Kind.SUBFLOW_CLOSED}
        assert (last.kind, last.of) == (Kind.SESSION_CLOSED, (token, CLOSED, 0))
        assert watch.events()[-1] == last


def test_each_event_is_told_on_its_subflow(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    client, _ = watches(paths, program)
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=10_000)
    client.wait(Kind.ESTABLISHED, 2)
    first, joined = client.events(Kind.SYNACK)
    port = ends[0].getsockname()[1]
    assert (first.local_port, first.known.subflow_id) == (port, 1)
    assert (joined.local_port != port, joined.known.subflow_id) == (True, 2)
    assert {each.remote_port for each in client.events()} == {ends[0].getpeername()[1]}


def test_the_times_of_a_join(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    """A round trip of 20 ms lies between the SYN-ACK that joins and the use of the new subflow."""
    client, server = watches(paths, program)
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=10_000)
    client.wait(Kind.ESTABLISHED, 2)
    synack, added, established = (
        client.events(kind)[-1].seconds for kind in (Kind.SYNACK, Kind.SUBFLOW_ADDED, Kind.ESTABLISHED)
    )
    assert added - synack < 0.001
    assert established - synack == pytest.approx(0.020, abs=0.001)
    assert server.one(Kind.SUBFLOW_ADDED).seconds - synack == pytest.approx(0.010, abs=0.001)


def test_a_loopback_device(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    server = Watch(program("mptcp_events", paths.server))
    server.ask(Kind.SYNACK)
    ends = sockets.connect(paths.server, "127.0.0.1", sockets.listen(paths.server))
    exchange(*ends, sent=10_000)
    assert server.one(Kind.SYNACK).of == (1, 1, _LOOPBACK)


# Who is told


def test_without_a_wish_nothing_is_told(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    silent = Watch(program("mptcp_events", paths.client, paths.server))
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=10_000)
    sockets.close()
    time.sleep(5)
    assert silent.all() == []
    assert silent.answers() == (1, 1)


def test_only_what_is_asked_for_is_told(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    client, _ = watches(paths, program)
    client.ask(Kind.SYNACK, Kind.SESSION_CLOSED)
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=10_000)
    time.sleep(1)
    sockets.close()
    client.wait(Kind.SESSION_CLOSED, seconds=120)
    assert client.kinds() == [Kind.SYNACK, Kind.SYNACK, Kind.SESSION_CLOSED]


def test_an_accepted_connection_inherits(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    watch = Watch(program("mptcp_events", paths.server))
    watch.ask(Kind.NEW_SESSION, Kind.DATA, mark=5000)
    listener = sockets.listen(paths.server)
    watch.ask(Kind.ADDR_ADDED, mark=7)  # too late for this listener
    ends = sockets.connect(paths.client, paths.server.ipv4, listener)
    told = watch.one(Kind.NEW_SESSION)
    assert (told.wanted, told.mark) == (bits(Kind.NEW_SESSION, Kind.DATA), 5000)
    exchange(*ends, sent=10_000)
    assert watch.kinds() == [Kind.NEW_SESSION, Kind.DATA]
    again = sockets.connect(paths.client, paths.server.ipv4, listener)
    exchange(*again, sent=10_000)
    assert [each.mark for each in watch.events(Kind.NEW_SESSION)] == [5000, 5000]


# Subflows that end or fail


@pytest.mark.parametrize("transient", [False, True])
def test_the_peer_resets_a_subflow(
    paths: MultipathLab, sockets: Sockets, program: LoadProgram, results: Path, transient: bool
) -> None:
    client, server = watches(paths, program)
    second = paths.paths[1]
    use_all_paths(paths.client, paths.server, [second.client])
    with capture(second.client, results / "second.pcap") as seen:
        ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
        exchange(*ends, sent=10_000)
        server.wait(Kind.ESTABLISHED, 2)
        time.sleep(1)
        received = [packet for packet in seen.packets() if packet.dst == second.client.ipv4]
        send_reset(second.client, received[-1], mp_tcprst(_MIDDLEBOX, transient=transient))
    reason = _MIDDLEBOX | RST_RECEIVED | (RST_TRANSIENT if transient else 0)
    assert server.wait(Kind.SUBFLOW_CLOSED).of == (2, errno.ECONNRESET, reason)
    exchange(*ends, sent=10_000, received=10_000)
    assert client.events(Kind.SESSION_CLOSED) == server.events(Kind.SESSION_CLOSED) == []


def test_a_plain_reset_has_no_reason(
    paths: MultipathLab, sockets: Sockets, program: LoadProgram, results: Path
) -> None:
    _, server = watches(paths, program)
    with capture(paths.client, results / "first.pcap") as seen:
        ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
        exchange(*ends, sent=10_000)
        time.sleep(1)
        received = [packet for packet in seen.packets() if packet.dst == paths.client.ipv4]
        send_reset(paths.client, received[-1])
    assert server.wait(Kind.SUBFLOW_CLOSED).of == (1, errno.ECONNRESET, 0)


def test_a_subflow_is_aborted_by_hand(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    client, server = watches(paths, program)
    second = paths.paths[1]
    use_all_paths(paths.client, paths.server, [second.client])
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=10_000)
    client.wait(Kind.ESTABLISHED, 2)
    done = paths.client.run(["ss", "-KtnH", "state", "established", "src", second.client.ipv4])
    assert done.stdout, "what it has destroyed"
    assert client.wait(Kind.SUBFLOW_CLOSED).of == (2, errno.ECONNABORTED, 0)
    number, error, reason = server.wait(Kind.SUBFLOW_CLOSED).of
    assert (number, error, reason & ~RST_TRANSIENT) == (2, errno.ECONNRESET, RST_RECEIVED)
    exchange(*ends, sent=10_000, received=10_000)


def test_a_path_that_is_gone(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    client, _ = watches(paths, program)
    second = paths.paths[1]
    paths.client.set_sysctl("net.ipv4.tcp_retries2", 3)
    use_all_paths(paths.client, paths.server, [second.client])
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=10_000)
    client.wait(Kind.ESTABLISHED, 2)
    second.set(rate=1_000_000)
    paths.paths[0].set(rate=1_000_000)
    second.set(loss=100)
    exchange(*ends, sent=1_000_000)
    assert client.wait(Kind.SUBFLOW_CLOSED, seconds=60).of == (2, errno.ETIMEDOUT, 0)


def test_nobody_listens_for_a_join(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    client, server = watches(paths, program)
    for host in paths.hosts:
        set_limits(host, subflows=_PLENTY, accepted=_PLENTY)
    add_endpoint(paths.server, paths.paths[1].server.ipv4, "signal")
    with on(paths.server):
        bound = sockets.make(paths.server)
    bound.bind((paths.server.ipv4, 0))
    bound.listen()
    ends = sockets.connect(paths.client, paths.server.ipv4, bound)
    exchange(*ends, sent=10_000)
    closed = client.wait(Kind.SUBFLOW_CLOSED)
    assert closed.of == (2, errno.ECONNREFUSED, 0)
    assert client.kinds() == [
        Kind.NEW_SESSION,
        Kind.SYNACK,
        Kind.ESTABLISHED,
        Kind.ADDR_ADDED,
        Kind.SUBFLOW_CLOSED,
    ]
    assert Kind.SUBFLOW_ADDED not in server.kinds()


@pytest.mark.shapes(Shape(delay=0.010), Shape(delay=0.010, loss=100))
def test_a_join_is_not_answered(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    client, _ = watches(paths, program)
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=10_000)
    closed = client.wait(Kind.SUBFLOW_CLOSED, seconds=300)
    assert closed.of == (2, errno.ETIMEDOUT, 0)
    assert closed.seconds - client.one(Kind.ESTABLISHED).seconds > 30


def test_a_join_is_rejected(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    """By an answer to the third packet, which says why."""
    client, server = watches(paths, program)
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    set_limits(paths.server, subflows=0)
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=10_000)
    assert client.wait(Kind.SUBFLOW_CLOSED).of == (2, errno.ECONNRESET, RST_RECEIVED | _PROHIBITED)
    assert client.kinds()[-3:] == [Kind.SUBFLOW_ADDED, Kind.SYNACK, Kind.SUBFLOW_CLOSED]
    assert server.kinds() == [Kind.NEW_SESSION, Kind.ESTABLISHED]
    assert counters(paths.client)["MPTcpExtMPRstRx"] == 1
    assert counters(paths.client)["TcpOutRsts"] == 0


# Addresses of the peer


@pytest.mark.parametrize("port", [0, 5005])
@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_an_address_is_announced_and_withdrawn(
    paths: MultipathLab, sockets: Sockets, program: LoadProgram, ipv6: bool, port: int
) -> None:
    client, server = watches(paths, program)
    address = paths.paths[1].server.address(ipv6=ipv6)
    for host in paths.hosts:
        host.set_sysctl("net.ipv4.tcp_timestamps", 0)  # an IPv6 address with a port has no room beside them
    set_limits(paths.server, subflows=0)
    with_port = ["port", str(port)] if port else []
    paths.server.run(["ip", "mptcp", "endpoint", "add", address, "id", "7", "signal", *with_port])
    listener = sockets.listen(paths.server, ipv6=ipv6)
    ends = sockets.connect(paths.client, paths.server.address(ipv6=ipv6), listener)
    exchange(*ends, sent=10_000)
    added = client.wait(Kind.ADDR_ADDED)
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    assert added.of == (7, family, port)
    assert added.address == Address(address, port, 7)
    assert {each.address_error for each in client.events() if each != added} == {-errno.ENODATA}

    delete_endpoint(paths.server, 7)
    removed = client.wait(Kind.ADDR_REMOVED)
    assert removed.of == (7, 0, 0)
    assert removed.address_error == -errno.ENODATA
    assert server.events(Kind.ADDR_ADDED, Kind.ADDR_REMOVED) == []


# Data


def test_data_is_told_once_at_the_mark(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    _, server = watches(paths, program)
    server.ask(Kind.DATA, mark=50_000)
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=49_999)
    assert server.events() == []
    exchange(*ends, sent=200_001)
    low, high, number = server.one(Kind.DATA).of
    assert (50_000 <= low < 52_000, high, number) == (True, 0, 1)
    assert server.one(Kind.DATA).mark == 0


def test_a_mark_is_set_anew(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    client, server = watches(paths, program)
    server.ask(Kind.DATA, mark=100_000, step=100_000)
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    for path in paths.paths:
        path.set(rate=20_000_000)
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=1_000_000)
    assert server.answers() == (0, 0)
    received = [each.of[0] for each in server.events()]
    assert 5 <= len(received) <= 10
    assert all(after - before >= 100_000 for before, after in pairwise(received))
    assert received[0] < 110_000
    assert Kind.DATA not in client.kinds()


def test_data_that_waits_for_its_reader(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    """What does not fit into the buffer of the connection stays with the subflow until there is room."""
    _, server = watches(paths, program)
    total = 300_000
    server.ask(Kind.DATA, mark=total)
    listener = sockets.listen(paths.server)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
    client, accepted = sockets.connect(paths.client, paths.server.ipv4, listener)
    sending = threading.Thread(target=client.sendall, args=(bytes(total),))
    sending.start()
    left = total
    while left:
        time.sleep(0.5)
        left -= len(accepted.recv(left))
    sending.join()
    assert server.one(Kind.DATA).of[0] == total


def test_data_that_waited_for_other_data_without_room(
    paths: MultipathLab, sockets: Sockets, program: LoadProgram
) -> None:
    """The third message has the mark and came early; the second, on the slow path, found the buffer full."""
    _, server = watches(paths, program)
    server.ask(Kind.DATA, mark=160)
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    paths.paths[0].set(delay=0.2)
    listener = sockets.listen(paths.server)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client, accepted = sockets.connect(paths.client, paths.server.ipv4, listener)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    set_scheduler(client, "roundrobin")
    say(client, accepted, 100)
    say(accepted, client)
    wait_for_subflows(client, 1)
    time.sleep(1)  # the acknowledgment that makes it usable
    for _ in range(40):
        client.sendall(bytes(20))
    time.sleep(2)
    assert server.events() == []
    accepted.recv(1)
    assert server.one(Kind.DATA).of[0] == 160


def test_data_that_comes_with_the_end(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    """A FIN in the same segment, from a peer of plain TCP."""
    watch, _ = watches(paths, program)
    watch.ask(Kind.DATA, mark=1000)
    client, peer = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server, mptcp=False))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    peer.sendall(bytes(1000))
    peer.close()
    assert len(client.recv(2000, socket.MSG_WAITALL)) == 1000
    assert watch.one(Kind.DATA).of[0] == 1000
