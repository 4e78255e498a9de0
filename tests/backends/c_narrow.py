"""An IR program that computes with numbers of all widths: C must not lose a bit where the IR has 64."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ir_build import Build, find, in_global

from optdsl.ir.ops import (
    AsNumber,
    BinaryOperator,
    Call,
    Comparison,
    IsNegative,
    Select,
    Statement,
    SwapBytes,
    Value,
)
from optdsl.ir.program import Function, Program
from optdsl.ir.types import (
    U8,
    U16,
    U32,
    U64,
    Array,
    GlobalVariable,
    Member,
    Section,
    Struct,
)
from optdsl.source import Source

_SOURCE = Source("narrow.opt", "narrow\n")
_MASK = 2**64 - 1

_WIDTHS = Struct(
    "widths",
    (Member("a", U8), Member("b", U8), Member("c", U16), Member("d", U32), Member("e", U32), Member("f", U64)),
)
_NUMBERS = {"a": 200, "b": 251, "c": 65535, "d": 0xFFFFFFF0, "e": 7, "f": 0xFEDCBA9876543210}
_CONSTANTS = (3, 300, 5_000_000_000, 0x80000000)

_MEANING: dict[BinaryOperator, Callable[[int, int], int]] = {
    BinaryOperator.ADD: lambda a, b: a + b,
    BinaryOperator.SUB: lambda a, b: a - b,
    BinaryOperator.MUL: lambda a, b: a * b,
    BinaryOperator.DIV: lambda a, b: a // b,
    BinaryOperator.MOD: lambda a, b: a % b,
    BinaryOperator.AND: lambda a, b: a & b,
    BinaryOperator.OR: lambda a, b: a | b,
    BinaryOperator.XOR: lambda a, b: a ^ b,
    BinaryOperator.MIN: min,
    BinaryOperator.MAX: max,
}
_TRUTH: dict[Comparison, Callable[[int, int], bool]] = {
    Comparison.EQ: lambda a, b: a == b,
    Comparison.NE: lambda a, b: a != b,
    Comparison.LT: lambda a, b: a < b,
    Comparison.LE: lambda a, b: a <= b,
    Comparison.GT: lambda a, b: a > b,
    Comparison.GE: lambda a, b: a >= b,
}

# A value of the IR, and the number that it must have.
Check = tuple[Value, int]


def narrow() -> Program:
    """Stores the numbers into the global `results` whenever a client connects."""
    at = find(_SOURCE, "narrow")
    checks = list(_checks(at))
    groups = [checks[start : start + 50] for start in range(0, len(checks), 50)]
    functions = [_group(at, number, [value for value, _ in group]) for number, group in enumerate(groups)]
    calls: list[Statement] = [Call(at.span, function.name) for function in functions]
    entry = at.function(
        "narrow_main",
        at.when(at.compare(at.context("op"), "==", 3), *calls),
        at.leave(1),
        returns=True,
        inline=False,
    )
    return Program(
        name="narrow",
        sources=(_SOURCE,),
        globals=(
            GlobalVariable("results", Array(U64, len(checks)), Section.PARAMETERS, ()),
            GlobalVariable("widths", _WIDTHS, Section.PARAMETERS, tuple(_NUMBERS.values())),
        ),
        maps=(),
        records=(),
        counters=Struct("counters", ()),
        functions=(*functions, entry),
        entry=entry.name,
    )


def expected_narrow() -> list[int]:
    """The numbers, in the order of `results`."""
    return [number & _MASK for _, number in _checks(find(_SOURCE, "narrow"))]


def _group(at: Build, group: int, values: list[Value]) -> Function:
    stores = (at.store(in_global("results", 50 * group + number), value) for number, value in enumerate(values))
    return at.function(f"group_{group}", *stores, inline=False)


def _operands(at: Build) -> list[Check]:
    loads: list[Check] = [(at.load(in_global("widths", name)), number) for name, number in _NUMBERS.items()]
    return [*loads, *((at.const(number), number) for number in _CONSTANTS)]


def _checks(at: Build) -> Iterator[Check]:
    for left, a in _operands(at):
        for right, b in _operands(at):
            for operator, meaning in _MEANING.items():
                yield at.binary(operator.value, left, right), meaning(a, b)
            if left == right:
                continue  # clang has an opinion on comparing a variable with itself
            for comparison, holds in _TRUTH.items():
                yield AsNumber(at.span, at.compare(left, comparison.value, right)), int(holds(a, b))
            difference = at.binary("-", left, right)
            yield at.binary(">>", difference, 1), ((a - b) & _MASK) >> 1
            yield AsNumber(at.span, IsNegative(at.span, difference)), ((a - b) & _MASK) >> 63
            chosen = Select(at.span, at.compare(left, "<", right), left, difference)
            yield at.binary("+", chosen, 1), (a if a < b else a - b) + 1
        for count in (1, 8, 24, 31, 40, 63):
            yield at.binary("<<", left, count), a << count
            yield at.binary(">>", left, count), a >> count
        for bits in (16, 32, 64):
            low = (a % 2**bits).to_bytes(bits // 8, "little")
            yield SwapBytes(at.span, bits, left), int.from_bytes(low, "big")
