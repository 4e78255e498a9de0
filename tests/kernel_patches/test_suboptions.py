"""MPTCP options of unassigned subtypes: on the wire beside the kernel's own ones, and read by the peer's program."""

from __future__ import annotations

import errno
import socket
import time
from pathlib import Path

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.suboptions import (
    ACTIVE_ESTABLISHED,
    ADD_ADDR,
    ASSIGNED,
    DSS,
    MP_CAPABLE,
    MP_JOIN,
    MPTCP,
    OURS,
    PARSE,
    PASSIVE_ESTABLISHED,
    Sort,
    Suboptions,
    option,
    room_left,
    sort,
    subtypes,
    with_subtype,
)
from optdsl.lab.capture import capture
from optdsl.lab.hosts import Host
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.counters import counters
from optdsl.lab.paths.manager import add_endpoint, set_limits, use_all_paths
from optdsl.lab.paths.sockets import Sockets, exchange, mptcp_info
from optdsl.lab.pcap import Flags, Packet

_ROOM = {  # bytes with and without timestamps
    Sort.SYN_CAPABLE: (16, 24),
    Sort.SYN_JOIN: (8, 16),
    Sort.SYN_ACK_CAPABLE: (8, 16),
    Sort.SYN_ACK_JOIN: (4, 12),
    Sort.THIRD_CAPABLE: (8, 20),
    Sort.THIRD_JOIN: (4, 16),
    Sort.FIRST_DATA: (4, 16),
    Sort.DATA_32: (4, 16),
    Sort.DATA_64: (0, 12),
    Sort.ACK_32: (20, 32),
    Sort.ACK_64: (16, 28),
}
_TROUBLES = ("Fallback", "MPRst", "MPFail", "Corruption", "Infinite", "TCPAbort")


def traffic(
    paths: MultipathLab, sockets: Sockets, results: Path, *, ipv6: bool = False, sent: int = 200_000, received: int = 0
) -> list[Packet]:
    """A transfer over two subflows with an announced address, looked at: its packets as they leave the client."""
    use_all_paths(paths.client, paths.server, [paths.paths[1].client], ipv6=ipv6)
    set_limits(paths.client, accepted=0)
    add_endpoint(paths.server, paths.paths[1].server.address(ipv6=ipv6), "signal", number=9)
    found: list[Packet] = []
    first, second = paths.paths
    with capture(first.client, results / "1.pcap") as one, capture(second.client, results / "2.pcap") as other:
        listener = sockets.listen(paths.server, ipv6=ipv6)
        ends = sockets.connect(paths.client, paths.server.address(ipv6=ipv6), listener)
        exchange(*ends, sent=100)
        time.sleep(1)
        exchange(*ends, sent=sent, received=received)
        assert mptcp_info(ends[0]).subflows == mptcp_info(ends[1]).subflows == 1
        for seen in (one, other):
            found += seen.packets()
    no_trouble(paths.client, paths.server)
    displaces_nothing(found)
    return found


def no_trouble(*hosts: Host) -> None:
    """The connection has stayed MPTCP: no fallback, no reset."""
    for host in hosts:
        assert not {
            name: count for name, count in counters(host).items() if count and any(part in name for part in _TROUBLES)
        }


def displaces_nothing(packets: list[Packet]) -> None:
    """Every packet has what the kernel writes itself: a handshake of MPTCP, then a DSS or an address."""
    for packet in packets:
        assert not packet.malformed
        own = [kind for kind in subtypes(packet) if kind in ASSIGNED]
        if packet.flags & Flags.SYN:
            assert own in ([MP_CAPABLE], [MP_JOIN])
            assert packet.option(2), "maximum segment size"
        else:
            assert own, packet
            assert not packet.payload_length or own in ([MP_CAPABLE], [DSS])
    of_all = {kind for packet in packets for kind in subtypes(packet)}
    assert {MP_CAPABLE, MP_JOIN, DSS, ADD_ADDR} <= of_all


# On the wire and at the peer


@pytest.mark.parametrize("length", [4, 7])
@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_both_sides_write_and_read(
    paths: MultipathLab, sockets: Sockets, program: LoadProgram, results: Path, ipv6: bool, length: int
) -> None:
    from_client = option(OURS, b"\x0c", length=length)
    from_server = option(OURS, b"\x05", length=length)
    client, server = (Suboptions(program("suboptions", host)) for host in paths.hosts)
    client.write(from_client)
    server.write(from_server)
    packets = traffic(paths, sockets, results, ipv6=ipv6)

    sorts = set()
    for packet in packets:
        is_clients = packet.src in {path.client.address(ipv6=ipv6) for path in paths.paths}
        content = with_subtype(packet, OURS)
        if content is not None:
            assert content == (from_client if is_clients else from_server)
            sorts.add(sort(packet))
    expected = {each for each, (room, _) in _ROOM.items() if room >= length} - {Sort.ACK_32, Sort.ACK_64}
    assert expected - {Sort.DATA_64} <= sorts
    assert sorts & {Sort.ACK_32, Sort.ACK_64}, "a pure ACK"

    for here, content in ((client, from_server), (server, from_client)):
        read = [each for each in here.told(PARSE) if each.answers[0] > 0]
        assert read
        assert {each.found[:length] for each in read} == {content}
        assert {each.answers[0] for each in read} == {length}
    assert set(client.stored() + server.stored()) == {0}


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_they_are_read_from_the_handshake(
    paths: MultipathLab, sockets: Sockets, program: LoadProgram, results: Path, ipv6: bool
) -> None:
    client, server = (Suboptions(program("suboptions", host)) for host in paths.hosts)
    client.write(option(OURS, b"\x0c"))
    server.write(option(OURS, b"\x05"))
    traffic(paths, sockets, results, ipv6=ipv6)
    kept = [each for each in server.told(PASSIVE_ESTABLISHED) if each.flags == Flags.SYN]
    assert [(each.answers[0], each.found[:4]) for each in kept] == [(4, option(OURS, b"\x0c"))] * 2
    assert [each.first[2] >> 4 for each in kept] == [MP_CAPABLE, MP_JOIN]
    answered = client.told(ACTIVE_ESTABLISHED)
    assert [(each.answers[0], each.found[:4]) for each in answered] == [(4, option(OURS, b"\x05"))] * 2
    assert [each.first[2] >> 4 for each in answered] == [MP_CAPABLE, MP_JOIN]


def test_they_come_back_from_a_syn_cookie(
    paths: MultipathLab, sockets: Sockets, program: LoadProgram, results: Path
) -> None:
    paths.server.set_sysctl("net.ipv4.tcp_syncookies", 2)
    client, server = (Suboptions(program("suboptions", host)) for host in paths.hosts)
    client.write(option(OURS, b"\x0c"))
    server.write(option(OURS, b"\x05"))
    packets = traffic(paths, sockets, results)
    assert [with_subtype(packet, OURS) for packet in packets if sort(packet) is Sort.SYN_CAPABLE]
    assert [each for each in server.told(PARSE) if each.found[:4] == option(OURS, b"\x0c")]


@pytest.mark.parametrize("timestamps", [True, False], ids=["timestamps", "no-timestamps"])
@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_the_kernel_keeps_its_room(
    paths: MultipathLab, sockets: Sockets, program: LoadProgram, results: Path, ipv6: bool, timestamps: bool
) -> None:
    """Programs that take all the room there is get what the kernel leaves, no more and no less."""
    for host in paths.hosts:
        host.set_sysctl("net.ipv4.tcp_timestamps", int(timestamps))
        Suboptions(program("suboptions", host)).write(option(OURS, b"\0"), greedy=True)
    packets = traffic(paths, sockets, results, ipv6=ipv6, received=200_000)
    measured: dict[Sort, set[int]] = {}
    for packet in packets:
        measured.setdefault(sort(packet), set()).add(room_left(packet))
        assert len(packet.raw) == 60
        assert (with_subtype(packet, OURS) is not None) == (room_left(packet) > 0)
    measured.pop(Sort.OTHER, None)
    assert {Sort.DATA_64, Sort.SYN_ACK_JOIN, Sort.THIRD_JOIN, Sort.FIRST_DATA} <= set(measured)
    assert measured == {each: {_ROOM[each][0 if timestamps else 1]} for each in measured}


# What is refused


def short_traffic(paths: MultipathLab, sockets: Sockets, listener: socket.socket) -> None:
    """One transfer on one subflow, long enough for pure ACKs from the server."""
    exchange(*sockets.connect(paths.client, paths.server.ipv4, listener), sent=20_000)


def test_assigned_subtypes_are_the_kernels(
    paths: MultipathLab, sockets: Sockets, program: LoadProgram, results: Path
) -> None:
    client = Suboptions(program("suboptions", paths.client))
    listener = sockets.listen(paths.server)
    for subtype in ASSIGNED:
        client.write(option(subtype, b"\xee"))
        before = len(client.stored())
        with capture(paths.client, results / f"{subtype}.pcap") as seen:
            short_traffic(paths, sockets, listener)
            packets = seen.packets()
        assert set(client.stored()[before:]) == {-errno.EPERM}, subtype
        assert option(subtype, b"\xee") not in [with_subtype(packet, subtype) for packet in packets]
        assert len([packet for packet in packets if DSS in subtypes(packet)]) > 10
    no_trouble(*paths.hosts)


_STORED: list[tuple[list[bytes], tuple[int, int]]] = [
    ([bytes([MPTCP, 2]), option(OURS, b"\1")], (-errno.EINVAL, 0)),
    ([option(OURS, b"\1"), option(OURS, b"\2")], (0, -errno.EEXIST)),
    ([option(0xE, b"\1"), option(OURS, b"\2")], (0, 0)),
    ([option(0xC), option(0x9, b"\2")], (0, 0)),
    ([bytes([MPTCP, 9, OURS << 4, 1]), option(OURS, b"\2")], (-errno.EINVAL, 0)),
    ([option(OURS, b"\1"), bytes([0xFD, 4, 0x12, 0x34])], (0, 0)),
]


def test_what_is_stored(paths: MultipathLab, sockets: Sockets, program: LoadProgram, results: Path) -> None:
    """On the server, whose pure ACKs have room for both."""
    server = Suboptions(program("suboptions", paths.server))
    listener = sockets.listen(paths.server)
    for number, (options, answers) in enumerate(_STORED):
        server.write(*options)
        before = len(server.stored())
        with capture(paths.client, results / f"{number}.pcap") as seen:
            short_traffic(paths, sockets, listener)
            packets = seen.packets()
        stored = zip(server.stored(0)[before:], server.stored(1)[before:], strict=True)
        assert set(stored) == {answers}, options
        wanted = [each for each, answer in zip(options, answers, strict=True) if not answer]
        acks = [each for each in packets if each.src == paths.server.ipv4 and sort(each) in (Sort.ACK_32, Sort.ACK_64)]
        assert acks
        for packet in acks:
            present = [bytes([each.kind, 2 + len(each.data)]) + each.data for each in packet.options]
            assert [each for each in present if each in options] == wanted
    no_trouble(*paths.hosts)


_FOUND: list[tuple[bytes, int]] = [
    (bytes([MPTCP, 3, 0xE0]), -errno.ENOMSG),
    (bytes([MPTCP, 3, 0x50]), -errno.ENOMSG),
    (bytes([MPTCP, 2, 0xF0]), -errno.EINVAL),
    (bytes([MPTCP, 4, 0xF0]), -errno.EINVAL),
    (bytes([MPTCP, 3, 0xF7]), 4),  # the lower half of the byte does not count
]


def test_what_is_found(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    Suboptions(program("suboptions", paths.server)).write(option(OURS, b"\7"))
    client = Suboptions(program("suboptions", paths.client))
    listener = sockets.listen(paths.server)
    for search, answer in _FOUND:
        client.search(search)
        before = len(client.told(PARSE))
        short_traffic(paths, sockets, listener)
        read = {each.answers[0] for each in client.told(PARSE)[before:]}
        assert read == {answer}, search.hex(" ")
    no_trouble(*paths.hosts)


def test_the_first_one_is_the_kernels(
    paths: MultipathLab, sockets: Sockets, program: LoadProgram, results: Path
) -> None:
    """A search for the kind alone finds the first option of the kind, and one for DSS the same."""
    Suboptions(program("suboptions", paths.server)).write(option(OURS, b"\7"))
    client = Suboptions(program("suboptions", paths.client))
    client.search(bytes([MPTCP, 3, DSS << 4]))
    traffic(paths, sockets, results, sent=50_000)
    read = [each for each in client.told(PARSE) if each.answers[0] > 0]
    assert len(read) > 5
    for each in read:
        assert each.answers[0] == each.answers[1]
        assert (each.first, each.found[2] >> 4) == (each.found[:4], DSS)


def test_plain_tcp(paths: MultipathLab, sockets: Sockets, program: LoadProgram, results: Path) -> None:
    """There the kernel writes none of them itself; the subtypes that are assigned are refused all the same."""
    client, server = (Suboptions(program("suboptions", host)) for host in paths.hosts)
    client.write(option(OURS, b"\1"), option(MP_CAPABLE, b"\1"))
    with capture(paths.client, results / "x.pcap") as seen:
        listener = sockets.listen(paths.server, mptcp=False)
        exchange(*sockets.connect(paths.client, paths.server.ipv4, listener, mptcp=False), sent=10_000, received=10_000)
        packets = [packet for packet in seen.packets() if packet.src == paths.client.ipv4]
    assert {subtypes(packet)[0] for packet in packets if packet.payload_length} == {OURS}
    assert (set(client.stored(0)), set(client.stored(1))) == ({0}, {-errno.EPERM})
    assert {each.found[:4] for each in server.told(PARSE)} == {option(OURS, b"\1")}
