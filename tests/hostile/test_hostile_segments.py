"""Options on the segments of the handshake, on those that end a connection, and on those that belong to none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from differential.objects import BACKENDS
from hostile.bent import padded
from hostile.conftest import Arena
from hostile.declarations import DECLARATIONS, Declaration
from hostile.judge import Phase, may_be_dropped
from hostile.target import Connected, Target, skip_without_attributes, target
from hostile.test_hostile_options import lists
from optdsl.lab.errors import LabError
from optdsl.lab.pcap import Flags
from optdsl.lab.remote import PeerError
from peer.raw_peer import DEFAULT_SYN, ip_packet, tcp_header

pytestmark = pytest.mark.kernel

SAMPLE = 24
"""Lists of options that are tried on each segment of a handshake."""
FAR = 1 << 24
"""Beyond every window."""


@pytest.fixture(params=[False, True], ids=["IPv4", "IPv6"])
def ipv6(request: pytest.FixtureRequest) -> bool:
    """Each IP version in turn."""
    chosen: bool = request.param
    return chosen


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Each back end in turn."""
    name: str = request.param
    return name


@pytest.fixture(params=DECLARATIONS, ids=lambda each: each.name)
def where(request: pytest.FixtureRequest, backend: str, ipv6: bool, arena: Arena) -> Iterator[Target]:
    """Each program in turn, attached to the server."""
    declaration: Declaration = request.param
    skip_without_attributes(declaration, arena.server)
    with target(declaration, backend, arena, ipv6=ipv6) as made:
        yield made


def valid_wires(declaration: Declaration) -> list[bytes]:
    """Whole options that are valid, and act on all but strangers; each fills words."""
    found = [
        padded(each.wire(content), b"\1")
        for each in declaration.formats
        for content in (*declaration.valid.get(each.option, ()), *declaration.ignored.get(each.option, ()))
    ]
    return found[:3]


def some_lists(declaration: Declaration) -> list[bytes]:
    """Some lists of every sort, and valid ones."""
    found = list(lists(declaration, seed=2))
    return [*valid_wires(declaration), *found[:: len(found) // SAMPLE]]


@contextmanager
def closing(connection: Connected) -> Iterator[Connected]:
    """Ends a connection at the end of a `with` block."""
    try:
        yield connection
    finally:
        connection.raw.reset()
        connection.accepted.close()


def usual_attributes(where: Target) -> dict[str, int | str]:
    """Those of a connection without any option."""
    for name, value in where.declaration.before.items():
        where.listener.set_option(name, value)
    with closing(where.connect()) as connection:
        return where.declaration.attributes(connection.accepted)


def test_on_the_third_ack(where: Target) -> None:
    usual, acted = usual_attributes(where), False
    for options in some_lists(where.declaration):
        counts, wanted = where.counts(), where.expected(options, Phase.HANDSHAKE)
        raw = where.client.open(where.listener.port)
        raw.send(options=options)
        raw.send(b"x")  # if the third ACK was dropped, this takes its place
        with closing(Connected(raw, where.server.accept(where.listener))) as connection:
            assert connection.accepted.receive(1).count == 1
            counted, found = where.counts() - counts, where.declaration.attributes(connection.accepted)
        if may_be_dropped(options) and not counted:
            continue
        assert counted == wanted, options.hex(" ")
        acts = where.acts(options, Phase.HANDSHAKE)
        assert acts or found == usual, options.hex(" ")
        acted |= found != usual
    assert acted == bool(where.declaration.valid)


def test_on_the_syn(where: Target) -> None:
    usual, acted = usual_attributes(where), False
    for options in some_lists(where.declaration):
        if len(DEFAULT_SYN + options) > 40:
            continue
        counts = where.counts()
        wanted = where.expected(DEFAULT_SYN + options, Phase.HANDSHAKE)
        try:
            raw = where.client.open(where.listener.port, options=DEFAULT_SYN + options, timeout=0.3)
        except LabError:
            assert may_be_dropped(options)
            continue
        raw.send()
        with closing(Connected(raw, where.server.accept(where.listener))) as connection:
            counted, found = where.counts() - counts, where.declaration.attributes(connection.accepted)
        assert counted == (wanted if where.declaration.reads_syn else Counter()), options.hex(" ")
        acts = where.declaration.reads_syn and where.acts(DEFAULT_SYN + options, Phase.HANDSHAKE)
        assert acts or found == usual, options.hex(" ")
        acted |= found != usual
    assert acted == (where.declaration.reads_syn and bool(where.declaration.valid))


def test_on_the_fin(where: Target) -> None:
    acted = False
    for options in [*valid_wires(where.declaration), *some_lists(where.declaration)[:: SAMPLE // 6]]:
        if may_be_dropped(options):
            continue
        with closing(where.connect()) as connection:
            before, counts = where.prepare(connection), where.counts()
            connection.raw.send(options=options, flags=Flags.FIN | Flags.ACK)
            assert connection.accepted.receive(1).finished
            assert where.counts() - counts == where.expected(options), options.hex(" ")
            found = where.declaration.attributes(connection.accepted)
            assert where.acts(options) or found == before, options.hex(" ")
            acted |= found != before
    assert acted == bool(where.declaration.valid)


def test_on_a_reset(where: Target) -> None:
    """A connection that is over is not changed any more."""
    for options in valid_wires(where.declaration):
        connection = where.connect()
        before, counts = where.prepare(connection), where.counts()
        connection.raw.send(options=options, flags=Flags.RST | Flags.ACK)
        with pytest.raises(PeerError, match="reset"):
            connection.accepted.receive(1)
        assert where.counts() == counts
        if "window" not in before:  # TCP_INFO of a closed socket is empty
            assert where.declaration.attributes(connection.accepted) == before
        connection.accepted.close()


def _segment(
    connection: Connected,
    options: bytes,
    *,
    flags: Flags = Flags.ACK,
    seq: int = 0,
    ack: int = 0,
    payload: bytes = b"x",
) -> bytes:
    """An IP packet with a segment that would be the next one but for what is said; seq and ack are relative."""
    raw = connection.raw
    header = tcp_header(raw.ports, flags, raw.next_to_send + seq, raw.next_expected + ack, options)
    return ip_packet(raw.client.address, raw.client.server, header, payload)


def _with_bad_checksum(connection: Connected, options: bytes) -> bytes:
    packet = bytearray(_segment(connection, options))
    packet[-1] ^= 0xFF
    return bytes(packet)


def _with_data_offset(connection: Connected, options: bytes, words: int) -> bytes:
    """A header that says that it is another number of words long, with a checksum that is right."""
    raw = connection.raw
    header = bytearray(tcp_header(raw.ports, Flags.ACK, raw.next_to_send, raw.next_expected, options))
    header[12] = words << 4
    return ip_packet(raw.client.address, raw.client.server, bytes(header))


STRAY: dict[str, Callable[[Connected, bytes], bytes]] = {
    "bad checksum": _with_bad_checksum,
    "ahead of the window": lambda connection, options: _segment(connection, options, seq=FAR),
    "behind the window": lambda connection, options: _segment(connection, options, seq=-FAR),
    "seen before": lambda connection, options: _segment(connection, options, seq=-1, payload=b""),
    "no ACK": lambda connection, options: _segment(connection, options, flags=Flags(0)),
    "SYN": lambda connection, options: _segment(connection, options, flags=Flags.SYN, payload=b""),
    "SYN and ACK": lambda connection, options: _segment(connection, options, flags=Flags.SYN | Flags.ACK, payload=b""),
    "RST outside the window": lambda connection, options: _segment(
        connection, options, flags=Flags.RST, seq=FAR, payload=b""
    ),
    "header longer than the packet": lambda connection, options: _with_data_offset(connection, options, 15),
    "header too short": lambda connection, options: _with_data_offset(connection, options, 4),
}


def test_on_segments_that_tcp_refuses(where: Target) -> None:
    with closing(where.connect()) as connection:
        connection.send(b"")
        before, counts = where.prepare(connection), where.counts()
        for name, make in STRAY.items():
            for options in valid_wires(where.declaration):
                where.client.send_packet(make(connection, options))
                connection.send(b"")
                assert where.counts() == counts, name
                assert where.declaration.attributes(connection.accepted) == before, name
        connection.send(options)
        assert where.counts() - counts == where.expected(options)


def test_options_in_the_payload(where: Target) -> None:
    """What stands behind the header is data."""
    with closing(where.connect()) as connection:
        before, counts = where.prepare(connection), where.counts()
        for options in valid_wires(where.declaration):
            connection.raw.send(options)
            assert connection.accepted.receive(len(options)).count == len(options)
        assert where.counts() == counts
        assert where.declaration.attributes(connection.accepted) == before


def test_an_acknowledgement_of_what_was_never_sent(where: Target) -> None:
    """The kernel reads the options of a segment inside the window before it looks at the acknowledgement."""
    (options, *_) = valid_wires(where.declaration)
    with closing(where.connect()) as connection:
        before, counts = where.prepare(connection), where.counts()
        where.client.send_packet(_segment(connection, options, ack=FAR))
        connection.send(b"")
        assert where.counts() - counts == where.expected(options)
        assert (where.declaration.attributes(connection.accepted) != before) == where.acts(options)
