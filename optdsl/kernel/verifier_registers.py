"""Register states of the verifier in plain words.

    scalar(smin=0,smax=umax=255,...)                  a number, 0..=255
    map_value_or_null(id=1,map=table,ks=4,vs=32)      a pointer to a value of the map `table` (32 bytes), or null

Takes the notations of all kernels since 5.10 (`inv5`, `invP(id=0,umax_value=255)`, `fp-8`); a state in a notation that
is not known comes back as it is.
"""

from __future__ import annotations

import re
from typing import Final

_U64: Final = (1 << 64) - 1
_S64: Final = range(-(1 << 63), 1 << 63)
_SHAPE: Final = re.compile(r"([a-z_]+?)(_or_null)?(?:\((.*)\))?")
_NUMBER: Final = re.compile(r"(?:invP?|P|scalar\(|)(-?(?:0x[0-9a-f]{1,16}|\d{1,20}))\)?")
_STACK: Final = re.compile(r"fp(?:\[\d+\])?(-?\d{1,5})?(?:\((.*)\))?")
_MEMBER: Final = re.compile(r"([a-z_0-9]+)=((?:[a-z_0-9]+=)*)([^,()]+)")
_BOUNDS: Final = {"umin_value": "umin", "umax_value": "umax", "smin_value": "smin", "smax_value": "smax"}
_POINTERS: Final = {
    "ctx": "the context of the program",
    "map_ptr": "a map",
    "map_key": "a key of a map",
    "sock": "a socket",
    "sock_common": "a socket",
    "tcp_sock": "a TCP socket",
    "xdp_sock": "an AF_XDP socket",
    "pkt": "a pointer into the packet",
    "pkt_meta": "a pointer to the packet's metadata",
    "pkt_end": "the end of the packet",
    "func": "a function",
}
_MEMORY: Final = {
    "map_value": "a pointer to a value of the map {map} ({size} bytes)",
    "mem": "a pointer to {size} bytes of memory",
    "rdonly_mem": "a pointer to {size} bytes of read-only memory",
    "ringbuf_mem": "a pointer to a record of {size} bytes in a ring buffer",
    "alloc_mem": "a pointer to {size} bytes of memory",
}


def in_words(state: str) -> str:
    """What the verifier knows of a register."""
    if found := _NUMBER.fullmatch(state):
        return f"the number {_integer(found[1])}"
    if found := _STACK.fullmatch(state):
        return _stack(found[1], found[2])
    found = _SHAPE.fullmatch(state)
    if found is None:
        return state
    kind, null, text = found[1], ", or null" if found[2] else "", found[3] or ""
    members = _members(text)
    if kind in ("scalar", "inv", "inv_p"):
        return _scalar(members)
    if kind in _POINTERS:
        return _POINTERS[kind] + null
    if kind in _MEMORY:
        size = members.get("vs") or members.get("sz") or members.get("mem_size") or "some"
        name = f"`{members['map']}`" if "map" in members else ""
        words = _MEMORY[kind].format(map=name, size=size).replace("  ", " ")
        return words + _offset(members) + null
    return state


def _members(text: str) -> dict[str, str]:
    """`smin=0,smax=umax=255` by name; names that share a value stand in one chain."""
    members: dict[str, str] = {}
    for found in _MEMBER.finditer(text):
        for name in (found[1], *found[2].split("=")[:-1]):
            members[_BOUNDS.get(name, name)] = found[3]
    return members


def _scalar(members: dict[str, str]) -> str:
    low, high = _bounds(members)
    if (low, high) == (0, _U64):
        return "a number of which nothing is known"
    return f"a number, {low}..={high}"


def _bounds(members: dict[str, str]) -> tuple[int, int]:
    """Signed bounds where they are the narrower ones: of numbers that may be negative."""
    low, high = _integer(members.get("umin", "0")), _integer(members.get("umax", str(_U64)))
    signed_low, signed_high = members.get("smin"), members.get("smax")
    if high == _U64 and (signed_low or signed_high):
        return _integer(signed_low or str(_S64.start)), _integer(signed_high or str(_S64.stop - 1))
    return low, high


def _offset(members: dict[str, str]) -> str:
    """Where a pointer points within what it points to, if not to its beginning."""
    fixed = _integer(members.get("imm", "0")) + _integer(members.get("off", "0"))
    if not {"umax", "smax", "umin", "smin"} & set(members):
        return f", {fixed} bytes into it" if fixed else ""
    low, high = _bounds(members)
    return f", {low + fixed}..={high + fixed} bytes into it"


def _stack(distance: str | None, text: str | None) -> str:
    members = _members(text or "")
    depth = _integer(distance or "0") + _integer(members.get("off", "0"))
    if {"umax", "smax"} & set(members):
        low, high = _bounds(members)
        return f"a pointer into the stack, {depth + low}..={depth + high} bytes from its top"
    return f"a pointer into the stack, {-depth} bytes below its top" if depth else "the top of the stack"


def _integer(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:  # a leading zero, a unit: nothing the kernel writes
        return 0
