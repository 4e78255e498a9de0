"""Numbers of the kernel's sock_ops interface: operations, callback flags, helpers, context fields, option names.

Everything here is kernel ABI and never changes once released. Sources: `include/uapi/linux/bpf.h`,
`include/uapi/linux/tcp.h`, `include/uapi/asm-generic/socket.h`, `include/uapi/linux/in.h`, `include/uapi/linux/in6.h`.
"""

from enum import IntEnum, IntFlag, auto

from optdsl.record import record
from optdsl.targets.version import V5_10, V6_1, V6_6, KernelVersion
from optdsl.uapi import HELPER_NUMBERS


class SockOp(IntEnum):
    """Values of `ctx->op`: why the program runs (`BPF_SOCK_OPS_*`)."""

    TIMEOUT_INIT = 1
    RWND_INIT = 2
    TCP_CONNECT_CB = 3
    ACTIVE_ESTABLISHED_CB = 4
    PASSIVE_ESTABLISHED_CB = 5
    NEEDS_ECN = 6
    BASE_RTT = 7
    RTO_CB = 8
    RETRANS_CB = 9
    STATE_CB = 10
    TCP_LISTEN_CB = 11
    RTT_CB = 12
    PARSE_HDR_OPT_CB = 13
    HDR_OPT_LEN_CB = 14
    WRITE_HDR_OPT_CB = 15


class CallbackFlag(IntFlag):
    """Bits of `bpf_sock_ops_cb_flags`: which optional operations a socket asks for (`BPF_SOCK_OPS_*_CB_FLAG`)."""

    NONE = 0
    RTO = 1 << 0
    RETRANS = 1 << 1
    STATE = 1 << 2
    RTT = 1 << 3
    PARSE_ALL_HDR_OPT = 1 << 4
    PARSE_UNKNOWN_HDR_OPT = 1 << 5
    WRITE_HDR_OPT = 1 << 6


class HeaderPass(IntEnum):
    """Values of `ctx->args[0]` in HDR_OPT_LEN_CB and WRITE_HDR_OPT_CB: what is being built (`BPF_WRITE_HDR_TCP_*`)."""

    PACKET = 0
    CURRENT_MSS = 1  # the MSS calculation; there is no packet
    SYNACK_COOKIE = 2  # a SYN cookie; the request is forgotten after it


#: Flag of `bpf_load_hdr_opt()`: read the saved SYN instead of the current packet.
LOAD_HDR_OPT_TCP_SYN = 1


class Helper(IntEnum):
    """Helper functions that generated programs call; `optdsl.uapi` has their numbers."""

    @staticmethod
    def _generate_next_value_(name: str, *_: object) -> int:
        return HELPER_NUMBERS[f"bpf_{name.lower()}"]

    MAP_LOOKUP_ELEM = auto()
    MAP_UPDATE_ELEM = auto()
    MAP_DELETE_ELEM = auto()
    KTIME_GET_NS = auto()
    TRACE_PRINTK = auto()
    GET_PRANDOM_U32 = auto()
    GET_SOCKET_COOKIE = auto()
    SETSOCKOPT = auto()
    GETSOCKOPT = auto()
    SOCK_OPS_CB_FLAGS_SET = auto()
    TCP_SOCK = auto()
    SK_STORAGE_GET = auto()
    SK_STORAGE_DELETE = auto()
    JIFFIES64 = auto()
    RINGBUF_OUTPUT = auto()
    RINGBUF_RESERVE = auto()
    RINGBUF_SUBMIT = auto()
    RINGBUF_DISCARD = auto()
    LOAD_HDR_OPT = auto()
    STORE_HDR_OPT = auto()
    RESERVE_HDR_OPT = auto()
    LOOP = auto()
    SKC_TO_MPTCP_SOCK = auto()

    @property
    def since(self) -> KernelVersion:
        """The first known kernel on which a sock_ops program may call it."""
        return _HELPERS_AFTER_BASELINE.get(self, V5_10)


# bpf_loop came with 5.17, bpf_skc_to_mptcp_sock with 5.19.
_HELPERS_AFTER_BASELINE = {Helper.LOOP: V6_1, Helper.SKC_TO_MPTCP_SOCK: V6_1}


class Level(IntEnum):
    """Levels of `bpf_setsockopt()` and `bpf_getsockopt()`; each equals its `IPPROTO_*` except SOL_SOCKET."""

    SOL_IP = 0
    SOL_SOCKET = 1
    SOL_TCP = 6
    SOL_IPV6 = 41


#: `IPPROTO_MPTCP`: the protocol of an MPTCP socket; its subflows are `IPPROTO_TCP`.
IPPROTO_TCP = 6
IPPROTO_MPTCP = 262

#: Values of `ctx->family`.
AF_INET = 2
AF_INET6 = 10


class TcpState(IntEnum):
    """Values of `ctx->state` and of the arguments of STATE_CB (`BPF_TCP_*`)."""

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECV = 3
    FIN_WAIT1 = 4
    FIN_WAIT2 = 5
    TIME_WAIT = 6
    CLOSE = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11
    NEW_SYN_RECV = 12  # a request socket: SYN received, SYN-ACK sent


class TcpFlag(IntFlag):
    """Bits of `ctx->skb_tcp_flags` (RFC 9293, section 3.1)."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10


#: `TCP_SAVE_SYN` keeps the SYN of accepted connections; `TCP_BPF_SYN` reads the TCP header of it in sock_ops.
TCP_SAVE_SYN = 27
TCP_SAVED_SYN = 28
TCP_BPF_SYN = 1005
TCP_BPF_SYN_IP = 1006
TCP_BPF_SYN_MAC = 1007
TCP_BPF_SOCK_OPS_CB_FLAGS = 1008

#: `BPF_SK_STORAGE_GET_F_CREATE`, and the flag that a map of type SK_STORAGE must carry (`BPF_F_NO_PREALLOC`).
SK_STORAGE_GET_F_CREATE = 1
F_NO_PREALLOC = 1


@record
class Field:
    """A member of `struct bpf_sock_ops`. `count` is above 1 for arrays; `size` is that of one element in bytes."""

    offset: int
    size: int = 4
    count: int = 1
    since: KernelVersion = V5_10


#: Offsets in bytes from the start of the context, by the member's name. Loads must have the member's size.
CONTEXT_FIELDS = {
    "op": Field(0),
    "args": Field(4, count=4),
    "reply": Field(4),
    "replylong": Field(4, count=4),
    "family": Field(20),
    "remote_ip4": Field(24),
    "local_ip4": Field(28),
    "remote_ip6": Field(32, count=4),
    "local_ip6": Field(48, count=4),
    "remote_port": Field(64),
    "local_port": Field(68),
    "is_fullsock": Field(72),
    "snd_cwnd": Field(76),
    "srtt_us": Field(80),
    "bpf_sock_ops_cb_flags": Field(84),
    "state": Field(88),
    "rtt_min": Field(92),
    "snd_ssthresh": Field(96),
    "rcv_nxt": Field(100),
    "snd_nxt": Field(104),
    "snd_una": Field(108),
    "mss_cache": Field(112),
    "ecn_flags": Field(116),
    "rate_delivered": Field(120),
    "rate_interval_us": Field(124),
    "packets_out": Field(128),
    "retrans_out": Field(132),
    "total_retrans": Field(136),
    "segs_in": Field(140),
    "data_segs_in": Field(144),
    "segs_out": Field(148),
    "data_segs_out": Field(152),
    "lost_out": Field(156),
    "sacked_out": Field(160),
    "sk_txhash": Field(164),
    "bytes_received": Field(168, size=8),
    "bytes_acked": Field(176, size=8),
    "sk": Field(184, size=8),
    "skb_data": Field(192, size=8),
    "skb_data_end": Field(200, size=8),
    "skb_len": Field(208),
    "skb_tcp_flags": Field(212),
    "skb_hwtstamp": Field(216, size=8, since=V6_6),  # 6.2
}
