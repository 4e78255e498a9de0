"""The programs that are attacked, the formats of their options in a second notation, and the attributes that they set.

The formats are written from the declarations by hand, so that the compiler's own reading of them is judged, not used.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hostile.judge import Format
from optdsl import resources
from optdsl.ir.types import Initial
from optdsl.lab.remote import RemoteSocket

Attributes = dict[str, int | str]


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """A program under attack. Of each option, `valid` maps contents that act to the attributes they bring about."""

    name: str
    text: str
    formats: tuple[Format, ...]
    attributes: Callable[[RemoteSocket], Attributes]
    """What the program sets, as the server's process sees it."""
    before: Mapping[str, int | str]
    """Socket options of the server beforehand, so that a change shows."""
    valid: Mapping[str, Mapping[bytes, Callable[[Attributes], bool]]]
    """By option: contents that act, and a test of the attributes that they must bring about."""
    ignored: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    """By option: contents that are valid and change nothing; a judge takes them for acting."""
    params: Mapping[str, Mapping[str, Initial]] = field(default_factory=dict)
    """By option: first values of params other than the source's."""
    reads_syn: bool = False
    """Whether a server reads the SYN: if the option is sent on SYNs, or is not sent by clients at all."""


# ------------------------------------------------------------------------------------------------ the samples


def _delayed_ack(content: bytes) -> str:
    if len(content) != 2:
        return "bad_length"
    if content[0] == 0:
        return "bad_rtt_divisor"
    return "" if 1 <= content[1] <= 64 else "bad_segments"


def _user_timeout(content: bytes) -> str:
    return "" if len(content) == 2 else "bad_length"


_ALGORITHMS: Final = {
    1: "reno", 2: "cubic", 3: "bbr", 4: "vegas", 5: "dctcp", 6: "westwood", 7: "bic", 8: "htcp", 9: "hybla",
    10: "illinois", 11: "veno", 12: "yeah", 13: "scalable", 14: "lp", 15: "nv", 16: "cdg", 17: "highspeed",
}  # fmt: skip


def _congestion_control(content: bytes) -> str:
    if len(content) != 1:
        return "bad_length"
    name = _ALGORITHMS.get(content[0])
    if name is None:
        return "unknown_algorithm"
    available = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text(encoding="ascii").split()
    return "" if name in available else "set_failed"


def _initial_window(content: bytes) -> str:
    if len(content) != 2:
        return "bad_length"
    return "" if 1 <= int.from_bytes(content, "big") <= 64 else "bad_window"


TICK_MS: Final = 1000 * time.clock_getres(6)
"""What CLOCK_MONOTONIC_COARSE counts is one tick of the kernel's timer."""


def _selftest(content: bytes) -> str:
    flags = content[0] if content else 0
    has_random, has_max_delack = bool(flags & 4), bool(flags & 2)
    if len(content) != 1 + has_random + has_max_delack:
        return "bad_length"
    if not has_max_delack:
        return ""
    if not 2 <= content[1] <= 200:
        return "bad_max_delack"
    # The kernel refuses what is less than two ticks of its timer, rounded up.
    return "" if content[1] > TICK_MS else "set_failed"


def _is(**expected: int | str) -> Callable[[Attributes], bool]:
    return lambda found: found == expected


def _options(*names: str) -> Callable[[RemoteSocket], Attributes]:
    return lambda server: {name: server.option(name) for name in names}


def _window(server: RemoteSocket) -> Attributes:
    return {"window": server.tcp_info()["snd_cwnd"]}


_ALL_PEERS: Final = (
    (ipaddress.IPv6Address("::ffff:0.0.0.0").packed, 96),
    (ipaddress.IPv6Address("2001:db8::").packed, 32),
)
"""All of IPv4, and the prefix for documentation."""


def _sample(name: str) -> str:
    return (resources.folder("samples") / f"{name}.opt").read_text(encoding="utf-8")


_IW: Final = Format("initial_window", 253, b"\x49\x57", _initial_window)

# ------------------------------------------------------------------------------------------- one more program

_STRICT_TEXT: Final = """
enum colour : u4 { red = 1, green = 5, blue = 9 }

option strict {
    kind experimental 0x7157_0001
    layout {
        shade : colour
        _     : u2 = 0b10
        _     : u2
        level : u8 of 5ms in 10ms..=200ms
        tail  : u16 in 3..=60000 optional
        text  : bytes[3] optional
    }
    receive {
        if shade == blue { reject no_blue }
        socket.mark = level / 1ms
        if has tail { socket.mark = tail }
    }
}

option flagged {
    kind 0xC5
    layout {
        has_x : bool
        _     : u7 = 0b0000011
        x     : u8 in 5..=9 when has_x
        items : u16[1..=3] in 100..=200
    }
    receive { socket.priority = items[0] }
}
"""


def _strict(content: bytes) -> str:
    if len(content) not in (2, 4, 7):
        return "bad_length"
    if content[0] >> 2 & 3 != 0b10:
        return "bad_reserved"
    if content[0] >> 4 not in (1, 5, 9):
        return "bad_shade"
    if not 2 <= content[1] <= 40:
        return "bad_level"
    if len(content) >= 4 and not 3 <= int.from_bytes(content[2:4], "big") <= 60000:
        return "bad_tail"
    return "no_blue" if content[0] >> 4 == 9 else ""


def _flagged(content: bytes) -> str:
    has_x = bool(content) and bool(content[0] & 0x80)
    items = content[1 + has_x :]
    if len(content) < 1 + has_x or len(items) not in (2, 4, 6):
        return "bad_length"
    if content[0] & 0x7F != 3:
        return "bad_reserved"
    if has_x and not 5 <= content[1] <= 9:
        return "bad_x"
    values = [int.from_bytes(items[start : start + 2], "big") for start in range(0, len(items), 2)]
    return "" if all(100 <= value <= 200 for value in values) else "bad_items"


DECLARATIONS: Final = (
    Declaration(
        "delack",
        _sample("delack"),
        (Format("delayed_ack", 253, b"\x44\x41", _delayed_ack),),
        _options("TCP_DELACK_MAX_US"),
        {"TCP_DELACK_MAX_US": 120_000},
        # So small a fraction of any round trip is held at 5 ms, which the kernel rounds up to ticks of its timer.
        {"delayed_ack": {b"\xff\x04": lambda found: 5_000 <= int(found["TCP_DELACK_MAX_US"]) <= 20_000}},
    ),
    Declaration(
        "uto",
        _sample("uto"),
        (Format("user_timeout", 28, b"", _user_timeout),),
        _options("TCP_USER_TIMEOUT"),
        {"TCP_USER_TIMEOUT": 77_777},
        {
            "user_timeout": {
                b"\x00\x64": _is(TCP_USER_TIMEOUT=100_000),
                b"\x80\x02": _is(TCP_USER_TIMEOUT=120_000),
                b"\x00\x00": _is(TCP_USER_TIMEOUT=30_000),
                b"\xff\xff": _is(TCP_USER_TIMEOUT=3_600_000),
            }
        },
    ),
    Declaration(
        "cc",
        _sample("cc"),
        (Format("congestion_control", 253, b"\x43\x43", _congestion_control),),
        _options("TCP_CONGESTION"),
        {"TCP_CONGESTION": "reno"},
        {"congestion_control": {b"\x02": _is(TCP_CONGESTION="cubic"), b"\x01": _is(TCP_CONGESTION="reno")}},
    ),
    Declaration(
        "iw",
        _sample("iw"),
        (_IW,),
        _window,
        {},
        {"initial_window": {b"\x00\x20": _is(window=32), b"\x00\x01": _is(window=1), b"\x00\x40": _is(window=64)}},
        params={"initial_window": {"trusted": _ALL_PEERS}},
    ),
    Declaration(
        "iw_stranger",
        _sample("iw"),
        (_IW,),
        _window,
        {},
        {},
        # The client's address is not among those that are trusted by default.
        ignored={"initial_window": (b"\x00\x20", b"\x00\x01", b"\x00\x40")},
    ),
    Declaration(
        "selftest",
        _sample("selftest"),
        (Format("selftest", 254, b"\xeb\x9f", _selftest),),
        _options("TCP_RTO_MIN_US"),
        {"TCP_RTO_MIN_US": 150_000},
        {"selftest": {b"\x02\x78": _is(TCP_RTO_MIN_US=120_000), b"\xfe\xc8\x07": _is(TCP_RTO_MIN_US=200_000)}},
        ignored={"selftest": (b"\x00", b"\x01", b"\xf8", b"\x04\x00", b"\x04\xff")},
        reads_syn=True,
    ),
    Declaration(
        "strict",
        _STRICT_TEXT,
        (Format("strict", 253, b"\x71\x57\x00\x01", _strict), Format("flagged", 0xC5, b"", _flagged)),
        _options("SO_MARK", "SO_PRIORITY"),
        {"SO_MARK": 7, "SO_PRIORITY": 3},
        {
            "strict": {
                # The last two bits of the first byte are reserved and not checked.
                b"\x1b\x28": lambda found: found["SO_MARK"] == 200,
                b"\x58\x02": lambda found: found["SO_MARK"] == 10,
                b"\x59\x02\xea\x60": lambda found: found["SO_MARK"] == 60_000,
                b"\x5a\x02\x00\x03\x01\x02\x03": lambda found: found["SO_MARK"] == 3,
            },
            "flagged": {
                b"\x03\x00\x64": lambda found: found["SO_PRIORITY"] == 100,
                b"\x83\x05\x00\xc8\x00\x64\x00\x64": lambda found: found["SO_PRIORITY"] == 200,
            },
        },
        reads_syn=True,
    ),
)
