"""The options of a socket as the kernel keeps them: `bpf_getsockopt()` gives what `bpf_setsockopt()` has set.

Only the options that the generator reads have a value here; sources beside each of what is not plain.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from optdsl.ir.invocation import ENOENT, ENOPROTOOPT
from optdsl.targets.sockops import Level

_CONGESTION: Final = (Level.SOL_TCP, 13)
_PRIORITY: Final = (Level.SOL_SOCKET, 12)
_TOS: Final = (Level.SOL_IP, 1)
_TRAFFIC_CLASS: Final = (Level.SOL_IPV6, 67)
_ECN_BITS: Final = 3
"""Of a TCP socket they are the kernel's (net/ipv4/ip_sockglue.c: __ip_sock_set_tos, net/ipv6/ipv6_sockglue.c)."""
_PRIORITIES: Final = (0, 2, 6, 4)
"""By bits 3 and 4 of the type of service (net/ipv4/route.c: ip_tos2prio)."""
_FIRST: Final[dict[tuple[int, int], int]] = {
    (Level.SOL_TCP, 1): 1,  # TCP_NODELAY, which `talks` sets
    (Level.SOL_TCP, 4): 7200,  # TCP_KEEPIDLE, seconds
    (Level.SOL_TCP, 5): 75,  # TCP_KEEPINTVL, seconds
    (Level.SOL_TCP, 6): 9,  # TCP_KEEPCNT
    (Level.SOL_TCP, 7): 6,  # TCP_SYNCNT
    (Level.SOL_TCP, 16): 0,  # TCP_THIN_LINEAR_TIMEOUTS
    (Level.SOL_TCP, 18): 0,  # TCP_USER_TIMEOUT, milliseconds
    (Level.SOL_SOCKET, 9): 0,  # SO_KEEPALIVE
    _PRIORITY: 0,
    (Level.SOL_SOCKET, 36): 0,  # SO_MARK
    _TOS: 0,
    _TRAFFIC_CLASS: 0,
}
"""What a new socket has, by level and number."""


class SocketOptions:
    """The options of one socket at a time."""

    def __init__(self) -> None:
        self.values = dict(_FIRST)

    def begin(self) -> None:
        """A new socket."""
        self.values = dict(_FIRST)

    def accept(self) -> None:
        """A socket goes on with what its listener had, but for the priority (net/core/sock.c: sk_clone_lock)."""
        self.values[_PRIORITY] = 0

    def set(self, level: int, number: int, value: int | bytes) -> int:
        """`bpf_setsockopt()`."""
        if isinstance(value, bytes):
            return 0 if value.rstrip(b"\0").decode("latin-1") in _congestion_controls() else -ENOENT
        key = (level, number)
        if key in (_TOS, _TRAFFIC_CLASS):
            value &= 0xFF & ~_ECN_BITS
        if key == _TOS and value != self.values[_TOS]:
            self.values[_PRIORITY] = _PRIORITIES[value >> 3 & 3]
        self.values[key] = value
        return 0

    def get(self, level: int, number: int, size: int) -> bytes | int:
        """`bpf_getsockopt()`."""
        value = self.values.get((level, number))
        return -ENOPROTOOPT if value is None else value.to_bytes(size, "little")


@cache
def _congestion_controls() -> frozenset[str]:
    text = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text(encoding="ascii")
    return frozenset(text.split())
