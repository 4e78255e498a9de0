"""A valid program that contains every operation of the IR at least once."""

from __future__ import annotations

from ir_programs import (
    HERE,
    ROW,
    SAMPLE,
    SCRATCH_STATE,
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
    repeat,
    reserve_record,
    return_,
    storage,
    store,
    store_bytes,
    submit,
    v,
    with_functions,
)

from optdsl.ir import ops
from optdsl.ir.program import Function, Program


def gallery() -> Program:
    """Every operation once or more; of no use otherwise."""
    return with_functions(
        _numbers(),
        _memory(),
        _loops(),
        _socket_options(),
        _record(),
        function("reserve", ops.ReserveOption(HERE, "reserved", n(12))),
        _write(),
        entry=(
            ops.Switch(
                HERE,
                ctx("op"),
                (
                    ops.Case(((3, "BPF_SOCK_OPS_TCP_CONNECT_CB"), (11, "BPF_SOCK_OPS_TCP_LISTEN_CB")), (_start(),)),
                    ops.Case(((12, "BPF_SOCK_OPS_RTT_CB"),), (call("loops"), call("socket_options"), call("record"))),
                    ops.Case(((14, "BPF_SOCK_OPS_HDR_OPT_LEN_CB"),), (call("reserve"),)),
                    ops.Case(((15, "BPF_SOCK_OPS_WRITE_HDR_OPT_CB"),), (call("write"),)),
                ),
            ),
            storage("state", create=True),
            if_(
                ops.Not(HERE, is_null("state")),
                call("numbers", n(3), result="sum"),
                let("index", binary("%", v("sum"), n(4))),
                call("memory", ops.AddressOf(behind("state")), ops.AddressOf(behind("state", "wide")), v("index")),
            ),
        ),
    )


def _write() -> Function:
    return function(
        "write",
        buffer("option", 8),
        store_bytes(in_buffer("option"), 0, 2, n(0x1E04)),
        ops.StoreOption(HERE, "stored", in_buffer("option"), 8),
    )


def _start() -> ops.Statement:
    return ops.SetCallbackFlags(HERE, 0x48)


def _numbers() -> Function:
    """Values and conditions."""
    small, odd = compare(v("x"), "<", n(10)), compare(binary("&", v("x"), n(1)), "!=", n(0))
    return function(
        "numbers",
        let("sum", n(0)),
        *(
            ops.Assign(HERE, "sum", binary(operator.value, v("sum"), n(3)))
            for operator in ops.BinaryOperator
        ),
        ops.Assign(HERE, "sum", ops.Select(HERE, ops.Both(HERE, small, odd), v("sum"), n(0xFFFF_FFFF))),
        ops.Assign(HERE, "sum", binary("+", ops.AsNumber(HERE, ops.Either(HERE, small, odd)), v("sum"))),
        ops.Assign(HERE, "sum", ops.SwapBytes(HERE, 32, binary("^", v("sum"), ctx("remote_port")))),
        if_(ops.Always(HERE, False), ops.Assign(HERE, "sum", load(in_global("fixed", "value")))),
        if_(ops.Not(HERE, odd), return_(v("sum"))),
        return_(n(250_000)),
        parameters=(ops.Parameter("x"),),
        returns=True,
        inline=True,
        doc="Values and conditions.",
    )  # fmt: skip


def _memory() -> Function:
    """Loads and stores, of numbers and bytes, at constant places and others."""
    return function(
        "memory",
        store(behind("state", "small"), load(in_global("table", 2))),
        store(behind("state", "marks", v("index")), load(behind("state", "rows", 1, "id"))),
        store_bytes(behind("state", "wire"), 2, 6, n(0x0102_0304_0506)),
        store_bytes(behind("wide"), v("index"), 2, load_bytes(behind("state", "wire"), 0, 1)),
        ops.Count(HERE, ("hits",)),
        ops.Return(HERE),
        parameters=(
            ops.Parameter("state", SCRATCH_STATE),
            ops.Parameter("wide", SCRATCH_STATE.member("wide").type),
            ops.Parameter("index"),
        ),
    )


def _loops() -> Function:
    return function(
        "loops",
        let("found", n(0)),
        repeat(
            "i",
            3,
            ops.LookupMap(HERE, "row", "names", v("i")),
            if_(
                is_null("row"),
                ops.Break(HERE),
                no=(if_(compare(load(behind("row", "id")), ">", n(2)), ops.Assign(HERE, "found", v("i"))),),
            ),
        ),
    )


def _socket_options() -> Function:
    return function(
        "socket_options",
        if_(is_null("ctx.sk"), return_()),
        buffer("value", 16),
        ops.GetSocketOption(HERE, "read", 6, 13, 16, in_buffer("value")),
        ops.LookupMap(HERE, "row", "names", n(1)),
        if_(
            ops.Both(HERE, ops.Not(HERE, negative("read")), ops.Not(HERE, is_null("row"))),
            ops.SetSocketOption(HERE, "text_set", 6, 13, 6, behind("row", "name")),
            ops.SetSocketOption(HERE, "number_set", 1, 47, 8, binary("*", ctx("bytes_acked"), n(2))),
        ),
        buffer("option", 8),
        store_bytes(in_buffer("option"), 0, 1, n(30)),
        ops.LoadOption(HERE, "length", in_buffer("option"), 8, n(1)),
    )


def _record() -> Function:
    values: dict[str, ops.Value] = {"at": v("now"), "rtt": ctx("srtt_us"), "kind": n(ROW.size)}
    return function(
        "record",
        ops.Now(HERE, "now"),
        reserve_record("sample"),
        if_(is_null("sample"), return_()),
        *(store(behind("sample", name), value) for name, value in values.items()),
        submit("sample"),
        doc=f"Emits `{SAMPLE.name}`.",
    )
