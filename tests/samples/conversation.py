"""One TCP connection between the hosts of a lab, in steps: what one side sends, the other has when a step returns.

with conversation(peers, ipv6=True) as talk:
    talk.ask(100)
    talk.answer(5000)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from optdsl.lab.capture import Capture
from optdsl.lab.errors import LabError
from optdsl.lab.pcap import Packet
from optdsl.lab.remote import RemoteSocket
from samples.conftest import Peers


@dataclass(frozen=True, slots=True)
class Conversation:
    """A connection and the ports that name it."""

    client: RemoteSocket
    server: RemoteSocket
    client_port: int
    server_port: int

    def ask(self, count: int) -> None:
        """The client sends, the server receives."""
        _move(self.client, self.server, count)

    def answer(self, count: int) -> None:
        """The server sends, the client receives."""
        _move(self.server, self.client, count)

    def finish(self) -> None:
        """Both sides finish sending, the client first."""
        for sender, receiver in ((self.client, self.server), (self.server, self.client)):
            sender.shutdown()
            if not receiver.receive(1).finished:
                raise LabError("there is data after the end")

    def packets(self, seen: Capture) -> list[Packet]:
        """Those of this connection, in the order in which the captured interface saw them."""
        ports = {self.client_port, self.server_port}
        return [packet for packet in seen.packets() if {packet.sport, packet.dport} == ports]

    def from_client(self, seen: Capture) -> list[Packet]:
        """The client's packets."""
        return [packet for packet in self.packets(seen) if packet.sport == self.client_port]

    def from_server(self, seen: Capture) -> list[Packet]:
        """The server's packets."""
        return [packet for packet in self.packets(seen) if packet.sport == self.server_port]


@contextmanager
def conversation(
    peers: Peers,
    *,
    ipv6: bool = False,
    client_options: Mapping[str, int | str] | None = None,
    server_options: Mapping[str, int | str] | None = None,
) -> Iterator[Conversation]:
    """A new connection to a new listener, for the length of a `with` block; the options are set before it begins.

    At the end the client resets the connection, so that nothing of it is left to disturb the next one.
    """
    listener = peers.server.listen(ipv6=ipv6, options=server_options)
    client = peers.client.connect(peers.lab.server.address(ipv6=ipv6), listener.port, options=client_options)
    server = peers.server.accept(listener)
    try:
        yield Conversation(client, server, client.port, listener.port)
    finally:
        client.close(reset=True)
        server.close()
        listener.close()


def wait_until(holds: Callable[[], bool], *, timeout: float = 5.0) -> None:
    """Returns when something holds that takes a moment. Raises LabError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            raise LabError(f"nothing has happened for {timeout} seconds")
        time.sleep(0.01)


def _move(sender: RemoteSocket, receiver: RemoteSocket, count: int) -> None:
    pending = sender.begin_send(count)
    received = receiver.receive(count).count
    pending.result()
    if received != count:
        raise LabError(f"{received} of {count} bytes arrived")
