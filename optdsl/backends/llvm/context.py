"""Where the fields of `struct bpf_sock_ops` are (include/uapi/linux/bpf.h; the layout is kernel ABI).

The verifier accepts an access to the context only with the field's own size at the field's own offset.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Fields of 32 bits from offset 0, in order; a number after the name is the length of an array.
_WORDS = """
op args:4 family remote_ip4 local_ip4 remote_ip6:4 local_ip6:4 remote_port local_port is_fullsock snd_cwnd srtt_us
bpf_sock_ops_cb_flags state rtt_min snd_ssthresh rcv_nxt snd_nxt snd_una mss_cache ecn_flags rate_delivered
rate_interval_us packets_out retrans_out total_retrans segs_in data_segs_in segs_out data_segs_out lost_out sacked_out
sk_txhash
"""


@dataclass(frozen=True, slots=True)
class ContextField:
    """A field: its byte offset and its width in bits. Fields of 64 bits and pointers are aligned to 8 bytes."""

    offset: int
    bits: int


def _layout() -> dict[str, ContextField]:
    fields: dict[str, ContextField] = {}
    offset = 0
    for word in _WORDS.split():
        name, _, length = word.partition(":")
        for index in range(int(length or 1)):
            fields[f"{name}[{index}]" if length else name] = ContextField(offset, 32)
            offset += 4
    # The 64-bit fields and pointers, then what the header-option hooks of 5.10 added, then 6.2's time stamp.
    for name, size in (("bytes_received", 8), ("bytes_acked", 8), ("sk", 8), ("skb_data", 8), ("skb_data_end", 8),
                       ("skb_len", 4), ("skb_tcp_flags", 4), ("skb_hwtstamp", 8)):
        offset = -(-offset // size) * size
        fields[name] = ContextField(offset, size * 8)
        offset += size
    return fields


CONTEXT_FIELDS = _layout()
