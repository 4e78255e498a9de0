"""The checker's rules for statements and paths: for each a function that breaks it."""

from __future__ import annotations

import pytest
from ir_programs import (
    HERE,
    ROW,
    SAMPLE,
    assign,
    behind,
    binary,
    buffer,
    call,
    compare,
    count,
    ctx,
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
)

from optdsl.ir import ops
from optdsl.ir.check import check_program

STATE = (storage("state"), if_(is_null("state"), return_()))
BREAK = ops.Break(HERE)


BODIES: list[tuple[str, tuple[ops.Statement, ...]]] = [
    # Names
    ("x is not declared here (number expected)", (let("y", v("x")),)),
    ("x is not declared here", (if_(is_null("ctx.sk"), let("x", n(1))), let("y", v("x")))),
    ("i is not declared here", (repeat("i", 2), let("y", v("i")))),
    ("x is declared twice", (let("x", n(1)), let("x", n(2)))),
    ("x is declared twice", (if_(is_null("ctx.sk"), let("x", n(1)), no=(buffer("x", 8),)),)),
    ("state is not a number", (*STATE, let("x", v("state")))),
    ("x is not a pointer", (let("x", n(1)), store(behind("x"), n(1)))),
    ("x is not a buffer", (let("x", n(1)), store_bytes(in_buffer("x"), 0, 1, n(1)))),
    ("names of the program is hidden by the local names", (let("names", n(1)), lookup("p", "names"))),
    ("out of the program is hidden by the local out", (let("out", n(1)), store(in_global("out"), n(1)))),
    ("counters of the program is hidden", (let("counters", n(1)), count("hits"))),
    ("x is not declared here", (assign("x", n(1)),)),
    ("now is neither a parameter nor declared by `let`", (ops.Now(HERE, "now"), assign("now", n(1)))),
    ("i is neither a parameter nor declared by `let`", (repeat("i", 2, assign("i", n(9))),)),
    # Values and conditions
    ("constant 18446744073709551616 is not in 0..2**64", (let("x", n(2**64)),)),
    ("constant -1 is not in", (let("x", ops.SwapBytes(HERE, 16, n(-1))),)),
    ("struct bpf_sock_ops has no number skb_data", (let("x", ctx("skb_data")),)),
    ("struct bpf_sock_ops has no number args[4]", (let("x", ctx("args[4]")),)),
    ("division by zero", (let("x", binary("/", n(1), n(0))),)),
    ("division by zero", (let("x", binary("%", n(1), n(0))),)),
    ("shift by 64", (let("x", binary("<<", n(1), n(64))),)),
    ("8 bits cannot be swapped", (let("x", ops.SwapBytes(HERE, 8, n(1))),)),
    ("x is not declared here", (if_(negative("x")),)),
    ("x is not declared here", (let("y", ops.Select(HERE, ops.Always(HERE, True), n(1), v("x"))),)),
    ("x is not declared here", (let("y", ops.AsNumber(HERE, compare(v("x"), "<", n(1)))),)),
    # Places
    ("there is no global variable nothing", (store(in_global("nothing"), n(1)),)),
    ("there is no state.nothing", (*STATE, store(behind("state", "nothing"), n(1)))),
    ("there is no state.marks[4]", (*STATE, store(behind("state", "marks", 4), n(1)))),
    ("there is no state.marks[4]", (*STATE, store(behind("state", "marks", n(4)), n(1)))),
    ("there is no table.x", (let("y", load(in_global("table", "x"))),)),
    ("x is not declared here", (*STATE, store(behind("state", "marks", v("x")), n(1)))),
    ("state.wire is not a number", (*STATE, store(behind("state", "wire"), n(1)))),
    ("state is not a number", (*STATE, let("x", load(behind("state"))))),
    ("fixed.value is constant", (store(in_global("fixed", "value"), n(1)),)),
    ("fixed.text is constant", (store_bytes(in_global("fixed", "text"), 0, 1, n(1)),)),
    ("fixed.text is constant", (ops.LoadOption(HERE, "x", in_global("fixed", "text"), 4, n(0)),)),
    # Bytes
    ("9 bytes do not make a number", (*STATE, let("x", load_bytes(behind("state", "wide"), 0, 9)))),
    ("0 bytes do not make a number", (*STATE, store_bytes(behind("state", "wide"), 0, 0, n(1)))),
    ("state.small is not a byte array", (*STATE, let("x", load_bytes(behind("state", "small"), 0, 1)))),
    ("bytes 6..10 of state.wire, which has 8", (*STATE, let("x", load_bytes(behind("state", "wire"), 6, 4)))),
    ("bytes 4..9 of wire, which has 8", (buffer("wire", 8), store_bytes(in_buffer("wire"), 4, 5, n(1)))),
    ("state.wire, which has fewer than 72", (*STATE, let("x", load_bytes(behind("state", "wire"), ctx("op"), 1)))),
    ("b, which is no map memory", (buffer("b", 80), let("x", load_bytes(in_buffer("b"), ctx("op"), 1)))),
    ("buffer b of 0 bytes", (buffer("b", 0),)),
    # Pointers
    ("p may be null here", (storage("p"), store(behind("p", "small"), n(1)))),
    ("p may be null here", (lookup("p", "names"), let("x", load(behind("p", "id"))))),
    ("p may be null here", (storage("p"), if_(is_null("p"), store(behind("p", "small"), n(1))))),
    ("p may be null here", (storage("p"), if_(is_null("p"), let("x", n(1))), store(behind("p", "small"), n(1)))),
    (
        "p may be null here",
        (storage("p"), if_(ops.Both(HERE, compare(load(behind("p", "small")), "<", n(1)), is_null("p")))),
    ),
    (
        "p may be null here",
        (
            storage("p"),
            if_(ops.Either(HERE, ops.Not(HERE, is_null("p")), is_null("ctx.sk")), store(behind("p", "small"), n(1))),
        ),
    ),
    (
        "p may be null here",
        (storage("p"), repeat("i", 2, if_(is_null("p"), BREAK)), store(behind("p", "small"), n(1))),
    ),
    # Maps
    ("there is no map nothing", (lookup("p", "nothing"),)),
    ("map sockets is a SK_STORAGE, not a HASH or PERCPU_ARRAY", (lookup("p", "sockets"),)),
    ("map names is a HASH, not a SK_STORAGE", (ops.GetStorage(HERE, "p", "names", False),)),
    (
        "map names is a HASH, not a RINGBUF",
        (ops.ReserveRecord(HERE, "p", "names", SAMPLE), if_(ops.Not(HERE, is_null("p")), submit("p"))),
    ),
    (
        "struct row is not among the program's records",
        (ops.ReserveRecord(HERE, "p", "events", ROW), if_(ops.Not(HERE, is_null("p")), submit("p"))),
    ),
    # Records
    ("record r may not have been submitted", (reserve_record("r"),)),
    ("record r may not have been submitted", (reserve_record("r"), if_(ops.Not(HERE, is_null("r")), return_()))),
    (
        "record r may not have been submitted",
        (reserve_record("r"), if_(is_null("r"), return_()), if_(is_null("ctx.sk"), submit("r"))),
    ),
    (
        "record r may not have been submitted",
        (if_(is_null("ctx.sk"), reserve_record("r"), if_(is_null("r"), return_())), let("x", n(1))),
    ),
    ("r may be null here", (reserve_record("r"), submit("r"))),
    (
        "r may have been submitted before",
        (reserve_record("r"), if_(is_null("r"), return_()), submit("r"), submit("r")),
    ),
    (
        "r may have been submitted before",
        (reserve_record("r"), if_(is_null("r"), return_()), submit("r"), store(behind("r", "kind"), n(1))),
    ),
    (
        "r may have been submitted before",
        (reserve_record("r"), if_(is_null("r"), return_()), repeat("i", 2, submit("r"))),
    ),
    (
        "r may have been submitted; it is no pointer",
        (reserve_record("r"), if_(is_null("r"), return_()), submit("r"), if_(is_null("r"))),
    ),
    ("state is not a record", (*STATE, submit("state"))),
    # Control flow
    ("0 repetitions", (repeat("i", 0),)),
    ("65 repetitions", (repeat("i", 65),)),
    ("break outside of a loop", (if_(is_null("ctx.sk"), BREAK),)),
    ("two cases for 3", (ops.Switch(HERE, ctx("op"), (ops.Case(((3, ""),), ()), ops.Case(((3, ""),), ()))),)),
    ("returns a number where the function returns none", (return_(n(1)),)),
    # Counters, helpers, calls
    ("there is no counter misses", (count("misses"),)),
    ("there is no counter hits.x", (count("hits", "x"),)),
    ("counter narrow is not a 64-bit number", (count("narrow"),)),
    ("0x80 are no callback flags", (ops.SetCallbackFlags(HERE, 0x80),)),
    ("an option of at most 1 bytes", (buffer("b", 8), ops.LoadOption(HERE, "x", in_buffer("b"), 1, n(0)))),
    ("9 bytes of b, which has 8", (buffer("b", 8), ops.LoadOption(HERE, "x", in_buffer("b"), 9, n(0)))),
    ("out is not a byte array", (ops.StoreOption(HERE, "x", in_global("out"), 4),)),
    ("a number passed as 2 bytes", (ops.SetSocketOption(HERE, "x", 6, 1003, 2, n(1)),)),
    ("9 bytes of b, which has 8", (buffer("b", 8), ops.SetSocketOption(HERE, "x", 6, 13, 9, in_buffer("b")))),
    ("socket option of 0 bytes", (buffer("b", 8), ops.GetSocketOption(HERE, "x", 6, 13, 0, in_buffer("b")))),
    ("state.wire is not a local buffer", (*STATE, ops.GetSocketOption(HERE, "x", 6, 13, 4, behind("state", "wire")))),
    ("there is no function subject before this one", (call("subject"),)),
    ("there is no function entry before this one", (call("entry"),)),
]


@pytest.mark.parametrize(("message", "body"), BODIES)
def test_statements(message: str, body: tuple[ops.Statement, ...]) -> None:
    problems = check_program(with_body(*body))
    assert len(problems) == 1
    assert message in problems[0]
    assert problems[0].startswith("subject: samples/delack.opt:1:1: ")


def test_pointers_of_a_missing_map_are_reported_once() -> None:
    body = (ops.GetStorage(HERE, "p", "nothing", True), if_(is_null("p"), return_()), store(behind("p", "x"), n(1)))
    assert check_program(with_body(*body)) == ["subject: samples/delack.opt:1:1: there is no map nothing"]


def test_problems_keep_their_order_and_count_once() -> None:
    body = repeat("i", 3, storage("p"), store(behind("p", "small"), v("j")))
    assert check_program(with_body(body, let("x", v("k")))) == [
        "subject: samples/delack.opt:1:1: j is not declared here (number expected)",
        "subject: samples/delack.opt:1:1: p may be null here",
        "subject: samples/delack.opt:1:1: k is not declared here (number expected)",
    ]


def test_records_of_a_loop_are_all_submitted() -> None:
    problems = check_program(with_body(repeat("i", 2, reserve_record("r"), if_(is_null("r"), BREAK))))
    assert [problem.partition(":1:1: ")[2] for problem in problems] == [
        "record r is reserved again and may not have been submitted",
        "record r may not have been submitted",
    ]
