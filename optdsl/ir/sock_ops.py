"""Numbers and names of the kernel's sock_ops interface that the IR's printer, checker and interpreter share.

Source: `include/uapi/linux/bpf.h` (callbacks, flags, `struct bpf_sock_ops`) and `sock_ops_convert_ctx_access()` in
`net/core/filter.c`, which says what a field reads without a full socket.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Callback(IntEnum):
    """Values of `ctx->op` (`BPF_SOCK_OPS_*`) on which generated programs may act."""

    TIMEOUT_INIT = 1
    RWND_INIT = 2
    TCP_CONNECT = 3
    ACTIVE_ESTABLISHED = 4
    PASSIVE_ESTABLISHED = 5
    RTO = 8
    RETRANS = 9
    STATE = 10
    TCP_LISTEN = 11
    RTT = 12
    PARSE_HDR_OPT = 13
    HDR_OPT_LEN = 14
    WRITE_HDR_OPT = 15


class CallbackFlag(IntFlag):
    """Bits of `ctx->bpf_sock_ops_cb_flags` (`BPF_SOCK_OPS_*_CB_FLAG`): which optional callbacks a socket gets."""

    RTO = 1
    RETRANS = 2
    STATE = 4
    RTT = 8
    PARSE_ALL_HDR_OPT = 0x10
    PARSE_UNKNOWN_HDR_OPT = 0x20
    WRITE_HDR_OPT = 0x40


ALL_CALLBACK_FLAGS = 0x7F

# `args[0]` of HDR_OPT_LEN and WRITE_HDR_OPT.
PACKET, CURRENT_MSS, SYNACK_COOKIE = 0, 1, 2

SOCKET_LEVELS = {0: "SOL_IP", 1: "SOL_SOCKET", 6: "SOL_TCP", 41: "SOL_IPV6"}

# TCP option kinds that `bpf_load_hdr_opt()` and `bpf_store_hdr_opt()` treat apart (RFC 9293, section 3.1; RFC 6994).
END_OF_OPTIONS, NO_OPERATION = 0, 1
EXPERIMENTAL_KINDS = (253, 254)

# The TCP header without options, and the most that options may add to it (RFC 9293, section 3.1), in bytes.
TCP_HEADER_SIZE, TCP_OPTION_SPACE = 20, 40

# Fields of `struct bpf_sock_ops` that hold numbers, with their width in bits. These are readable on every callback ...
_ALWAYS = {
    **dict.fromkeys(("op", "args[0]", "args[1]", "args[2]", "args[3]", "reply"), 32),
    **dict.fromkeys(("family", "remote_ip4", "local_ip4", "remote_port", "local_port", "is_fullsock", "state"), 32),
    **{f"{side}_ip6[{word}]": 32 for side in ("remote", "local") for word in range(4)},
    **dict.fromkeys(("skb_len", "skb_tcp_flags"), 32),
}
# ... and these read 0 where the context has no full socket (SYN-ACKs).
_FULL_SOCKET = {
    **dict.fromkeys(("snd_cwnd", "srtt_us", "bpf_sock_ops_cb_flags", "rtt_min", "snd_ssthresh", "rcv_nxt"), 32),
    **dict.fromkeys(("snd_nxt", "snd_una", "mss_cache", "ecn_flags", "rate_delivered", "rate_interval_us"), 32),
    **dict.fromkeys(("packets_out", "retrans_out", "total_retrans", "segs_in", "data_segs_in", "segs_out"), 32),
    **dict.fromkeys(("data_segs_out", "lost_out", "sacked_out", "sk_txhash"), 32),
    **dict.fromkeys(("bytes_received", "bytes_acked"), 64),
}
CONTEXT_FIELDS: dict[str, int] = _ALWAYS | _FULL_SOCKET
FULL_SOCKET_FIELDS = frozenset(_FULL_SOCKET)
