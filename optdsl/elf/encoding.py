"""The BPF instruction format: 8 bytes a slot, two slots for a 64-bit immediate load.

    opcode:8  dst:4  src:4  offset:16  imm:32        and, in the second slot of a wide load, the upper imm:32

Source: RFC 9669, sections 3 to 5; for what is newer than the RFC (`may_goto`, `load_acquire`, `store_release`,
`addr_space_cast`) `include/uapi/linux/bpf.h` and `lib/Target/BPF/BPFInstrInfo.td` of LLVM.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct

from optdsl.elf.errors import ObjectError
from optdsl.record import record

SLOT_SIZE = 8
"""Bytes of a slot; jumps and calls count in slots."""

LAST_REGISTER = 11
"""r0 to r10 are in RFC 9669; LLVM's register file and the kernel's internal one have r11 as well."""

_ENCODING = Struct("<BBhi")
_WIDE_LOAD = 0x18


class Class(IntEnum):
    """Bits 0 to 2 of the opcode."""

    LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 = range(8)


class Mode(IntEnum):
    """Bits 5 to 7 of the opcode of a load or store."""

    IMM, ABS, IND, MEM, MEMSX, ATOMIC = 0x00, 0x20, 0x40, 0x60, 0x80, 0xC0


class Alu(IntEnum):
    """Bits 4 to 7 of the opcode of an arithmetic instruction."""

    ADD, SUB, MUL, DIV, OR, AND, LSH, RSH = range(0x00, 0x80, 0x10)
    NEG, MOD, XOR, MOV, ARSH, END = range(0x80, 0xE0, 0x10)


class Jump(IntEnum):
    """Bits 4 to 7 of the opcode of a jump, a call or a return."""

    JA, JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE = range(0x00, 0x80, 0x10)
    CALL, EXIT, JLT, JLE, JSLT, JSLE, JCOND = range(0x80, 0xF0, 0x10)


class Atomic(IntEnum):
    """The immediate of an atomic instruction; FETCH may be added to the first four."""

    ADD, OR, AND, XOR, FETCH, XCHG, CMPXCHG = 0x00, 0x40, 0x50, 0xA0, 0x01, 0xE1, 0xF1
    LOAD_ACQUIRE, STORE_RELEASE = 0x100, 0x110


class Callee(IntEnum):
    """The source register of a call says what the immediate counts."""

    HELPER, LOCAL, KFUNC = 0, 1, 2


@record
class Word:
    """One instruction by its fields; offset and immediate are signed, the latter 64 bits wide if `width` is 2."""

    slot: int
    width: int
    opcode: int
    destination: int
    source: int
    offset: int
    immediate: int
    raw: bytes

    @property
    def kind(self) -> Class:
        """The instruction class."""
        return Class(self.opcode & 0x07)

    @property
    def operation(self) -> int:
        """An `Alu` or `Jump`, or a number that stands for neither."""
        return self.opcode & 0xF0

    @property
    def mode(self) -> int:
        """A `Mode`, or a number that stands for none."""
        return self.opcode & 0xE0

    @property
    def bits(self) -> int:
        """Width of the memory access in bits."""
        return {0x00: 32, 0x08: 16, 0x10: 8, 0x18: 64}[self.opcode & 0x18]

    @property
    def takes_register(self) -> bool:
        """Whether the second operand is the source register rather than the immediate."""
        return bool(self.opcode & 0x08)

    @property
    def is_wide_load(self) -> bool:
        """Whether this is a 64-bit immediate load."""
        return self.opcode == _WIDE_LOAD


def words(code: bytes) -> Iterator[Word]:
    """The instructions of `code`; a wide load whose second slot is missing comes with width 1.

    Raises `ObjectError` if the length of `code` is not a multiple of 8.
    """
    if len(code) % SLOT_SIZE:
        raise ObjectError(f"{len(code)} bytes of code are not a whole number of instructions")
    slot = 0
    while slot * SLOT_SIZE < len(code):
        start = slot * SLOT_SIZE
        opcode, registers, offset, immediate = _ENCODING.unpack_from(code, start)
        width = 1
        if opcode == _WIDE_LOAD and start + SLOT_SIZE < len(code):
            width = 2
            upper = _ENCODING.unpack_from(code, start + SLOT_SIZE)[3]
            immediate = upper << 32 | immediate & 0xFFFFFFFF
        raw = code[start : start + width * SLOT_SIZE]
        yield Word(slot, width, opcode, registers & 0xF, registers >> 4, offset, immediate, raw)
        slot += width
