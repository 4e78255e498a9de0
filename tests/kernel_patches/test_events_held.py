"""Subflows that join while the server's application holds the connection's lock, for as long as the test wants."""

from __future__ import annotations

import time

from kernel_patches.conftest import LoadProgram
from kernel_patches.held import held
from kernel_patches.mptcp_events import Kind, Watch
from kernel_patches.schedulers import wait_for_subflows
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.counters import subflows
from optdsl.lab.paths.manager import add_endpoint, delete_endpoint, set_limits
from optdsl.lab.paths.sockets import Sockets, exchange, mptcp_info

_FURTHER = ["10.0.2.1", "10.0.1.11"]
"""Addresses of the client besides the first."""


def test_they_are_told_of_with_the_release(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    """The ids are given with the release, so neither the subflows nor that they are usable can be told before."""
    paths.client.run(["ip", "address", "add", f"{_FURTHER[1]}/24", "dev", paths.paths[0].client.interface])
    for host in paths.hosts:
        set_limits(host, subflows=len(_FURTHER))
    watch = Watch(program("mptcp_events", paths.server))
    watch.ask(Kind.SUBFLOW_ADDED, Kind.ESTABLISHED)
    client, server = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(client, server, sent=1000, received=1000)
    assert [each.of[:2] for each in watch.events()] == [(1, 1)]
    with held(server):
        for address in _FURTHER:
            add_endpoint(paths.client, address, "subflow")
        wait_for_subflows(client, len(_FURTHER))
        time.sleep(1)
        assert [each.state for each in subflows(paths.server)].count("ESTAB") == 1 + len(_FURTHER)
        assert len(watch.events()) == 1
        released = time.monotonic()
    assert len(client.recv(1 << 16)) > 0
    watch.wait(Kind.SUBFLOW_ADDED, len(_FURTHER))
    told = watch.events()[1:]
    assert [(each.kind, each.known.subflow_id) for each in told] == [
        (Kind.SUBFLOW_ADDED, 2),
        (Kind.ESTABLISHED, 2),
        (Kind.SUBFLOW_ADDED, 3),
        (Kind.ESTABLISHED, 3),
    ]
    assert [each.of[:2] for each in told if each.kind is Kind.ESTABLISHED] == [(0, 2), (0, 3)]
    assert all(each.seconds >= released for each in told)


def test_one_that_has_gone_by_then(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    """It is added and closed, in this order."""
    set_limits(paths.client, subflows=1)
    set_limits(paths.server, subflows=1)
    watch = Watch(program("mptcp_events", paths.server))
    watch.ask(Kind.SUBFLOW_ADDED, Kind.SUBFLOW_CLOSED)
    client, server = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(client, server, sent=1000, received=1000)
    with held(server):
        add_endpoint(paths.client, _FURTHER[0], "subflow", number=7)
        time.sleep(1)
        delete_endpoint(paths.client, 7)
        time.sleep(1)
        assert watch.events() == []
    assert len(client.recv(1 << 16)) > 0
    watch.wait(Kind.SUBFLOW_CLOSED)
    assert [(each.kind, each.of[0]) for each in watch.events()] == [(Kind.SUBFLOW_ADDED, 2), (Kind.SUBFLOW_CLOSED, 2)]
    assert mptcp_info(server).subflows == 0
