"""Programs in IR, built by hand: short constructors, and a scratch program around any statements."""

from __future__ import annotations

from optdsl.ir import ops
from optdsl.ir.ops import BinaryOperator, Comparison
from optdsl.ir.program import Function, Program
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
from optdsl.source import Source, Span

SOURCE = Source(
    "samples/delack.opt",
    """\
option delayed_ack {
    kind experimental 0x4441

    layout {
        rtt_divisor : u8 in 1..=255
        segments    : u8 in 1..=64
    }

    /// The timer we ask for is min RTT / divisor.
    param divisor : u8 = 2 in 1..=255

    send on ack, data until acked {
        rtt_divisor = divisor
    }

    receive {
        socket.delack_max = clamp(socket.min_rtt / rtt_divisor, 1ms, 200ms)
    }
}
""",
)


def at(text: str) -> Span:
    """The span of the first occurrence of a text in the source."""
    start = SOURCE.text.index(text)
    return Span(SOURCE, start, start + len(text))


HERE = at("option delayed_ack")


def n(value: int) -> ops.Const:
    return ops.Const(HERE, value)


def v(name: str) -> ops.Local:
    return ops.Local(HERE, name)


def ctx(field: str) -> ops.Context:
    return ops.Context(HERE, field)


def binary(operator: str, left: ops.Value, right: ops.Value) -> ops.Binary:
    return ops.Binary(HERE, BinaryOperator(operator), left, right)


def compare(left: ops.Value, comparison: str, right: ops.Value) -> ops.Compare:
    return ops.Compare(HERE, Comparison(comparison), left, right)


def is_null(pointer: str) -> ops.IsNull:
    return ops.IsNull(HERE, pointer)


def negative(name: str) -> ops.IsNegative:
    return ops.IsNegative(HERE, v(name))


def in_global(name: str, *path: str | int | ops.Value) -> ops.Place:
    return ops.Place(ops.GlobalRoot(name), path)


def behind(name: str, *path: str | int | ops.Value) -> ops.Place:
    return ops.Place(ops.PointerRoot(name), path)


def in_buffer(name: str) -> ops.Place:
    return ops.Place(ops.BufferRoot(name))


def load(place: ops.Place) -> ops.Load:
    return ops.Load(HERE, place)


def load_bytes(place: ops.Place, offset: ops.Value | int, size: int) -> ops.LoadBytes:
    return ops.LoadBytes(HERE, place, n(offset) if isinstance(offset, int) else offset, size)


def let(name: str, value: ops.Value) -> ops.Let:
    return ops.Let(HERE, name, value)


def assign(name: str, value: ops.Value) -> ops.Assign:
    return ops.Assign(HERE, name, value)


def lookup(pointer: str, name: str, key: ops.Value | int = 1) -> ops.LookupMap:
    return ops.LookupMap(HERE, pointer, name, n(key) if isinstance(key, int) else key)


def count(*path: str | int) -> ops.Count:
    return ops.Count(HERE, path)


def store(place: ops.Place, value: ops.Value) -> ops.Store:
    return ops.Store(HERE, place, value)


def store_bytes(place: ops.Place, offset: ops.Value | int, size: int, value: ops.Value) -> ops.StoreBytes:
    return ops.StoreBytes(HERE, place, n(offset) if isinstance(offset, int) else offset, size, value)


def if_(condition: ops.Condition, *yes: ops.Statement, no: ops.Block = ()) -> ops.If:
    return ops.If(HERE, condition, yes, no)


def repeat(name: str, count: int, *body: ops.Statement) -> ops.Repeat:
    return ops.Repeat(HERE, name, count, body)


def return_(value: ops.Value | None = None) -> ops.Return:
    return ops.Return(HERE, value)


def call(function: str, *arguments: ops.Value | ops.AddressOf, result: str | None = None) -> ops.Call:
    return ops.Call(HERE, function, arguments, result)


def storage(pointer: str, *, create: bool = False) -> ops.GetStorage:
    return ops.GetStorage(HERE, pointer, "sockets", create)


def buffer(name: str, size: int) -> ops.DeclareBuffer:
    return ops.DeclareBuffer(HERE, name, size)


def reserve_record(pointer: str) -> ops.ReserveRecord:
    return ops.ReserveRecord(HERE, pointer, "events", SAMPLE)


def submit(pointer: str) -> ops.SubmitRecord:
    return ops.SubmitRecord(HERE, pointer)


def function(
    name: str,
    *body: ops.Statement,
    parameters: tuple[ops.Parameter, ...] = (),
    returns: bool = False,
    inline: bool = False,
    doc: str = "",
) -> Function:
    return Function(HERE, name, doc, parameters, returns, inline, body)


# ------------------------------------------------------------------------------------------ the scratch program

SAMPLE = Struct("sample", (Member("at", U64), Member("rtt", Scalar(32, "microseconds")), Member("kind", U8)))
ROW = Struct("row", (Member("id", U16), Member("name", ByteArray(6, text=True))))
SCRATCH_STATE = Struct(
    "scratch_state",
    (
        Member("small", U8),
        Member("wire", ByteArray(8, aligned=True)),
        Member("wide", ByteArray(72, aligned=True)),
        Member("marks", Array(U32, 4)),
        Member("rows", Array(ROW, 2)),
    ),
)
SCRATCH_COUNTERS = Struct("counters", (Member("hits", U64), Member("narrow", U32)))
SCRATCH = Program(
    name="scratch",
    sources=(SOURCE,),
    globals=(
        GlobalVariable("out", U64, Section.PARAMETERS, 0),
        GlobalVariable(
            "fixed",
            Struct("fixed", (Member("value", U32), Member("text", ByteArray(4)))),
            Section.CONSTANTS,
            (7, b"abcd"),
        ),
        GlobalVariable("table", Array(U16, 3), Section.CONSTANTS, (10, 20, 30)),
        GlobalVariable("pattern", ByteArray(72), Section.CONSTANTS, bytes(range(72))),
    ),
    maps=(
        MapDefinition("sockets", MapKind.SK_STORAGE, 0, U32, SCRATCH_STATE),
        MapDefinition("counters", MapKind.PERCPU_ARRAY, 1, U32, SCRATCH_COUNTERS),
        MapDefinition("events", MapKind.RINGBUF, 4096),
        MapDefinition("names", MapKind.HASH, 2, U16, ROW),
    ),
    records=(SAMPLE,),
    counters=SCRATCH_COUNTERS,
    functions=(),
    entry="entry",
)


def with_functions(*functions: Function, entry: ops.Block = ()) -> Program:
    """The scratch program with these functions and an entry that runs `entry` and returns 1."""
    return replace(SCRATCH, functions=(*functions, function("entry", *entry, return_(n(1)), returns=True)))


def with_body(*body: ops.Statement) -> Program:
    """The scratch program with these statements in a function of their own, which the entry calls."""
    return with_functions(function("subject", *body), entry=(call("subject"),))


def computing(value: ops.Value, *before: ops.Statement) -> Program:
    """The scratch program that runs some statements and leaves a value in `out`."""
    return with_body(*before, store(in_global("out"), value))
