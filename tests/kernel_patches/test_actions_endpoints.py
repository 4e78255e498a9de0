"""Actions of programs beside the kernel's own path manager, which has endpoints of its own or the same ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.mptcp_actions import (
    Actions,
    Address,
    Callback,
    Event,
    Report,
    announce,
    failures,
    open_subflow,
    withdraw,
)
from kernel_patches.mptcp_talk import captured, connected, talk
from kernel_patches.mptcp_wire import announced, removed
from kernel_patches.schedulers import wait_for_subflows
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.counters import subflows
from optdsl.lab.paths.manager import add_endpoint, delete_endpoint, set_limits
from optdsl.lab.paths.sockets import Sockets, exchange
from optdsl.lab.pcap import Packet

CLIENT2, SERVER2 = "10.0.2.1", "10.0.2.2"
FURTHER = ("10.0.1.11", "10.0.1.12")
"""Addresses that the server gets on the first path."""


@pytest.fixture
def serving(paths: MultipathLab, program: LoadProgram) -> Actions:
    """The program on the server, which has further addresses."""
    set_limits(paths.server, subflows=8)
    for address in FURTHER:
        paths.server.run(["ip", "address", "add", f"{address}/24", "dev", paths.paths[0].server.interface])
    return Actions(program("mptcp_actions", paths.server))


def test_what_the_client_takes_by_itself(paths: MultipathLab, serving: Actions, sockets: Sockets) -> None:
    """The path manager of the client's kernel opens a subflow to the address that a program announced."""
    for host in paths.hosts:
        set_limits(host, subflows=8, accepted=8)
    serving.plan(announce(Event.ESTABLISHED, Address(SERVER2, id=5), subflow=1))
    client, _ = connected(paths, sockets)
    wait_for_subflows(client, 1)
    (found,) = (each for each in subflows(paths.client) if "J" in each.details["flags"])
    assert found.remote.address == SERVER2


def test_beside_the_path_manager_of_the_kernel(paths: MultipathLab, acting: Actions, sockets: Sockets) -> None:
    """It goes on with its endpoints, and ids are not mixed up."""
    set_limits(paths.client, subflows=8)
    add_endpoint(paths.client, CLIENT2, "subflow", number=3)
    acting.plan(open_subflow(Event.ESTABLISHED, remote=Address(SERVER2), subflow=1))
    client, server = connected(paths, sockets)
    added = acting.wait_for(Event.SUBFLOW_ADDED, 2)
    assert sorted(_ids(each) for each in added) == [0, 3]
    exchange(client, server, sent=100_000, received=100_000)


def test_the_kernel_announces_what_a_program_has_not(
    paths: MultipathLab, serving: Actions, sockets: Sockets, results: Path
) -> None:
    """A program was first with one of the endpoints; the path manager goes on with the others."""
    for number, address in enumerate([FURTHER[0], SERVER2, FURTHER[1]], 2):
        add_endpoint(paths.server, address, "signal", number=number)
    serving.plan(announce(Event.ESTABLISHED, Address(SERVER2, id=9), subflow=1))
    with captured(paths, results) as seen:
        client, server = connected(paths, sockets)
        for _ in range(3):
            talk(client, server)
    assert failures(serving.reports()) == []
    assert told(seen) == {(FURTHER[0], 2), (SERVER2, 9), (FURTHER[1], 4)}


def test_announcements_of_programs_do_not_use_up_the_endpoints(
    paths: MultipathLab, serving: Actions, sockets: Sockets, results: Path
) -> None:
    """The path manager announces at most as many addresses as it has endpoints to announce."""
    serving.plan(announce(Event.ESTABLISHED, Address(SERVER2, id=9), subflow=1))
    with captured(paths, results) as seen:
        client, server = connected(paths, sockets)
        add_endpoint(paths.server, FURTHER[0], "signal", number=2)
        talk(client, server)
    assert told(seen) == {(SERVER2, 9), (FURTHER[0], 2)}


def test_an_endpoint_that_a_program_announced_still_opens_subflows(
    paths: MultipathLab, acting: Actions, sockets: Sockets, results: Path
) -> None:
    """And the path manager goes on with the other endpoints."""
    set_limits(paths.client, subflows=8)
    acting.plan(announce(Event.ESTABLISHED, Address(CLIENT2, id=9), subflow=1))
    with captured(paths, results) as seen:
        client, server = connected(paths, sockets)
        add_endpoint(paths.client, CLIENT2, "signal", "subflow", number=2)
        add_endpoint(paths.client, FURTHER[0], "signal", number=3)
        (added,) = acting.wait_for(Event.SUBFLOW_ADDED)
        talk(client, server)
    assert _ids(added) == 2
    assert told(seen) == {(CLIENT2, 9), (FURTHER[0], 3)}


@pytest.mark.parametrize("flush", [False, True], ids=["delete", "flush"])
def test_an_endpoint_goes_but_not_what_a_program_announced(
    paths: MultipathLab, serving: Actions, sockets: Sockets, results: Path, flush: bool
) -> None:
    """The peer knows the address by the id of the program, which takes it back by that id."""
    serving.plan(announce(Event.ESTABLISHED, Address(SERVER2, id=9), subflow=1))
    with captured(paths, results) as seen:
        client, server = connected(paths, sockets)
        for number, address in enumerate([SERVER2, FURTHER[0]], 2):
            add_endpoint(paths.server, address, "signal", number=number)
        talk(client, server)
        if flush:
            paths.server.run(["ip", "mptcp", "endpoint", "flush"])
        else:
            for number in (2, 3):
                delete_endpoint(paths.server, number)
        talk(client, server)
        serving.plan(withdraw(Callback.RTT, 9))
        talk(client, server)
    assert (serving.answers(), failures(serving.reports())) == ([0], [])
    assert told(seen) == {(SERVER2, 9), (FURTHER[0], 3)}
    assert [ids for _, ids in removed(seen[0])] == [(3,), (9,)]


def told(seen: list[list[Packet]]) -> set[tuple[str, int]]:
    """The addresses that were announced on both paths, with their ids."""
    return {(each.address, each.id) for path in seen for each in announced(path) if not each.echo}


def _ids(report: Report) -> int:
    return report.args[1] >> 8
