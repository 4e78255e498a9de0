"""The options of `bpf_setsockopt()` and `bpf_getsockopt()`: numbers, sizes, steps, and what happens beyond the bounds.

Numbers from `include/uapi/linux/tcp.h`, `include/uapi/linux/bpf.h`, `include/uapi/linux/in.h`, `in6.h` and
`include/uapi/asm-generic/socket.h` (x86, ARM, RISC-V and most others; MIPS, PA-RISC and SPARC number SO_* differently).
Integers have 4 bytes: longer forms are refused (`optlen != sizeof(int)` in `net/core/filter.c`).
"""

from __future__ import annotations

from optdsl.targets.attribute import Encoding, OptionByFamily, Outside, Rounding, SocketOption
from optdsl.targets.sockops import Level

MILLISECOND = 1_000
SECOND = 1_000_000
BITS_PER_BYTE = 8


def _tcp(
    number: int, name: str, step: int = 1, below: Outside = Outside.REFUSED, above: Outside = Outside.REFUSED
) -> SocketOption:
    # Durations round up: a timeout is never shorter than asked, and never turns into 0, which means the default.
    return SocketOption(Level.SOL_TCP, number, name, step=step, rounding=Rounding.UP, below=below, above=above)


def _socket(number: int, name: str, below: Outside, above: Outside, step: int = 1) -> SocketOption:
    return SocketOption(Level.SOL_SOCKET, number, name, step=step, below=below, above=above)


# strncpy_from_sockptr() in do_tcp_setsockopt() keeps TCP_CA_NAME_MAX - 1 characters.
CONGESTION = SocketOption(Level.SOL_TCP, 13, "TCP_CONGESTION", size=16, encoding=Encoding.TEXT, above=Outside.CLAMPED)
NODELAY = _tcp(1, "TCP_NODELAY", below=Outside.REINTERPRETED, above=Outside.REINTERPRETED)
MAXSEG = _tcp(2, "TCP_MAXSEG")
KEEPIDLE = _tcp(4, "TCP_KEEPIDLE", SECOND)
KEEPINTVL = _tcp(5, "TCP_KEEPINTVL", SECOND)
KEEPCNT = _tcp(6, "TCP_KEEPCNT")
SYNCNT = _tcp(7, "TCP_SYNCNT")
# tcp_set_window_clamp(): 0 only on a closed socket; small and negative counts become the minimum.
WINDOW_CLAMP = _tcp(10, "TCP_WINDOW_CLAMP", above=Outside.REINTERPRETED)
THIN_LINEAR_TIMEOUTS = _tcp(16, "TCP_THIN_LINEAR_TIMEOUTS")
USER_TIMEOUT = _tcp(18, "TCP_USER_TIMEOUT", MILLISECOND)
NOTSENT_LOWAT = _tcp(25, "TCP_NOTSENT_LOWAT", below=Outside.UNREPRESENTABLE, above=Outside.UNREPRESENTABLE)
RTO_MAX_MS = _tcp(44, "TCP_RTO_MAX_MS", MILLISECOND)
BPF_IW = _tcp(1001, "TCP_BPF_IW")
BPF_SNDCWND_CLAMP = _tcp(1002, "TCP_BPF_SNDCWND_CLAMP")
BPF_DELACK_MAX = _tcp(1003, "TCP_BPF_DELACK_MAX")
BPF_RTO_MIN = _tcp(1004, "TCP_BPF_RTO_MIN")

SNDBUF = _socket(7, "SO_SNDBUF", Outside.CLAMPED, Outside.CLAMPED)
RCVBUF = _socket(8, "SO_RCVBUF", Outside.CLAMPED, Outside.CLAMPED)
KEEPALIVE = _socket(9, "SO_KEEPALIVE", Outside.REINTERPRETED, Outside.REINTERPRETED)
PRIORITY = _socket(12, "SO_PRIORITY", Outside.UNREPRESENTABLE, Outside.UNREPRESENTABLE)
RCVLOWAT = _socket(18, "SO_RCVLOWAT", Outside.CLAMPED, Outside.CLAMPED)
MARK = _socket(36, "SO_MARK", Outside.UNREPRESENTABLE, Outside.UNREPRESENTABLE)
# A rate of 0 paces nothing (tcp_update_skb_after_send), all ones lift the limit.
MAX_PACING_RATE = _socket(47, "SO_MAX_PACING_RATE", Outside.REINTERPRETED, Outside.UNREPRESENTABLE, step=BITS_PER_BYTE)

# IPv4: 5.10 and 5.15 refuse what does not fit in 8 bits, later kernels cut it off. -1 is the default class of IPv6.
TOS = OptionByFamily(
    ip4=SocketOption(Level.SOL_IP, 1, "IP_TOS", below=Outside.REINTERPRETED, above=Outside.REINTERPRETED),
    ip6=SocketOption(Level.SOL_IPV6, 67, "IPV6_TCLASS", below=Outside.REINTERPRETED),
)
