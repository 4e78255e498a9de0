"""An IR program with every operation, in forms that are awkward for the back ends and the verifier."""

from __future__ import annotations

from ir_build import Build, behind, find, in_buffer, in_global

from optdsl.ir.ops import (
    AddressOf,
    Always,
    AsNumber,
    Binary,
    BinaryOperator,
    Both,
    Break,
    Call,
    Case,
    Count,
    DeclareBuffer,
    Either,
    GetSocketOption,
    GetStorage,
    IsNegative,
    IsNull,
    LoadOption,
    LookupMap,
    Not,
    Now,
    Parameter,
    Repeat,
    ReserveOption,
    ReserveRecord,
    Select,
    SetCallbackFlags,
    SetSocketOption,
    Statement,
    StoreOption,
    SubmitRecord,
    SwapBytes,
    Switch,
    Value,
)
from optdsl.ir.program import Function, Program
from optdsl.ir.types import (
    U8,
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
from optdsl.source import Source

_MAIN = Source(
    "torture.opt", 'option torture {\n    let everything = 1\n    // caf\u00e9 "quoted" \\ back\n    use std.x\n}\n'
)
_MODULE = Source("std.x", "// A module.\nfn helper(x) {\n    x + 1\n}\n")

_CELL = Struct(
    "cell", (Member("rate", Scalar(64, "bits_per_second")), Member("id", Scalar(16)), Member("tag", ByteArray(5)))
)
_TUNABLE = Struct(
    "torture_params",
    (
        Member("enabled", U8),
        Member("algorithm", ByteArray(16, text=True)),
        Member("limits", Array(Scalar(16), 3)),
        Member("cells", Array(_CELL, 4)),
    ),
)
_NEST = Struct("nest", (Member("flag", U8), Member("bytes", ByteArray(80, aligned=True)), Member("odd", ByteArray(72))))
_ROW = Struct("row", (Member("hits", U64), Member("nest", _NEST), Member("slots", Array(U32, 8))))
_EVENT = Struct(
    "torture_event", (Member("time", U64), Member("text", ByteArray(16, text=True)), Member("port", Scalar(16)))
)
_NOTE = Struct("torture_note", (Member("value", U64),))
_TORTURE_COUNTERS = Struct("counters", (Member("first", U64), Member("many", Array(U64, 3))))


def torture() -> Program:
    """Every operation of the IR, and spans in two sources."""
    head = find(_MAIN, "option torture")
    return Program(
        name="torture",
        sources=(_MAIN, _MODULE),
        globals=(
            GlobalVariable(
                "tunable",
                _TUNABLE,
                Section.PARAMETERS,
                (1, b"reno", (1, 2, 3), tuple((1000 * n, n, bytes([n])) for n in range(4))),
            ),
            GlobalVariable("ceiling", U64, Section.PARAMETERS, 2**64 - 1),
            GlobalVariable("primes", Array(U32, 6), Section.CONSTANTS, (2, 3, 5, 7, 11, 13)),
            GlobalVariable("algorithm", ByteArray(16, text=True), Section.CONSTANTS, b"cubic"),
        ),
        maps=(
            MapDefinition("sockets", MapKind.SK_STORAGE, 0, U32, _ROW),
            MapDefinition("counters", MapKind.PERCPU_ARRAY, 1, U32, _TORTURE_COUNTERS),
            MapDefinition("table", MapKind.HASH, 64, Scalar(16, "port"), _ROW),
            MapDefinition("wide", MapKind.HASH, 16, Scalar(64, "bits_per_second"), U32),
            MapDefinition("events", MapKind.RINGBUF, 4096),
        ),
        records=(_EVENT, _NOTE),
        counters=_TORTURE_COUNTERS,
        functions=(
            _mix(),
            _count_up(),
            _bytes(head),
            _arrays(head),
            _loops(head),
            _options(head),
            _sockets(head),
            _records(head),
            _work(head),
            _torture_entry(head),
        ),
        entry="torture",
    )


def _mix() -> Function:
    at = find(_MODULE, "fn helper")
    body: Value = at.const(1)
    for operator in BinaryOperator:
        body = at.binary("^", at.binary("*", body, 31), _harmless(at, operator))
    condition = Either(
        at.span,
        Both(at.span, Always(at.span, True), at.compare(at.local("a"), "<", at.local("b"))),
        Not(at.span, at.compare(at.binary("%", at.local("a"), 7), "==", 3)),
    )
    chosen = Select(at.span, condition, at.binary("/", body, at.binary("|", at.local("b"), 1)), at.const(2**64 - 1))
    return at.function(
        "mix",
        at.let("sum", chosen),
        at.assign("sum", at.binary("+", at.local("sum"), AsNumber(at.span, condition))),
        at.when(Always(at.span, False), at.leave(0)),
        *(
            at.assign("sum", at.binary("+", at.local("sum"), SwapBytes(at.span, bits, at.local("sum"))))
            for bits in (16, 32, 64)
        ),
        at.when(IsNegative(at.span, at.local("sum")), at.leave(at.local("sum")), otherwise=(at.leave(7),)),
        at.leave(8),
        parameters=(Parameter("a"), Parameter("b")),
        returns=True,
    )


def _harmless(at: Build, operator: BinaryOperator) -> Value:
    """`a operator b`, with `b` brought into the range that the operator demands."""
    right: Value = at.local("b")
    if operator in (BinaryOperator.DIV, BinaryOperator.MOD):
        right = at.binary("|", right, 1)
    if operator in (BinaryOperator.SHL, BinaryOperator.SHR):
        right = at.binary("&", right, 63)
    return Binary(at.span, operator, at.local("a"), right)


def _count_up() -> Function:
    """A function of the name that a back end might want for its own; a sub-program with four parameters."""
    at = find(_MODULE, "x + 1")
    return at.function(
        "count",
        at.store(behind("hits"), at.binary("+", at.load(behind("hits")), at.local("step"))),
        at.store_bytes(behind("bytes"), 3, 5, at.local("step")),
        at.assign("step", at.binary("+", at.local("step"), at.local("again"))),
        at.store_bytes(behind("bytes"), at.local("step"), 4, at.local("again")),
        parameters=(
            Parameter("hits", U64),
            Parameter("bytes", ByteArray(80, aligned=True)),
            Parameter("step"),
            Parameter("again"),
        ),
        inline=False,
    )


def _bytes(at: Build) -> Function:
    """Loads and stores of each size at aligned, unaligned and variable offsets."""
    body: list[Statement] = [
        DeclareBuffer(at.span, "scratch", 21),
        at.let("sum", 0),
        at.let("at", at.context("args[1]")),
    ]
    whole, odd = behind("row", "nest", "bytes"), behind("row", "nest", "odd")
    guarded: list[Statement] = []
    for size in range(1, 9):
        for place, offset in ((in_buffer("scratch"), size), (whole, 8), (whole, 8 + size), (odd, 3)):
            body.append(at.store_bytes(place, offset, size, at.binary("+", at.local("sum"), size)))
            body.append(at.assign("sum", at.binary("+", at.local("sum"), at.load_bytes(place, offset, size))))
        guarded.append(at.assign("sum", at.binary("+", at.local("sum"), at.load_bytes(odd, at.local("at"), size))))
        guarded.append(at.store_bytes(whole, at.local("at"), size, at.local("sum")))
    body.append(at.when(at.compare(at.local("at"), "<", 64), *guarded))
    body.append(at.leave(at.local("sum")))
    return at.function("bytes", *body, parameters=(Parameter("row", _ROW),), returns=True, inline=False)


def _arrays(at: Build) -> Function:
    """Elements selected at run time, in parameters, constants, and map memory; nested paths."""
    index = at.local("index")
    return at.function(
        "arrays",
        at.let("index", at.binary("&", at.context("args[2]"), 0xFF)),
        at.let("sum", at.load(in_global("ceiling"))),
        at.when(
            at.compare(index, "<", 3),
            at.assign("sum", at.load(in_global("tunable", "limits", index))),
            at.store(in_global("tunable", "limits", 1), at.local("sum")),
        ),
        at.when(
            at.compare(index, "<", 4),
            at.assign("sum", at.binary("+", at.load(in_global("tunable", "cells", index, "rate")), at.local("sum"))),
            at.assign(
                "sum", at.binary("+", at.load_bytes(in_global("tunable", "cells", index, "tag"), 1, 3), at.local("sum"))
            ),
            at.assign(
                "sum", at.binary("+", at.load(in_global("tunable", "cells", at.const(3), "id")), at.local("sum"))
            ),
        ),
        at.when(
            at.compare(index, "<", 6),
            at.assign("sum", at.binary("+", at.load(in_global("primes", index)), at.local("sum"))),
        ),
        at.when(at.compare(index, "<", 8), at.store(behind("row", "slots", index), at.local("sum"))),
        at.leave(at.binary("+", at.local("sum"), at.load(behind("row", "slots", 7)))),
        parameters=(Parameter("row", _ROW),),
        returns=True,
    )


def _loops(at: Build) -> Function:
    return at.function(
        "loops",
        at.let("found", 0),
        Repeat(
            at.span,
            "outer",
            64,
            (
                DeclareBuffer(at.span, "seen", 8),
                at.when(
                    at.compare(at.load_bytes(behind("row", "nest", "odd"), at.local("outer"), 1), "==", 0),
                    Break(at.span),
                ),
                Repeat(
                    at.span,
                    "inner",
                    3,
                    (
                        at.assign(
                            "found",
                            at.binary("+", at.local("found"), at.binary("*", at.local("inner"), at.local("outer"))),
                        ),
                        at.when(at.compare(at.local("found"), ">", 1000), at.leave(at.local("found"))),
                    ),
                ),
                at.store_bytes(in_buffer("seen"), 0, 8, at.local("found")),
            ),
        ),
        Repeat(at.span, "once", 1, (Break(at.span),)),
        at.leave(at.local("found")),
        parameters=(Parameter("row", _ROW),),
        returns=True,
    )


def _options(at: Build) -> Function:
    """The three calls for header options, with a local buffer; each is possible in one event only."""
    option = in_buffer("option")
    return at.function(
        "options",
        DeclareBuffer(at.span, "option", 12),
        at.store_bytes(option, 0, 2, 0xFD0C),
        at.store_bytes(option, 2, 2, 0x4F70),
        at.store_bytes(option, 4, 8, at.context("bytes_acked")),
        at.let("got", 0),
        at.when(
            at.compare(at.context("op"), "==", 14),
            ReserveOption(at.span, "reserved", at.binary("+", at.local("extra"), 12)),
            at.assign("got", at.local("reserved")),
        ),
        at.when(
            at.compare(at.context("op"), "==", 15),
            StoreOption(at.span, "stored", option, 12),
            at.assign("got", at.local("stored")),
        ),
        at.when(
            at.compare(at.context("op"), "==", 13),
            at.store_bytes(option, 1, 1, 4),
            LoadOption(at.span, "loaded", option, 12, at.const(1)),
            at.assign("got", at.local("loaded")),
        ),
        at.leave(at.local("got")),
        parameters=(Parameter("extra"),),
        returns=True,
    )


def _sockets(at: Build) -> Function:
    """Socket options from numbers of both sizes, from constants, parameters and buffers; reading into a buffer."""
    return at.function(
        "sockets_options",
        SetSocketOption(at.span, "a", 1, 47, 8, at.load(in_global("ceiling"))),
        SetSocketOption(at.span, "b", 6, 1003, 4, at.const(40_000)),
        SetSocketOption(at.span, "c", 6, 13, 16, in_global("algorithm")),
        SetSocketOption(at.span, "d", 6, 13, 16, in_global("tunable", "algorithm")),
        DeclareBuffer(at.span, "name", 16),
        GetSocketOption(at.span, "e", 6, 13, 16, in_buffer("name")),
        SetSocketOption(at.span, "f", 6, 13, 16, in_buffer("name")),
        at.leave(at.binary("|", at.local("a"), at.binary("|", at.local("e"), at.local("f")))),
        returns=True,
        inline=False,
    )


def _records(at: Build) -> Function:
    filled = (
        at.store(behind("event", "time"), at.local("time")),
        at.store_bytes(behind("event", "text"), 0, 8, 0x68656C6C6F000000),
        at.store_bytes(behind("event", "text"), 8, 8, 0),
        at.store(behind("event", "port"), SwapBytes(at.span, 16, at.context("remote_port"))),
        SubmitRecord(at.span, "event"),
    )
    return at.function(
        "records",
        Now(at.span, "time"),
        ReserveRecord(at.span, "event", "events", _EVENT),
        at.when(IsNull(at.span, "event"), at.count("first"), otherwise=filled),
        ReserveRecord(at.span, "note", "events", _NOTE),
        at.when(
            Not(at.span, IsNull(at.span, "note")),
            at.store(behind("note", "value"), at.local("value")),
            SubmitRecord(at.span, "note"),
        ),
        Count(at.span, ("many", 1)),
        parameters=(Parameter("value"),),
    )


def _work(at: Build) -> Function:
    """Everything that needs map memory; called with two kinds of it."""
    row, hits, data = (AddressOf(behind("row", *path)) for path in ((), ("hits",), ("nest", "bytes")))
    return at.function(
        "work",
        Call(at.span, "bytes", (row,), "one"),
        Call(at.span, "arrays", (row,), "two"),
        Call(at.span, "loops", (row,), "three"),
        Call(at.span, "count", (hits, data, at.local("one"), at.local("two"))),
        Call(at.span, "mix", (at.local("two"), at.local("three")), "mixed"),
        at.leave(at.local("mixed")),
        parameters=(Parameter("row", _ROW),),
        returns=True,
    )


def _torture_entry(at: Build) -> Function:
    fields = ("remote_ip6[3]", "local_ip6[0]", "skb_tcp_flags", "bytes_received", "rtt_min", "args[3]", "sk_txhash")
    total: Value = at.context("srtt_us")
    for field in fields:
        total = at.binary("+", total, at.context(field))
    in_table = at.when(
        Not(at.span, IsNull(at.span, "row")),
        Call(at.span, "work", (AddressOf(behind("row")),), "worked"),
        at.assign("total", at.local("worked")),
        otherwise=(
            GetStorage(at.span, "owned", "sockets", True),
            at.when(
                Not(at.span, IsNull(at.span, "owned")),
                Call(at.span, "work", (AddressOf(behind("owned")),), "worked_too"),
                at.assign("total", at.local("worked_too")),
            ),
        ),
    )
    cases = (
        Case(((1, "BPF_SOCK_OPS_TIMEOUT_INIT"), (2, "BPF_SOCK_OPS_RWND_INIT")), (at.leave(1),)),
        Case(((9, "BPF_SOCK_OPS_RETRANS_CB"),), (Count(at.span, ("many", 2)),)),
    )
    return at.function(
        "torture",
        at.let("total", total),
        at.when(IsNull(at.span, "ctx.sk"), at.count("first")),
        LookupMap(at.span, "limit", "wide", at.local("total")),
        at.when(Not(at.span, IsNull(at.span, "limit")), at.assign("total", at.load(behind("limit")))),
        LookupMap(at.span, "row", "table", at.context("local_port")),
        in_table,
        SetCallbackFlags(at.span, 0x7F),
        Call(at.span, "sockets_options", (), "set"),
        Call(at.span, "options", (at.const(0),), "done"),
        Call(at.span, "records", (at.binary("^", at.local("total"), at.local("done")),)),
        Switch(at.span, at.context("op"), cases),
        at.leave(1),
        returns=True,
    )
