"""The raw client: what it is told to send arrives byte for byte, and the kernel's own stack takes it for a peer."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from optdsl.lab.capture import capture, tshark_fields
from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Lab, two_hosts
from optdsl.lab.pcap import Flags
from optdsl.lab.remote import RemotePeer
from peer import kernel_selftest, scenario
from peer.option import EXPERIMENTAL, NOTHING, Option
from peer.raw_peer import DEFAULT_SYN, checksum, ip_packet, raw_client, tcp_header
from peer.selftest_side import ProgramError, SelftestSide


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with two_hosts() as made:
        yield made


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> SelftestSide:
    return SelftestSide(kernel_selftest.compiled(tmp_path_factory.mktemp("selftest")))


def test_the_checksum_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001 f203 f4f5 f6f7")) == 0xFFFF ^ 0xDDF2
    assert checksum(b"\x01") == 0xFEFF
    assert checksum(b"") == 0xFFFF


def test_a_header() -> None:
    header = tcp_header((1, 2), Flags.SYN, 3, 4, b"\xfe\x05\xeb\x9f\x01")
    assert header == bytes.fromhex("0001 0002 00000003 00000004 7002 ffff 0000 0000 fe05eb9f01 000000")
    assert len(tcp_header((1, 2), Flags.ACK, 0, 0, bytes(40))) == 60
    with pytest.raises(ValueError, match="44 bytes of options"):
        tcp_header((1, 2), Flags.ACK, 0, 0, bytes(41))


def test_a_packet_checks_itself() -> None:
    header = tcp_header((1, 2), Flags.ACK, 0, 0, b"")
    packet = ip_packet("192.0.2.1", "192.0.2.2", header, b"odd")
    assert checksum(packet[:20]) == 0
    assert int.from_bytes(packet[2:4], "big") == len(packet) == 43
    assert checksum(packet[12:20] + bytes([0, 6, 0, 23]) + packet[20:]) == 0


@pytest.mark.kernel
@pytest.mark.parametrize("ipv6", [False, True], ids=["IPv4", "IPv6"])
def test_a_connection(lab: Lab, tmp_path: Path, ipv6: bool) -> None:
    server = RemotePeer(lab.server)
    listener = server.listen(ipv6=ipv6)
    syn, ack, data = DEFAULT_SYN + b"\xfd\x04AB", b"\xfe\x05\xeb\x9f\x01", b"\x01\x1e\x06xyz"
    with capture(lab.server, tmp_path / "raw.pcap") as seen, raw_client(lab, ipv6=ipv6) as client:
        connection = client.connect(listener.port, syn=syn, ack=ack)
        accepted = server.accept(listener)
        answer = connection.exchange(b"hello", options=data)
        assert answer is not None
        assert answer.ack == connection.next_to_send
        assert accepted.receive(5).count == 5
        accepted.send(3)
        reply = connection.receive()
        assert reply is not None
        assert reply.payload_length == 3
        connection.send(flags=Flags.FIN | Flags.ACK)
        assert accepted.receive(1).finished
        connection.reset()
    sent = [packet for packet in seen.packets() if packet.src == client.address]
    assert [packet.flags for packet in sent[:3]] == [Flags.SYN, Flags.ACK, Flags.PSH | Flags.ACK]
    assert [packet.raw[20:] for packet in sent[:3]] == [syn, ack + bytes(3), data + bytes(2)]
    # The client's own kernel takes no part: the one RST is ours.
    assert [packet.flags & Flags.RST for packet in sent].count(Flags.RST) == 1
    checked = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    rows = tshark_fields(seen.path, ["tcp.checksum.status"], f"tcp.dstport == {listener.port}", checked)
    assert {row["tcp.checksum.status"] for row in rows} == {"1"}


@pytest.mark.kernel
def test_nobody_listens(lab: Lab) -> None:
    with raw_client(lab) as client, pytest.raises(LabError, match=r"no SYN-ACK from .* port 9,.*RST"):
        client.open(9)


@pytest.mark.kernel
def test_nothing_is_left(lab: Lab) -> None:
    def routes() -> list[str]:
        return [host.run(["ip", family, "route"]).stdout for host in lab.hosts for family in ("-4", "-6")]

    before = routes()
    with raw_client(lab), raw_client(lab, ipv6=True):
        assert routes() != before
    assert routes() == before


@pytest.mark.kernel
@pytest.mark.parametrize("ipv6", [False, True], ids=["IPv4", "IPv6"])
def test_a_peer_of_the_selftest_program(lab: Lab, side: SelftestSide, ipv6: bool) -> None:
    server = RemotePeer(lab.server)
    option, fin = Option.of(max_delack_ms=5, rand=1), Option.of(rand=2)
    with side.attach(lab.server, scenario.ALL) as results, raw_client(lab, ipv6=ipv6) as client:
        listener = server.listen(ipv6=ipv6)  # the program must see it begin
        connection = client.connect(listener.port, syn=DEFAULT_SYN + EXPERIMENTAL.encode(option))
        accepted = server.accept(listener)
        assert EXPERIMENTAL.find(connection.syn_ack) == scenario.ALL.sends.synack
        connection.send(options=EXPERIMENTAL.encode(fin), flags=Flags.FIN | Flags.ACK)
        assert accepted.receive(1).finished
        read = results()
        connection.reset()
    assert (read.passive_estab_in, read.passive_fin_in, read.errors) == (option, fin, {})


@pytest.mark.kernel
@pytest.mark.parametrize(
    "bad",
    [b"\xfe\x01", b"\xfe\x00", b"\xfe\x06\xeb", b"\xb9\xff\x00\x00", b"\x01\x01\x01\xfe"],
    ids=["length 1", "length 0", "cut off", "too long", "no length"],
)
def test_malformed_options(lab: Lab, side: SelftestSide, bad: bytes) -> None:
    """TCP passes over what follows; a program that looks for its option gets EFAULT, and this one then gives up."""
    server = RemotePeer(lab.server)
    with side.attach(lab.server, scenario.SIMPLE) as results, raw_client(lab) as client:
        listener = server.listen()
        connection = client.connect(listener.port, syn=DEFAULT_SYN + bad, ack=bad)
        accepted = server.accept(listener)
        assert EXPERIMENTAL.find(connection.syn_ack) == NOTHING
        assert connection.exchange(b"hello", options=bad) is not None
        assert accepted.receive(5).count == 5
        read = results()
        connection.reset()
    assert read.passive_estab_in == NOTHING
    (error,) = read.errors.values()
    assert error == ProgramError(error.line, -errno.EFAULT)


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("option", "read", "error"),
    [
        ("fe05eb9f06", Option(flags=6), None),
        ("fe06eb9f060b", Option(flags=6, max_delack_ms=11), None),
        ("fe05eb9f08", Option(flags=8), None),
        ("fe09eb9f060bfa0000", NOTHING, errno.ENOSPC),
    ],
    ids=["no values", "no rand", "unknown flag", "too long"],
)
def test_lengths_that_the_flags_do_not_announce(
    lab: Lab, side: SelftestSide, option: str, read: Option, error: int | None
) -> None:
    """The program takes missing bytes for zero and ignores other flags, but gives up on more than eight bytes."""
    with side.attach(lab.server, scenario.SIMPLE) as results, raw_client(lab) as client:
        listener = RemotePeer(lab.server).listen()
        connection = client.connect(listener.port, syn=DEFAULT_SYN + bytes.fromhex(option))
        found = results()
        connection.reset()
    assert found.passive_estab_in == read
    assert [given.error for given in found.errors.values()] == ([] if error is None else [-error])
    assert EXPERIMENTAL.find(connection.syn_ack) == (NOTHING if error else scenario.SIMPLE.sends.synack)
