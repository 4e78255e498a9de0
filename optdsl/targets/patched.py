"""What only a kernel with the series in `kernel-patches/` (for 6.12) offers, so that diagnostics can name it.

Nothing here can be compiled for yet: `find_target("patched")` says so.
"""

from __future__ import annotations

from optdsl.targets.attribute import Attribute, Bounds, KernelPatch, Read, Write
from optdsl.targets.event import Event
from optdsl.targets.version import V6_12
from optdsl.targets.vocabulary import Direction, Role, TargetName, Unit

_SERIES = "kernel-patches/"
_PATCH = KernelPatch()
_BOOL = Bounds(0, 1)
_U64 = Bounds(0, 2**64 - 1)
_U128 = Bounds(0, 2**128 - 1)
_BOTH = (Direction.READ, Direction.WRITE)
_READ = (Direction.READ,)


def _attribute(path: str, unit: Unit, bounds: Bounds, directions: tuple[Direction, ...], doc: str) -> Attribute:
    return Attribute(
        path,
        unit,
        doc,
        _SERIES,
        read=Read(V6_12, _PATCH, bounds) if Direction.READ in directions else None,
        write=Write(V6_12, _PATCH, bounds) if Direction.WRITE in directions else None,
        target=TargetName.PATCHED,
    )


def _event(name: str, doc: str, roles: frozenset[Role] = frozenset(Role), full_socket: bool = True) -> Event:
    return Event(name, doc, _SERIES, roles=roles, full_socket=full_socket, since=V6_12, target=TargetName.PATCHED)


PATCHED_ATTRIBUTES = (
    _attribute("socket.delack_segments", Unit.NUMBER, Bounds(1, 64), _BOTH, "Segments received that force an ACK."),
    _attribute("socket.delack_divisor", Unit.NUMBER, Bounds(1, 255), _BOTH, "Delayed-ACK timer as min RTT / divisor."),
    _attribute(
        "connection.alive", Unit.BOOL, _BOOL, _READ, "Whether the MPTCP connection is neither closing nor closed."
    ),
    _attribute("connection.bytes_received", Unit.SIZE, _U64, _READ, "Bytes received in order on all subflows so far."),
    _attribute(
        "connection.idle_timeout",
        Unit.DURATION,
        Bounds(0, (2**31 - 1) * 1000),
        _BOTH,
        "How long an MPTCP connection without subflows is kept.",
    ),
    _attribute("connection.scheduler", Unit.TEXT, Bounds(1, 15), _BOTH, "Name of the MPTCP packet scheduler."),
    _attribute("connection.backup_active", Unit.BOOL, _BOOL, _BOTH, "Whether backup subflows carry data."),
    _attribute("subflow.backup", Unit.BOOL, _BOOL, _BOTH, "Whether the subflow is a backup (RFC 8684, section 3.3.8)."),
    _attribute("subflow.initial", Unit.BOOL, _BOOL, _READ, "Whether the subflow is the first one (MP_CAPABLE)."),
    _attribute("subflow.joined", Unit.BOOL, _BOOL, _READ, "Whether the subflow joined later (MP_JOIN)."),
    _attribute("subflow.local", Unit.ADDRESS, _U128, _READ, "Own address of the subflow."),
    _attribute("subflow.remote", Unit.ADDRESS, _U128, _READ, "Peer's address of the subflow."),
)

PATCHED_EVENTS = (
    _event("connection_created", "An MPTCP connection begins: the first subflow's handshake has MP_CAPABLE."),
    _event("connection_established", "The MPTCP connection is fully established."),
    _event("connection_closed", "The last subflow of the MPTCP connection is gone.", full_socket=False),
    _event("subflow_established", "A subflow is established, the first one included."),
    _event("subflow_closed", "A subflow is closed."),
    _event("address_announced", "The peer announced an address (ADD_ADDR, RFC 8684, section 3.4.1)."),
    _event("address_removed", "The peer withdrew an address (REMOVE_ADDR, RFC 8684, section 3.4.2)."),
    _event("local_address_up", "A local address appeared.", full_socket=False),
    _event("local_address_down", "A local address disappeared.", full_socket=False),
    _event("received", "Data of the MPTCP connection arrived."),
)
