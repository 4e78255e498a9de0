"""The kernel's selftest program against itself: on which packets its option is, and what each side reads.

The tables say what a program of ours has to do to take either side's place.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from optdsl.lab.hosts import Lab, two_hosts
from optdsl.lab.pcap import Flags
from optdsl.record import replace
from peer import kernel_selftest, scenario
from peer.every_packet import WRITTEN, every_packet_side
from peer.expected import EXPECTED, SYN, SYNACK, Carried, carried
from peer.option import NOTHING
from peer.scenario import Bystander, Scenario, Sends, run_scenario
from peer.selftest_side import SelftestResults, SelftestSide, SocketStorage

pytestmark = pytest.mark.kernel

_INHERITED = 0x04 | 0x20 | 0x40
"""The callback flags STATE, PARSE_UNKNOWN_HDR_OPT and WRITE_HDR_OPT, which the listener hands down."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with two_hosts() as made:
        yield made


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> SelftestSide:
    return SelftestSide(kernel_selftest.compiled(tmp_path_factory.mktemp("selftest")))


@pytest.mark.parametrize("ipv6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("chosen", scenario.SCENARIOS, ids=lambda chosen: chosen.name.replace(" ", "-"))
def test_against_itself(lab: Lab, side: SelftestSide, tmp_path: Path, chosen: Scenario, ipv6: bool) -> None:
    seen = run_scenario(lab, side, side, chosen, tmp_path, ipv6=ipv6)
    expected = EXPECTED[chosen]
    assert {packet.ipv6 for packet in seen.packets} == {ipv6}
    assert carried(seen) == expected

    cookies, fastopen = bool(expected.third_ack.flags), bool(chosen.fastopen)
    assert seen.client == SelftestResults(
        active_estab_in=expected.synack,
        passive_estab_in=NOTHING,
        active_fin_in=expected.server_fin,
        passive_fin_in=NOTHING,
        inherited_flags=0,
        storage={seen.client_port: SocketStorage(active=True, resend_syn=cookies, syncookie=False, fastopen=False)},
        errors={},
    )
    assert seen.server == SelftestResults(
        active_estab_in=NOTHING,
        passive_estab_in=expected.syn,
        active_fin_in=NOTHING,
        passive_fin_in=expected.client_fin,
        inherited_flags=_INHERITED,
        storage={seen.server_port: SocketStorage(False, resend_syn=False, syncookie=cookies, fastopen=fastopen)},
        errors={},
    )


@pytest.mark.parametrize(
    ("chosen", "syn", "synack"),
    [
        (scenario.SIMPLE, "fe07eb9f060bfa 01", "fe07eb9f0616ce 01"),
        (scenario.OTHER_KIND, "b905060bfa 010101", "b9050616ce 010101"),
        (scenario.SYN_COOKIES, "fe07eb9f060bfa 01", "fe07eb9f0716ce 01"),
    ],
)
def test_the_bytes(lab: Lab, side: SelftestSide, tmp_path: Path, chosen: Scenario, syn: str, synack: str) -> None:
    """The option comes last, and what was reserved beyond it is filled with no-operations."""
    packets = run_scenario(lab, side, side, chosen, tmp_path).packets
    assert packets[0].raw[40:] == bytes.fromhex(syn)
    assert packets[1].raw[40:] == bytes.fromhex(synack)


def test_the_bytes_of_a_fin(lab: Lab, side: SelftestSide, tmp_path: Path) -> None:
    packets = run_scenario(lab, side, side, scenario.FIN, tmp_path).packets
    client, server = [packet.raw[32:] for packet in packets if packet.flags & Flags.FIN]
    assert client == bytes.fromhex("fe06eb9f04fa 0101")
    assert server == bytes.fromhex("fe06eb9f04ce 0101")


def test_fast_open_is_one_packet_with_data(lab: Lab, side: SelftestSide, tmp_path: Path) -> None:
    seen = run_scenario(lab, side, side, scenario.FAST_OPEN, tmp_path)
    syn, synack = seen.steps[:2]
    assert (syn.flags, syn.payload, syn.option) == (Flags.SYN, scenario.FAST_OPEN.fastopen, SYN)
    assert seen.packets[1].ack == seen.packets[0].seq + 1 + syn.payload
    assert synack.option == SYNACK


@pytest.mark.parametrize("chosen", [scenario.SIMPLE, scenario.SYN_COOKIES], ids=["simple", "cookies"])
def test_a_server_that_does_not_know_the_option(lab: Lab, side: SelftestSide, tmp_path: Path, chosen: Scenario) -> None:
    seen = run_scenario(lab, side, Bystander(), chosen, tmp_path)
    assert carried(seen) == Carried(syn=SYN)
    assert seen.client.active_estab_in == NOTHING
    assert seen.client.errors == {}
    assert seen.server is None


@pytest.mark.parametrize("chosen", [scenario.ALL, scenario.SYN_COOKIES], ids=["all", "cookies"])
def test_a_client_that_does_not_know_the_option(lab: Lab, side: SelftestSide, tmp_path: Path, chosen: Scenario) -> None:
    seen = run_scenario(lab, Bystander(), side, chosen, tmp_path)
    # The FIN does not depend on what the peer knows.
    assert carried(seen) == Carried(server_fin=chosen.sends.server_fin)
    assert seen.server.passive_estab_in == NOTHING
    assert seen.server.passive_fin_in == NOTHING
    assert seen.server.errors == {}


def test_sides_that_differ_in_the_kind(lab: Lab, side: SelftestSide, tmp_path: Path) -> None:
    class OtherKind:
        attach = staticmethod(
            lambda host, chosen: side.attach(host, dataclasses.replace(chosen, form=scenario.OTHER_KIND.form))
        )

    seen = run_scenario(lab, side, OtherKind(), scenario.SIMPLE, tmp_path)
    assert carried(seen) == Carried(syn=SYN)
    assert seen.server.passive_estab_in == NOTHING
    assert seen.client.errors == seen.server.errors == {}


def test_the_timers_follow_the_option(lab: Lab, side: SelftestSide, tmp_path: Path) -> None:
    """Each side takes the other's longest delay of an ACK as its minimum for the retransmission timeout."""
    seen = run_scenario(lab, side, side, scenario.TIMERS, tmp_path)
    plain = run_scenario(lab, Bystander(), Bystander(), scenario.TIMERS, tmp_path)
    for info, plain_info, minimum_ms in (
        (seen.client_info, plain.client_info, SYNACK.max_delack_ms),
        (seen.server_info, plain.server_info, SYN.max_delack_ms),
    ):
        assert 1000 * minimum_ms < info["rto"] < 100_000
        assert plain_info["rto"] >= 200_000


def test_the_lab_is_left_as_it_was(lab: Lab, side: SelftestSide, tmp_path: Path) -> None:
    names = ["net.ipv4.tcp_syncookies", "net.ipv4.tcp_fastopen"]
    before = [host.sysctl(name) for host in lab.hosts for name in names]
    run_scenario(lab, side, side, scenario.SYN_COOKIES, tmp_path)
    run_scenario(lab, side, side, scenario.FAST_OPEN, tmp_path)
    assert [host.sysctl(name) for host in lab.hosts for name in names] == before


def test_two_options_on_every_packet(lab: Lab, tmp_path: Path) -> None:
    address = "2001:db8::1:1"
    lab.server.run(["ip", "address", "add", f"{address}/64", "dev", lab.server.interface, "nodad"])
    same_ending = Lab(lab.client, replace(lab.server, ipv6=address), lab.cgroup)
    traffic = Scenario("every packet", Sends(), client_data=8, server_data=8)
    with every_packet_side(kernel_selftest.compiled(tmp_path, kernel_selftest.EVERY_PACKET)) as side:
        seen = run_scenario(same_ending, side, side, traffic, tmp_path, ipv6=True)
    client = [packet for packet in seen.packets if packet.sport == seen.client_port]
    assert {packet.raw[-12:] for packet in client} == {WRITTEN}
    assert {packet.option(254) for packet in seen.packets if packet.sport == seen.server_port} == {None}
    pure_acks = sum(packet.flags == Flags.ACK and not packet.payload_length for packet in client)
    results = seen.server
    assert (results.syn, results.data, results.pure_ack, results.fin) == (1, 1, pure_acks, 1)
    assert results.errors == {}
