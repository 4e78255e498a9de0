"""Actions of programs on what there is: closing subflows, their backup flag, announcing and withdrawing addresses."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Final

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.mptcp_actions import (
    F_BACKUP,
    Actions,
    Address,
    Callback,
    Event,
    Option,
    Step,
    announce,
    close_subflow,
    failures,
    open_subflow,
    set_backup,
    withdraw,
)
from kernel_patches.mptcp_talk import captured, connected, talk
from kernel_patches.mptcp_wire import AddAddr, announced, joins, priorities, removed
from kernel_patches.schedulers import wait_for_subflows
from optdsl.lab.hosts import Host
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.counters import counters, subflows
from optdsl.lab.paths.manager import set_limits
from optdsl.lab.paths.sockets import Sockets, exchange, mptcp_info

CLIENT2, SERVER2 = "10.0.2.1", "10.0.2.2"
SECOND: Final = open_subflow(Event.ESTABLISHED, local=Address(CLIENT2), subflow=1)
"""The client's second subflow, number 2."""


@pytest.fixture
def serving(paths: MultipathLab, program: LoadProgram) -> Actions:
    """The program on the server."""
    return Actions(program("mptcp_actions", paths.server))


def flags(host: Host, address: str) -> str:
    """What ss(8) tells of the subflow that has an address at one end."""
    (found,) = (each for each in subflows(host) if address in (each.local.address, each.remote.address))
    return found.details["flags"]


# Closing


@pytest.mark.parametrize("closing", [close_subflow(Callback.RTT, subflow=2), close_subflow(Callback.RTT, 2, subflow=1)])
def test_a_subflow_is_closed(paths: MultipathLab, acting: Actions, sockets: Sockets, closing: Step) -> None:
    """From itself and from another one."""
    acting.plan(SECOND)
    client, server = connected(paths, sockets)
    acting.wait_for(Event.ESTABLISHED, 2)
    assert (mptcp_info(client).subflows, mptcp_info(server).subflows) == (1, 1)
    acting.plan(closing)
    exchange(client, server, sent=400_000)
    (closed,) = acting.wait_for(Event.SUBFLOW_CLOSED)
    wait_for_subflows(server, 0)
    assert (closed.args[0], acting.answers()) == (2, [0])
    assert failures(acting.reports()) == []
    assert mptcp_info(client).subflows == 0
    assert counters(paths.client)["MPTcpExtRmSubflow"] == 1
    exchange(client, server, sent=50_000, received=50_000)


def test_the_initial_subflow_is_closed(paths: MultipathLab, acting: Actions, sockets: Sockets) -> None:
    acting.plan(SECOND, close_subflow(Event.ESTABLISHED, 1, subflow=2))
    client, server = connected(paths, sockets)
    (closed,) = acting.wait_for(Event.SUBFLOW_CLOSED)
    assert closed.args[0] == 1
    exchange(client, server, sent=50_000, received=50_000)
    left = subflows(paths.client)
    assert [each.local.address for each in left if each.state == "ESTAB"] == [CLIENT2]
    acting.plan(close_subflow(Callback.RTT, 1))
    talk(client, server)
    acting.wait_for(Event.ACTION_FAILED)
    assert failures(acting.reports()) == [(Option.CLOSE_SUBFLOW, errno.ENOENT, 1)], "it is closed already"


@pytest.mark.parametrize("ipv6", [False, True])
def test_break_before_make(paths: MultipathLab, acting: Actions, sockets: Sockets, ipv6: bool) -> None:
    other = paths.paths[1].client.address(ipv6=ipv6)
    acting.plan(close_subflow(Callback.RTT, 1), open_subflow(Event.SUBFLOW_CLOSED, local=Address(other)))
    client, server = connected(paths, sockets, ipv6=ipv6)
    acting.wait_for(Event.ESTABLISHED, 2)
    exchange(client, server, sent=200_000, received=200_000)
    assert acting.answers() == [0, 0]
    assert [each.local.address for each in subflows(paths.client) if each.state == "ESTAB"] == [other]


# Backup


def test_the_peer_is_told_of_a_backup_subflow(
    paths: MultipathLab, acting: Actions, sockets: Sockets, results: Path
) -> None:
    acting.plan(SECOND)
    with captured(paths, results) as seen:
        client, server = connected(paths, sockets)
        acting.wait_for(Event.ESTABLISHED, 2)
        assert "b" not in flags(paths.server, CLIENT2).lower()
        told = []
        for bits in (F_BACKUP, 0):
            acting.plan(set_backup(Callback.RTT, 2, bits))
            talk(client, server)
            talk(client, server)
            assert acting.answers() == [0]
            told.append(("B" in flags(paths.server, CLIENT2), "b" in flags(paths.client, CLIENT2)))
    assert told == [(True, True), (False, False)]
    sent = priorities(seen[1])
    assert list(dict.fromkeys(sent)) == [(CLIENT2, True), (CLIENT2, False)]
    assert priorities(seen[0]) == []
    assert counters(paths.server)["MPTcpExtMPPrioRx"] == len(sent)


def test_a_subflow_that_is_not_yet_established_has_no_priority(
    paths: MultipathLab, acting: Actions, sockets: Sockets
) -> None:
    paths.paths[1].set(loss=100)
    acting.plan(SECOND, set_backup(Event.ESTABLISHED, 2, F_BACKUP, subflow=1))
    connected(paths, sockets)
    acting.wait_for(Event.ACTION_FAILED)
    assert failures(acting.reports()) == [(Option.BACKUP, errno.ENOTCONN, 2)]


# Addresses


@pytest.mark.parametrize(("ipv6", "port"), [(False, 0), (True, 0), (False, 5555), (True, 5555)])
def test_an_announced_address_is_joined(
    paths: MultipathLab,
    acting: Actions,
    serving: Actions,
    sockets: Sockets,
    results: Path,
    ipv6: bool,
    port: int,
) -> None:
    ours, theirs = (host.address(ipv6=ipv6) for host in paths.paths[1].hosts)
    serving.plan(announce(Event.ESTABLISHED, Address(theirs, port, 5), subflow=1))
    acting.plan(open_subflow(Event.ADDR_ADDED, local=Address(ours), remote=Address(theirs, port, 5)))
    if port:
        for host in paths.hosts:
            # An IPv6 address with a port and a time stamp are too much for one header.
            host.set_sysctl("net.ipv4.tcp_timestamps", 0)
        further = sockets.make(paths.server, ipv6=ipv6)
        further.bind((theirs, port))
        further.listen()
    with captured(paths, results) as seen:
        client, server = connected(paths, sockets, ipv6=ipv6)
        acting.wait_for(Event.ESTABLISHED, 2)
        talk(client, server)
    (told,) = acting.events(Event.ADDR_ADDED)
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    assert (told.args, told.address) == ((5, family, port), theirs)
    assert (acting.answers(), serving.answers()) == ([0], [0])
    (join,), (reply,) = joins(seen[1]), joins(seen[1], replies=True)
    assert (join.dst, join.dport, reply.id) == (theirs, port or server.getsockname()[1], 5)
    sender = paths.server.address(ipv6=ipv6)
    signals = announced(seen[0] + seen[1])
    assert set(signals) == {
        AddAddr(sender, 5, theirs, port, False),
        AddAddr(paths.client.address(ipv6=ipv6), 5, theirs, port, True),
    }
    (added,) = acting.events(Event.SUBFLOW_ADDED)
    assert added.remote_id == 5
    assert mptcp_info(server).add_addr_signal == 1


def test_an_announcement_that_does_not_fit(paths: MultipathLab, serving: Actions, sockets: Sockets) -> None:
    address = Address(paths.paths[1].server.ipv6, 5555, 5)
    serving.plan(announce(Event.ESTABLISHED, address))
    client, server = connected(paths, sockets, ipv6=True)
    assert (serving.answers(), failures(serving.reports())) == ([0], [])
    assert counters(paths.server)["MPTcpExtAddAddrTxDrop"] == 1
    exchange(client, server, sent=10_000, received=10_000)


def test_a_withdrawn_address_is_left(
    paths: MultipathLab, acting: Actions, serving: Actions, sockets: Sockets, results: Path
) -> None:
    serving.plan(announce(Event.ESTABLISHED, Address(SERVER2, id=5), subflow=1))
    acting.plan(open_subflow(Event.ADDR_ADDED, local=Address(CLIENT2), remote=Address(SERVER2, id=5)))
    with captured(paths, results) as seen:
        client, server = connected(paths, sockets)
        acting.wait_for(Event.ESTABLISHED, 2)
        serving.plan(withdraw(Callback.RTT, 5))
        talk(client, server)
        (gone,) = acting.wait_for(Event.ADDR_REMOVED)
        wait_for_subflows(client, 0)
        wait_for_subflows(server, 0)
        talk(client, server)
        assert mptcp_info(server).add_addr_signal == 0
        # The id is free for another address, and the address for another id.
        serving.plan(announce(Callback.RTT, Address(SERVER2, id=6)))
        acting.plan(open_subflow(Event.ADDR_ADDED, local=Address(CLIENT2), remote=Address(SERVER2, id=6)))
        talk(client, server)
        acting.wait_for(Event.SUBFLOW_ADDED)
    assert gone.args[0] == 5
    assert [ids for _, ids in removed(seen[0] + seen[1])] == [(5,)]
    assert [reply.id for reply in joins(seen[1], replies=True)] == [5, 6]
    exchange(client, server, sent=50_000, received=50_000)


def test_the_client_announces_too(
    paths: MultipathLab, acting: Actions, serving: Actions, sockets: Sockets, results: Path
) -> None:
    set_limits(paths.client, subflows=8)
    serving.plan(open_subflow(Event.ADDR_ADDED, local=Address(SERVER2), remote=Address(CLIENT2, 4711, 8)))
    acting.plan(announce(Event.ESTABLISHED, Address(CLIENT2, 4711, 8)))
    further = sockets.make(paths.client)
    further.bind((CLIENT2, 4711))
    further.listen()
    with captured(paths, results) as seen:
        client, server = connected(paths, sockets)
        serving.wait_for(Event.ESTABLISHED, 2)
        exchange(client, server, sent=50_000, received=50_000)
    ((src, *_),) = joins(seen[1])
    assert src == SERVER2
    assert [reply.id for reply in joins(seen[1], replies=True)] == [8]
    assert (mptcp_info(client).subflows, mptcp_info(server).subflows) == (1, 1)


def test_an_address_is_announced_once(paths: MultipathLab, serving: Actions, sockets: Sockets) -> None:
    serving.plan(*(announce(Event.ESTABLISHED, Address(SERVER2, id=number)) for number in (5, 6)))
    connected(paths, sockets)
    serving.wait_for(Event.ACTION_FAILED)
    assert serving.answers() == [0, 0]
    assert failures(serving.reports()) == [(Option.ANNOUNCE, errno.EEXIST, 6)]


def test_one_announcement_at_a_time(paths: MultipathLab, acting: Actions, sockets: Sockets) -> None:
    """There is no subflow that could tell the peer of the first one."""
    addresses = [Address(CLIENT2, id=5), Address("10.0.1.1", 4711, 6)]
    acting.plan(
        close_subflow(Callback.RTT),
        *(announce(Event.SUBFLOW_CLOSED, address) for address in addresses),
    )
    connected(paths, sockets, closing=True)
    acting.wait_for(Event.ACTION_FAILED)
    assert failures(acting.reports()) == [(Option.ANNOUNCE, errno.EBUSY, 6)]


def test_taking_an_address_back_can_be_tried_again(
    paths: MultipathLab, acting: Actions, sockets: Sockets, results: Path
) -> None:
    """No subflow can tell the peer of the announcement, which the other signal has to wait for."""
    acting.plan(
        close_subflow(Callback.RTT),
        announce(Event.SUBFLOW_CLOSED, Address("10.0.1.99", id=5)),
        withdraw(Event.SUBFLOW_CLOSED, 5),
        open_subflow(Event.SUBFLOW_CLOSED, local=Address(CLIENT2)),
    )
    with captured(paths, results) as seen:
        client, server = connected(paths, sockets, closing=True)
        acting.wait_for(Event.SUBFLOW_ADDED)
        assert failures(acting.reports()) == [(Option.WITHDRAW, errno.EBUSY, 5)]
        talk(client, server)
        acting.plan(withdraw(Callback.RTT, 5))
        talk(client, server)
    assert (acting.answers(), failures(acting.reports())) == ([0], [])
    assert {each.id for each in announced(seen[0] + seen[1]) if not each.echo} == {5}
    assert [ids for _, ids in removed(seen[1])] == [(5,)]
