"""A raw client sends options that no honest peer sends; what a program makes of them is what the interpreter says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from differential.hostile import hostile_options
from differential.objects import BACKENDS, attached
from differential.replay import Replay, counters_of, refuses
from lower.driver import lowered, on_wire, option
from optdsl.ir.machine import Machine
from optdsl.lab.capture import capture
from optdsl.lab.hosts import Lab, two_hosts
from optdsl.lab.remote import RemotePeer
from peer.raw_peer import DEFAULT_SYN, raw_client

pytestmark = pytest.mark.kernel

FLAGS = """layout {
        a : bool  b : bool  _ : u2 = 0b10  kind_of : u4 { one, two, three }
        x : u24 in 1..=1000000 when a
        n : u8 in 3..=200
        y : ip4 when b
        z : u16 when b
        l : u12 in 7..=4000  m : u4
        r : u16[0..=3] in 0..=40000
    }
    state sum : u64 in 0..=1000000
    receive when n != 100 {
        if a { emit has_a { x, n, l } }
        if b { emit has_b { y, z, m } }
        if count(r) > 1 { emit has_r { first: r[0], second: r[1], number: count(r) } }
        sum = min(sum + n, 1000000)
        if sum > 500 { sum = 0  reject over }
        emit seen { sum, which: kind_of == two }
    }"""
FLAGS_WIRES = [
    "a0 000005 05 0071",
    "20 05 0071 0102",
    "e1 00ffff 05 01020304 0506 0077",
    "61 c8 01020304 0506 0070 0001",
    "a2 0f423f c7 fa0f 00010002",
]

TRAILING = """layout { a : u7 in 2..=100  f : u1  b : u40 optional  c : bytes[10] optional  d : u8 in 1..=9 optional }
    table names : u7 -> text[16] { 2: "reno", 5: "cubic", 77: "none" }
    receive {
        if has d { emit all { a, b, c, d } } else { if has b { emit some { a, b } } }
        socket.congestion = names[a] else reject unknown
    }"""
TRAILING_WIRES = ["04", "0b 0102030405", "9a 0102030405 00010203040506070809", "05 0102030405 00010203040506070809 05"]

PROGRAMS = {"flags": (FLAGS, FLAGS_WIRES), "trailing": (TRAILING, TRAILING_WIRES)}
SEGMENTS = 250


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with two_hosts() as made:
        yield made


@pytest.mark.parametrize("ipv6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_hostile_options(name: str, backend: str, ipv6: bool, lab: Lab, tmp_path: Path) -> None:
    members, contents = PROGRAMS[name]
    program = lowered(option(members), name=name)
    wires = [on_wire(content) for content in contents]
    seed = int(ipv6) + 2 * list(PROGRAMS).index(name)
    on_syn, on_ack, *others = hostile_options(seed, wires, SEGMENTS)
    server = RemotePeer(lab.server)
    with (
        attached(program, backend, tmp_path, lab.server) as running,
        capture(lab.server, tmp_path / "server.pcap") as at_server,
        raw_client(lab, ipv6=ipv6) as client,
    ):
        listener = server.listen(ipv6=ipv6)
        connection = client.connect(listener.port, syn=DEFAULT_SYN + on_syn[: 40 - len(DEFAULT_SYN)], ack=on_ack)
        accepted = server.accept(listener)
        for options in others:
            connection.send(b"x", options=options)
        assert accepted.receive(len(others)).count == len(others)
        packets = at_server.packets()
        counters, records = running.counters(), running.records()
        connection.reset()
        listener.close()
    replay = Replay(Machine(program, setsockopt=refuses))
    replay.play("server", [each for each in packets if listener.port in (each.sport, each.dport)])
    assert replay.wrong == []
    found = counters_of(replay.machine)
    assert counters == found
    assert records == replay.records
    # The test is worth something only if many different things went wrong, and some went well.
    assert isinstance(found, dict)
    assert isinstance(found["probe"], dict)
    assert sum(1 for number in found["probe"].values() if number) >= 6
    assert len(records) > 10
