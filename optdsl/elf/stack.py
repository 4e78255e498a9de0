"""How much stack a function uses, read from its code.

The frame pointer r10 is read-only and the stack lies below it (RFC 9669, section 2): the deepest byte is that of the
lowest constant offset from r10, in a load or store or in a pointer that is made from it (`r2 = r10; r2 += -24`).
"""

from __future__ import annotations

from struct import iter_unpack

_FRAME_POINTER = 10
_MOVE, _ADD_CONSTANT = 0xBF, 0x07
_LOADS_AND_STORES = {0x01: 4, 0x02: 0, 0x03: 0}
"""Class of an instruction that accesses memory: by how many bits to shift its register byte for the address."""


def stack_bytes(code: bytes) -> int:
    """Bytes of stack that a function uses, without those of the functions that it calls; 512 is the kernel's limit."""
    deepest = 0
    copied: int | None = None
    for opcode, registers, offset, constant in iter_unpack("<BBhi", code):
        target = registers & 0xF
        shift = _LOADS_AND_STORES.get(opcode & 7)
        if shift is not None and (registers >> shift) & 0xF == _FRAME_POINTER:
            deepest = max(deepest, -offset)
        if opcode == _ADD_CONSTANT and target == copied:
            deepest = max(deepest, -constant)
        copied = target if opcode == _MOVE and registers >> 4 == _FRAME_POINTER else None
    return deepest
