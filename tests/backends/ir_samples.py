"""IR programs for the tests of the back ends, built by hand.

`delayed_ack()` is what the compiler makes of a small option definition; `torture()` contains every operation of the IR
at least once, in forms that are awkward for the back ends and the verifier; `results()` computes numbers from known
inputs, so that a test can compare what the kernel executed with `expected_results()`.
"""

from __future__ import annotations

from ir_build import Build, behind, find, in_buffer, in_global
from ir_results import expected_results, results
from ir_torture import torture

from optdsl.ir.ops import (
    AddressOf,
    Both,
    Call,
    Case,
    DeclareBuffer,
    Either,
    GetStorage,
    IsNegative,
    IsNull,
    LoadOption,
    Not,
    Now,
    Parameter,
    ReserveOption,
    ReserveRecord,
    SetCallbackFlags,
    SetSocketOption,
    Statement,
    StoreOption,
    SubmitRecord,
    Switch,
    Value,
)
from optdsl.ir.program import Function, Program
from optdsl.ir.types import (
    U8,
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
from optdsl.source import Source

__all__ = ["delayed_ack", "expected_results", "results", "torture"]

DELAYED_ACK = Source(
    "somewhere/delack.opt",
    """\
/// Delayed-ACK strategy: tell the peer how to acknowledge our data.
option delayed_ack {
    kind experimental 0x4441

    layout {
        rtt_divisor : u8 in 1..=255
        segments    : u8 in 1..=64
    }

    param divisor : u8 = 2 in 1..=255
    param threshold : u8 = 4 in 1..=64

    send on ack, data until acked {
        rtt_divisor = divisor
        segments    = threshold
    }

    receive {
        socket.delack_max = clamp(socket.min_rtt / rtt_divisor, 1ms, 200ms)
        emit seen { timer: socket.delack_max, segments }
    }
}
""",
)

_STATE = Struct(
    "delayed_ack_state",
    (
        Member("wire", ByteArray(8, aligned=True), "the option as it goes onto the wire"),
        Member("length", U8),
        Member("done", U8, "the peer has acknowledged the option"),
        Member("mark", U32),
        Member("timer", Scalar(32, "microseconds")),
    ),
)
_SOCKET = Struct("socket", (Member("role", U8), Member("payload", U8), Member("delayed_ack", _STATE)))
_PARAMS = Struct(
    "delayed_ack_params",
    (
        Member("divisor", U8, "The timer we ask for is min RTT / divisor."),
        Member("threshold", U8, "Segments that force an ACK."),
    ),
)
_SEEN = Struct(
    "delayed_ack_seen", (Member("time", U64), Member("timer", Scalar(32, "microseconds")), Member("segments", U8))
)
_OPTION_COUNTERS = Struct(
    "delayed_ack_counters",
    tuple(Member(name, U64) for name in ("sent", "received", "no_space", "bad_length", "bad_range", "not_set")),
)
_COUNTERS = Struct("counters", (Member("delayed_ack", _OPTION_COUNTERS),))

_TCP, _DELACK_MAX = 6, 1003
_PARSE_UNKNOWN, _WRITE = 0x20, 0x40


def delayed_ack() -> Program:
    """The delayed-ACK option, sent until the peer has acknowledged something after the first one."""
    head = find(DELAYED_ACK, "option delayed_ack")
    return Program(
        name="delack",
        sources=(DELAYED_ACK,),
        globals=(GlobalVariable("delayed_ack", _PARAMS, Section.PARAMETERS, (2, 4), "The parameters."),),
        maps=(
            MapDefinition("sockets", MapKind.SK_STORAGE, 0, U32, _SOCKET, "What we know of each socket."),
            MapDefinition("counters", MapKind.PERCPU_ARRAY, 1, U32, _COUNTERS),
            MapDefinition("events", MapKind.RINGBUF, 65536),
        ),
        records=(_SEEN,),
        counters=_COUNTERS,
        functions=(
            _compose(),
            _receive(),
            _enable(head),
            _on_length(),
            _on_write(),
            _on_parse(),
            _entry(head),
        ),
        entry="delack",
        doc="Tells the peer how to acknowledge our data.",
    )


def _compose() -> Function:
    send, divisor, threshold = (find(DELAYED_ACK, text) for text in ("send on ack", "rtt_divisor = ", "segments    = "))
    wire = behind("socket", "delayed_ack", "wire")
    return send.function(
        "delayed_ack_compose",
        send.when(send.compare(send.load(behind("socket", "delayed_ack", "done")), "!=", 0), send.leave(0)),
        send.store_bytes(wire, 0, 4, 0xFD064441),
        divisor.store_bytes(wire, 4, 1, divisor.load(in_global("delayed_ack", "divisor"))),
        threshold.store_bytes(wire, 5, 1, threshold.load(in_global("delayed_ack", "threshold"))),
        send.store(behind("socket", "delayed_ack", "length"), 6),
        send.leave(6),
        parameters=(Parameter("socket", _SOCKET),),
        returns=True,
    )


def _receive() -> Function:
    head, divisor, segments = (find(DELAYED_ACK, text) for text in ("receive", "rtt_divisor :", "segments    :"))
    action, emit = find(DELAYED_ACK, "socket.delack_max = "), find(DELAYED_ACK, "emit seen")
    share = action.binary("/", action.context("rtt_min"), action.local("divisor"))
    return head.function(
        "delayed_ack_receive",
        DeclareBuffer(head.span, "wire", 8),
        head.store_bytes(in_buffer("wire"), 0, 4, 0xFD044441),
        LoadOption(head.span, "length", in_buffer("wire"), 8, head.local("from_syn")),
        head.when(IsNegative(head.span, head.local("length")), head.leave()),
        head.when(head.compare(head.local("length"), "!=", 6), head.count("delayed_ack", "bad_length"), head.leave()),
        divisor.let("divisor", divisor.load_bytes(in_buffer("wire"), 4, 1)),
        segments.let("segments", segments.load_bytes(in_buffer("wire"), 5, 1)),
        divisor.when(
            Either(
                divisor.span,
                divisor.compare(divisor.local("divisor"), "==", 0),
                Not(
                    segments.span,
                    Both(
                        segments.span,
                        segments.compare(segments.local("segments"), ">=", 1),
                        segments.compare(segments.local("segments"), "<=", 64),
                    ),
                ),
            ),
            divisor.count("delayed_ack", "bad_range"),
            divisor.leave(),
        ),
        action.let("timer", action.binary("min", action.binary("max", share, 1000), 200_000)),
        action.store(behind("socket", "delayed_ack", "timer"), action.local("timer")),
        SetSocketOption(action.span, "set", _TCP, _DELACK_MAX, 4, action.local("timer")),
        action.when(IsNegative(action.span, action.local("set")), action.count("delayed_ack", "not_set")),
        Now(emit.span, "time"),
        ReserveRecord(emit.span, "seen", "events", _SEEN),
        emit.when(
            Not(emit.span, IsNull(emit.span, "seen")),
            emit.store(behind("seen", "time"), emit.local("time")),
            emit.store(behind("seen", "timer"), emit.local("timer")),
            emit.store(behind("seen", "segments"), emit.local("segments")),
            SubmitRecord(emit.span, "seen"),
        ),
        head.count("delayed_ack", "received"),
        parameters=(Parameter("socket", _SOCKET), Parameter("from_syn")),
        inline=False,
    )


def _enable(head: Build) -> Function:
    return head.function(
        "on_established",
        SetCallbackFlags(head.span, _PARSE_UNKNOWN | _WRITE),
        GetStorage(head.span, "socket", "sockets", True),
        head.when(IsNull(head.span, "socket"), head.leave()),
        head.store(behind("socket", "role"), head.local("role")),
        head.store(behind("socket", "delayed_ack", "mark"), head.context("snd_nxt")),
        parameters=(Parameter("role"),),
    )


def _on_length() -> Function:
    send = find(DELAYED_ACK, "send on ack")
    return send.function(
        "on_length",
        GetStorage(send.span, "socket", "sockets", False),
        send.when(IsNull(send.span, "socket"), send.leave()),
        send.let("length", 0),
        send.when(
            send.compare(send.context("args[0]"), "==", 1),
            send.assign("length", 8),
            otherwise=(
                Call(send.span, "delayed_ack_compose", (AddressOf(behind("socket")),), "composed"),
                send.assign("length", send.local("composed")),
            ),
        ),
        send.when(
            send.compare(send.local("length"), "!=", 0),
            ReserveOption(send.span, "reserved", send.local("length")),
            send.when(IsNegative(send.span, send.local("reserved")), send.count("delayed_ack", "no_space")),
        ),
    )


def _on_write() -> Function:
    send = find(DELAYED_ACK, "send on ack")
    return send.function(
        "on_write",
        GetStorage(send.span, "socket", "sockets", False),
        send.when(IsNull(send.span, "socket"), send.leave()),
        send.when(send.compare(send.load(behind("socket", "delayed_ack", "length")), "<", 2), send.leave()),
        StoreOption(send.span, "stored", behind("socket", "delayed_ack", "wire"), 8),
        send.when(
            IsNegative(send.span, send.local("stored")),
            send.count("delayed_ack", "no_space"),
            otherwise=(send.count("delayed_ack", "sent"),),
        ),
    )


def _on_parse() -> Function:
    head, send = find(DELAYED_ACK, "receive"), find(DELAYED_ACK, "until acked")
    # Serial number arithmetic on 32 bits, as RFC 9293 compares sequence numbers.
    ahead = send.binary("-", send.context("snd_una"), send.load(behind("socket", "delayed_ack", "mark")))
    beyond = send.binary("-", send.binary("&", ahead, 0xFFFFFFFF), 1)
    return head.function(
        "on_parse",
        GetStorage(head.span, "socket", "sockets", False),
        head.when(IsNull(head.span, "socket"), head.leave()),
        send.when(
            Both(
                send.span,
                send.compare(send.load(behind("socket", "delayed_ack", "done")), "==", 0),
                send.compare(beyond, "<", 0x7FFFFFFF),
            ),
            send.store(behind("socket", "delayed_ack", "done"), 1),
            send.store(behind("socket", "delayed_ack", "length"), 0),
        ),
        Call(head.span, "delayed_ack_receive", (AddressOf(behind("socket")), head.const(0))),
    )


def _entry(head: Build) -> Function:
    flags = SetCallbackFlags(head.span, _PARSE_UNKNOWN | _WRITE)

    def call(name: str, *arguments: Value) -> Statement:
        return Call(head.span, name, arguments)

    return head.function(
        "delack",
        Switch(
            head.span,
            head.context("op"),
            (
                Case(((3, "BPF_SOCK_OPS_TCP_CONNECT_CB"), (11, "BPF_SOCK_OPS_TCP_LISTEN_CB")), (flags,)),
                Case(((4, "BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB"),), (call("on_established", head.const(0)),)),
                Case(((5, "BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB"),), (call("on_established", head.const(1)),)),
                Case(((14, "BPF_SOCK_OPS_HDR_OPT_LEN_CB"),), (call("on_length"),)),
                Case(((15, "BPF_SOCK_OPS_WRITE_HDR_OPT_CB"),), (call("on_write"),)),
                Case(((13, "BPF_SOCK_OPS_PARSE_HDR_OPT_CB"),), (call("on_parse"),)),
            ),
        ),
        head.leave(1),
        returns=True,
    )
