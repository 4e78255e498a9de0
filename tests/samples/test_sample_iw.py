"""`iw.opt`: the server begins with the window that a trusted client asks for, and with its own for anybody else."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from optdsl.kernel import tools
from optdsl.lab.attach import AttachedProgram, attached
from optdsl.lab.capture import Capture, capture
from optdsl.lab.pcap import Flags, Packet
from samples.conftest import Peers
from samples.conversation import Conversation, conversation, wait_until
from samples.counting import nonzero
from samples.obstacles import PURE_ACK, dropping
from samples.wire import first_of, is_data, until_acked

pytestmark = pytest.mark.kernel

OPTION: Final = "initial_window"
KIND, EXID = 253, 0x4957
LINUX_WINDOW: Final = 10
"""TCP_INIT_CWND, segments (RFC 6928)."""
SILENCE: Final = 0.05
"""Seconds that a first burst needs at most. Later there are retransmissions only, as nothing is acknowledged."""
CLIENT: Final[Mapping[str, int | str]] = {"TCP_MAXSEG": 536}
"""Short segments, so that even 64 of them fit the window that a client offers at the start."""
SERVER: Final[Mapping[str, int | str]] = {"TCP_CONGESTION": "reno"}
"""Without pacing."""
LAB_PREFIX: Final = {False: "192.0.2.0/24", True: "2001:db8::/32"}
"""The lab's prefixes, by whether they are of IPv6; the sample does not trust them by default."""


@pytest.fixture(autouse=True, scope="module")
def _no_probes(peers: Peers) -> None:
    """A tail loss probe would send a segment more than the window allows."""
    peers.lab.server.set_sysctl("net.ipv4.tcp_early_retrans", 0)


def wish(packet: Packet) -> bytes | None:
    """The window that a packet asks for."""
    return packet.option(KIND, EXID)


def entry(prefix: str) -> bytes:
    """A prefix as the list has it: an address of IPv6, or one of IPv4 as ::ffff:a.b.c.d, and its length."""
    network = ipaddress.ip_network(prefix)
    packed = network.network_address.packed
    address = packed if network.version == 6 else bytes(10) + b"\xff\xff" + packed
    return address + bytes([network.prefixlen + 8 * (16 - len(packed))])


def replace_trusted(program: AttachedProgram, old: str, new: str) -> None:
    """Replaces a prefix in the list while the program is attached, as an administrator would, with bpftool."""
    where = ["pinned", str(program.pinned.map(".data.params"))]
    (section,) = json.loads(tools.run(["bpftool", "--json", "map", "dump", *where]).stdout)
    value = bytes(int(byte, 16) for byte in section["value"])
    assert value.count(entry(old)) == 1
    changed = [f"{byte:02x}" for byte in value.replace(entry(old), entry(new))]
    done = tools.run(["bpftool", "map", "update", *where, *"key hex 0 0 0 0 value hex".split(), *changed])
    assert done.returncode == 0, done.stderr


@contextmanager
def server_begins(peers: Peers, folder: Path, *, ipv6: bool) -> Iterator[tuple[Conversation, list[Packet]]]:
    """A connection, and all that is on the wire before the server hears of the arrival of anything it has sent."""
    with (
        capture(peers.lab.client, folder / "x.pcap") as seen,
        conversation(peers, ipv6=ipv6, client_options=CLIENT, server_options=SERVER) as talk,
        dropping(peers.lab.server, f"tcp dport {talk.server_port} {PURE_ACK}"),
    ):
        talk.ask(100)
        talk.server.begin_send(100_000)
        wait_for_burst(seen, talk.server_port)
        yield talk, talk.packets(seen)


def wait_for_burst(seen: Capture, port: int) -> None:
    """Returns when a side has sent the first of its data, and all that it sends with it."""
    wait_until(lambda: any(packet.sport == port and is_data(packet) for packet in seen.packets()))
    time.sleep(SILENCE)


def first_burst(peers: Peers, folder: Path, *, ipv6: bool) -> int:
    """How many segments of data a server sends at once."""
    with server_begins(peers, folder, ipv6=ipv6) as (talk, packets):
        return data_segments(packets, talk.server_port)


def data_segments(packets: list[Packet], port: int) -> int:
    """How many segments one side has made of its data; a segment that it has sent again counts once."""
    return len({packet.seq for packet in packets if packet.sport == port and is_data(packet)})


def test_on_the_wire(peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, tmp_path: Path) -> None:
    object_file = compiled(backend, "iw")
    with (
        attached(object_file, peers.lab.client) as client,
        attached(object_file, peers.lab.server) as server,
        server_begins(peers, tmp_path, ipv6=ipv6) as (talk, packets),
    ):
        syn, third_ack, request = first_of(packets, talk.client_port)
        assert syn.flags == Flags.SYN
        expected = list(until_acked(packets, talk.client_port, lambda packet: is_data(packet) or packet is third_ack))
        assert [wish(packet) for packet, _ in expected] == [b"\x00\x20" if yes else None for _, yes in expected]
        assert [packet for packet, yes in expected if yes] == [third_ack, request]
        assert {packet.option(KIND) for packet in packets if packet.sport == talk.server_port} == {None}
        assert (nonzero(client, OPTION), nonzero(server, OPTION)) == ({"sent": 2}, {"received": 2})


def test_the_server_begins_with_what_a_trusted_client_asks_for(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, tmp_path: Path
) -> None:
    assert first_burst(peers, tmp_path, ipv6=ipv6) == LINUX_WINDOW
    object_file = compiled(backend, "iw")
    with attached(object_file, peers.lab.client) as client, attached(object_file, peers.lab.server) as server:
        assert first_burst(peers, tmp_path, ipv6=ipv6) == LINUX_WINDOW  # a stranger
        replace_trusted(server, "10.0.0.0/8", LAB_PREFIX[ipv6])
        for wanted in (32, 64, 1):
            client.set_param(f"{OPTION}.wanted", wanted)
            assert first_burst(peers, tmp_path, ipv6=ipv6) == wanted
        replace_trusted(server, LAB_PREFIX[ipv6], LAB_PREFIX[not ipv6])
        client.set_param(f"{OPTION}.wanted", 64)
        assert first_burst(peers, tmp_path, ipv6=ipv6) == LINUX_WINDOW
        sent = nonzero(client, OPTION)["sent"]
        assert (nonzero(client, OPTION), nonzero(server, OPTION)) == ({"sent": sent}, {"received": sent})


def test_one_address_may_be_trusted(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, tmp_path: Path
) -> None:
    """Of the longest prefixes, every bit counts."""
    object_file = compiled(backend, "iw")
    address = ipaddress.ip_address(peers.lab.client.address(ipv6=ipv6))
    with attached(object_file, peers.lab.client), attached(object_file, peers.lab.server) as server:
        replace_trusted(server, "fd00::/8", str(address + 2))
        assert first_burst(peers, tmp_path, ipv6=ipv6) == LINUX_WINDOW
        replace_trusted(server, str(address + 2), str(address))
        assert first_burst(peers, tmp_path, ipv6=ipv6) == 32


def test_the_third_ack_is_lost(
    peers: Peers, compiled: Callable[..., Path], backend: str, ipv6: bool, tmp_path: Path
) -> None:
    """The request carries the wish again, and is in time for the first data of the server."""
    lab, object_file = peers.lab, compiled(backend, "iw")
    with (
        attached(object_file, lab.client) as client,
        attached(object_file, lab.server) as server,
        capture(lab.client, tmp_path / "x.pcap") as seen,
    ):
        replace_trusted(server, "10.0.0.0/8", LAB_PREFIX[ipv6])
        listener = peers.server.listen(ipv6=ipv6, options=SERVER)
        with dropping(lab.server, f"tcp dport {listener.port} {PURE_ACK}"):
            connection = peers.client.connect(lab.server.address(ipv6=ipv6), listener.port, options=CLIENT)
            connection.send(100)
            accepted = peers.server.accept(listener)
            assert accepted.receive(100).count == 100
            accepted.begin_send(100_000)
            wait_for_burst(seen, listener.port)
            assert data_segments(seen.packets(), listener.port) == 32
        assert (nonzero(client, OPTION), nonzero(server, OPTION)) == ({"sent": 2}, {"received": 1})
        connection.close(reset=True)
        accepted.close()
        listener.close()
