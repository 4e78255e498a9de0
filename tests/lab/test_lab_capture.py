"""Captures on the hosts of a lab: nothing is missing, and Wireshark sees the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from optdsl.lab.capture import capture, tshark_fields, tshark_text
from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Lab, two_hosts
from optdsl.lab.pcap import Flags
from optdsl.lab.remote import RemotePeer
from optdsl.lab.transfer import download, start_web_server

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with two_hosts() as made:
        yield made


@pytest.mark.parametrize("ipv6", [False, True])
def test_from_the_first_packet_to_the_last(lab: Lab, tmp_path: Path, ipv6: bool) -> None:
    client, server = RemotePeer(lab.client), RemotePeer(lab.server)
    listener = server.listen(ipv6=ipv6)
    with capture(lab.client, tmp_path / "x.pcap") as seen:
        connection = client.connect(lab.server.address(ipv6=ipv6), listener.port)
        accepted = server.accept(listener)
        connection.send(100)
        accepted.receive(100)
        connection.close(reset=True)
    packets = seen.packets()
    assert packets[0].flags == Flags.SYN
    assert packets[0].ipv6 is ipv6
    assert packets[0].option(2) is not None
    assert packets[1].flags == Flags.SYN | Flags.ACK
    assert packets[-1].flags & Flags.RST
    assert sum(packet.payload_length for packet in packets) == 100
    assert {packet.src for packet in packets} == {host.address(ipv6=ipv6) for host in lab.hosts}
    assert seen.dropped == 0
    assert not seen.running


def test_packets_are_there_while_it_runs(lab: Lab, tmp_path: Path) -> None:
    web = start_web_server(lab.server)
    with capture(lab.server, tmp_path / "x.pcap", f"tcp port {web.port}") as seen:
        assert seen.packets() == []
        for count in range(1, 6):
            download(lab.client, web, 10)
            assert sum(packet.flags == Flags.SYN for packet in seen.packets()) == count


def test_a_long_transfer_in_single_segments(lab: Lab, tmp_path: Path) -> None:
    web = start_web_server(lab.server)
    lab.server.set_segments_per_packet(1)
    try:
        with capture(lab.client, tmp_path / "x.pcap") as seen:
            download(lab.client, web, 3_000_000)
    finally:
        lab.server.set_segments_per_packet(65535)
    sizes = [packet.payload_length for packet in seen.packets() if packet.sport == web.port]
    assert max(sizes) == 1448
    assert sum(sizes) > 3_000_000
    assert seen.dropped == 0


def test_wireshark_sees_the_same(lab: Lab, tmp_path: Path) -> None:
    web = start_web_server(lab.server)
    with capture(lab.client, tmp_path / "x.pcap", "", snap_length=0) as seen:
        for ipv6 in (False, True):
            download(lab.client, web, 5000, ipv6=ipv6)
    fields = ["tcp.srcport", "tcp.flags", "tcp.len", "tcp.options"]
    rows = tshark_fields(seen.path, fields, "tcp", ["-o", f"http.tcp.port:{web.port}"])
    ours = [(p.sport, p.flags, p.payload_length, p.raw[20:]) for p in seen.packets()]
    theirs = [
        (int(row["tcp.srcport"]), int(row["tcp.flags"], 16), int(row["tcp.len"]), bytes.fromhex(row["tcp.options"]))
        for row in rows
    ]
    assert ours == theirs
    assert "88b5" not in tshark_text(seen.path).lower()


def test_the_link_goes_down_meanwhile(lab: Lab, tmp_path: Path) -> None:
    web = start_web_server(lab.server)
    with capture(lab.client, tmp_path / "x.pcap") as seen:
        download(lab.client, web, 10)
        lab.server.link_down()
        lab.server.link_up()
        download(lab.client, web, 10)
    assert sum(packet.flags == Flags.SYN for packet in seen.packets()) == 2


def test_a_filter_that_is_wrong(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"tcpdump on client does not start: (.|\n)*syntax error"):
        capture(lab.client, tmp_path / "x.pcap", "tcp and and").__enter__()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"tshark cannot read x\.pcap"):
        tshark_fields(tmp_path / "x.pcap", ["tcp.port"])
