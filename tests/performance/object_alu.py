"""Arithmetic and conditions of BPF instructions, for `object_machine`. Source: RFC 9669, sections 4.1 to 4.3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from optdsl.elf.encoding import Alu, Class, Jump, Word

MASK_64: Final = (1 << 64) - 1
MASK_32: Final = (1 << 32) - 1


def signed(value: int, bits: int = 64) -> int:
    """A number of so many bits as two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def arithmetic(word: Word, registers: list[int]) -> int:
    """What an instruction of class ALU or ALU64 leaves in its destination."""
    bits = 64 if word.kind is Class.ALU64 else 32
    left = registers[word.destination]
    if word.operation == Alu.END:
        # Class ALU with the source bit is a conversion to big endian, and the machine is little-endian.
        count = word.immediate // 8
        value = (left & ((1 << word.immediate) - 1)).to_bytes(count, "little")
        swaps = word.takes_register or word.kind is Class.ALU64
        return int.from_bytes(value, "big" if swaps else "little")
    right = registers[word.source] if word.takes_register else word.immediate
    mask = (1 << bits) - 1
    if word.operation == Alu.MOV and word.offset:
        return signed(right, word.offset) & mask
    if word.operation == Alu.ARSH:
        return (signed(left, bits) >> (right & (bits - 1))) & mask
    if word.operation == Alu.NEG:
        return -left & mask
    if word.offset:  # of DIV and MOD: the signed ones
        return _signed_division(word.operation == Alu.DIV, signed(left, bits), signed(right, bits)) & mask
    return _OPERATIONS[Alu(word.operation)](left & mask, right & mask, bits) & mask


def _signed_division(wants_quotient: bool, left: int, right: int) -> int:
    """Towards zero, as C; by zero it gives 0, and the dividend as the rest."""
    quotient = abs(left) // abs(right) if right else 0
    quotient = -quotient if (left < 0) != (right < 0) else quotient
    return quotient if wants_quotient else left - quotient * right


_OPERATIONS: Final[dict[Alu, Callable[[int, int, int], int]]] = {
    Alu.ADD: lambda a, b, _: a + b,
    Alu.SUB: lambda a, b, _: a - b,
    Alu.MUL: lambda a, b, _: a * b,
    Alu.DIV: lambda a, b, _: a // b if b else 0,
    Alu.MOD: lambda a, b, _: a % b if b else a,
    Alu.OR: lambda a, b, _: a | b,
    Alu.AND: lambda a, b, _: a & b,
    Alu.XOR: lambda a, b, _: a ^ b,
    Alu.LSH: lambda a, b, bits: a << (b & (bits - 1)),
    Alu.RSH: lambda a, b, bits: a >> (b & (bits - 1)),
    Alu.MOV: lambda _a, b, _: b,
}


def distance(word: Word) -> int:
    """The slots that a jump jumps, from the one behind it: the jump without a condition has a far form."""
    return word.immediate if word.operation == Jump.JA and word.kind is Class.JMP32 else word.offset


def taken(word: Word, registers: list[int]) -> bool:
    """Whether a jump jumps."""
    if word.operation == Jump.JA:
        return True
    bits = 64 if word.kind is Class.JMP else 32
    mask = (1 << bits) - 1
    left = registers[word.destination] & mask
    right = (registers[word.source] if word.takes_register else word.immediate) & mask
    return _CONDITIONS[Jump(word.operation)](left, right, bits)


_CONDITIONS: Final[dict[Jump, Callable[[int, int, int], bool]]] = {
    Jump.JEQ: lambda a, b, _: a == b,
    Jump.JNE: lambda a, b, _: a != b,
    Jump.JGT: lambda a, b, _: a > b,
    Jump.JGE: lambda a, b, _: a >= b,
    Jump.JLT: lambda a, b, _: a < b,
    Jump.JLE: lambda a, b, _: a <= b,
    Jump.JSET: lambda a, b, _: bool(a & b),
    Jump.JSGT: lambda a, b, bits: signed(a, bits) > signed(b, bits),
    Jump.JSGE: lambda a, b, bits: signed(a, bits) >= signed(b, bits),
    Jump.JSLT: lambda a, b, bits: signed(a, bits) < signed(b, bits),
    Jump.JSLE: lambda a, b, bits: signed(a, bits) <= signed(b, bits),
}
