"""Actions of programs: opening subflows, with any part of the 4-tuple left out, whenever a program likes to."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.mptcp_actions import (
    F_BACKUP,
    Actions,
    Address,
    Callback,
    Event,
    Step,
    announce,
    close_subflow,
    failures,
)
from kernel_patches.mptcp_actions import open_subflow as opens
from kernel_patches.mptcp_wire import Join, joins
from kernel_patches.schedulers import say
from optdsl.lab.capture import capture
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.counters import counters, subflows
from optdsl.lab.paths.manager import set_limits
from optdsl.lab.paths.sockets import Sockets, exchange, mptcp_info
from optdsl.lab.sockets import SocketSnapshot

Connect: TypeAlias = Callable[..., tuple[socket.socket, socket.socket]]
FIRST, SECOND = ("10.0.1.1", "10.0.1.2"), ("10.0.2.1", "10.0.2.2")
FIRST6, SECOND6 = ("2001:db8:1::1", "2001:db8:1::2"), ("2001:db8:2::1", "2001:db8:2::2")
"""Client and server on the paths."""
_PORT: Final = 41234


@pytest.fixture
def connect(paths: MultipathLab) -> Iterator[Connect]:
    """Makes a connection on which a word went to and fro; the one before it is closed."""
    with Sockets() as sockets:

        def connected(*, ipv6: bool = False) -> tuple[socket.socket, socket.socket]:
            sockets.close()
            listener = sockets.listen(paths.server, ipv6=ipv6)
            client, server = sockets.connect(paths.client, paths.server.address(ipv6=ipv6), listener)
            say(client, server)
            say(server, client)
            return client, server

        yield connected


def joined(paths: MultipathLab) -> SocketSnapshot:
    """The one subflow of the client that joined."""
    (found,) = (each for each in subflows(paths.client) if "J" in each.raw.split("flags:")[1].split()[0])
    return found


def ends(found: SocketSnapshot) -> tuple[str, str]:
    """Its addresses, an IPv4 one on a socket of IPv6 as such."""
    local, remote = (end.address.removeprefix("::ffff:") for end in (found.local, found.remote))
    return local, remote


PARTS = [
    pytest.param(False, (None, None), FIRST, id="nothing"),
    pytest.param(False, (SECOND[0], None), (SECOND[0], FIRST[1]), id="local"),
    pytest.param(False, (None, SECOND[1]), (FIRST[0], SECOND[1]), id="remote"),
    pytest.param(False, SECOND, SECOND, id="both"),
    pytest.param(False, ("0.0.0.0", SECOND[1]), SECOND, id="routed"),
    pytest.param(True, (None, None), FIRST6, id="nothing-ipv6"),
    pytest.param(True, (SECOND6[0], None), (SECOND6[0], FIRST6[1]), id="local-ipv6"),
    pytest.param(True, (None, SECOND6[1]), (FIRST6[0], SECOND6[1]), id="remote-ipv6"),
    pytest.param(True, ("::", SECOND6[1]), SECOND6, id="routed-ipv6"),
    pytest.param(True, SECOND, SECOND, id="ipv4-on-ipv6"),
    pytest.param(True, (None, SECOND[1]), SECOND, id="remote-ipv4-on-ipv6"),
]


@pytest.mark.parametrize(("ipv6", "addresses", "expected"), PARTS)
def test_any_address_may_be_left_out(
    paths: MultipathLab,
    acting: Actions,
    connect: Connect,
    ipv6: bool,
    addresses: tuple[str | None, str | None],
    expected: tuple[str, str],
) -> None:
    acting.plan(opens(Event.ESTABLISHED, local=Address(addresses[0]), remote=Address(addresses[1])))
    client, server = connect(ipv6=ipv6)
    acting.wait_for(Event.SUBFLOW_ADDED)
    assert acting.answers() == [0]
    assert failures(acting.reports()) == []
    found = joined(paths)
    assert ends(found) == expected
    assert found.remote.port == client.getpeername()[1]
    assert mptcp_info(client).subflows == 1
    exchange(client, server, sent=10_000, received=10_000)
    assert counters(paths.server)["MPTcpExtMPJoinAckRx"] == 1


def test_ports_and_ids_are_taken_as_given(
    paths: MultipathLab, acting: Actions, connect: Connect, results: Path
) -> None:
    local = Address(SECOND[0], _PORT, 77)
    acting.plan(
        opens(Event.ESTABLISHED, local=local, remote=Address(SECOND[1], id=9)),
        opens(Event.ESTABLISHED, local=Address(port=_PORT + 1)),
        opens(Event.ESTABLISHED, local=Address(SECOND[0]), flags=F_BACKUP),
    )
    with (
        capture(paths.paths[0].client, results / "1.pcap") as one,
        capture(paths.paths[1].client, results / "2.pcap") as two,
    ):
        client, _ = connect()
        added = acting.wait_for(Event.SUBFLOW_ADDED, 3)
        seen = joins(one.packets() + two.packets())
        replies = joins(one.packets() + two.packets(), replies=True)
    port = client.getpeername()[1]
    by_port = {join.sport: join for join in seen}
    assert by_port[_PORT] == Join(*SECOND, _PORT, port, 77, False)
    assert by_port[_PORT + 1] == Join(*FIRST, _PORT + 1, port, 0, False)
    (third,) = (join for join in seen if join.sport not in (_PORT, _PORT + 1))
    assert (third.src, third.dst, third.backup) == (SECOND[0], FIRST[1], True)
    assert third.id not in (0, 77)
    # The peer's own id for the address counts.
    (theirs,) = (reply.id for reply in replies if reply.src == SECOND[1])
    known = {(77, theirs), (0, 0), (third.id, 0)}
    assert {(each.local_id, each.remote_id) for each in added} == known
    assert {(each.args[1] >> 8, each.args[1] & 0xFF) for each in added} == known


def test_a_backup_subflow_is_one_to_the_peer(paths: MultipathLab, acting: Actions, connect: Connect) -> None:
    acting.plan(opens(Event.ESTABLISHED, local=Address(SECOND[0]), flags=F_BACKUP))
    connect()
    acting.wait_for(Event.ESTABLISHED, 2)
    flags = [each.raw.split("flags:")[1].split()[0] for each in subflows(paths.server) if "10.0.2.1" in each.raw]
    assert "B" in flags[0]
    assert "b" in joined(paths).raw.split("flags:")[1].split()[0]


@pytest.mark.parametrize("local", ["0.0.0.0", None], ids=["routed", "of-the-other-family"])
def test_a_backup_subflow_from_any_address(
    paths: MultipathLab, acting: Actions, connect: Connect, results: Path, local: str | None
) -> None:
    """Its address is known only after routing."""
    acting.plan(opens(Event.ESTABLISHED, local=Address(local), remote=Address(SECOND[1]), flags=F_BACKUP))
    with capture(paths.paths[1].client, results / "2.pcap") as two:
        connect(ipv6=local is None)
        acting.wait_for(Event.SUBFLOW_ADDED)
        (join,) = joins(two.packets())
    assert (join.src, join.dst, join.backup) == (*SECOND, True)


def test_a_socket_of_both_families_is_one_of_ipv4(paths: MultipathLab, acting: Actions, sockets: Sockets) -> None:
    """Its addresses are mapped ones; what is left out is the subflow's own address all the same."""
    acting.plan(opens(Event.ESTABLISHED, remote=Address(SECOND[1]), local=Address(port=_PORT)))
    listener = sockets.listen(paths.server)
    client, server = sockets.connect(paths.client, f"::ffff:{FIRST[1]}", listener)
    say(client, server)
    say(server, client)
    acting.wait_for(Event.SUBFLOW_ADDED)
    assert ends(joined(paths)) == (FIRST[0], SECOND[1])
    assert joined(paths).local.port == _PORT


def test_a_server_opens_one_when_the_connection_is_accepted(
    paths: MultipathLab, acting: Actions, program: LoadProgram, sockets: Sockets
) -> None:
    acting.plan(announce(Event.ESTABLISHED, Address(SECOND[0], _PORT, 8)))  # or it takes no subflow on this port
    serving = Actions(program("mptcp_actions", paths.server))
    for host in paths.hosts:
        set_limits(host, subflows=8)
    serving.plan(opens(Event.NEW_SESSION, local=Address(SECOND[1]), remote=Address(SECOND[0], _PORT)))
    further = sockets.make(paths.client)
    further.bind((SECOND[0], _PORT))
    further.listen()
    listener = sockets.listen(paths.server)
    client = sockets.make(paths.client)
    client.connect((paths.server.ipv4, listener.getsockname()[1]))
    client.sendall(b"early")
    time.sleep(1)
    assert (serving.answers(), serving.events(Event.ACTION_FAILED)) == ([0], [])
    server, _ = listener.accept()
    with server:
        serving.wait_for(Event.SUBFLOW_ADDED)
        assert mptcp_info(server).subflows == 1
        assert failures(serving.reports()) == []


def test_the_interface_is_taken_as_given(paths: MultipathLab, acting: Actions, connect: Connect) -> None:
    index = _ifindex(paths, 1)
    acting.plan(opens(Event.ESTABLISHED, local=Address(SECOND[0]), remote=Address(SECOND[1]), ifindex=index))
    connect()
    acting.wait_for(Event.SUBFLOW_ADDED)
    assert "10.0.2.1%eth1" in joined(paths).raw


def test_an_interface_that_there_is_not(acting: Actions, connect: Connect) -> None:
    acting.plan(opens(Event.ESTABLISHED, local=Address(SECOND[0]), remote=Address(SECOND[1]), ifindex=4242))
    client, server = connect()
    acting.wait_for(Event.ACTION_FAILED)
    assert acting.answers() == [0]
    ((option, number, _),) = failures(acting.reports())
    assert (option, number) in ((1005, errno.ENETUNREACH), (1005, errno.ENODEV), (1005, errno.EHOSTUNREACH))
    exchange(client, server, sent=1000, received=1000)
    assert mptcp_info(client).subflows == 0


@pytest.mark.parametrize(
    "when", [Event.NEW_SESSION, Event.ESTABLISHED, Callback.CONNECT, Callback.RTT, Callback.ACTIVE_ESTABLISHED]
)
def test_whenever_a_program_likes_to(
    paths: MultipathLab, acting: Actions, connect: Connect, results: Path, when: Event | Callback
) -> None:
    acting.plan(opens(when, local=Address(SECOND[0]), remote=Address(SECOND[1])))
    with (
        capture(paths.paths[0].client, results / "1.pcap") as one,
        capture(paths.paths[1].client, results / "2.pcap") as two,
    ):
        connect()
        acting.wait_for(Event.SUBFLOW_ADDED)
        begin = min(p.time for p in one.packets())
        join = min(p.time for p in two.packets())
    assert acting.answers() == [0]
    # The worker waits for the end of the handshake: the peer's first acknowledgement, or its first data.
    assert join >= begin + 0.040


def test_again_when_a_subflow_was_closed(paths: MultipathLab, acting: Actions, connect: Connect) -> None:
    acting.plan(
        opens(Event.ESTABLISHED, local=Address(SECOND[0]), remote=Address(SECOND[1]), subflow=1),
        close_subflow(Event.ESTABLISHED, subflow=2),
        opens(Event.SUBFLOW_CLOSED, subflow=2),
    )
    client, server = connect()
    added = acting.wait_for(Event.SUBFLOW_ADDED, 2)
    assert [each.subflow for each in added] == [2, 3]
    assert acting.answers() == [0, 0, 0]
    assert ends(joined(paths)) == SECOND
    exchange(client, server, sent=100_000, received=100_000)


def test_no_program_no_subflow(paths: MultipathLab, connect: Connect) -> None:
    client, _ = connect()
    assert mptcp_info(client).subflows == 0
    assert counters(paths.client)["MPTcpExtMPJoinSynTx"] == 0


FAILING: list[tuple[Step, int]] = [
    (opens(Event.ESTABLISHED, local=Address("192.0.2.77")), errno.EADDRNOTAVAIL),
    (opens(Event.ESTABLISHED, local=Address("0.0.0.0"), remote=Address("198.51.100.1")), errno.ENETUNREACH),
]


@pytest.mark.parametrize(("step", "number"), FAILING, ids=["not-ours", "no-route"])
def test_what_the_worker_cannot_do_is_told(acting: Actions, connect: Connect, step: Step, number: int) -> None:
    acting.plan(step)
    client, server = connect()
    acting.wait_for(Event.ACTION_FAILED)
    assert acting.answers() == [0]
    assert [(option, error) for option, error, _ in failures(acting.reports())] == [(1005, number)]
    exchange(client, server, sent=1000, received=1000)
    assert mptcp_info(client).subflows == 0, "none is counted any more"


def test_a_port_that_nobody_listens_on(acting: Actions, connect: Connect) -> None:
    acting.plan(opens(Event.ESTABLISHED, remote=Address(port=9)))
    client, server = connect()
    (closed,) = acting.wait_for(Event.SUBFLOW_CLOSED)
    assert closed.args[:2] == (2, errno.ECONNREFUSED)
    assert failures(acting.reports()) == [], "the SYN was sent"
    exchange(client, server, sent=1000, received=1000)
    assert mptcp_info(client).subflows == 0


def _ifindex(paths: MultipathLab, number: int) -> int:
    name = paths.paths[number].client.interface
    return int(paths.client.run(["ip", "-o", "link", "show", "dev", name]).stdout.split(":")[0])
