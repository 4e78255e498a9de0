"""Attributes behind `bpf_setsockopt()` and `bpf_getsockopt()`; both helpers need a full socket.

Which options a program may use is decided in `net/core/filter.c` (5.10, 5.15: `_bpf_setsockopt`, `_bpf_getsockopt`;
since 6.1 `sol_tcp_sockopt`, `sol_socket_sockopt`, `sol_ip_sockopt`, `sol_ipv6_sockopt`), the ranges there or in
`do_tcp_setsockopt` (`net/ipv4/tcp.c`), `sk_setsockopt` (`net/core/sock.c`), `do_ip_setsockopt`, `do_ipv6_setsockopt`.
"""

from __future__ import annotations

from optdsl.targets import options
from optdsl.targets.attribute import Attribute, Bounds, Read, Write
from optdsl.targets.options import BITS_PER_BYTE, MILLISECOND, SECOND
from optdsl.targets.version import V5_10, V6_1, V6_18
from optdsl.targets.vocabulary import Unit

_FILTER = "net/core/filter.c"
_TCP = "net/ipv4/tcp.c"
_SOCK = "net/core/sock.c"

_INT_MAX = 2**31 - 1
_U32_MAX = 2**32 - 1

_BOOL = Bounds(0, 1)
_U32 = Bounds(0, _U32_MAX)
_POSITIVE_INT = Bounds(1, _INT_MAX)
# MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL of include/net/tcp.h: 32767 seconds.
_KEEPALIVE_TIME = Bounds(SECOND, 32_767 * SECOND)
# MAX_TCP_KEEPCNT and MAX_TCP_SYNCNT.
_PROBES = Bounds(1, 127)
# TCP_TIMEOUT_MIN (two jiffies, 2 ms at the usual highest CONFIG_HZ of 1000) to TCP_DELACK_MAX = TCP_RTO_MIN (HZ/5).
_TIMER = Bounds(2 * MILLISECOND, 200 * MILLISECOND)
# What TCP_BPF_RTO_MIN and TCP_BPF_DELACK_MAX can return; the sysctl and the route may have set other values.
_ANY_TIMER = Bounds(0, _INT_MAX)
_TWO_JIFFIES = (
    "The kernel counts in jiffies, rounds up and refuses less than two: "
    "2ms with CONFIG_HZ=1000, more than 4ms with 250, more than 10ms with 100."
)

_SENDING = (
    Attribute(
        "socket.congestion",
        Unit.TEXT,
        "Name of the congestion-control algorithm.",
        "net/ipv4/tcp_cong.c",
        # TCP_CA_NAME_MAX is 16 with the terminating NUL.
        read=Read(V5_10, options.CONGESTION, Bounds(0, 15)),
        write=Write(V5_10, options.CONGESTION, Bounds(1, 15)),
        note='The algorithm must be loaded already; "cdg" is refused. Longer names are cut off.',
    ),
    Attribute(
        "socket.initial_window",
        Unit.SEGMENTS,
        "Congestion window to start with.",
        _FILTER,
        write=Write(V5_10, options.BPF_IW, _POSITIVE_INT),
        note="Refused once a segment with data has been sent (data of a Fast Open SYN aside).",
    ),
    Attribute(
        "socket.cwnd_clamp",
        Unit.SEGMENTS,
        "Upper limit of the congestion window.",
        _FILTER,
        write=Write(V5_10, options.BPF_SNDCWND_CLAMP, _POSITIVE_INT),
        note="Also becomes the slow-start threshold. A larger window shrinks when the next ACKs arrive.",
    ),
    Attribute(
        "socket.max_pacing_rate",
        Unit.RATE,
        "Upper limit of the sending rate.",
        _SOCK,
        read=Read(V6_1, options.MAX_PACING_RATE, Bounds(0, _U32_MAX * BITS_PER_BYTE)),
        write=Write(
            V5_10,
            options.MAX_PACING_RATE,
            # A rate of 0 paces nothing (tcp_update_skb_after_send), so the smallest limit is a byte per second.
            Bounds(BITS_PER_BYTE, _U32_MAX * BITS_PER_BYTE),
        ),
        note="Whole bytes per second, rounded down; the largest value lifts the limit, and so does 0.",
    ),
    Attribute(
        "socket.notsent_lowat",
        Unit.SIZE,
        "Unsent bytes above which the socket is not writable.",
        _TCP,
        read=Read(V6_1, options.NOTSENT_LOWAT, _U32),
        write=Write(V5_10, options.NOTSENT_LOWAT, _U32),
        note="0B means the default of sysctl net.ipv4.tcp_notsent_lowat.",
    ),
    Attribute(
        "socket.nodelay",
        Unit.BOOL,
        "Whether small segments are sent at once (no Nagle algorithm).",
        _TCP,
        read=Read(V6_1, options.NODELAY, _BOOL),
        write=Write(V6_1, options.NODELAY, _BOOL),
        note="Any number but 0 means true. Setting it pushes what is queued.",
    ),
    Attribute(
        "socket.maxseg",
        Unit.SEGMENT_SIZE,
        "Upper limit of the MSS, for the handshake to come.",
        _TCP,
        # TCP_MIN_MSS and MAX_TCP_WINDOW of include/net/tcp.h.
        write=Write(V6_1, options.MAXSEG, Bounds(88, 32_767)),
        note="Assign it on connect or listen: an established connection keeps its MSS. 0 would lift the limit.",
    ),
)

_TIMERS = (
    Attribute(
        "socket.delack_max",
        Unit.DURATION,
        "Longest time an acknowledgement is delayed.",
        _FILTER,
        read=Read(V6_18, options.BPF_DELACK_MAX, _ANY_TIMER),
        write=Write(V5_10, options.BPF_DELACK_MAX, _TIMER, minimum_jiffies=2),
        note=_TWO_JIFFIES,
    ),
    Attribute(
        "socket.rto_min",
        Unit.DURATION,
        "Shortest retransmission timeout.",
        _FILTER,
        read=Read(V6_18, options.BPF_RTO_MIN, _ANY_TIMER),
        write=Write(V5_10, options.BPF_RTO_MIN, _TIMER, minimum_jiffies=2),
        note=_TWO_JIFFIES,
    ),
    Attribute(
        "socket.rto_max",
        Unit.DURATION,
        "Longest retransmission timeout.",
        _TCP,
        # TCP_RTO_MAX_SEC; the option came with 6.15.
        read=Read(V6_18, options.RTO_MAX_MS, Bounds(0, _INT_MAX * MILLISECOND)),
        write=Write(V6_18, options.RTO_MAX_MS, Bounds(SECOND, 120 * SECOND)),
        note="Whole milliseconds, rounded up.",
    ),
    Attribute(
        "socket.user_timeout",
        Unit.DURATION,
        "How long sent data may stay unacknowledged before the connection is given up (RFC 5482).",
        _TCP,
        read=Read(V6_1, options.USER_TIMEOUT, Bounds(0, _INT_MAX * MILLISECOND)),
        write=Write(V5_10, options.USER_TIMEOUT, Bounds(0, _INT_MAX * MILLISECOND)),
        note="Whole milliseconds, rounded up; 0 means the system's default.",
    ),
    Attribute(
        "socket.syn_retries",
        Unit.NUMBER,
        "Retransmissions of the SYN before connecting fails.",
        _TCP,
        # Reading gives sysctl net.ipv4.tcp_syn_retries (0..=127) where the option is not set.
        read=Read(V6_1, options.SYNCNT, Bounds(0, 127)),
        write=Write(V5_10, options.SYNCNT, _PROBES),
    ),
    Attribute(
        "socket.thin_linear_timeouts",
        Unit.BOOL,
        "Whether a connection with few segments in flight retries without exponential backoff.",
        _TCP,
        read=Read(V6_1, options.THIN_LINEAR_TIMEOUTS, _BOOL),
        write=Write(V6_1, options.THIN_LINEAR_TIMEOUTS, _BOOL),
    ),
)

_KEEPALIVE = (
    Attribute(
        "socket.keepalive",
        Unit.BOOL,
        "Whether an idle connection is probed (RFC 9293, section 3.8.4).",
        _SOCK,
        read=Read(V6_1, options.KEEPALIVE, _BOOL),
        write=Write(V5_10, options.KEEPALIVE, _BOOL),
        note="Any number but 0 means true.",
    ),
    Attribute(
        "socket.keep_idle",
        Unit.DURATION,
        "Idle time before the first keepalive probe.",
        _TCP,
        # Reading gives the sysctl of the namespace, any positive int of seconds, where the option is not set.
        read=Read(V6_1, options.KEEPIDLE, Bounds(0, _INT_MAX * SECOND)),
        write=Write(V5_10, options.KEEPIDLE, _KEEPALIVE_TIME),
        note="Whole seconds, rounded up.",
    ),
    Attribute(
        "socket.keep_interval",
        Unit.DURATION,
        "Time between keepalive probes.",
        _TCP,
        read=Read(V6_1, options.KEEPINTVL, Bounds(0, _INT_MAX * SECOND)),
        write=Write(V5_10, options.KEEPINTVL, _KEEPALIVE_TIME),
        note="Whole seconds, rounded up.",
    ),
    Attribute(
        "socket.keep_count",
        Unit.NUMBER,
        "Unanswered keepalive probes before the connection is given up.",
        _TCP,
        read=Read(V6_1, options.KEEPCNT, Bounds(0, 255)),
        write=Write(V5_10, options.KEEPCNT, _PROBES),
    ),
)

SOCKET_OPTIONS = _SENDING + _TIMERS + _KEEPALIVE
