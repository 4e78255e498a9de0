"""Reading captures: the pcap file format, and of IP packets the TCP segments with their options.

A small reader of our own, so that tests see every byte of an option as it was on the wire. Sources: pcap-savefile(5),
RFC 791, RFC 8200 and RFC 9293 section 3.1; link types as listed by tcpdump.org.
"""

import ipaddress
import struct
from collections.abc import Iterator
from enum import IntFlag
from typing import Final, NamedTuple

from optdsl.record import record

_MAGICS: Final = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}
"""Magic number to nanoseconds per unit of the second time stamp word."""
_LINK_HEADERS: Final = {1: 14, 12: 0, 14: 0, 101: 0, 113: 16, 276: 20}
"""Link type to length of its header: Ethernet, raw IP (three numbers), Linux cooked version 1 and 2."""
_IPV6_OPTIONS: Final = {0, 43, 60}
"""IPv6 extension headers of variable length: hop-by-hop options, routing, destination options."""
_IPV6_FRAGMENT: Final = 44
_TCP: Final = 6
_END_OF_OPTIONS: Final = 0
_NO_OPERATION: Final = 1
_EXPERIMENTS: Final = (253, 254)


class Flags(IntFlag):
    """The control bits of a TCP header."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    URG = 0x20
    ECE = 0x40
    CWR = 0x80


class Option(NamedTuple):
    """A TCP option: its kind and what follows kind and length; a no-operation has no data."""

    kind: int
    data: bytes


@record
class Packet:
    """A TCP segment as it was captured. Segmentation offload shows several segments of one connection as a long one."""

    time_ns: int
    """Nanoseconds since 1970."""
    src: str
    dst: str
    sport: int
    dport: int
    flags: Flags
    seq: int
    ack: int
    window: int
    """As in the header, before scaling."""
    payload_length: int
    options: tuple[Option, ...]
    malformed: bool
    """True if the options do not add up to the header's length."""
    raw: bytes
    """The TCP header with its options."""

    @property
    def time(self) -> float:
        """Seconds since 1970."""
        return self.time_ns / 1e9

    @property
    def ipv6(self) -> bool:
        """True for IPv6."""
        return ":" in self.src

    def option(self, kind: int, exid: int | None = None) -> bytes | None:
        """The data of the first option of a kind; None if there is none.

        For a shared experimental option (kinds 253 and 254, RFC 6994) `exid` is its identifier of 16 bits, or of 32
        bits if it is larger than that; it is not part of the data that is returned.
        """
        prefix = b"" if exid is None else exid.to_bytes(2 if exid <= 0xFFFF else 4, "big")
        if prefix and kind not in _EXPERIMENTS:
            raise ValueError(f"kind {kind} has no experiment identifier")
        matching = (o.data[len(prefix) :] for o in self.options if o.kind == kind and o.data.startswith(prefix))
        return next(matching, None)


class _Record(NamedTuple):
    start: int
    """Offset of the record in the file."""
    time_ns: int
    data: bytes
    length: int
    """On the wire; `data` may be shorter."""


def read_packets(data: bytes) -> list[Packet]:
    """The TCP segments of a pcap file, in order; other packets are passed over.

    A record that is cut off at the end of the file is passed over too. Raises ValueError for other formats (pcapng) and
    for link types that are not known.
    """
    _, link_type, _ = _header(data)
    if link_type not in _LINK_HEADERS:
        raise ValueError(f"link type {link_type} is not known")
    skip = _LINK_HEADERS[link_type]
    packets = (_ip_packet(record.time_ns, record.data[skip:], record.length - skip) for record in _records(data))
    return [packet for packet in packets if packet is not None]


def without_ethertype(data: bytes, ethertype: int) -> bytes:
    """A copy of an Ethernet pcap file without the frames of one type."""
    mark = ethertype.to_bytes(2, "big")
    kept = [data[r.start : r.start + 16] + r.data for r in _records(data) if r.data[12:14] != mark]
    return data[:24] + b"".join(kept)


def parse_options(data: bytes) -> tuple[tuple[Option, ...], bool]:
    """The options of a TCP header, and whether they are well formed. What follows an end-of-options kind is padding."""
    options = []
    position = 0
    while position < len(data):
        kind = data[position]
        if kind == _END_OF_OPTIONS:
            break
        if kind == _NO_OPERATION:
            options.append(Option(kind, b""))
            position += 1
            continue
        length = data[position + 1] if position + 1 < len(data) else 0
        if length < 2 or position + length > len(data):
            return tuple(options), False
        options.append(Option(kind, data[position + 2 : position + length]))
        position += length
    return tuple(options), True


def _header(data: bytes) -> tuple[str, int, int]:
    """Byte order, link type and nanoseconds per unit of a pcap file."""
    if len(data) >= 24:
        for order in "<>":
            (magic,) = struct.unpack_from(f"{order}I", data)
            if magic in _MAGICS:
                (link_type,) = struct.unpack_from(f"{order}I", data, 20)
                return order, link_type & 0xFFFF, _MAGICS[magic]
    raise ValueError("not a pcap file")


def _records(data: bytes) -> Iterator[_Record]:
    order, _, unit = _header(data)
    position = 24
    while position + 16 <= len(data):
        seconds, fraction, captured, length = struct.unpack_from(f"{order}IIII", data, position)
        content = data[position + 16 : position + 16 + captured]
        if len(content) < captured:
            return
        yield _Record(position, seconds * 1_000_000_000 + fraction * unit, content, length)
        position += 16 + captured


def _ip_packet(time_ns: int, data: bytes, wire_length: int) -> Packet | None:
    # An offloaded packet of 64 KiB or more says 0 where its length should be: it goes to the end of the frame.
    match data[0] >> 4 if data else 0:
        case 4 if len(data) >= 20:
            header = (data[0] & 15) * 4
            end = int.from_bytes(data[2:4], "big") or wire_length
            is_first = not int.from_bytes(data[6:8], "big") & 0x1FFF
            if data[9] != _TCP or not is_first:
                return None
            return _segment(time_ns, data[12:16], data[16:20], data[header:end], end - header)
        case 6 if len(data) >= 40:
            end = 40 + (int.from_bytes(data[4:6], "big") or wire_length - 40)
            start = _ipv6_header_length(data)
            if start is None:
                return None
            return _segment(time_ns, data[8:24], data[24:40], data[start:end], end - start)
        case _:
            return None


def _ipv6_header_length(data: bytes) -> int | None:
    """Where TCP begins behind the extension headers of an IPv6 packet; None if it carries something else."""
    protocol, position = data[6], 40
    while protocol != _TCP:
        extension = data[position : position + 8]
        if protocol in _IPV6_OPTIONS and len(extension) == 8:
            position += 8 + 8 * extension[1]
        elif protocol == _IPV6_FRAGMENT and len(extension) == 8 and not int.from_bytes(extension[2:4], "big") & 0xFFF8:
            position += 8
        else:
            return None
        protocol = extension[0]
    return position


def _segment(time_ns: int, src: bytes, dst: bytes, data: bytes, length: int) -> Packet | None:
    if len(data) < 20:
        return None
    sport, dport, seq, ack, offset, flags, window = struct.unpack_from(">HHIIBBH", data)
    header_length = (offset >> 4) * 4
    options, well_formed = parse_options(data[20:header_length])
    return Packet(
        time_ns=time_ns,
        src=str(ipaddress.ip_address(src)),
        dst=str(ipaddress.ip_address(dst)),
        sport=sport,
        dport=dport,
        flags=Flags(flags),
        seq=seq,
        ack=ack,
        window=window,
        payload_length=max(0, length - header_length),
        options=options,
        malformed=not well_formed or header_length < 20,
        raw=data[:header_length],
    )
