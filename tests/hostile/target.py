"""A server that runs a program under attack, and the counters and attributes that an attack may or may not change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from differential.objects import object_of
from differential.programs import with_params
from hostile.conftest import Arena
from hostile.declarations import Attributes, Declaration
from hostile.judge import Judgement, Phase, judge
from hostile.values import checked
from optdsl.compiler import lower_program
from optdsl.ir.program import Program
from optdsl.kernel.libbpf import Object
from optdsl.kernel.maps import Map
from optdsl.lab.remote import PeerError, RemotePeer, RemoteSocket
from peer.raw_peer import DEFAULT_SYN, RawClient, RawConnection

Counts = Counter[tuple[str, str]]
"""Counters that are not zero, by option and name, without those of the sender."""
_OF_SENDER = frozenset({"sent", "no_space", "store_failed"})


@cache
def program_of(declaration: Declaration) -> Program:
    """The program, with the params of its declaration here."""
    program = lower_program(checked(declaration.name, declaration.text))
    for option, values in declaration.params.items():
        program = with_params(program, values, option)
    return program


@cache
def _object_of(declaration: Declaration, backend: str, folder: Path) -> bytes:
    return object_of(program_of(declaration), backend, folder)


@dataclass(frozen=True, slots=True)
class Connected:
    """One connection of the raw client to the server."""

    raw: RawConnection
    accepted: RemoteSocket

    def send(self, options: bytes) -> None:
        """Sends a byte with these options; returns when the server has read it, and so has acted or not."""
        self.raw.send(b"x", options=options)
        assert self.accepted.receive(1).count == 1


@dataclass(frozen=True, slots=True)
class Target:
    """The server with a program attached."""

    declaration: Declaration
    counters: Map
    server: RemotePeer
    client: RawClient
    listener: RemoteSocket

    def connect(self, syn: bytes = b"", ack: bytes = b"") -> Connected:
        """A new connection, with these options on the SYN, behind the maximum segment size, and on the third ACK."""
        raw = self.client.connect(self.listener.port, syn=DEFAULT_SYN + syn, ack=ack)
        return Connected(raw, self.server.accept(self.listener))

    def prepare(self, connection: Connected) -> Attributes:
        """Gives the server's socket the attributes that the program would change, and returns them."""
        for name, value in self.declaration.before.items():
            connection.accepted.set_option(name, value)
        return self.declaration.attributes(connection.accepted)

    def counts(self) -> Counts:
        """What the receiving side has counted."""
        return received_counts(self.counters.read())

    def judged(self, options: bytes, phase: Phase = Phase.CONNECTED) -> list[tuple[str, Judgement]]:
        """What each option of the program must make of a packet."""
        return [(each.option, judge(each, options, phase)) for each in self.declaration.formats]

    def acts(self, options: bytes, phase: Phase = Phase.CONNECTED) -> bool:
        """Whether a packet changes an attribute."""
        valid, ignored = self.declaration.valid, self.declaration.ignored
        return any(
            each.acts_on is not None and option in valid and each.acts_on not in ignored.get(option, ())
            for option, each in self.judged(options, phase)
        )

    def expected(self, options: bytes, phase: Phase = Phase.CONNECTED) -> Counts:
        """The counters that a packet adds to."""
        return Counter((option, name) for option, each in self.judged(options, phase) for name in each.counted)


def received_counts(found: object) -> Counts:
    """The counters of a program, by option and name, as the receiving side has counted them."""
    assert isinstance(found, dict)
    return Counter({
        (option, name): count
        for option, counters in found.items()
        for name, count in counters.items()
        if count and name not in _OF_SENDER
    })  # fmt: skip


@contextmanager
def target(declaration: Declaration, backend: str, arena: Arena, *, ipv6: bool) -> Iterator[Target]:
    """A program on the server, and a listening socket there, for the length of a `with` block."""
    program = program_of(declaration)
    with Object(_object_of(declaration, backend, arena.objects), program.name) as loaded:
        loaded.load()
        loaded.attach_sock_ops(program.entry, arena.lab.server.cgroup)
        listener = arena.server.listen(ipv6=ipv6)
        try:
            yield Target(declaration, loaded.map("counters"), arena.server, arena.clients[ipv6], listener)
        finally:
            listener.close()


def skip_without_attributes(declaration: Declaration, server: RemotePeer) -> None:
    """Some attributes can be read by a process on new kernels only (TCP_DELACK_MAX_US, TCP_RTO_MIN_US: 6.15)."""
    listener = server.listen()
    try:
        for name in declaration.before:
            listener.option(name)
    except PeerError as error:
        pytest.skip(f"this kernel does not tell {error.operation} what the program sets: {error.message}")
    finally:
        listener.close()
