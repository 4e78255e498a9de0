"""A whole option in IR, built by hand as the lowering makes it."""

from __future__ import annotations

from ir_programs import (
    HERE,
    SOURCE,
    at,
    behind,
    binary,
    buffer,
    call,
    compare,
    ctx,
    function,
    if_,
    in_buffer,
    in_global,
    is_null,
    let,
    load,
    load_bytes,
    n,
    negative,
    return_,
    storage,
    store,
    store_bytes,
    v,
)

from optdsl.ir import ops
from optdsl.ir.program import Function, Program
from optdsl.ir.types import (
    U8,
    U16,
    U32,
    U64,
    ByteArray,
    GlobalVariable,
    MapDefinition,
    MapKind,
    Member,
    Scalar,
    Section,
    Struct,
)

PARAMS = Struct(
    "delayed_ack_params",
    (Member("divisor", U8, "The timer we ask for is min RTT / divisor."), Member("threshold", U8)),
)
STATE = Struct(
    "delayed_ack_state",
    (
        Member("wire", ByteArray(8, aligned=True)),
        Member("length", U8),
        Member("done", U8),
        Member("sent", U16),
        Member("granted", Scalar(32, "microseconds")),
    ),
)
SOCKET = Struct("socket", (Member("role", U8), Member("delayed_ack", STATE)), "What is remembered of each connection.")
COUNTERS = Struct(
    "counters",
    (
        Member(
            "delayed_ack",
            Struct(
                "delayed_ack_counters",
                tuple(Member(name, U64) for name in ("sent", "received", "malformed", "out_of_range", "no_space")),
            ),
        ),
    ),
)
GRANT = Struct(
    "grant",
    (Member("time", Scalar(64, "nanoseconds")), Member("timer", Scalar(32, "microseconds")), Member("segments", U32)),
)

_SEND, _RECEIVE = at("send on ack, data until acked"), at("receive {")
_DELACK_MAX = at("socket.delack_max = clamp(socket.min_rtt / rtt_divisor, 1ms, 200ms)")
_STATE = "delayed_ack"


def _count(name: str) -> ops.Count:
    return ops.Count(_RECEIVE, ("delayed_ack", name))


def _compose() -> Function:
    body: ops.Block = (
        if_(compare(load(behind("socket", _STATE, "done")), "!=", n(0)), return_(n(0))),
        store_bytes(behind("socket", _STATE, "wire"), 0, 4, n(0xFD064441)),
        ops.StoreBytes(
            at("rtt_divisor = divisor"),
            behind("socket", _STATE, "wire"),
            n(4),
            1,
            load(in_global("delayed_ack", "divisor")),
        ),
        store_bytes(behind("socket", _STATE, "wire"), 5, 1, load(in_global("delayed_ack", "threshold"))),
        return_(n(6)),
    )
    doc = "Builds the option in the socket's state.\nReturns its length, 0 for none."
    return Function(_SEND, "delayed_ack_compose", doc, (ops.Parameter("socket", SOCKET),), True, False, body)


def _receive() -> Function:
    timer = binary("/", binary(">>", ctx("srtt_us"), n(3)), v("rtt_divisor"))
    body: ops.Block = (
        buffer("wire", 8),
        store_bytes(in_buffer("wire"), 0, 4, n(0xFD044441)),
        ops.LoadOption(_RECEIVE, "length", in_buffer("wire"), 8, v("from_syn")),
        if_(negative("length"), return_()),
        if_(compare(v("length"), "!=", n(6)), _count("malformed"), return_()),
        let("rtt_divisor", load_bytes(in_buffer("wire"), 4, 1)),
        let("segments", load_bytes(in_buffer("wire"), 5, 1)),
        if_(
            ops.Either(
                _RECEIVE,
                compare(v("rtt_divisor"), "==", n(0)),
                compare(binary("-", v("segments"), n(1)), ">", n(63)),
            ),
            _count("out_of_range"),
            return_(),
        ),
        _count("received"),
        store(behind("socket", _STATE, "done"), n(1)),
        ops.Let(_DELACK_MAX, "timer", binary("min", binary("max", timer, n(1000)), n(200_000))),
        ops.SetSocketOption(_DELACK_MAX, "set", 6, 1003, 4, v("timer")),
        if_(negative("set"), return_()),
        ops.Store(_DELACK_MAX, behind("socket", _STATE, "granted"), v("timer")),
        ops.Now(_RECEIVE, "now"),
        ops.ReserveRecord(_RECEIVE, "grant", "events", GRANT),
        if_(is_null("grant"), return_()),
        store(behind("grant", "time"), v("now")),
        store(behind("grant", "timer"), v("timer")),
        store(behind("grant", "segments"), v("segments")),
        ops.SubmitRecord(_RECEIVE, "grant"),
    )
    parameters = (ops.Parameter("socket", SOCKET), ops.Parameter("from_syn"))
    return Function(_RECEIVE, "delayed_ack_receive", "", parameters, False, True, body)


def _on_length() -> Function:
    return function(
        "on_length",
        storage("socket"),
        if_(is_null("socket"), return_()),
        if_(
            compare(ctx("args[0]"), "==", n(1)),
            ops.ReserveOption(_SEND, "reserved_most", n(6)),
            no=(
                call("delayed_ack_compose", ops.AddressOf(behind("socket")), result="length"),
                if_(
                    compare(v("length"), "!=", n(0)),
                    ops.ReserveOption(_SEND, "reserved", v("length")),
                    if_(negative("reserved"), _count("no_space")),
                ),
            ),
        ),
    )


def _on_write() -> Function:
    return function(
        "on_write",
        storage("socket"),
        if_(is_null("socket"), return_()),
        ops.StoreOption(_SEND, "stored", behind("socket", _STATE, "wire"), 8),
        if_(
            ops.Not(_SEND, negative("stored")),
            _count("sent"),
            store(behind("socket", _STATE, "sent"), binary("+", load(behind("socket", _STATE, "sent")), n(1))),
        ),
    )


def _on_start(name: str, role: int) -> Function:
    return function(
        name,
        storage("socket", create=True),
        if_(is_null("socket"), return_()),
        store(behind("socket", "role"), n(role)),
        ops.SetCallbackFlags(_SEND, 0x60),
    )


def _on_packet() -> Function:
    return function(
        "on_packet",
        storage("socket"),
        if_(ops.Not(HERE, is_null("socket")), call("delayed_ack_receive", ops.AddressOf(behind("socket")), n(0))),
    )


def delack() -> Program:
    """A whole option, as the lowering makes it: full sockets only, sent until an option is received."""
    cases = {
        (3, "BPF_SOCK_OPS_TCP_CONNECT_CB"): "on_connect",
        (5, "BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB"): "on_accept",
        (13, "BPF_SOCK_OPS_PARSE_HDR_OPT_CB"): "on_packet",
        (14, "BPF_SOCK_OPS_HDR_OPT_LEN_CB"): "on_length",
        (15, "BPF_SOCK_OPS_WRITE_HDR_OPT_CB"): "on_write",
    }
    switch = ops.Switch(HERE, ctx("op"), tuple(ops.Case((value,), (call(name),)) for value, name in cases.items()))
    return Program(
        name="delack",
        sources=(SOURCE,),
        globals=(GlobalVariable("delayed_ack", PARAMS, Section.PARAMETERS, (2, 4), "Parameters of `delayed_ack`."),),
        maps=(
            MapDefinition("sockets", MapKind.SK_STORAGE, 0, U32, SOCKET, "State of each connection."),
            MapDefinition("counters", MapKind.PERCPU_ARRAY, 1, U32, COUNTERS),
            MapDefinition("events", MapKind.RINGBUF, 65536),
        ),
        records=(GRANT,),
        counters=COUNTERS,
        functions=(
            _compose(),
            _receive(),
            _on_start("on_connect", 1),
            _on_start("on_accept", 2),
            _on_packet(),
            _on_length(),
            _on_write(),
            function("delack", switch, return_(n(1)), returns=True, doc="Dispatches by callback."),
        ),
        entry="delack",
        doc="Delayed-ACK strategy: tell the peer how to acknowledge our data.",
    )
