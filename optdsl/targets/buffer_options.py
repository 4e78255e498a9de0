"""Attributes of a socket's buffers and of the packets it sends, behind `bpf_setsockopt()`; see `socket_options`."""

from __future__ import annotations

from optdsl.targets import options
from optdsl.targets.attribute import Attribute, Bounds, Read, Write
from optdsl.targets.version import V5_10, V5_15, V6_1
from optdsl.targets.vocabulary import Unit

_SOCK = "net/core/sock.c"
_TCP = "net/ipv4/tcp.c"

_INT_MAX = 2**31 - 1
_U32 = Bounds(0, 2**32 - 1)
_U8 = Bounds(0, 255)

BUFFER_OPTIONS = (
    Attribute(
        "socket.rcvbuf",
        Unit.SIZE,
        "Size of the receive buffer; setting it ends automatic tuning.",
        _SOCK,
        # The kernel doubles it into an int, so INT_MAX / 2 is the largest that counts.
        write=Write(V5_10, options.RCVBUF, Bounds(0, _INT_MAX // 2)),
        note="Held between SOCK_MIN_RCVBUF and sysctl net.core.rmem_max, then doubled for the kernel's own use.",
    ),
    Attribute(
        "socket.sndbuf",
        Unit.SIZE,
        "Size of the send buffer; setting it ends automatic tuning.",
        _SOCK,
        write=Write(V5_10, options.SNDBUF, Bounds(0, _INT_MAX // 2)),
        note="Held between SOCK_MIN_SNDBUF and sysctl net.core.wmem_max, then doubled for the kernel's own use.",
    ),
    Attribute(
        "socket.rcvlowat",
        Unit.SIZE,
        "Received bytes below which the socket is not readable.",
        _TCP,
        read=Read(V6_1, options.RCVLOWAT, Bounds(0, _INT_MAX)),
        write=Write(V5_10, options.RCVLOWAT, Bounds(1, _INT_MAX)),
        note="Since 6.1 at most half of the receive buffer.",
    ),
    Attribute(
        "socket.window_clamp",
        Unit.SIZE,
        "Upper limit of the receive window.",
        _TCP,
        # 5.11.
        read=Read(V6_1, options.WINDOW_CLAMP, _U32),
        write=Write(V5_15, options.WINDOW_CLAMP, Bounds(1, _INT_MAX)),
        note="At least half of SOCK_MIN_RCVBUF, about 1KiB; what is smaller counts as that.",
    ),
    Attribute(
        "socket.priority",
        Unit.NUMBER,
        "Priority of the packets in queueing disciplines (skb->priority).",
        _SOCK,
        read=Read(V5_15, options.PRIORITY, _U32),
        write=Write(V5_10, options.PRIORITY, _U32),
    ),
    Attribute(
        "socket.mark",
        Unit.NUMBER,
        "Mark of the packets for routing and filtering (skb->mark).",
        _SOCK,
        read=Read(V5_15, options.MARK, _U32),
        write=Write(V5_10, options.MARK, _U32),
        note="Changing it looks the route up again.",
    ),
    Attribute(
        "socket.tos",
        Unit.NUMBER,
        "Type of service (IPv4) or traffic class (IPv6): DSCP in the upper six bits.",
        "net/ipv4/ip_sockglue.c, net/ipv6/ipv6_sockglue.c",
        read=Read(V5_10, options.TOS, _U8),
        write=Write(V5_10, options.TOS, _U8),
        note="Since 6.1 the kernel keeps the two ECN bits, and IPv4 sets socket.priority from it as well. "
        "IPv4 peers of a dual-stack socket are not reached.",
    ),
)
