"""Which packets must carry an option, told from a capture at the side that sends them.

This is a second, independent reading of `until acked` in the language reference: the option is on every packet of the
classes named until a data segment that carried it is acknowledged; on packets without data a limited number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from optdsl.lab.pcap import Flags, Packet

DEFAULT_LIMIT = 16
"""Packets without data that carry an option, unless `settings.until_acked_packets` says otherwise."""
_HALF = 1 << 31


def is_data(packet: Packet) -> bool:
    """Class `data`: a segment with a payload."""
    return packet.payload_length > 0


def is_ack_or_data(packet: Packet) -> bool:
    """Classes `ack` and `data`: neither SYN nor RST, and no FIN without a payload."""
    return is_data(packet) or not packet.flags & (Flags.SYN | Flags.RST | Flags.FIN)


def first_of(packets: Sequence[Packet], port: int, count: int = 3) -> list[Packet]:
    """The first packets of one side; of a client they are the SYN, the ACK that ends the handshake, and a request."""
    return [packet for packet in packets if packet.sport == port][:count]


def until_acked(
    packets: Sequence[Packet], port: int, sends: Callable[[Packet], bool], limit: int = DEFAULT_LIMIT
) -> Iterator[tuple[Packet, bool]]:
    """For each packet of the side with that port, whether it must carry the option.

    `packets` are all of a connection, as captured at that side; `sends` tells the packets of the classes named.
    """
    first_carrier: int | None = None
    acked, repeats = False, 0
    for packet in packets:
        if packet.sport != port:
            if first_carrier is not None and 0 < (packet.ack - first_carrier) % (2 * _HALF) < _HALF:
                acked = True
            continue
        carries = sends(packet) and not acked and (is_data(packet) or repeats < limit)
        if carries and is_data(packet) and first_carrier is None:
            first_carrier = packet.seq
        repeats += carries and not is_data(packet)
        yield packet, carries
