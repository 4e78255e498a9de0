"""The sock_ops context and TCP options as the IR's checker and interpreter see them.

The numbers of the interface itself are in `targets/sockops.py`.
"""

from __future__ import annotations

from optdsl.targets.sockops import CONTEXT_FIELDS as _MEMBERS
from optdsl.targets.sockops import CallbackFlag

ALL_CALLBACK_FLAGS = sum(CallbackFlag)

# TCP option kinds that `bpf_load_hdr_opt()` and `bpf_store_hdr_opt()` treat apart (RFC 9293, section 3.1; RFC 6994).
END_OF_OPTIONS, NO_OPERATION = 0, 1
EXPERIMENTAL_KINDS = (253, 254)
# Kind and length: less than that the helpers refuse.
SMALLEST_OPTION = 2
# The TCP header without options, and the most that options may add to it (RFC 9293, section 3.1), in bytes.
TCP_HEADER_SIZE, TCP_OPTION_SPACE = 20, 40

_POINTERS = {"sk", "skb_data", "skb_data_end"}
# What `sock_ops_convert_ctx_access()` in net/core/filter.c reads without looking for a full socket.
_ANY_SOCKET = {
    *("op", "args", "reply", "replylong", "family", "state", "is_fullsock"),
    *("remote_ip4", "local_ip4", "remote_ip6", "local_ip6", "remote_port", "local_port"),
    *("skb_len", "skb_tcp_flags", "skb_hwtstamp"),
}


def _numbers() -> dict[str, int]:
    numbers: dict[str, int] = {}
    for name, member in _MEMBERS.items():
        names = [name] if member.count == 1 else [f"{name}[{index}]" for index in range(member.count)]
        numbers.update(dict.fromkeys(names, member.size * 8) if name not in _POINTERS else {})
    return numbers


# The members of `struct bpf_sock_ops` that hold numbers, elements of arrays apart: name and width in bits.
CONTEXT_FIELDS = _numbers()
# Those that read 0 where the context has no full socket (SYN-ACKs).
FULL_SOCKET_FIELDS = frozenset(name for name in CONTEXT_FIELDS if name.partition("[")[0] not in _ANY_SOCKET)
