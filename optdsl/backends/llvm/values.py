"""Values and conditions of the IR as LLVM operands: `i64` and `i1`.

A value is evaluated only where the IR evaluates it: what stands behind `and`, `or` and in the arms of a selection gets
blocks of its own, so that neither a division nor an access happens on a path that excludes it. LLVM turns the cheap
ones back into straight code.
"""

from __future__ import annotations

from typing import assert_never

from optdsl.backends.llvm import memory
from optdsl.backends.llvm.frame import Frame
from optdsl.ir.ops import (
    Always,
    AsNumber,
    Binary,
    BinaryOperator,
    Both,
    Compare,
    Comparison,
    Condition,
    Const,
    Context,
    Either,
    IsNegative,
    IsNull,
    Load,
    LoadBytes,
    Local,
    Not,
    Select,
    SwapBytes,
    Value,
)

_INSTRUCTIONS = {
    BinaryOperator.ADD: "add",
    BinaryOperator.SUB: "sub",
    BinaryOperator.MUL: "mul",
    BinaryOperator.DIV: "udiv",
    BinaryOperator.MOD: "urem",
    BinaryOperator.AND: "and",
    BinaryOperator.OR: "or",
    BinaryOperator.XOR: "xor",
    BinaryOperator.SHL: "shl",
    BinaryOperator.SHR: "lshr",
}

_INTRINSICS = {BinaryOperator.MIN: "umin.i64", BinaryOperator.MAX: "umax.i64"}

_PREDICATES = {
    Comparison.EQ: "eq",
    Comparison.NE: "ne",
    Comparison.LT: "ult",
    Comparison.LE: "ule",
    Comparison.GT: "ugt",
    Comparison.GE: "uge",
}


def number(frame: Frame, value: Value) -> str:
    """Evaluates a value to an `i64` operand."""
    match value:
        case Const():
            return str(value.value)
        case Local():
            frame.writer.at(value.span)
            return frame.number(value.name)
        case Binary():
            return _binary(frame, value)
        case Select():
            return _select(frame, value)
        case AsNumber():
            truth = flag(frame, value.condition)
            frame.writer.at(value.span)
            return frame.writer.value(f"zext i1 {truth} to i64")
        case Context():
            frame.writer.at(value.span)
            operand, bits = frame.context_field(value.field, value.span)
            return memory.widen(frame, operand, bits)
        case SwapBytes():
            operand = number(frame, value.value)
            frame.writer.at(value.span)
            kind = f"i{value.bits}"
            narrow = memory.narrowed(frame, operand, value.bits)
            swapped = frame.writer.intrinsic(kind, f"bswap.{kind}", f"{kind} {narrow}")
            return memory.widen(frame, swapped, value.bits)
        case Load():
            frame.writer.at(value.span)
            address = memory.locate(frame, value.place, number)
            frame.writer.at(value.span)
            return memory.load(frame, address)
        case LoadBytes():
            frame.writer.at(value.span)
            base = memory.locate(frame, value.place, number)
            address = memory.byte_offset(frame, base, value.offset, value.span, number)
            frame.writer.at(value.span)
            return memory.load_bytes(frame, address, value.size)
        case _:
            assert_never(value)


def flag(frame: Frame, condition: Condition) -> str:
    """Evaluates a condition to an `i1` operand."""
    match condition:
        case Always():
            return "true" if condition.holds else "false"
        case Compare():
            left, right = number(frame, condition.left), number(frame, condition.right)
            frame.writer.at(condition.span)
            return frame.writer.value(f"icmp {_PREDICATES[condition.comparison]} i64 {left}, {right}")
        case IsNegative():
            operand = number(frame, condition.value)
            frame.writer.at(condition.span)
            return frame.writer.value(f"icmp slt i64 {operand}, 0")
        case IsNull():
            frame.writer.at(condition.span)
            if condition.pointer == "ctx.sk":
                pointer, _ = frame.context_field("sk", condition.span)
            else:
                pointer = frame.pointer(condition.pointer)
            return frame.writer.value(f"icmp eq ptr {pointer}, null")
        case Not():
            operand = flag(frame, condition.condition)
            frame.writer.at(condition.span)
            return frame.writer.value(f"xor i1 {operand}, true")
        case Both() | Either():
            return _joined(frame, condition)
        case _:
            assert_never(condition)


def branch(frame: Frame, condition: Condition, yes: str, no: str) -> None:
    """Ends the block: goes to the block `yes` if the condition holds, else to `no`."""
    match condition:
        case Both():
            middle = frame.writer.label("and")
            branch(frame, condition.left, middle, no)
            frame.writer.start(middle)
            branch(frame, condition.right, yes, no)
        case Either():
            middle = frame.writer.label("or")
            branch(frame, condition.left, yes, middle)
            frame.writer.start(middle)
            branch(frame, condition.right, yes, no)
        case Not():
            branch(frame, condition.condition, no, yes)
        case _:
            truth = flag(frame, condition)
            frame.writer.at(condition.span)
            frame.writer.branch(truth, yes, no)


def _binary(frame: Frame, value: Binary) -> str:
    left, right = number(frame, value.left), number(frame, value.right)
    frame.writer.at(value.span)
    if value.operator in _INTRINSICS:
        return frame.writer.intrinsic("i64", _INTRINSICS[value.operator], f"i64 {left}", f"i64 {right}")
    return frame.writer.value(f"{_INSTRUCTIONS[value.operator]} i64 {left}, {right}")


def _select(frame: Frame, value: Select) -> str:
    writer = frame.writer
    if isinstance(value.yes, Const | Local) and isinstance(value.no, Const | Local):
        yes, no = number(frame, value.yes), number(frame, value.no)
        truth = flag(frame, value.condition)
        writer.at(value.span)
        return writer.value(f"select i1 {truth}, i64 {yes}, i64 {no}")
    yes_block, no_block, end = writer.label("yes"), writer.label("no"), writer.label("end")
    branch(frame, value.condition, yes_block, no_block)
    incoming = []
    for block, arm in ((yes_block, value.yes), (no_block, value.no)):
        writer.start(block)
        operand = number(frame, arm)
        incoming.append((operand, writer.block))
        writer.at(value.span)
        writer.jump(end)
    writer.start(end)
    return writer.phi("i64", *incoming)


def _joined(frame: Frame, condition: Both | Either) -> str:
    writer = frame.writer
    yes, no, end = writer.label("yes"), writer.label("no"), writer.label("end")
    branch(frame, condition, yes, no)
    for block in (yes, no):
        writer.start(block)
        writer.at(condition.span)
        writer.jump(end)
    writer.start(end)
    return writer.phi("i1", ("true", yes), ("false", no))
