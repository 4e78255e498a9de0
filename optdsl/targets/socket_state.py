"""Attributes that stand in the context of a sock_ops program (`struct bpf_sock_ops`), all readable since 5.10.

The loads are rewritten by `sock_ops_convert_ctx_access()` in `net/core/filter.c`; the fields of `struct tcp_sock` read
as zero without a full socket, addresses, ports, family and state are there for request sockets too.
"""

from __future__ import annotations

from optdsl.targets.attribute import Attribute, Bounds, ByteOrder, ContextAddress, ContextField, Read
from optdsl.targets.sockops import AF_INET6, TcpState
from optdsl.targets.version import BASELINE
from optdsl.targets.vocabulary import Unit

_UAPI = "include/uapi/linux/bpf.h"
_TCP_SOCK = "include/linux/tcp.h"

_U16 = Bounds(0, 2**16 - 1)
_U32 = Bounds(0, 2**32 - 1)
_U64 = Bounds(0, 2**64 - 1)
_U128 = Bounds(0, 2**128 - 1)
_BOOL = Bounds(0, 1)


def _field(how: ContextField | ContextAddress, bounds: Bounds) -> Read:
    return Read(BASELINE, how, bounds)


def _count(path: str, field: str, doc: str) -> Attribute:
    """A 32-bit counter of segments in `struct tcp_sock`; it wraps around."""
    return Attribute(path, Unit.SEGMENTS, doc, _TCP_SOCK, read=_field(ContextField(field), _U32))


_TIMING = (
    Attribute(
        "socket.srtt",
        Unit.DURATION,
        "Smoothed round-trip time (RFC 6298).",
        _TCP_SOCK,
        # The kernel keeps eight times the value in 32 bits.
        read=_field(ContextField("srtt_us", shift=3), Bounds(0, (2**32 - 1) >> 3)),
        note="0 until the first sample.",
    ),
    Attribute(
        "socket.min_rtt",
        Unit.DURATION,
        "Smallest round-trip time of the last five minutes (sysctl net.ipv4.tcp_min_rtt_wlen).",
        "net/ipv4/tcp_input.c",
        # tcp_update_rtt_min() never stores 0; minmax_reset(~0U) marks a socket without a sample.
        read=_field(ContextField("rtt_min"), Bounds(1, 2**32 - 1)),
        note="4294967295us until the first sample.",
    ),
)

_CONGESTION = (
    Attribute(
        "socket.cwnd",
        Unit.SEGMENTS,
        "Congestion window.",
        "include/net/tcp.h",
        # tcp_snd_cwnd_set() warns about anything but a positive int.
        read=_field(ContextField("snd_cwnd"), Bounds(1, 2**31 - 1)),
        note="Assign socket.initial_window or socket.cwnd_clamp to change it.",
    ),
    Attribute(
        "socket.ssthresh",
        Unit.SEGMENTS,
        "Slow-start threshold.",
        _TCP_SOCK,
        read=_field(ContextField("snd_ssthresh"), _U32),
        note="2147483647mss (TCP_INFINITE_SSTHRESH) before the first loss.",
    ),
    Attribute(
        "socket.mss",
        Unit.SEGMENT_SIZE,
        "Bytes of data in a full segment, without TCP options.",
        "net/ipv4/tcp_output.c",
        # tcp_mtu_to_mss(): at least 48 (TCP_MIN_SND_MSS) less at most 40 of options; at most the 16-bit mss_clamp.
        read=_field(ContextField("mss_cache"), Bounds(8, 2**16 - 1)),
        note="536B until the path is known.",
    ),
    Attribute(
        "socket.ecn",
        Unit.BOOL,
        "Whether the connection uses Explicit Congestion Notification (RFC 3168).",
        "include/net/tcp.h",
        # TCP_ECN_OK (in 6.18 TCP_ECN_MODE_RFC3168) is bit 0, the others tell what is pending.
        read=_field(ContextField("ecn_flags", mask=0x01), _BOOL),
        note="On a client between SYN and SYN-ACK: whether it was asked for.",
    ),
)

_COUNTERS = (
    _count("socket.packets_out", "packets_out", "Segments in flight: sent and not cumulatively acknowledged."),
    _count("socket.retrans_out", "retrans_out", "Retransmitted segments in flight."),
    _count("socket.lost_out", "lost_out", "Segments in flight that are taken for lost."),
    _count("socket.sacked_out", "sacked_out", "Segments in flight that arrived out of order (SACK)."),
    _count("socket.total_retrans", "total_retrans", "Segments retransmitted so far."),
    _count("socket.segs_in", "segs_in", "Segments received so far (RFC 4898, tcpEStatsPerfSegsIn)."),
    _count("socket.segs_out", "segs_out", "Segments sent so far (RFC 4898, tcpEStatsPerfSegsOut)."),
    _count("socket.data_segs_in", "data_segs_in", "Segments with data received so far."),
    _count("socket.data_segs_out", "data_segs_out", "Segments with data sent so far."),
    Attribute(
        "socket.bytes_received",
        Unit.SIZE,
        "Bytes received in order so far (RFC 4898, tcpEStatsAppHCThruOctetsReceived).",
        _TCP_SOCK,
        read=_field(ContextField("bytes_received"), _U64),
    ),
    Attribute(
        "socket.bytes_acked",
        Unit.SIZE,
        "Bytes sent and acknowledged so far (RFC 4898, tcpEStatsAppHCThruOctetsAcked).",
        _TCP_SOCK,
        read=_field(ContextField("bytes_acked"), _U64),
    ),
)

_IDENTITY = (
    Attribute(
        "socket.state",
        Unit.NUMBER,
        "State of the connection (BPF_TCP_*: 1 established, 2 SYN sent, 7 closed, 10 listening).",
        _UAPI,
        read=_field(ContextField("state"), Bounds(TcpState.ESTABLISHED, TcpState.NEW_SYN_RECV)),
        needs_full_socket=False,
    ),
    Attribute(
        "socket.ipv6",
        Unit.BOOL,
        "Whether the socket is an IPv6 socket.",
        _UAPI,
        read=_field(ContextField("family", equals=AF_INET6), _BOOL),
        note="True for IPv4 peers of a dual-stack socket too; their address is IPv4-mapped.",
        needs_full_socket=False,
    ),
    Attribute(
        "socket.local.port",
        Unit.NUMBER,
        "Own port.",
        _UAPI,
        read=_field(ContextField("local_port"), _U16),
        needs_full_socket=False,
    ),
    Attribute(
        "socket.peer.port",
        Unit.NUMBER,
        "Peer's port.",
        _UAPI,
        # Network order in 32 bits: the conversion shifts the 16-bit port up on little-endian machines.
        read=_field(ContextField("remote_port", byte_order=ByteOrder.NETWORK), _U16),
        needs_full_socket=False,
    ),
)

_ADDRESSES = (
    Attribute(
        "socket.local.address",
        Unit.ADDRESS,
        "Own address; IPv4 in its IPv4-mapped form.",
        _UAPI,
        read=_field(ContextAddress("local_ip4", "local_ip6"), _U128),
        needs_full_socket=False,
    ),
    Attribute(
        "socket.peer.address",
        Unit.ADDRESS,
        "Peer's address; IPv4 in its IPv4-mapped form.",
        _UAPI,
        read=_field(ContextAddress("remote_ip4", "remote_ip6"), _U128),
        needs_full_socket=False,
    ),
    Attribute(
        "socket.local.ip4",
        Unit.IP4,
        "Own IPv4 address.",
        _UAPI,
        read=_field(ContextField("local_ip4", byte_order=ByteOrder.NETWORK), _U32),
        note="Without meaning on an IPv6 connection: the kernel keeps 127.0.0.6 or 0.0.0.0 there.",
        needs_full_socket=False,
    ),
    Attribute(
        "socket.peer.ip4",
        Unit.IP4,
        "Peer's IPv4 address.",
        _UAPI,
        read=_field(ContextField("remote_ip4", byte_order=ByteOrder.NETWORK), _U32),
        note="Without meaning on an IPv6 connection: the kernel keeps 127.0.0.6 or 0.0.0.0 there.",
        needs_full_socket=False,
    ),
)

SOCKET_STATE = _TIMING + _CONGESTION + _COUNTERS + _IDENTITY + _ADDRESSES
