"""The text form of the IR: whole programs against golden files, expressions one by one."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from ir_delack import delack
from ir_gallery import gallery
from ir_programs import (
    HERE,
    SCRATCH,
    SOURCE,
    behind,
    binary,
    compare,
    ctx,
    in_buffer,
    in_global,
    is_null,
    load,
    load_bytes,
    n,
    negative,
    v,
)

from optdsl.ir import ops
from optdsl.ir.check import check_program
from optdsl.ir.print_values import condition_text, number, value_text
from optdsl.ir.printer import print_program
from optdsl.ir.types import U16, Array, ByteArray, GlobalVariable, Section
from optdsl.record import fields, is_record, replace
from optdsl.source import Source

GOLDEN = Path(__file__).parent / "golden"
TEXTS = {
    "delack": lambda: print_program(delack()),
    "delack.spans": lambda: print_program(delack(), spans=True),
    "gallery": lambda: print_program(gallery()),
}


@pytest.mark.parametrize("name", TEXTS)
def test_golden(name: str, request: pytest.FixtureRequest) -> None:
    path, text = GOLDEN / f"{name}.ir", TEXTS[name]()
    if request.config.getoption("--update-golden", default=False):
        path.write_text(text)
    assert text == path.read_text()


def _classes(node: object) -> set[type]:
    if isinstance(node, tuple):
        return set().union(*(_classes(one) for one in node)) if node else set()
    if not is_record(node) or isinstance(node, Source):
        return set()
    return {type(node)}.union(*(_classes(getattr(node, name)) for name in fields(node) if name != "span"))


def test_the_gallery_has_every_operation() -> None:
    assert check_program(gallery()) == []
    wanted = {*get_args(ops.Statement), *get_args(ops.Value), *get_args(ops.Condition), *get_args(ops.Root)}
    assert wanted <= _classes(gallery().functions)


def test_text_does_not_depend_on_folders() -> None:
    assert "samples" not in print_program(delack(), spans=True)
    assert print_program(delack()) == print_program(replace(delack(), sources=(SOURCE,)))


def test_nothing_is_printed_for_what_is_not_there() -> None:
    empty = replace(SCRATCH, globals=(), maps=(), records=(), counters=replace(SCRATCH.counters, members=()))
    assert print_program(empty) == 'program scratch license "GPL"\n'


A, B, C = v("a"), v("b"), v("c")
VALUES = [
    (binary("+", binary("+", A, B), C), "a + b + c"),
    (binary("+", A, binary("+", B, C)), "a + (b + c)"),
    (binary("-", A, binary("-", B, C)), "a - (b - c)"),
    (binary("+", binary("*", A, B), C), "a * b + c"),
    (binary("*", binary("+", A, B), C), "(a + b) * c"),
    (binary("|", binary("<<", A, n(8)), B), "(a << 8) | b"),
    (binary("|", binary("|", A, B), C), "a | b | c"),
    (binary("<<", binary("+", A, B), n(2)), "(a + b) << 2"),
    (binary("min", binary("+", A, B), binary("max", B, C)), "min(a + b, max(b, c))"),
    (ops.Select(HERE, compare(A, "<", B), A, binary("+", B, C)), "a < b ? a : b + c"),
    (binary("+", ops.Select(HERE, compare(A, "<", B), A, B), C), "(a < b ? a : b) + c"),
    (ops.Select(HERE, compare(A, "<", B), ops.Select(HERE, is_null("p"), A, B), C), "a < b ? (p is null ? a : b) : c"),
    (ops.AsNumber(HERE, compare(A, "!=", B)), "number(a != b)"),
    (ops.SwapBytes(HERE, 16, binary("+", A, B)), "swap16(a + b)"),
    (ctx("remote_ip6[3]"), "ctx.remote_ip6[3]"),
    (load(behind("socket", "rows", 1, "id")), "socket.rows[1].id"),
    (load(in_global("table", binary("+", A, n(1)))), "table[a + 1]"),
    (load_bytes(in_buffer("wire"), 4, 2), "wire[4..6]"),
    (load_bytes(in_buffer("wire"), 4, 1), "wire[4]"),
    (load_bytes(behind("socket", "wide"), binary("+", A, B), 2), "socket.wide[a + b ..+ 2]"),
]


@pytest.mark.parametrize(("value", "text"), VALUES, ids=[text for _, text in VALUES])
def test_value(value: ops.Value, text: str) -> None:
    assert value_text(value) == text


SMALL, EQUAL, NULL = compare(A, "<", B), compare(A, "==", B), is_null("p")
CONDITIONS: list[tuple[ops.Condition, str]] = [
    (compare(binary("&", A, B), "==", binary("+", B, C)), "(a & b) == b + c"),
    (ops.Both(HERE, ops.Both(HERE, SMALL, EQUAL), NULL), "a < b and a == b and p is null"),
    (ops.Both(HERE, SMALL, ops.Both(HERE, EQUAL, NULL)), "a < b and (a == b and p is null)"),
    (ops.Either(HERE, SMALL, ops.Both(HERE, EQUAL, NULL)), "a < b or a == b and p is null"),
    (ops.Both(HERE, ops.Either(HERE, SMALL, EQUAL), NULL), "(a < b or a == b) and p is null"),
    (ops.Not(HERE, SMALL), "not (a < b)"),
    (ops.Not(HERE, ops.Both(HERE, SMALL, EQUAL)), "not (a < b and a == b)"),
    (ops.Not(HERE, NULL), "p is not null"),
    (ops.Not(HERE, negative("a")), "a is not negative"),
    (ops.Not(HERE, ops.Always(HERE, True)), "not true"),
    (ops.IsNegative(HERE, binary("-", A, B)), "a - b is negative"),
    (is_null("ctx.sk"), "ctx.sk is null"),
    (compare(ops.AsNumber(HERE, SMALL), "==", n(1)), "number(a < b) == 1"),
]


@pytest.mark.parametrize(("condition", "text"), CONDITIONS, ids=[text for _, text in CONDITIONS])
def test_condition(condition: ops.Condition, text: str) -> None:
    assert condition_text(condition) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (65535, "65535"), (65536, "0x10000"), (200_000, "200000"), (2**64 - 1, "0xffffffffffffffff")],
)
def test_numbers(value: int, text: str) -> None:
    assert number(value) == text


def test_initial_values() -> None:
    text = print_program(
        replace(
            SCRATCH,
            globals=(
                GlobalVariable("name", ByteArray(8, text=True), Section.CONSTANTS, b'b"r\n'),
                GlobalVariable("raw", ByteArray(4), Section.CONSTANTS, b"\x01\xfd"),
                GlobalVariable("empty", Array(U16, 2), Section.PARAMETERS, ()),
                GlobalVariable("long", Array(Array(U16, 12), 2), Section.CONSTANTS, (tuple(range(1000, 1012)), (1, 2))),
            ),
        )
    )
    assert r'constant name : char[8] = "b\x22r\x0a"' in text
    assert "constant raw : bytes[4] = bytes(01 fd)" in text
    assert "parameter empty : u16[2] = {}" in text
    lines = text.splitlines()
    start = lines.index("constant long : u16[2][12] = {")
    assert lines[start + 2 : start + 4] == ["    { 1, 2 }", "}"]
