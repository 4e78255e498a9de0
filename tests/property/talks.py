"""Conversations between the hosts: who sends how much, who ends first, and what is seen at both interfaces."""

from __future__ import annotations

import contextlib
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, Literal

from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Lab
from optdsl.lab.pcap import Flags, Packet
from optdsl.lab.remote import PeerError, RemotePeer, RemoteSocket
from peer.raw_peer import DEFAULT_SYN, RawClient, raw_client
from property.namespaces import Inside, Wire

Side = Literal["client", "server"]
SIDES: Final[tuple[Side, Side]] = ("client", "server")
_SPACE: Final = 40
"""Bytes of options in a TCP header."""
_PATIENCE: Final = 2.0
"""Seconds until both ends must have acknowledged the other's FIN."""

_AT_ONCE: Final = {"TCP_NODELAY": 1}
"""Segments leave with the write that they belong to, not with a later acknowledgement."""


@dataclass(frozen=True, slots=True)
class Talk:
    """One conversation."""

    ipv6: bool = False
    mapped: bool = False
    """An IPv4 client at a server that listens for both families."""
    cookies: bool = False
    timestamps: bool = False
    steps: tuple[tuple[Side, int], ...] = (("client", 1), ("server", 300))
    """Who sends, and how many bytes; the other side receives them all before the next step."""
    first_end: Side = "client"
    late: tuple[int, ...] = ()
    """What the other side sends after that, in bytes."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What passed the interfaces of both hosts."""

    port: int
    packets: dict[Side, list[Packet]]
    writes: dict[Side, tuple[int, ...]] = field(default_factory=dict)
    """The lengths of the writes of each side, in order."""

    def as_processed(self, side: Side) -> list[Packet]:
        """The packets at one side in the order in which its socket deals with them.

        While a process writes it owns the socket: what arrives between the segments of one write waits until all of
        them are sent (`tcp_add_backlog()` in `net/ipv4/tcp_ipv4.c`).
        """
        packets = self.packets[side]
        for end in accumulate(self.writes.get(side, ())):
            packets = self._behind_write(side, packets, end)
        return packets

    def _behind_write(self, side: Side, packets: list[Packet], end: int) -> list[Packet]:
        count = dict(zip(accumulate(self.writes[side]), self.writes[side], strict=True))[end]
        first = next(each.seq for each in packets if self._sent(side, each) and each.flags & Flags.SYN) + 1
        segments = [
            number for number, each in enumerate(packets)
            if self._sent(side, each) and each.payload_length and end - count <= (each.seq - first) % 2**32 < end
        ]  # fmt: skip
        burst = range(segments[0], segments[-1] + 1)
        sent = [packets[number] for number in burst if self._sent(side, packets[number])]
        came = [packets[number] for number in burst if not self._sent(side, packets[number])]
        return [*packets[: burst.start], *sent, *came, *packets[burst.stop :]]

    def _sent(self, side: Side, each: Packet) -> bool:
        return (each.sport == self.port) is (side == "server")


class Stage:
    """A lab with everything that conversations need, made once."""

    def __init__(self, lab: Lab, cleanup: ExitStack) -> None:
        self.lab = lab
        self.insides: dict[Side, Inside] = {"client": Inside(lab.client), "server": Inside(lab.server)}
        for inside in self.insides.values():
            cleanup.callback(inside.close)
            inside.host.set_segments_per_packet(1)
        self.wires = {side: Wire(inside) for side, inside in self.insides.items()}
        for wire in self.wires.values():
            cleanup.callback(wire.close)
        self.raw: dict[bool, RawClient] = {
            ipv6: cleanup.enter_context(raw_client(lab, ipv6=ipv6)) for ipv6 in (False, True)
        }
        self.peers = {"client": RemotePeer(lab.client), "server": RemotePeer(lab.server)}

    def sysctl(self, name: str, value: int) -> None:
        """Sets a kernel parameter of both hosts."""
        for inside in self.insides.values():
            inside.set_sysctl(name, value)

    def drain(self) -> None:
        """Forgets what has passed so far."""
        for wire in self.wires.values():
            wire.packets()

    def listen(self, talk: Talk) -> RemoteSocket:
        """A listener for a conversation, under its kernel parameters."""
        self.sysctl("net.ipv4.tcp_timestamps", int(talk.timestamps))
        self.sysctl("net.ipv4.tcp_syncookies", 2 if talk.cookies else 1)
        return self.peers["server"].listen(ipv6=talk.ipv6 or talk.mapped, options=_AT_ONCE)

    def talk(self, talk: Talk) -> Seen:
        """Has a conversation from the first SYN to the last ACK."""
        self.drain()
        listener = self.listen(talk)
        address = self.lab.server.address(ipv6=talk.ipv6)
        client = self.peers["client"].connect(address, listener.port, timeout=5.0, options=_AT_ONCE)
        server = self.peers["server"].accept(listener, timeout=5.0)
        ends: dict[Side, RemoteSocket] = {"client": client, "server": server}
        for side, count in talk.steps:
            _pass(ends[side], ends[other(side)], count)
        first, second = ends[talk.first_end], ends[other(talk.first_end)]
        first.shutdown()
        second.receive(1, timeout=5.0)
        for count in talk.late:
            _pass(second, first, count)
        second.shutdown()
        first.receive(1, timeout=5.0)
        writes = {side: tuple(count for each, count in talk.steps if each == side) for side in SIDES}
        writes[other(talk.first_end)] += talk.late
        seen = self._until_ended(listener.port, writes)
        for each in (client, server, listener):
            each.close()
        return seen

    def hostile(self, options: list[bytes], *, ipv6: bool) -> Seen:
        """A raw client sends lists of options: on the SYN, on the third ACK, and on data; then the server answers."""
        on_syn, on_ack, *others = options
        self.drain()
        self.raw[ipv6].forget()
        listener = self.listen(Talk(ipv6=ipv6))
        syn = DEFAULT_SYN + on_syn
        connection = self.raw[ipv6].connect(listener.port, syn=syn if len(syn) <= _SPACE else DEFAULT_SYN, ack=on_ack)
        accepted = self.peers["server"].accept(listener, timeout=5.0)
        for each in others:
            connection.send(b"x", options=each)
        if accepted.receive(len(others), timeout=5.0).count != len(others):
            raise LabError("segments of the raw client are lost")
        accepted.send(300)
        connection.reset()
        with contextlib.suppress(PeerError):
            accepted.receive(1, timeout=5.0)
        packets = [each for each in self.wires["server"].packets() if listener.port in (each.sport, each.dport)]
        for opened in (accepted, listener):
            opened.close()
        return Seen(listener.port, {"client": [], "server": packets})

    def _until_ended(self, port: int, writes: dict[Side, tuple[int, ...]]) -> Seen:
        seen: dict[Side, list[Packet]] = {"client": [], "server": []}
        deadline = time.monotonic() + _PATIENCE
        while True:
            for side, wire in self.wires.items():
                seen[side] += [each for each in wire.packets() if port in (each.sport, each.dport)]
            if all(_ended(packets) for packets in seen.values()):
                return Seen(port, seen, writes)
            if time.monotonic() > deadline:
                raise LabError("the connection does not end")
            time.sleep(0.0005)


def other(side: Side) -> Side:
    """The other end."""
    return "server" if side == "client" else "client"


def _pass(sender: RemoteSocket, receiver: RemoteSocket, count: int) -> None:
    pending = sender.begin_send(count, timeout=5.0)
    received = receiver.receive(count, timeout=5.0)
    pending.result()
    if received.count != count:
        raise LabError(f"the connection ended after {received.count} of {count} bytes")


def _ended(packets: list[Packet]) -> bool:
    """Whether both FINs were acknowledged."""
    ends = {each.sport: (each.seq + each.payload_length + 1) % 2**32 for each in packets if each.flags & Flags.FIN}
    acked = [each for each in packets if ends.get(each.dport) == each.ack and each.flags & Flags.ACK]
    return len(ends) == 2 and len({each.dport for each in acked}) == 2
