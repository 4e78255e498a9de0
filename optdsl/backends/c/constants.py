"""Numbers of the kernel by the names that its headers give them.

The numbers stand in `targets`; here they get the names of include/uapi/linux/{bpf,tcp,in,in6}.h, include/linux/socket.h
(levels, address families), include/net/tcp.h (TCPHDR_*) and include/uapi/asm-generic/errno*.h. Generated files include
linux/bpf.h only; a name from elsewhere is `#define`d by the file that uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from optdsl.ir.sock_ops import ALL_CALLBACK_FLAGS
from optdsl.targets import options, sockops
from optdsl.targets.attribute import OptionByFamily, SocketOption
from optdsl.targets.sockops import CallbackFlag, HeaderPass, Level, SockOp, TcpFlag, TcpState


def _socket_options() -> Iterator[SocketOption]:
    for value in vars(options).values():
        match value:
            case SocketOption():
                yield value
            case OptionByFamily():
                yield from (value.ip4, value.ip6)
            case _:
                pass


_LEVELS: dict[int, str] = {int(level): level.name for level in Level}
_SOCKET_OPTIONS: dict[tuple[int, int], str] = {
    **{(int(option.level), option.number): option.name for option in _socket_options()},
    (Level.SOL_TCP, sockops.TCP_SAVE_SYN): "TCP_SAVE_SYN",
    (Level.SOL_TCP, sockops.TCP_SAVED_SYN): "TCP_SAVED_SYN",
    (Level.SOL_TCP, sockops.TCP_BPF_SYN): "TCP_BPF_SYN",
    (Level.SOL_TCP, sockops.TCP_BPF_SYN_IP): "TCP_BPF_SYN_IP",
    (Level.SOL_TCP, sockops.TCP_BPF_SYN_MAC): "TCP_BPF_SYN_MAC",
    (Level.SOL_TCP, sockops.TCP_BPF_SOCK_OPS_CB_FLAGS): "TCP_BPF_SOCK_OPS_CB_FLAGS",
}
_CALLBACK_FLAGS = {int(flag): f"BPF_SOCK_OPS_{flag.name}_CB_FLAG" for flag in CallbackFlag if flag}
_TCP_FLAGS = {int(flag): f"TCPHDR_{flag.name}" for flag in TcpFlag}
_CALLBACKS = {int(callback): f"BPF_SOCK_OPS_{callback.name}" for callback in SockOp}
_TCP_STATES = {int(state): f"BPF_TCP_{state.name}" for state in TcpState}
_HEADER_PASSES = {int(one): f"BPF_WRITE_HDR_TCP_{one.name}" for one in HeaderPass if one is not HeaderPass.PACKET}
_FAMILIES = {sockops.AF_INET: "AF_INET", sockops.AF_INET6: "AF_INET6"}

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
        return self._named(_LEVELS, level)

    def socket_option(self, level: int, option: int) -> str:
        """An option of `setsockopt` at a level: `TCP_BPF_DELACK_MAX`."""
        return self._use(_SOCKET_OPTIONS[level, option], option) if (level, option) in _SOCKET_OPTIONS else str(option)

    def error(self, number: int) -> str:
        """A negative error: `-ENOMSG` for 42."""
        return "-" + self._named(_ERRORS, number)

    def callback_flags(self, flags: int) -> str:
        """Bits of `bpf_sock_ops_cb_flags`, joined by `|`."""
        if flags == ALL_CALLBACK_FLAGS:
            return "BPF_SOCK_OPS_ALL_CB_FLAGS"
        return self._bits(_CALLBACK_FLAGS, flags)

    def tcp_flags(self, flags: int) -> str:
        """Bits of `skb_tcp_flags`, joined by `|`."""
        return self._bits(_TCP_FLAGS, flags)

    def case(self, number: int, name: str) -> str:
        """The value of a `case` that the IR has named already."""
        return self._use(name, number) if name else str(number)

    def field_value(self, field: str, number: int, callbacks: Iterable[int]) -> str | None:
        """What a field of the context is compared with, if the headers name it; `callbacks` are those it may be in."""
        headers = {SockOp.HDR_OPT_LEN_CB, SockOp.WRITE_HDR_OPT_CB}
        names = {"op": _CALLBACKS, "family": _FAMILIES, "state": _TCP_STATES}.get(field, _NONE)
        if field == "args[0]" and set(callbacks) and set(callbacks) <= headers:
            names = _HEADER_PASSES
        elif field in ("args[0]", "args[1]") and set(callbacks) == {SockOp.STATE_CB}:
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
