"""The interpreter stops on what has no meaning, and says where."""

from __future__ import annotations

import pytest
from ir_programs import (
    HERE,
    SCRATCH,
    assign,
    behind,
    binary,
    buffer,
    call,
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
from optdsl.ir.invocation import SockOpsContext
from optdsl.ir.machine import Machine
from optdsl.ir.memory import InterpreterError
from optdsl.ir.program import Program
from optdsl.ir.types import ByteArray
from optdsl.record import replace

SOCKET = SockOpsContext(3, {"srtt_us": 800}, socket="s")
STATE = storage("state", create=True)


def run(program: Program) -> None:
    Machine(program).run(SOCKET)


def emitting(*leave_out: str) -> ops.Block:
    """Emits a record; leaves out some of its members."""
    values: dict[str, ops.Value] = {"at": n(1), "rtt": ctx("srtt_us"), "kind": n(5)}
    fill = (store(behind("r", name), value) for name, value in values.items() if name not in leave_out)
    return (reserve_record("r"), if_(is_null("r"), return_()), *fill, submit("r"))


UNDEFINED: list[tuple[str, tuple[ops.Statement, ...]]] = [
    ("division by zero", (let("x", binary("/", n(1), binary("-", ctx("op"), n(3)))),)),
    ("division by zero", (let("x", binary("%", n(1), binary("-", ctx("op"), n(3)))),)),
    ("shift by 64", (let("x", binary("<<", n(1), n(64))),)),
    ("shift by 99", (let("x", binary(">>", n(1), n(99))),)),
    ("x is not declared", (let("y", v("x")),)),
    ("x, which is not declared", (assign("x", n(1)),)),
    ("p is not declared", (store(behind("p", "small"), n(1)),)),
    ("p is not declared", (if_(is_null("p")),)),
    ("buffer b is not declared", (store_bytes(in_buffer("b"), 0, 1, n(1)),)),
    ("there is no global variable g", (store(in_global("g"), n(1)),)),
    ("there is no function f", (call("f"),)),
    ("p is null", (storage("p"), store(behind("p", "small"), n(1)))),
    ("p is null", (lookup("p", "names"), let("x", load(behind("p", "id"))))),
    ("there is no element 4", (STATE, store(behind("state", "marks", binary("+", ctx("op"), n(1))), n(1)))),
    ("has no member x", (STATE, store(behind("state", "x"), n(1)))),
    ("there is no member x", (store(in_global("out", "x"), n(1)),)),
    ("loads or stores what is no number", (STATE, let("x", load(behind("state"))))),
    ("writes fixed, which is constant", (store(in_global("fixed", "value"), n(1)),)),
    ("bytes 6..9 of what has 8", (buffer("b", 8), let("x", load_bytes(in_buffer("b"), 6, 3)))),
    ("bytes 6..9 of what has 8", (STATE, store_bytes(behind("state", "wire"), binary("*", ctx("op"), n(2)), 3, n(1)))),
    ("offset 64 that is no constant", (let("x", load_bytes(in_global("pattern"), binary("+", n(61), ctx("op")), 1)),)),
    ("there are no 9 bytes", (buffer("b", 8), ops.LoadOption(HERE, "x", in_buffer("b"), 9, n(0)))),
    ("struct bpf_sock_ops has no number x", (let("x", ctx("x")),)),
    ("map keyed has no scalar key", (lookup("p", "keyed"),)),
    ("was never submitted", (reserve_record("r"),)),
    ("reads record r before it is written", (reserve_record("r"), let("x", load(behind("r", "at"))), submit("r"))),
    ("undefined at, rtt, kind", (reserve_record("r"), submit("r"))),
    ("a value of sockets, which is no record", (STATE, submit("state"))),
    ("after it was submitted", (*emitting(), submit("r"))),
    ("after it was submitted", (*emitting(), store(behind("r", "kind"), n(1)))),
    ("after it was submitted", (*emitting(), let("x", load(behind("r", "kind"))))),
]


@pytest.mark.parametrize(("message", "body"), UNDEFINED)
def test_undefined(message: str, body: tuple[ops.Statement, ...]) -> None:
    keyed = replace(SCRATCH.map("names"), name="keyed", key=ByteArray(2))
    program = with_body(*body)
    with pytest.raises(InterpreterError, match=message):
        run(replace(program, maps=(*program.maps, keyed)))


def test_members_left_out_of_a_record_are_named() -> None:
    with pytest.raises(InterpreterError, match=r"undefined rtt$"):
        run(with_body(*emitting("rtt")))


def test_errors_name_the_statement() -> None:
    with pytest.raises(InterpreterError, match=r"^samples/delack.opt:1:1: x is not declared$") as caught:
        run(with_body(let("y", v("x"))))
    assert caught.value.span == HERE


def test_functions_must_return_what_they_promise() -> None:
    with pytest.raises(InterpreterError, match="f returned no number"):
        run(with_functions(function("f", returns=True), entry=(call("f"),)))
    with pytest.raises(InterpreterError, match="f returned no number"):
        run(with_functions(function("f"), entry=(call("f", result="x"),)))
    with pytest.raises(InterpreterError, match="entry returned 0, which cancels"):
        run(with_functions(entry=(return_(n(0)),)))


def test_recursion_stops() -> None:
    with pytest.raises(InterpreterError, match="more than 32 deep"):
        run(with_functions(function("f", call("f")), entry=(call("f"),)))
