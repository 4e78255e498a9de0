"""The kernel's own selftest programs for TCP header options load and work as before on the patched kernel.

`tests/peer` has them at work on the kernel of the machine; here they run in the lab, and beside MPTCP.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from optdsl.lab.capture import capture
from optdsl.lab.hosts import Lab, two_hosts
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.sockets import Sockets, exchange, mptcp_info
from optdsl.record import replace
from peer import kernel_selftest, scenario
from peer.every_packet import WRITTEN, every_packet_side
from peer.expected import EXPECTED, carried
from peer.scenario import Scenario, Sends, run_scenario
from peer.selftest_side import SelftestSide

_SCENARIOS = (scenario.SIMPLE, scenario.SYN_COOKIES, scenario.ALL)
_SIZE = 1_000_000


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both programs, compiled."""
    folder = tmp_path_factory.mktemp("selftest")
    both = (kernel_selftest.ESTABLISHMENT, kernel_selftest.EVERY_PACKET)
    return {name: kernel_selftest.compiled(folder, name) for name in both}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with two_hosts() as made:
        yield made


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("chosen", _SCENARIOS, ids=lambda chosen: chosen.name.replace(" ", "-"))
def test_options_of_the_establishment(
    lab: Lab, objects: dict[str, Path], tmp_path: Path, chosen: Scenario, ipv6: bool
) -> None:
    side = SelftestSide(objects[kernel_selftest.ESTABLISHMENT])
    seen = run_scenario(lab, side, side, chosen, tmp_path, ipv6=ipv6)
    assert carried(seen) == EXPECTED[chosen]
    assert seen.client.active_estab_in == EXPECTED[chosen].synack
    assert seen.server.passive_estab_in == EXPECTED[chosen].syn
    assert seen.client.errors == seen.server.errors == {}


def test_two_options_on_every_packet(lab: Lab, objects: dict[str, Path], tmp_path: Path) -> None:
    address = "2001:db8::1:1"  # The program wants both addresses to end in 1.
    lab.server.run(["ip", "address", "add", f"{address}/64", "dev", lab.server.interface, "nodad"])
    same_ending = Lab(lab.client, replace(lab.server, ipv6=address), lab.cgroup)
    traffic = Scenario("every packet", Sends(), client_data=8, server_data=8)
    with every_packet_side(objects[kernel_selftest.EVERY_PACKET]) as side:
        seen = run_scenario(same_ending, side, side, traffic, tmp_path, ipv6=True)
    client = [packet for packet in seen.packets if packet.sport == seen.client_port]
    assert {packet.raw[-12:] for packet in client} == {WRITTEN}
    assert (seen.server.syn, seen.server.data, seen.server.fin) == (1, 1, 1)
    assert seen.server.errors == {}


@pytest.mark.parametrize("mptcp", [False, True], ids=["tcp", "mptcp"])
def test_a_transfer_passes(
    paths: MultipathLab, sockets: Sockets, objects: dict[str, Path], results: Path, mptcp: bool
) -> None:
    """The options find room beside those of MPTCP, and both sides read them."""
    side = SelftestSide(objects[kernel_selftest.ESTABLISHMENT])
    with (
        side.attach(paths.client, scenario.SIMPLE) as client_results,
        side.attach(paths.server, scenario.SIMPLE) as server_results,
        capture(paths.client, results / "transfer.pcap") as seen,
    ):
        listener = sockets.listen(paths.server, mptcp=mptcp)
        client, server = sockets.connect(paths.client, paths.server.ipv4, listener, mptcp=mptcp)
        exchange(client, server, sent=_SIZE, received=_SIZE)
        found, told = client_results(), server_results()
        packets = seen.packets()
    assert found.errors == told.errors == {}
    assert found.active_estab_in == scenario.SIMPLE.sends.synack
    assert told.passive_estab_in == scenario.SIMPLE.sends.syn
    assert any(packet.option(30) is not None for packet in packets) == mptcp
    if mptcp:
        assert mptcp_info(client).flags & 1 == 0, "no fallback"
