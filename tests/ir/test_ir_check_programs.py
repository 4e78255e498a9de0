"""The checker's rules for whole programs: what breaks them, and what comes close and is fine."""

from __future__ import annotations

import pytest
from ir_delack import delack
from ir_gallery import gallery
from ir_programs import (
    HERE,
    ROW,
    SAMPLE,
    SCRATCH,
    SCRATCH_STATE,
    assign,
    behind,
    buffer,
    call,
    compare,
    ctx,
    function,
    if_,
    in_buffer,
    is_null,
    let,
    load,
    load_bytes,
    lookup,
    n,
    repeat,
    reserve_record,
    return_,
    storage,
    store,
    submit,
    v,
    with_body,
    with_functions,
)

from optdsl.ir import ops
from optdsl.ir.check import check_program
from optdsl.ir.program import Program
from optdsl.ir.types import (
    U8,
    U16,
    U32,
    U64,
    Array,
    ByteArray,
    GlobalVariable,
    MapDefinition,
    MapKind,
    Member,
    Scalar,
    Section,
    Struct,
)
from optdsl.record import replace

STATE = (storage("state"), if_(is_null("state"), return_()))
BREAK = ops.Break(HERE)
WIDE = SCRATCH_STATE.member("wide").type


def fill(name: str) -> tuple[ops.Statement, ...]:
    return tuple(store(behind(name, member.name), n(1)) for member in SAMPLE.members)


def events(entry: ops.Statement) -> Program:
    """A program whose functions `reserve` and `write` work on options; `entry` is in the entry."""
    return with_functions(
        function("reserve", ops.ReserveOption(HERE, "reserved", n(4))),
        function("write", buffer("option", 4), ops.StoreOption(HERE, "stored", in_buffer("option"), 4)),
        entry=(entry,),
    )


def on(value: ops.Value, number: int, *body: ops.Statement) -> ops.Switch:
    return ops.Switch(HERE, value, (ops.Case(((number, ""),), body),))


FINE = {
    "delack": delack(),
    "gallery": gallery(),
    "test in a condition": with_body(
        storage("p"),
        if_(
            ops.Either(HERE, is_null("p"), compare(load(behind("p", "small")), "==", n(1))),
            return_(),
            no=(store(behind("p", "small"), n(2)),),
        ),
        store(behind("p", "small"), n(3)),
    ),
    "test by leaving a loop": with_body(
        repeat("i", 4, storage("p"), if_(is_null("p"), BREAK), store(behind("p", "small"), v("i")))
    ),
    "record submitted on both paths": with_body(
        reserve_record("r"),
        if_(
            ops.Not(HERE, is_null("r")),
            *fill("r"),
            if_(compare(ctx("op"), "==", n(3)), submit("r"), no=(submit("r"),)),
        ),
    ),
    "record in a loop": with_body(
        repeat("i", 3, reserve_record("r"), if_(ops.Not(HERE, is_null("r")), *fill("r"), submit("r")))
    ),
    "return in every branch": with_functions(
        function("f", if_(is_null("ctx.sk"), return_(n(1)), no=(return_(n(2)),)), returns=True)
    ),
    "statements that are never reached": with_body(storage("p"), return_(), store(behind("p", "small"), n(1))),
    "a local named like a map that is not used": with_body(let("names", n(1)), assign("names", n(2))),
    "helpers behind a comparison": events(if_(compare(ctx("op"), "==", n(14)), call("reserve"))),
    "two switches": events(on(ctx("op"), 14, on(ctx("op"), 14, call("reserve")), on(ctx("op"), 15, call("reserve")))),
    "512 bytes of buffers": with_body(buffer("a", 500), buffer("b", 8)),
    "map memory through two calls": with_functions(
        function(
            "inner",
            let("x", load_bytes(behind("p"), ctx("op"), 2)),
            parameters=(ops.Parameter("p", WIDE),),
        ),
        function(
            "outer",
            call("inner", ops.AddressOf(behind("q"))),
            parameters=(ops.Parameter("q", WIDE),),
        ),
        entry=(storage("s"), if_(ops.Not(HERE, is_null("s")), call("outer", ops.AddressOf(behind("s", "wide"))))),
    ),
}


@pytest.mark.parametrize("program", FINE.values(), ids=FINE)
def test_fine(program: Program) -> None:
    assert check_program(program) == []


POINTER, NUMBER = ops.Parameter("p", SCRATCH_STATE), ops.Parameter("x")
CALLEE = function("callee", parameters=(POINTER, NUMBER))
FIXED = SCRATCH.global_variable("fixed")


def calling(*arguments: ops.Value | ops.AddressOf, result: str | None = None) -> Program:
    return with_functions(CALLEE, function("subject", *STATE, call("callee", *arguments, result=result)))


GOOD = (ops.AddressOf(behind("state")), n(1))


def with_maps(*maps: MapDefinition) -> Program:
    return replace(with_functions(), maps=maps)


def with_global(kind: Scalar | ByteArray | Array | Struct, initial: int | bytes | tuple[int, ...]) -> Program:
    return replace(with_functions(), globals=(GlobalVariable("g", kind, Section.CONSTANTS, initial),))


READER = function(
    "reader",
    let("x", load_bytes(behind("p"), ctx("op"), 1)),
    parameters=(ops.Parameter("p", ByteArray(80)),),
)
PROGRAMS: list[tuple[str, Program]] = [
    # Calls
    ("callee takes 2 arguments", calling(*GOOD, n(2))),
    ("callee returns no number", calling(*GOOD, result="y")),
    ("a number for the pointer p", calling(n(1), n(1))),
    ("a pointer for the number x", calling(*GOOD[:1], ops.AddressOf(behind("state")))),
    ("state.rows is not what p points to", calling(ops.AddressOf(behind("state", "rows")), n(1))),
    (
        "b, which is no map memory",
        with_functions(READER, function("f", buffer("b", 80), call("reader", ops.AddressOf(in_buffer("b"))))),
    ),
    (
        "short is not what p points to",
        with_functions(
            function("taker", parameters=(ops.Parameter("p", ByteArray(80)),)),
            function("f", buffer("short", 72), call("taker", ops.AddressOf(in_buffer("short")))),
        ),
    ),
    (
        "callee of the program is hidden",
        with_functions(CALLEE, function("f", let("callee", n(1)), *STATE, call("callee", *GOOD))),
    ),
    # Functions
    (
        "ends without returning a number",
        with_functions(function("f", if_(is_null("ctx.sk"), return_(n(1))), returns=True)),
    ),
    ("returns no number where the function returns one", with_functions(function("f", return_(), returns=True))),
    (
        "5 parameters besides ctx",
        with_functions(function("f", parameters=tuple(ops.Parameter(f"p{i}") for i in range(5)))),
    ),
    ("p is declared twice", with_functions(function("f", parameters=(POINTER, POINTER)))),
    ("two definitions of f", with_functions(function("f"), function("f"))),
    ("two definitions of names", with_functions(function("names"))),
    ("'a b' is no name", with_functions(function("a b"))),
    ("520 bytes of buffers", with_body(buffer("a", 500), buffer("b", 9))),
    (
        "608 bytes of buffers",
        with_functions(function("f", buffer("a", 304)), function("g", buffer("a", 304), repeat("i", 2, call("f")))),
    ),
    # The entry
    ("the entry entry is not the last function", replace(SCRATCH, functions=(function("f"),))),
    ("the entry entry is not the last function", SCRATCH),
    ("must take no parameters and return a number", replace(SCRATCH, functions=(function("entry"),))),
    ("the entry returns something else than 1", with_functions(entry=(if_(is_null("ctx.sk"), return_(n(0))),))),
    # Callbacks
    ("reserve: samples/delack.opt:1:1: ReserveOption is reached outside of HDR_OPT_LEN_CB", events(call("reserve"))),
    ("ReserveOption is reached outside", events(on(ctx("op"), 15, call("reserve")))),
    ("ReserveOption is reached outside", events(on(ctx("args[0]"), 14, call("reserve")))),
    ("StoreOption is reached outside of WRITE_HDR_OPT_CB", events(on(ctx("op"), 14, call("write")))),
    ("StoreOption is reached outside", events(if_(compare(ctx("op"), ">", n(14)), call("write")))),
    ("StoreOption is reached outside", events(if_(compare(ctx("op"), "==", n(15)), no=(call("write"),)))),
    ("StoreOption is reached outside", events(repeat("i", 2, call("write")))),
    (
        "StoreOption is reached outside",
        events(ops.Switch(HERE, ctx("op"), (ops.Case(((14, ""), (15, "")), (call("write"),)),))),
    ),
    # Types and globals
    ("two different structs fixed", replace(with_global(Struct("fixed", ()), ()), records=(FIXED.type,))),
    ("struct s has two members a", with_global(Struct("s", (Member("a", U8), Member("a", U8))), (1, 2))),
    ("struct s: a: a number of 24 bits", with_global(Struct("s", (Member("a", Scalar(24)),)), (1,))),
    ("global g: an array of 0 bytes", with_global(ByteArray(0), b"")),
    ("global g: an array of 0 elements", with_global(Array(U8, 0), ())),
    ("global g: initial value", with_global(U8, 256)),
    ("global g: initial value", with_global(U8, b"x")),
    ("global g: initial value", with_global(Struct("s", (Member("a", U8),)), ())),
    # Maps
    ("map m: a ring buffer has neither", with_maps(MapDefinition("m", MapKind.RINGBUF, 4096, U32))),
    ("map m: 5000 bytes; a power of two", with_maps(MapDefinition("m", MapKind.RINGBUF, 5000))),
    ("map m: 2048 bytes; a power of two", with_maps(MapDefinition("m", MapKind.RINGBUF, 2048))),
    ("map m: socket storage needs", with_maps(MapDefinition("m", MapKind.SK_STORAGE, 1, U32, U64))),
    ("map m: socket storage needs", with_maps(MapDefinition("m", MapKind.SK_STORAGE, 0, U64, U64))),
    ("map m: a hash table needs", with_maps(MapDefinition("m", MapKind.HASH, 0, U32, U64))),
    ("map m: a hash table needs", with_maps(MapDefinition("m", MapKind.HASH, 1, None, U64))),
    ("map m: an array needs", with_maps(MapDefinition("m", MapKind.PERCPU_ARRAY, 1, U16, U64))),
    ("map m: an array of 0 bytes", with_maps(MapDefinition("m", MapKind.HASH, 1, U32, ByteArray(0)))),
    (
        "map counters: must be a per-CPU array of one",
        with_maps(MapDefinition("counters", MapKind.PERCPU_ARRAY, 2, U32, U64)),
    ),
    (
        "map keyed has no scalar key",
        replace(with_body(lookup("p", "keyed")), maps=(MapDefinition("keyed", MapKind.HASH, 1, ROW, U64),)),
    ),
]


@pytest.mark.parametrize(("message", "program"), PROGRAMS)
def test_programs(message: str, program: Program) -> None:
    problems = check_program(program)
    assert len(problems) == 1
    assert message in problems[0]
