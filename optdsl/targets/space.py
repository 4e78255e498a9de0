"""How many bytes of TCP options a packet has left for a sock_ops program.

A TCP header has 40 bytes for options (`MAX_TCP_OPTION_SPACE`). The kernel takes its own share first, in multiples of
four bytes, and offers the rest in HDR_OPT_LEN_CB: `tcp_syn_options`, `tcp_synack_options`, `tcp_established_options` in
`net/ipv4/tcp_output.c`. Window scaling and SACK are counted as in use, as they are by default.

Not counted, because rare: TCP MD5 (20 bytes), TCP-AO, SMC (8), a Fast Open cookie on SYN and SYN-ACK (up to 20).
"""

from __future__ import annotations

from enum import StrEnum

MAX_TCP_OPTION_SPACE = 40

# Lengths with padding, from include/net/tcp.h.
_MSS = 4  # TCPOLEN_MSS_ALIGNED
_WINDOW_SCALE = 4  # TCPOLEN_WSCALE_ALIGNED
_SACK_PERMITTED = 4  # TCPOLEN_SACKPERM_ALIGNED
_TIMESTAMPS = 12  # TCPOLEN_TSTAMP_ALIGNED
_SACK_BASE = 4  # TCPOLEN_SACK_BASE_ALIGNED
_SACK_BLOCK = 8  # TCPOLEN_SACK_PERBLOCK

#: The kernel reports so many ranges at most (`TCP_NUM_SACKS`), as far as they fit.
MAX_SACK_BLOCKS = 4


class PacketClass(StrEnum):
    """The kinds of packets that a `send` clause names."""

    SYN = "syn"
    SYNACK = "synack"
    THIRD_ACK = "third_ack"
    ACK = "ack"
    DATA = "data"
    FIN = "fin"


HANDSHAKE = frozenset({PacketClass.SYN, PacketClass.SYNACK})


def space_left(packet: PacketClass, *, timestamps: bool, sack_blocks: int = 0) -> int:
    """Bytes that remain for programs on a packet, 0..=40; several programs on one cgroup share them.

    `sack_blocks` (0..=4) is the number of ranges that the packet should report; it must be 0 for SYN and SYN-ACK.
    Ranges that do not fit are left out by the kernel and take nothing.
    """
    if not 0 <= sack_blocks <= MAX_SACK_BLOCKS:
        raise ValueError(f"{sack_blocks} SACK blocks, but a packet has 0..={MAX_SACK_BLOCKS}")
    if packet in HANDSHAKE:
        if sack_blocks:
            raise ValueError(f"a {packet} has no SACK blocks")
        return MAX_TCP_OPTION_SPACE - _handshake_options(timestamps)
    left = MAX_TCP_OPTION_SPACE - (_TIMESTAMPS if timestamps else 0)
    return left - _sack_option(left, sack_blocks)


def _handshake_options(timestamps: bool) -> int:
    # SACK-Permitted travels in the padding of the timestamps where there are any (tcp_options_write).
    return _MSS + _WINDOW_SCALE + (_TIMESTAMPS if timestamps else _SACK_PERMITTED)


def _sack_option(left: int, blocks: int) -> int:
    fitting = min(blocks, (left - _SACK_BASE) // _SACK_BLOCK)
    return _SACK_BASE + fitting * _SACK_BLOCK if fitting > 0 else 0
