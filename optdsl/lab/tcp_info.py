"""`struct tcp_info` as the kernel fills it, member by member. Source: include/uapi/linux/tcp.h."""

import struct
from typing import Final

_BYTES: Final = ("state", "ca_state", "retransmits", "probes", "backoff", "options", "wscale", "flags")
_WORDS_1: Final = (
    *("rto", "ato", "snd_mss", "rcv_mss", "unacked", "sacked", "lost", "retrans", "fackets"),
    *("last_data_sent", "last_ack_sent", "last_data_recv", "last_ack_recv"),
    *("pmtu", "rcv_ssthresh", "rtt", "rttvar", "snd_ssthresh", "snd_cwnd", "advmss", "reordering"),
    *("rcv_rtt", "rcv_space", "total_retrans"),
)
_LONGS_1: Final = ("pacing_rate", "max_pacing_rate", "bytes_acked", "bytes_received")
_WORDS_2: Final = ("segs_out", "segs_in", "notsent_bytes", "min_rtt", "data_segs_in", "data_segs_out")
_LONGS_2: Final = ("delivery_rate", "busy_time", "rwnd_limited", "sndbuf_limited")
_WORDS_3: Final = ("delivered", "delivered_ce")
_LONGS_3: Final = ("bytes_sent", "bytes_retrans")
_WORDS_4: Final = ("dsack_dups", "reord_seen", "rcv_ooopack", "snd_wnd")

_LAYOUT: Final = (
    (_BYTES, "B"),
    (_WORDS_1, "I"),
    (_LONGS_1, "Q"),
    (_WORDS_2, "I"),
    (_LONGS_2, "Q"),
    (_WORDS_3, "I"),
    (_LONGS_3, "Q"),
    (_WORDS_4, "I"),
)


def decode_tcp_info(data: bytes) -> dict[str, int]:
    """The members that are in `data`, without `tcpi_`: older kernels give fewer, newer ones have more at the end.

    Times are in microseconds (`rto`, `ato`, `rtt`, `rttvar`, `min_rtt`, `rcv_rtt`, `busy_time`, ...) or, for `last_*`,
    in milliseconds; rates in bytes per second.
    """
    info: dict[str, int] = {}
    offset = 0
    for names, code in _LAYOUT:
        for name in names:
            if offset + struct.calcsize(code) > len(data):
                return info
            (info[name],) = struct.unpack_from(f"={code}", data, offset)
            offset += struct.calcsize(code)
    return info
