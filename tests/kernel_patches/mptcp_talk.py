"""Connections on which a little is said, and what is seen of them: the ground of the tests of actions."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernel_patches.schedulers import say
from optdsl.lab.capture import capture
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.sockets import Sockets
from optdsl.lab.pcap import Packet


def connected(
    paths: MultipathLab, sockets: Sockets, *, ipv6: bool = False, closing: bool = False
) -> tuple[socket.socket, socket.socket]:
    """A connection on which a word went to and fro; `closing` if that takes its only subflow."""
    listener = sockets.listen(paths.server, ipv6=ipv6)
    client, server = sockets.connect(paths.client, paths.server.address(ipv6=ipv6), listener)
    if closing:
        say(client, server)
    else:
        talk(client, server)
    return client, server


def talk(client: socket.socket, server: socket.socket) -> None:
    """Some data each way, so that round trips are measured; longer than anything is underway."""
    for _ in range(4):
        say(client, server, 3000)
        say(server, client, 3000)
    time.sleep(0.1)


@contextmanager
def captured(paths: MultipathLab, results: Path) -> Iterator[list[list[Packet]]]:
    """The packets of each path, as its client sees them, when the block has ended."""
    one, two = paths.paths
    found: list[list[Packet]] = []
    with capture(one.client, results / "1.pcap") as first, capture(two.client, results / "2.pcap") as second:
        yield found
        found += [first.packets(), second.packets()]
