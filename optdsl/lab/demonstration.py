"""One program between two hosts, shown: an HTTP transfer without it and one with it.

What the wire carried, what the counters say, and the receiver's socket before and after, as values; the command line
words them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optdsl.lab.attach import attached
from optdsl.lab.capture import capture
from optdsl.lab.hosts import Lab, two_hosts
from optdsl.lab.pcap import Packet
from optdsl.lab.sockets import SocketSnapshot, snapshot
from optdsl.lab.transfer import Transfer, WebServer, download, start_web_server
from optdsl.record import record

FAST_BYTES = 200_000
SLOW_BYTES, PAUSE = 512 * 20, 0.05
"""A slow answer after the fast one, so that there is time to look at its socket, which has left quick ACKs by then."""


@record
class Run:
    """One transfer, quick first and then slow, as it was seen."""

    transfer: Transfer
    packets: tuple[Packet, ...]
    receiver: SocketSnapshot | None
    """The client's socket near the end of the slow transfer."""


@record
class Demonstration:
    """Both runs, and the counters of each host after the second."""

    before: Run
    after: Run
    client_counters: dict[str, Any]
    server_counters: dict[str, Any]
    client_address: str
    server_address: str


def demonstrate(object_file: Path, folder: Path) -> Demonstration:
    """Runs an HTTP transfer without and with a program on both hosts. Captures go into `folder`.

    Raises KernelError or LabError where the machine does not allow it.
    """
    with two_hosts() as lab:
        server = start_web_server(lab.server)
        before = _run(lab, server, folder / "before.pcap")
        with attached(object_file, lab.client) as client, attached(object_file, lab.server) as other:
            # A program sees a listener only if it was there first: this server is new.
            after = _run(lab, start_web_server(lab.server), folder / "after.pcap")
            return Demonstration(
                before, after, client.counters(), other.counters(), lab.client.address(), lab.server.address()
            )


def _run(lab: Lab, server: WebServer, path: Path) -> Run:
    with capture(lab.client, path) as seen:
        transfer = download(lab.client, server, FAST_BYTES)
        watched = _Watch(lambda: _established(lab, server.port))
        with watched:
            _slow_download(lab, server)
        packets = tuple(packet for packet in seen.packets() if server.port in (packet.sport, packet.dport))
    return Run(transfer, packets, watched.latest)


def _slow_download(lab: Lab, server: WebServer) -> None:
    url = f"http://{lab.server.address()}:{server.port}/{SLOW_BYTES}/{PAUSE}"
    lab.client.run(["curl", "--silent", "--show-error", "--noproxy", "*", "--output", "/dev/null", url], timeout=30)


def _established(lab: Lab, port: int) -> SocketSnapshot | None:
    sockets = [each for each in snapshot(lab.client, port=port) if each.state == "ESTAB"]
    return sockets[0] if sockets else None


class _Watch:
    """Looks at a socket again and again while a `with` block runs; keeps the latest look."""

    def __init__(self, look: Callable[[], SocketSnapshot | None]) -> None:
        self.latest: SocketSnapshot | None = None
        self._look = look
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.is_set():
            self.latest = self._look() or self.latest
            time.sleep(0.1)
