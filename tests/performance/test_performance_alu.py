"""Arithmetic and jumps of the object machine that the measured programs do not happen to use (RFC 9669, section 4)."""

from __future__ import annotations

import pytest

from optdsl.elf.encoding import Alu, Class, Jump, Word
from performance.object_alu import arithmetic, distance, taken


def word(kind: Class, operation: int, offset: int = 0, immediate: int = 0) -> Word:
    """An instruction on register 1, with an immediate operand."""
    return Word(0, 1, int(kind) | operation, 1, 0, offset, immediate, b"")


@pytest.mark.parametrize(
    ("operation", "left", "right", "expected"),
    [
        (Alu.DIV, -7, 2, -3), (Alu.MOD, -7, 2, -1), (Alu.DIV, 7, -2, -3), (Alu.MOD, 7, -2, 1),
        (Alu.DIV, -7, 0, 0), (Alu.MOD, -7, 0, -7), (Alu.DIV, -(1 << 31), -1, 1 << 31), (Alu.MOD, -(1 << 31), -1, 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("kind", "bits"), [(Class.ALU64, 64), (Class.ALU, 32)])
def test_signed_division(kind: Class, bits: int, operation: Alu, left: int, right: int, expected: int) -> None:
    mask = (1 << bits) - 1
    assert arithmetic(word(kind, operation, 1, right), [0, left & mask]) == expected & mask


def test_unsigned_division() -> None:
    assert arithmetic(word(Class.ALU64, Alu.DIV, 0, 2), [0, -7 & (1 << 64) - 1]) == ((1 << 64) - 7) // 2


def test_how_far_a_jump_goes() -> None:
    near, far = word(Class.JMP, Jump.JA, 5, 70_000), word(Class.JMP32, Jump.JA, 5, 70_000)
    assert taken(near, [0, 0])
    assert taken(far, [0, 0])
    assert (distance(near), distance(far)) == (5, 70_000)
    assert distance(word(Class.JMP32, Jump.JEQ, 5, 0)) == 5
