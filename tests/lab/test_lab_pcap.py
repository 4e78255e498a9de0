"""Reading captures that were put together by hand."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optdsl.lab.pcap import Flags, Option, parse_options, read_packets, without_ethertype

EXPERIMENT = b"\xfd\x06\x44\x41\x02\x04"
OPTIONS = b"\x02\x04\x05\xb4" + EXPERIMENT + b"\x01\x01"
SYN_ACK = struct.pack(">HHIIBBH4x", 80, 40000, 7, 8, 0x80, 0x12, 512) + OPTIONS
IPV4 = bytes.fromhex("45000000000000004006 0000 c0000201 c0000202")
IPV6 = bytes.fromhex("60000000000006 40 20010db8000000000000000000000001 20010db8000000000000000000000002")


def ipv4(payload: bytes) -> bytes:
    return IPV4[:2] + (20 + len(payload)).to_bytes(2, "big") + IPV4[4:] + payload


def ipv6(payload: bytes, protocol: int = 6) -> bytes:
    return IPV6[:4] + len(payload).to_bytes(2, "big") + bytes([protocol]) + IPV6[7:] + payload


def ethernet(payload: bytes, ethertype: int = 0x0800) -> bytes:
    return bytes(12) + ethertype.to_bytes(2, "big") + payload


def pcap(*frames: bytes, order: str = "<", magic: int = 0xA1B2C3D4, link: int = 1, snap: int = 65535) -> bytes:
    records = [
        struct.pack(f"{order}IIII", 1, 500, min(len(frame), snap), len(frame)) + frame[:snap] for frame in frames
    ]
    return struct.pack(f"{order}IHHIIII", magic, 2, 4, 0, 0, snap, link) + b"".join(records)


def test_a_segment_with_options() -> None:
    (packet,) = read_packets(pcap(ethernet(ipv4(SYN_ACK + b"hello"))))
    assert (packet.src, packet.dst, packet.sport, packet.dport) == ("192.0.2.1", "192.0.2.2", 80, 40000)
    assert (packet.seq, packet.ack, packet.window, packet.payload_length) == (7, 8, 512, 5)
    assert packet.flags == Flags.SYN | Flags.ACK
    assert packet.options == (Option(2, b"\x05\xb4"), Option(253, b"\x44\x41\x02\x04"), Option(1, b""), Option(1, b""))
    assert not packet.malformed
    assert not packet.ipv6
    assert packet.time == 1.0005
    assert packet.raw == SYN_ACK


def test_options_are_found_by_kind_and_experiment() -> None:
    (packet,) = read_packets(pcap(ethernet(ipv4(SYN_ACK))))
    assert packet.option(2) == b"\x05\xb4"
    assert packet.option(253) == b"\x44\x41\x02\x04"
    assert packet.option(253, 0x4441) == b"\x02\x04"
    assert packet.option(253, 0x44410204) == b""
    assert packet.option(253, 0x4442) is None
    assert packet.option(254) is None
    with pytest.raises(ValueError, match="kind 2 has no experiment identifier"):
        packet.option(2, 0x4441)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "nanoseconds"), [(0xA1B2C3D4, 500_000), (0xA1B23C4D, 500)])
def test_byte_orders_and_time_units(order: str, magic: int, nanoseconds: int) -> None:
    (packet,) = read_packets(pcap(ethernet(ipv4(SYN_ACK)), order=order, magic=magic))
    assert packet.time_ns == 1_000_000_000 + nanoseconds


@pytest.mark.parametrize(("link", "header"), [(1, 14), (101, 0), (113, 16), (276, 20)])
def test_link_types(link: int, header: int) -> None:
    (packet,) = read_packets(pcap(bytes(header) + ipv4(SYN_ACK), link=link))
    assert packet.sport == 80


def test_ipv6_with_extension_headers() -> None:
    hop_by_hop = b"\x2c\x01" + bytes(14)
    first_fragment = b"\x06\x00\x00\x01" + bytes(4)
    (packet,) = read_packets(pcap(ethernet(ipv6(hop_by_hop + first_fragment + SYN_ACK + b"xyz", protocol=0), 0x86DD)))
    assert (packet.src, packet.dst, packet.ipv6) == ("2001:db8::1", "2001:db8::2", True)
    assert packet.payload_length == 3
    assert packet.option(253, 0x4441) == b"\x02\x04"


def test_the_payload_counts_even_if_it_was_not_captured() -> None:
    for frame in (ethernet(ipv4(SYN_ACK + bytes(1000))), ethernet(ipv6(SYN_ACK + bytes(1000)))):
        (packet,) = read_packets(pcap(frame, snap=96))
        assert packet.payload_length == 1000
        assert packet.option(253, 0x4441) == b"\x02\x04"


def test_an_offloaded_packet_without_a_length() -> None:
    frame = ethernet(IPV4 + SYN_ACK + bytes(70_000))
    (packet,) = read_packets(pcap(frame, snap=96))
    assert packet.payload_length == 70_000


def test_padding_of_short_frames_is_no_payload() -> None:
    (packet,) = read_packets(pcap(ethernet(ipv4(SYN_ACK) + bytes(6))))
    assert packet.payload_length == 0


def test_other_packets_are_passed_over() -> None:
    udp = IPV4[:9] + b"\x11" + IPV4[10:] + bytes(8)
    later_fragment = IPV4[:6] + b"\x00\x10" + IPV4[8:] + SYN_ACK
    arp = bytes(28)
    icmp6 = ipv6(bytes(8), protocol=58)
    short = ipv4(SYN_ACK[:10])
    assert read_packets(pcap(*(ethernet(frame) for frame in (udp, later_fragment, arp, icmp6, short, b"")))) == []


def test_a_cut_off_record_is_passed_over() -> None:
    whole = pcap(ethernet(ipv4(SYN_ACK)), ethernet(ipv4(SYN_ACK)))
    assert len(read_packets(whole[:-1])) == 1


@pytest.mark.parametrize("data", [b"", b"\x0a\x0d\x0d\x0a" + bytes(40)])
def test_other_formats(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a pcap file"):
        read_packets(data)


def test_other_link_types() -> None:
    with pytest.raises(ValueError, match="link type 105 is not known"):
        read_packets(pcap(link=105))


@pytest.mark.parametrize("data", [b"\x02", b"\x02\x01", b"\x02\x00", b"\x01\xfd\x06\x44"])
def test_malformed_options(data: bytes) -> None:
    assert not parse_options(data)[1]


def test_what_follows_the_end_is_padding() -> None:
    assert parse_options(b"\x01\x00\xff\xff") == ((Option(1, b""),), True)


@given(st.lists(st.tuples(st.integers(2, 255), st.binary(max_size=8))))
def test_options_are_read_as_they_were_written(options: list[tuple[int, bytes]]) -> None:
    data = b"".join(bytes([kind, len(content) + 2]) + content for kind, content in options)
    assert parse_options(data) == (tuple(Option(*option) for option in options), True)


@given(st.binary(max_size=60))
def test_no_packet_makes_the_reader_fail(data: bytes) -> None:
    read_packets(
        pcap(ethernet(data), ethernet(ipv4(data)), ethernet(ipv6(data, 0)), ethernet(ipv4(SYN_ACK[:12] + data)))
    )


def test_frames_of_a_type_are_removed() -> None:
    kept, removed = ethernet(ipv4(SYN_ACK)), ethernet(b"marker", 0x88B5)
    assert without_ethertype(pcap(kept, removed, kept, removed), 0x88B5) == pcap(kept, kept)
