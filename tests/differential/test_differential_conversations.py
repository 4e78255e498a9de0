"""Connections between two hosts: the wire, the counters and the records are what the interpreter says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from differential.objects import BACKENDS, attached
from differential.programs import CASES, Case
from differential.replay import Replay, counters_of, refuses
from optdsl.ir.machine import Machine
from optdsl.lab.capture import capture
from optdsl.lab.hosts import Lab, two_hosts
from optdsl.lab.remote import RemotePeer

pytestmark = pytest.mark.kernel

NUMBERS = {"mss_cache": 1448, "srtt_us": 8}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with two_hosts() as made:
        for host in made.hosts:
            host.set_segments_per_packet(1)
        yield made


@pytest.fixture(scope="module")
def peers(lab: Lab) -> tuple[RemotePeer, RemotePeer]:
    return RemotePeer(lab.client), RemotePeer(lab.server)


@contextmanager
def sysctls(lab: Lab, values: Mapping[str, int]) -> Iterator[None]:
    """Sets kernel parameters of both hosts for the length of a `with` block."""
    before = [(host, name, host.sysctl(name)) for host in lab.hosts for name in values]
    try:
        for host, name, _ in before:
            host.set_sysctl(name, values[name])
        yield
    finally:
        for host, name, value in before:
            host.set_sysctl(name, value)


@pytest.mark.parametrize("ipv6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_a_conversation(
    case: Case, backend: str, ipv6: bool, lab: Lab, peers: tuple[RemotePeer, RemotePeer], tmp_path: Path
) -> None:
    program = case.program()
    client, server = peers
    with (
        sysctls(lab, case.sysctls),
        attached(program, backend, tmp_path, *lab.hosts) as running,
        capture(lab.client, tmp_path / "client.pcap") as at_client,
        capture(lab.server, tmp_path / "server.pcap") as at_server,
    ):
        listener = server.listen(ipv6=ipv6)
        connection = client.connect(lab.server.address(ipv6=ipv6), listener.port)
        accepted = server.accept(listener)
        case.talk(connection, accepted)
        seen = {side: found.packets() for side, found in (("client", at_client), ("server", at_server))}
        counters, records = running.counters(), running.records()
        for each in (connection, accepted, listener):
            each.close()
    replay = Replay(Machine(program, setsockopt=refuses), case.cookies, NUMBERS)
    for side, packets in seen.items():
        replay.play(side, [each for each in packets if listener.port in (each.sport, each.dport)])
    assert replay.wrong == []
    assert replay.carried > 0
    assert counters == counters_of(replay.machine)
    assert sorted(records, key=repr) == sorted(replay.records, key=repr)
