"""A program decides for its own side which subflows are backup ones, whatever the peer has asked for."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Final

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.mptcp_actions import F_BACKUP, F_LOCAL, Actions, Address, Callback, Event, open_subflow, set_backup
from kernel_patches.mptcp_wire import priorities
from kernel_patches.schedulers import payload, say
from optdsl.lab.capture import capture
from optdsl.lab.paths import MultipathLab, Shape
from optdsl.lab.paths.counters import counters, subflows
from optdsl.lab.paths.manager import set_limits
from optdsl.lab.paths.sockets import Sockets, exchange

LINE: Final = Shape(delay=0.010, rate=10_000_000)
SIZE: Final = 400_000
MOST: Final = 0.9 * SIZE
NONE: Final = 3000
"""What is said besides."""


class Loads:
    """How much the server sends on each path."""

    def __init__(self, paths: MultipathLab, results: Path, *, ipv6: bool) -> None:
        self._paths, self._results, self._ipv6 = paths, results, ipv6
        self.count = 0
        self.priorities = 0

    def of_transfer(self, client: socket.socket, server: socket.socket) -> tuple[int, int]:
        """Of a transfer to the client."""
        self.count += 1
        one, two = self._paths.paths
        with (
            capture(one.server, self._results / f"{self.count}-1.pcap") as first,
            capture(two.server, self._results / f"{self.count}-2.pcap") as second,
        ):
            exchange(client, server, sent=0, received=SIZE)
            seen = first.packets(), second.packets()
        self.priorities += sum(len(priorities(packets)) for packets in seen)
        sender = server.getsockname()[0]
        return payload(seen[0], sender), payload(seen[1], sender)


def switch(serving: Actions, client: socket.socket, server: socket.socket, subflow: int, flags: int) -> None:
    """Has the server's program set the flags of a subflow."""
    serving.plan(set_backup(Callback.RTT, subflow, flags))
    until_answered(serving, server, client)
    assert serving.answers() == [0]


def until_answered(acting: Actions, source: socket.socket, target: socket.socket, count: int = 1) -> None:
    """Sends until a round trip is measured that the program hears of, and a moment longer."""
    for _ in range(10):
        say(source, target)
        time.sleep(0.1)
        if len(acting.answers()) >= count:
            return


@pytest.mark.shapes(LINE, LINE)
@pytest.mark.parametrize("ipv6", [False, True])
def test_the_server_uses_the_clients_backup(
    paths: MultipathLab, program: LoadProgram, sockets: Sockets, results: Path, ipv6: bool
) -> None:
    set_limits(paths.server, subflows=4)
    acting, serving = (Actions(program("mptcp_actions", host)) for host in paths.hosts)
    local = Address(paths.paths[1].client.address(ipv6=ipv6))
    acting.plan(open_subflow(Event.ESTABLISHED, local=local, flags=F_BACKUP, subflow=1))
    listener = sockets.listen(paths.server, ipv6=ipv6)
    client, server = sockets.connect(paths.client, paths.server.address(ipv6=ipv6), listener)
    say(client, server)
    say(server, client)
    (added,) = serving.wait_for(Event.SUBFLOW_ADDED)
    number = added.args[0]
    acting.wait_for(Event.ESTABLISHED, 2)
    loads = Loads(paths, results, ipv6=ipv6)

    first, second = loads.of_transfer(client, server)
    assert first > MOST
    assert second < NONE, "the peer does not want it"

    switch(serving, client, server, number, F_LOCAL)
    assert min(loads.of_transfer(client, server)) > SIZE / 4

    switch(serving, client, server, number, F_LOCAL | F_BACKUP)
    first, second = loads.of_transfer(client, server)
    assert first > MOST
    assert second < NONE

    # The initial one becomes the backup: everything moves.
    switch(serving, client, server, number, F_LOCAL)
    switch(serving, client, server, 1, F_LOCAL | F_BACKUP)
    first, second = loads.of_transfer(client, server)
    assert first < NONE
    assert second > MOST

    assert loads.priorities == 0
    for host in paths.hosts:
        known = counters(host)
        assert (known["MPTcpExtMPPrioTx"], known["MPTcpExtMPPrioRx"]) == (0, 0)
    (joined,) = (
        each for each in subflows(paths.client) if "J" in each.details["flags"] or "j" in each.details["flags"]
    )
    assert "b" in joined.details["flags"], "to the client it still is one"


@pytest.mark.shapes(LINE, LINE)
def test_the_peer_has_the_last_word(paths: MultipathLab, program: LoadProgram, sockets: Sockets, results: Path) -> None:
    """An MP_PRIO that comes later replaces what a program has set."""
    set_limits(paths.server, subflows=4)
    acting, serving = (Actions(program("mptcp_actions", host)) for host in paths.hosts)
    acting.plan(open_subflow(Event.ESTABLISHED, local=Address("10.0.2.1"), subflow=1))
    client, server = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    say(client, server)
    say(server, client)
    (added,) = serving.wait_for(Event.SUBFLOW_ADDED)
    acting.wait_for(Event.ESTABLISHED, 2)
    loads = Loads(paths, results, ipv6=False)
    switch(serving, client, server, added.args[0], F_LOCAL | F_BACKUP)
    assert loads.of_transfer(client, server)[1] < NONE
    acting.plan(set_backup(Callback.RTT, 2, F_BACKUP), set_backup(Callback.RTT, 2, 0))
    until_answered(acting, client, server, 2)
    assert acting.answers() == [0, 0]
    assert loads.of_transfer(client, server)[1] > SIZE / 4
    assert counters(paths.server)["MPTcpExtMPPrioRx"] >= 1
