"""The meaning of every operation but the helpers for options and sockets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_gallery import gallery
from ir_programs import (
    HERE,
    assign,
    behind,
    binary,
    buffer,
    call,
    compare,
    computing,
    count,
    ctx,
    function,
    if_,
    in_buffer,
    in_global,
    is_null,
    let,
    load,
    load_bytes,
    lookup,
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
    with_body,
    with_functions,
)

from optdsl.ir import ops
from optdsl.ir.invocation import Emitted, SockOpsContext
from optdsl.ir.machine import Machine, RunResult
from optdsl.ir.memory import Decoded, InterpreterError
from optdsl.ir.program import Program
from optdsl.ir.types import ByteArray
from optdsl.record import replace

U64 = st.integers(0, 2**64 - 1)
WRAP = 2**64
SOCKET = SockOpsContext(3, {"srtt_us": 800, "bytes_acked": 2**40, "remote_port": 0x1234}, socket="s")
STATE = storage("state", create=True)
BREAK = ops.Break(HERE)


def run(program: Program, context: SockOpsContext = SOCKET) -> tuple[Machine, RunResult]:
    machine = Machine(program, now=123)
    return machine, machine.run(context)


def result(value: ops.Value, *before: ops.Statement, context: SockOpsContext = SOCKET) -> Decoded:
    return run(computing(value, *before), context)[0].get("out")


def truth(condition: ops.Condition, *before: ops.Statement, context: SockOpsContext = SOCKET) -> Decoded:
    return result(ops.AsNumber(HERE, condition), *before, context=context)


# --------------------------------------------------------------------------------------- values and conditions


@given(U64, U64)
def test_arithmetic_is_modulo_two_to_the_64(a: int, b: int) -> None:
    expected = {"+": (a + b) % WRAP, "-": (a - b) % WRAP, "*": a * b % WRAP, "&": a & b, "|": a | b, "^": a ^ b}
    expected |= {"min": min(a, b), "max": max(a, b), "<<": (a << b % 64) % WRAP, ">>": a >> b % 64}
    expected |= {"/": a // b, "%": a % b} if b else {}
    for operator, number in expected.items():
        right = b % 64 if operator in ("<<", ">>") else b
        assert result(binary(operator, n(a), n(right))) == number


@given(U64, U64)
def test_comparisons_are_unsigned(a: int, b: int) -> None:
    expected = {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}
    for comparison, holds in expected.items():
        assert truth(compare(n(a), comparison, n(b))) == int(holds)


def test_every_operator_is_tested() -> None:
    assert {operator.value for operator in ops.BinaryOperator} == {*"+-*/%&|^", "<<", ">>", "min", "max"}
    assert {comparison.value for comparison in ops.Comparison} == {"==", "!=", "<", "<=", ">", ">="}


@pytest.mark.parametrize(
    ("bits", "number", "swapped"),
    [(16, 0xFF1234, 0x3412), (32, 0xFF12345678, 0x78563412), (64, 0x0102030405060708, 0x0807060504030201)],
)
def test_swap_bytes(bits: int, number: int, swapped: int) -> None:
    assert result(ops.SwapBytes(HERE, bits, n(number))) == swapped


def test_context_fields() -> None:
    assert result(ctx("op")) == 3
    assert result(ctx("srtt_us")) == 800
    assert result(ctx("bytes_acked")) == 2**40
    assert result(ctx("snd_cwnd")) == 0
    assert result(ctx("is_fullsock")) == 1


def test_a_request_socket_has_addresses_but_no_numbers_of_tcp() -> None:
    context = SockOpsContext(14, {"srtt_us": 800, "remote_port": 0x1234, "state": 12})
    assert result(ctx("is_fullsock"), context=context) == 0
    assert result(ctx("srtt_us"), context=context) == 0
    assert result(ctx("remote_port"), context=context) == 0x1234
    assert result(ctx("state"), context=context) == 12
    assert truth(is_null("ctx.sk"), context=context) == 1
    assert truth(is_null("ctx.sk")) == 0


def test_fields_that_cannot_be() -> None:
    for fields in ({"nothing": 1}, {"op": 1}, {"is_fullsock": 1}, {"srtt_us": 2**32}, {"srtt_us": -1}, {"sk": 1}):
        with pytest.raises(ValueError, match=r"field|fit"):
            SockOpsContext(1, fields)
    assert SockOpsContext(1, {"bytes_acked": 2**64 - 1, "args[3]": 1}).op == 1


def test_select_and_conditions() -> None:
    yes, no = ops.Always(HERE, True), ops.Always(HERE, False)
    assert result(ops.Select(HERE, yes, n(1), n(2))) == 1
    assert result(ops.Select(HERE, no, n(1), n(2))) == 2
    table = [(a, b, a.holds, b.holds) for a in (yes, no) for b in (yes, no)]
    for a, b, left, right in table:
        assert truth(ops.Both(HERE, a, b)) == int(left and right)
        assert truth(ops.Either(HERE, a, b)) == int(left or right)
        assert truth(ops.Not(HERE, a)) == int(not left)


def test_the_right_condition_is_evaluated_only_if_it_matters() -> None:
    undefined = compare(binary("/", n(1), n(0)), "==", n(1))
    assert truth(ops.Both(HERE, ops.Always(HERE, False), undefined)) == 0
    assert truth(ops.Either(HERE, ops.Always(HERE, True), undefined)) == 1
    with pytest.raises(InterpreterError, match="division by zero"):
        truth(ops.Both(HERE, ops.Always(HERE, True), undefined))


def test_negative_is_the_sign_of_64_bits() -> None:
    assert truth(negative("x"), let("x", n(2**63))) == 1
    assert truth(negative("x"), let("x", n(2**63 - 1))) == 0


# ------------------------------------------------------------------------------------------------------ memory


def test_numbers_in_memory_are_little_endian_and_truncated() -> None:
    program = with_body(
        STATE,
        store(behind("state", "small"), n(0x1FF)),
        store(behind("state", "rows", 1, "id"), n(0x1234)),
        store(behind("state", "marks", ctx("op")), n(7)),
    )
    machine, _ = run(program)
    data = machine.memory.storage["sockets"]["s"].data
    assert data[0] == 0xFF
    assert data[112:114] == b"\x34\x12"
    assert data[88 + 3 * 4] == 7


def test_bytes_are_most_significant_first() -> None:
    stored = store_bytes(in_buffer("b"), 2, 3, n(0x99010203))
    assert result(load_bytes(in_buffer("b"), 1, 5), buffer("b", 8), stored) == 0x0001020300
    assert result(load_bytes(in_global("fixed", "text"), 1, 2)) == int.from_bytes(b"bc", "big")
    assert result(load_bytes(in_global("pattern"), binary("+", n(60), ctx("op")), 8)) == int.from_bytes(range(63, 71))


def test_constants_and_elements() -> None:
    assert result(load(in_global("fixed", "value"))) == 7
    assert result(load(in_global("table", 2))) == 30
    assert result(load(in_global("table", binary("-", ctx("op"), n(2))))) == 20


def test_buffers_are_zero_at_each_declaration() -> None:
    body = (
        let("sum", n(0)),
        repeat(
            "i",
            3,
            buffer("b", 8),
            assign("sum", binary("+", v("sum"), load_bytes(in_buffer("b"), 0, 1))),
            store_bytes(in_buffer("b"), 0, 1, n(9)),
        ),
    )
    assert result(v("sum"), *body) == 0


# ------------------------------------------------------------------------------------------------ control flow


def test_repeat_and_break() -> None:
    body = (
        let("sum", n(0)),
        repeat(
            "i",
            10,
            if_(compare(v("i"), "==", n(5)), BREAK),
            repeat("j", 10, if_(compare(v("j"), "==", n(2)), BREAK), assign("sum", binary("+", v("sum"), n(1)))),
        ),
    )
    assert result(v("sum"), *body) == 10


def test_return_leaves_loops_and_the_function_alone() -> None:
    first = function(
        "first",
        repeat("i", 9, if_(compare(v("i"), ">", v("least")), return_(v("i")))),
        return_(n(99)),
        parameters=(ops.Parameter("least"),),
        returns=True,
    )
    program = with_functions(
        first,
        entry=(
            call("first", n(3), result="a"),
            call("first", n(8), result="b"),
            call("first", n(0)),
            store(in_global("out"), binary("+", binary("*", v("a"), n(100)), v("b"))),
        ),
    )
    assert run(program)[0].get("out") == 499


@pytest.mark.parametrize(("op", "out"), [(3, 1), (4, 1), (5, 2), (6, 0)])
def test_switch(op: int, out: int) -> None:
    switch = ops.Switch(
        HERE,
        ctx("op"),
        (
            ops.Case(((3, ""), (4, "")), (store(in_global("out"), n(1)),)),
            ops.Case(((5, ""),), (store(in_global("out"), n(2)),)),
        ),
    )
    assert run(with_body(switch), SockOpsContext(op))[0].get("out") == out


def test_pointers_as_arguments() -> None:
    fill = function(
        "fill",
        store_bytes(behind("p"), 0, 4, v("x")),
        parameters=(ops.Parameter("p", ByteArray(4)), ops.Parameter("x")),
    )
    entry = (
        buffer("b", 8),
        STATE,
        call("fill", ops.AddressOf(in_buffer("b")), n(0x01020304)),
        if_(is_null("state"), return_(n(1))),
        call("fill", ops.AddressOf(behind("state", "wire")), n(0x05060708)),
        store(in_global("out"), load_bytes(in_buffer("b"), 0, 5)),
    )
    machine, _ = run(with_functions(fill, entry=entry))
    assert machine.get("out") == 0x0102030400
    state = machine.storage("s")
    assert isinstance(state, dict)
    assert state["wire"] == bytes.fromhex("0506070800000000")


def test_now() -> None:
    assert result(v("t"), ops.Now(HERE, "t")) == 123


# -------------------------------------------------------------------------------------------------------- maps


def test_storage_is_created_on_demand_and_kept_for_each_socket() -> None:
    body = (
        ops.GetStorage(HERE, "state", "sockets", True),
        if_(is_null("state"), store(in_global("out"), n(99)), return_()),
        store(behind("state", "small"), binary("+", load(behind("state", "small")), n(1))),
        store(in_global("out"), load(behind("state", "small"))),
    )
    machine = Machine(with_body(*body))
    seen = []
    for socket in ("a", "a", "b", None):
        machine.run(SockOpsContext(3, socket=socket))
        seen.append(machine.get("out"))
    assert seen == [1, 2, 1, 99]
    machine.close("a")
    machine.memory.exhausted.add("sockets")
    for socket in ("a", "b"):
        machine.run(SockOpsContext(3, socket=socket))
        seen.append(machine.get("out"))
    assert seen[4:] == [99, 2]


def test_storage_is_not_created_unasked() -> None:
    assert truth(is_null("state"), storage("state")) == 1


def test_hash_tables() -> None:
    program = with_body(
        lookup("row", "names", binary("+", ctx("op"), n(0x10000))),
        if_(is_null("row"), return_()),
        store(behind("row", "id"), binary("+", load(behind("row", "id")), n(1))),
    )
    machine = Machine(program)
    machine.run(SOCKET)
    machine.set_entry("names", 3, (41, b"cubic"))
    machine.run(SOCKET)
    assert machine.entry("names", 3) == {"id": 42, "name": "cubic"}
    assert machine.entry("names", 4) is None
    machine.set_entry("names", 4, (1, b""))
    with pytest.raises(KeyError, match="no room"):
        machine.set_entry("names", 5, (1, b""))


def test_arrays_have_all_entries_and_no_more() -> None:
    assert truth(is_null("c"), lookup("c", "counters", 0)) == 0
    assert truth(is_null("c"), lookup("c", "counters", 1)) == 1


def test_counters() -> None:
    program = with_body(count("hits"), count("hits"))
    machine, done = run(program)
    machine.run(SOCKET)
    assert machine.counter("hits") == 4
    assert len(done.effects) == 2
    without = replace(program, maps=())
    assert run(without)[1].effects == ()


RECORD: dict[str, ops.Value] = {"at": ctx("bytes_acked"), "rtt": ctx("srtt_us"), "kind": n(5)}


def emitting() -> Program:
    fill = (store(behind("r", name), value) for name, value in RECORD.items())
    return with_body(reserve_record("r"), if_(is_null("r"), count("hits"), return_()), *fill, submit("r"))


def test_records() -> None:
    machine, done = run(emitting())
    assert done.effects == (Emitted("events", "sample", {"at": 2**40, "rtt": 800, "kind": 5}),)
    assert done.records == [{"at": 2**40, "rtt": 800, "kind": 5}]
    machine.memory.exhausted.add("events")
    assert machine.run(SOCKET).records == []
    assert machine.counter("hits") == 1


def test_the_gallery_runs_on_every_callback() -> None:
    machine = Machine(gallery())
    machine.set_entry("names", 0, (3, b"reno"))
    machine.set_entry("names", 1, (2, b"cubic"))
    for op in range(16):
        machine.run(SockOpsContext(op, {"srtt_us": 80}, "s", space=40, options=b"", saved_syn=b"\x1e\x04ab"))
    assert machine.counter("hits") == 16
