"""Numbers of the kernel by the names that its headers give them.

Sources: include/uapi/linux/{bpf,tcp,in,in6}.h, include/uapi/asm-generic/{socket,errno-base,errno}.h,
include/linux/socket.h (levels, address families) and include/net/tcp.h (TCPHDR_*). Only linux/bpf.h is included by
generated files; a name from elsewhere is `#define`d by the file that uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from optdsl.ir.sock_ops import ALL_CALLBACK_FLAGS, SOCKET_LEVELS, Callback, CallbackFlag

CALLBACK_FLAG_NAMES = {int(flag): f"BPF_SOCK_OPS_{flag.name}_CB_FLAG" for flag in CallbackFlag}
_CALLBACK_NAMES = {int(callback): f"BPF_SOCK_OPS_{callback.name}_CB" for callback in Callback} | {
    1: "BPF_SOCK_OPS_TIMEOUT_INIT",
    2: "BPF_SOCK_OPS_RWND_INIT",
}
_WRITE_HEADER = {1: "BPF_WRITE_HDR_TCP_CURRENT_MSS", 2: "BPF_WRITE_HDR_TCP_SYNACK_COOKIE"}
_TCP_STATES = {
    1: "BPF_TCP_ESTABLISHED", 2: "BPF_TCP_SYN_SENT", 3: "BPF_TCP_SYN_RECV", 4: "BPF_TCP_FIN_WAIT1",
    5: "BPF_TCP_FIN_WAIT2", 6: "BPF_TCP_TIME_WAIT", 7: "BPF_TCP_CLOSE", 8: "BPF_TCP_CLOSE_WAIT",
    9: "BPF_TCP_LAST_ACK", 10: "BPF_TCP_LISTEN", 11: "BPF_TCP_CLOSING", 12: "BPF_TCP_NEW_SYN_RECV",
}  # fmt: skip
_FAMILIES = {2: "AF_INET", 10: "AF_INET6"}
_TCP_FLAGS = {
    0x01: "TCPHDR_FIN", 0x02: "TCPHDR_SYN", 0x04: "TCPHDR_RST", 0x08: "TCPHDR_PSH",
    0x10: "TCPHDR_ACK", 0x20: "TCPHDR_URG", 0x40: "TCPHDR_ECE", 0x80: "TCPHDR_CWR",
}  # fmt: skip

_SOCKET_OPTIONS: dict[int, dict[int, str]] = {
    0: {1: "IP_TOS"},
    1: {
        2: "SO_REUSEADDR", 7: "SO_SNDBUF", 8: "SO_RCVBUF", 9: "SO_KEEPALIVE", 12: "SO_PRIORITY", 15: "SO_REUSEPORT",
        18: "SO_RCVLOWAT", 36: "SO_MARK", 47: "SO_MAX_PACING_RATE", 74: "SO_TXREHASH",
    },
    6: {
        1: "TCP_NODELAY", 2: "TCP_MAXSEG", 4: "TCP_KEEPIDLE", 5: "TCP_KEEPINTVL", 6: "TCP_KEEPCNT", 7: "TCP_SYNCNT",
        10: "TCP_WINDOW_CLAMP", 11: "TCP_INFO", 13: "TCP_CONGESTION", 16: "TCP_THIN_LINEAR_TIMEOUTS",
        18: "TCP_USER_TIMEOUT", 25: "TCP_NOTSENT_LOWAT", 27: "TCP_SAVE_SYN", 28: "TCP_SAVED_SYN",
        44: "TCP_RTO_MAX_MS", 1001: "TCP_BPF_IW", 1002: "TCP_BPF_SNDCWND_CLAMP", 1003: "TCP_BPF_DELACK_MAX",
        1004: "TCP_BPF_RTO_MIN", 1005: "TCP_BPF_SYN", 1006: "TCP_BPF_SYN_IP", 1007: "TCP_BPF_SYN_MAC",
        1008: "TCP_BPF_SOCK_OPS_CB_FLAGS",
    },
    41: {67: "IPV6_TCLASS", 70: "IPV6_AUTOFLOWLABEL"},
}  # fmt: skip

_ERRORS = {
    1: "EPERM", 2: "ENOENT", 12: "ENOMEM", 14: "EFAULT", 16: "EBUSY", 17: "EEXIST", 22: "EINVAL", 28: "ENOSPC",
    42: "ENOMSG", 92: "ENOPROTOOPT", 95: "EOPNOTSUPP",
}  # fmt: skip

# Enumerators of linux/bpf.h since Linux 5.10 begin with these; TCP_BPF_SOCK_OPS_CB_FLAGS is of 6.12.
_IN_BPF_H = ("BPF_", "TCP_BPF_")
_NOT_IN_EVERY_BPF_H = frozenset({"TCP_BPF_SOCK_OPS_CB_FLAGS"})
_NONE: Mapping[int, str] = MappingProxyType({})


class Constants:
    """Gives numbers their names and remembers which of the names the file has to define."""

    def __init__(self) -> None:
        self.defined: dict[str, int] = {}

    def level(self, level: int) -> str:
        """A level of `setsockopt`: `SOL_TCP`."""
        return self._named(SOCKET_LEVELS, level)

    def socket_option(self, level: int, option: int) -> str:
        """An option of `setsockopt` at a level: `TCP_BPF_DELACK_MAX`."""
        return self._named(_SOCKET_OPTIONS.get(level, _NONE), option)

    def error(self, number: int) -> str:
        """A negative error: `-ENOMSG` for 42."""
        return "-" + self._named(_ERRORS, number)

    def callback_flags(self, flags: int) -> str:
        """Bits of `bpf_sock_ops_cb_flags`, joined by `|`."""
        if flags == ALL_CALLBACK_FLAGS:
            return "BPF_SOCK_OPS_ALL_CB_FLAGS"
        return self._bits(CALLBACK_FLAG_NAMES, flags)

    def tcp_flags(self, flags: int) -> str:
        """Bits of `skb_tcp_flags`, joined by `|`."""
        return self._bits(_TCP_FLAGS, flags)

    def case(self, number: int, name: str) -> str:
        """The value of a `case` that the IR has named already."""
        return self._use(name, number) if name else str(number)

    def field_value(self, field: str, number: int, callbacks: Iterable[int]) -> str | None:
        """What a field of the context is compared with, if the headers name it; `callbacks` are those it may be in."""
        headers = {Callback.HDR_OPT_LEN, Callback.WRITE_HDR_OPT}
        names = {"op": _CALLBACK_NAMES, "family": _FAMILIES, "state": _TCP_STATES}.get(field, _NONE)
        if field == "args[0]" and set(callbacks) and set(callbacks) <= headers:
            names = _WRITE_HEADER
        elif field in ("args[0]", "args[1]") and set(callbacks) == {Callback.STATE}:
            names = _TCP_STATES
        return self._use(names[number], number) if number in names else None

    def _named(self, names: Mapping[int, str], number: int) -> str:
        return self._use(names[number], number) if number in names else str(number)

    def _bits(self, names: Mapping[int, str], bits: int) -> str:
        found = [self._use(name, bit) for bit, name in names.items() if bits & bit]
        rest = bits & ~sum(names)
        return " | ".join([*found, *([f"{rest:#x}"] if rest or not found else [])])

    def _use(self, name: str, number: int) -> str:
        if not name.startswith(_IN_BPF_H) or name in _NOT_IN_EVERY_BPF_H:
            self.defined[name] = number
        return name
