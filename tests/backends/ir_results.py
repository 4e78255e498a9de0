"""An IR program whose numbers are known: what the kernel computed can be compared with what the IR means."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from ir_build import Build, find, in_buffer, in_global

from optdsl.ir.ops import (
    Always,
    AsNumber,
    BinaryOperator,
    Both,
    Break,
    Call,
    DeclareBuffer,
    Either,
    IsNegative,
    Not,
    Repeat,
    Select,
    SetSocketOption,
    Statement,
    SwapBytes,
    Value,
)
from optdsl.ir.program import Function, Program
from optdsl.ir.types import U8, U64, Array, ByteArray, GlobalVariable, Member, Section, Struct
from optdsl.source import Source

_SOURCE = Source("results.opt", "results\n")
_INPUT = bytes(range(0x81, 0x81 + 80))
_NUMBERS = ((7, 3), (0, 5), (2**64 - 2, 9), (1 << 63, 1 << 31), (0x1122334455667788, 0xFF), (6, 6))
_MASK = 2**64 - 1

_MEANING: dict[BinaryOperator, Callable[[int, int], int]] = {
    BinaryOperator.ADD: lambda a, b: a + b,
    BinaryOperator.SUB: lambda a, b: a - b,
    BinaryOperator.MUL: lambda a, b: a * b,
    BinaryOperator.DIV: lambda a, b: a // b,
    BinaryOperator.MOD: lambda a, b: a % b,
    BinaryOperator.AND: lambda a, b: a & b,
    BinaryOperator.OR: lambda a, b: a | b,
    BinaryOperator.XOR: lambda a, b: a ^ b,
    BinaryOperator.SHL: lambda a, b: a << (b & 63),
    BinaryOperator.SHR: lambda a, b: a >> (b & 63),
    BinaryOperator.MIN: min,
    BinaryOperator.MAX: max,
}
# Those that C binds in different ways.
_NESTED = (
    BinaryOperator.SUB, BinaryOperator.MUL, BinaryOperator.DIV, BinaryOperator.MOD, BinaryOperator.AND,
    BinaryOperator.OR,
)  # fmt: skip

# `odd` makes the second array start at an address that no wide access may use.
_MEMORY = Struct(
    "memory",
    (Member("even", ByteArray(80, aligned=True)), Member("odd", U8), Member("shifted", ByteArray(80))),
)

# A value of the IR, and the number that it must have.
Check = tuple[Value, int]


def results() -> Program:
    """Stores the numbers into the global `results` whenever a client connects, and counts the runs behind them."""
    at = find(_SOURCE, "results")
    checks = _checks(at)
    length = len(checks) + len(_functions(at))
    memory = Struct("results", (Member("values", Array(U64, length)), Member("runs", U64)))
    groups = [checks[start : start + 40] for start in range(0, len(checks), 40)]
    functions = [_group(at, number, [value for value, _ in group]) for number, group in enumerate(groups)]
    calls: list[Statement] = [Call(at.span, function.name) for function in functions]
    for number, (function, _) in enumerate(_functions(at), start=len(checks)):
        calls.append(Call(at.span, function.name, (), function.name))
        calls.append(at.store(in_global("results", "values", number), at.local(function.name)))
    runs = in_global("results", "runs")
    entry = at.function(
        "results_main",
        at.when(
            at.compare(at.context("op"), "==", 3),
            *calls,
            at.store(runs, at.binary("+", at.load(runs), 1)),
        ),
        at.leave(1),
        returns=True,
    )
    numbers = tuple(number for pair in _NUMBERS for number in pair)
    return Program(
        name="results",
        sources=(_SOURCE,),
        globals=(
            GlobalVariable("results", memory, Section.PARAMETERS, ((0,) * length, 0)),
            GlobalVariable("memory", _MEMORY, Section.PARAMETERS, (_INPUT, 0, _INPUT)),
            GlobalVariable("target", ByteArray(80), Section.PARAMETERS, b""),
            GlobalVariable("numbers", Array(U64, len(numbers)), Section.PARAMETERS, numbers),
            GlobalVariable("counts", Array(U64, 6), Section.CONSTANTS, (10, 20, 30, 40, 50, 60)),
        ),
        maps=(),
        records=(),
        counters=Struct("counters", ()),
        functions=(*(function for function, _ in _functions(at)), *functions, entry),
        entry=entry.name,
    )


def expected_results() -> list[int]:
    """The numbers, in the order of `results.values`."""
    at = find(_SOURCE, "results")
    return [number & _MASK for _, number in (*_checks(at), *_functions(at))]


def _group(at: Build, group: int, values: list[Value]) -> Function:
    """A part of the checks as a sub-program, as one function would be too long to verify quickly."""
    body = [at.store(in_global("results", "values", 40 * group + number), value) for number, value in enumerate(values)]
    return at.function(f"group_{group}", *body, inline=False)


def _checks(at: Build) -> list[Check]:
    return [*_arithmetic(at), *_nested(at), *_conditions(at), *_bytes(at), *_elements(at)]


def _functions(at: Build) -> list[tuple[Function, int]]:
    """Functions that return a number."""
    return [_first_above(at), _buffered(at), _written(at), _refused(at)]


def _pair(at: Build, index: int) -> tuple[Value, Value]:
    return at.load(in_global("numbers", 2 * index)), at.load(in_global("numbers", 2 * index + 1))


def _arithmetic(at: Build) -> list[Check]:
    checks: list[Check] = []
    for index, (a, b) in enumerate(_NUMBERS):
        left, right = _pair(at, index)
        for operator, meaning in _MEANING.items():
            shift = operator in (BinaryOperator.SHL, BinaryOperator.SHR)
            checks.append(
                (at.binary(operator.value, left, at.binary("&", right, 63) if shift else right), meaning(a, b))
            )
        for bits in (16, 32, 64):
            low = a % 2**bits
            checks.append((SwapBytes(at.span, bits, left), int.from_bytes(low.to_bytes(bits // 8, "big"), "little")))
    return checks


def _nested(at: Build) -> list[Check]:
    """Every operator inside every other one, on both sides."""
    checks: list[Check] = []
    a, b, c = 0x1122334455667788, 0xFF, 7
    one, two, three = (at.load(in_global("numbers", index)) for index in (8, 9, 0))
    for outer, inner in product(_NESTED, repeat=2):
        first, second = _MEANING[outer], _MEANING[inner]
        left = at.binary(outer.value, at.binary(inner.value, one, two), three)
        right = at.binary(outer.value, one, at.binary(inner.value, two, three))
        checks += [(left, first(second(a, b) & _MASK, c)), (right, first(a, second(b, c) & _MASK))]
    return checks


def _conditions(at: Build) -> list[Check]:
    checks: list[Check] = []
    for index, (a, b) in enumerate(_NUMBERS):
        left, right = _pair(at, index)
        less, odd = at.compare(left, "<", right), at.compare(at.binary("&", left, 1), "!=", 0)
        for condition, truth in (
            (Both(at.span, less, odd), a < b and a % 2 == 1),
            (Either(at.span, less, Not(at.span, odd)), a < b or a % 2 == 0),
            (Not(at.span, Both(at.span, Not(at.span, less), Always(at.span, True))), a < b),
            (at.compare(left, ">=", right), a >= b),
            (at.compare(left, ">", right), a > b),
            (at.compare(left, "<=", right), a <= b),
        ):
            checks.append((AsNumber(at.span, condition), int(truth)))
            chosen = Select(at.span, condition, at.binary("+", left, 1), at.const(99))
            checks.append((chosen, a + 1 if truth else 99))
    return checks


def _bytes(at: Build) -> list[Check]:
    checks: list[Check] = []
    for size in range(1, 9):
        for offset in (0, 1, 2, 4, 8, 13):
            expected = int.from_bytes(_INPUT[offset : offset + size], "big")
            for member in ("even", "shifted"):
                checks.append((at.load_bytes(in_global("memory", member), offset, size), expected))
        variable = at.binary("+", at.load(in_global("numbers", 0)), size)
        checks.append(
            (
                at.load_bytes(in_global("memory", "shifted"), variable, size),
                int.from_bytes(_INPUT[7 + size : 7 + 2 * size], "big"),
            )
        )
    return checks


def _elements(at: Build) -> list[Check]:
    index = at.load(in_global("numbers", 1))
    return [
        (at.load(in_global("counts", index)), 40),
        (at.load(in_global("counts", 5)), 60),
        (at.load(in_global("numbers", at.binary("+", index, 2))), 9),
    ]


def _first_above(at: Build) -> tuple[Function, int]:
    """The index of the first byte above a bound, and the rounds of the loop that it took."""
    byte = at.load_bytes(in_global("memory", "even"), at.local("index"), 1)
    above = at.when(at.compare(byte, ">", 0x81 + 20), at.assign("found", at.local("index")), Break(at.span))
    function = at.function(
        "first_above",
        at.let("found", 1000),
        at.let("rounds", 0),
        Repeat(at.span, "index", 64, (above, at.assign("rounds", at.binary("+", at.local("rounds"), 1)))),
        at.leave(at.binary("+", at.binary("*", at.local("found"), 100), at.local("rounds"))),
        returns=True,
    )
    return function, 21 * 100 + 21


def _buffered(at: Build) -> tuple[Function, int]:
    """Bytes written to the stack in each size, over each other, and read back in others."""
    image = bytearray(24)
    body: list[Statement] = [DeclareBuffer(at.span, "buffer", 24), at.let("sum", 0)]
    total = 0
    for size, offset in ((8, 0), (7, 9), (5, 3), (3, 17), (6, 2), (4, 20), (2, 13), (1, 0)):
        number = 0x0123456789ABCDEF + (total & 0xFFFF)
        image[offset : offset + size] = (number % 2 ** (8 * size)).to_bytes(size, "big")
        value = at.binary("+", at.binary("&", at.local("sum"), 0xFFFF), 0x0123456789ABCDEF)
        body.append(at.store_bytes(in_buffer("buffer"), offset, size, value))
        for width, start in ((8, 8), (5, 1), (3, 16)):
            total = (total * 31 + int.from_bytes(image[start : start + width], "big")) & _MASK
            loaded = at.load_bytes(in_buffer("buffer"), start, width)
            body.append(at.assign("sum", at.binary("+", at.binary("*", at.local("sum"), 31), loaded)))
    body.append(at.leave(at.local("sum")))
    return at.function("buffered", *body, returns=True), total


def _written(at: Build) -> tuple[Function, int]:
    """Bytes written to map memory at variable offsets."""
    image = bytearray(80)
    body: list[Statement] = [at.let("sum", 0), at.let("start", at.load(in_global("numbers", 0)))]
    for size in range(1, 9):
        number = 0x8877665544332211 * size & _MASK
        image[7 + size : 7 + 2 * size] = (number % 2 ** (8 * size)).to_bytes(size, "big")
        offset = at.binary("+", at.local("start"), size)
        body.append(at.store_bytes(in_global("target"), offset, size, at.const(number)))
    total = 0
    for start in range(0, 40, 8):
        total = total * 31 + int.from_bytes(image[start : start + 8], "big") & _MASK
        loaded = at.load_bytes(in_global("target"), start, 8)
        body.append(at.assign("sum", at.binary("+", at.binary("*", at.local("sum"), 31), loaded)))
    body.append(at.leave(at.local("sum")))
    return at.function("written", *body, returns=True, inline=False), total


def _refused(at: Build) -> tuple[Function, int]:
    """The error of a helper is a number far above every length, although C has it below zero."""
    body: list[Statement] = [
        SetSocketOption(at.span, "error", 6, 9999, 4, at.const(1)),
        at.when(at.compare(at.local("error"), ">", 6), at.when(IsNegative(at.span, at.local("error")), at.leave(1))),
        at.leave(0),
    ]
    return at.function("refused", *body, returns=True), 1
