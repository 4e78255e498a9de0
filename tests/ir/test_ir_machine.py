"""Whole packets, and a whole option, on a machine that keeps its memory from one invocation to the next."""

from __future__ import annotations

from collections.abc import Hashable

import pytest
from ir_delack import delack
from ir_programs import (
    HERE,
    buffer,
    ctx,
    function,
    if_,
    in_buffer,
    in_global,
    let,
    n,
    store,
    store_bytes,
    v,
    with_functions,
)

from optdsl.ir import ops
from optdsl.ir.check import check_program
from optdsl.ir.invocation import (
    ENOSPC,
    Counted,
    Reserved,
    SockOpsContext,
    Stored,
)
from optdsl.ir.machine import Machine, packet
from optdsl.record import replace
from optdsl.targets.sockops import CallbackFlag, HeaderPass, SockOp

TIMESTAMPS = bytes.fromhex("0101080a0000000100000002")
DELACK = bytes.fromhex("fd0644410204")
FROM_PEER = bytes.fromhex("fd0644410420")


def outcome(name: str) -> ops.Statement:
    return store(in_global("out"), v(name))


# ------------------------------------------------------------------------------------------------- packets


def writer(reserved: tuple[int, ...], *written: int) -> Machine:
    """A machine whose program reserves some lengths, and writes options of some lengths of kinds 30, 31, ..."""
    body: list[ops.Statement] = []
    for index, size in enumerate(written):
        body += [
            buffer(f"b{index}", 40),
            store_bytes(in_buffer(f"b{index}"), 0, 2, n((30 + index) << 8 | size)),
            ops.StoreOption(HERE, f"s{index}", in_buffer(f"b{index}"), 40),
        ]
    program = with_functions(
        function("on_length", *(ops.ReserveOption(HERE, f"r{size}", n(size)) for size in reserved)),
        function("on_write", *body),
        entry=(
            ops.Switch(
                HERE,
                ctx("op"),
                (
                    ops.Case(((14, ""),), (ops.Call(HERE, "on_length"),)),
                    ops.Case(((15, ""),), (ops.Call(HERE, "on_write"),)),
                ),
            ),
        ),
    )
    assert check_program(program) == []
    return Machine(program)


def test_what_is_reserved_and_not_written_becomes_nops() -> None:
    assert packet(writer((5,), 5)).options == bytes.fromhex("1e05000000010101")
    assert packet(writer((10,), 3)).options == bytes.fromhex("1e0300") + b"\1" * 9
    assert packet(writer((8,))).options == b"\1" * 8
    assert packet(writer((2, 5), 4, 4)).options == bytes.fromhex("1e0400001f040000")


def test_nothing_reserved_is_nothing_written() -> None:
    sent = packet(writer((), 4), kernel_options=TIMESTAMPS)
    assert sent.options == TIMESTAMPS
    assert sent.write is None


def test_writing_more_than_was_reserved_fails() -> None:
    sent = packet(writer((4,), 4, 4))
    assert sent.options == bytes.fromhex("1e040000")
    assert sent.write is not None
    assert [effect.result for effect in sent.write.of(Stored)] == [0, -ENOSPC]
    # Rounding up leaves room that nobody asked for.
    assert packet(writer((5,), 8)).options == bytes.fromhex("1e08000000000000")


def test_space_is_what_the_kernel_left() -> None:
    sent = packet(writer((20, 12), 4), kernel_options=TIMESTAMPS)
    assert [effect.result for effect in sent.length.of(Reserved)] == [0, -ENOSPC]
    assert packet(writer((20,), 4), space=16, kernel_options=TIMESTAMPS).options == TIMESTAMPS


def test_fields_of_an_outgoing_packet() -> None:
    seen = []
    for op in (14, 15):
        keep = if_(ops.Compare(HERE, ops.Comparison.EQ, ctx("op"), n(op)), store(in_global("out"), ctx("skb_len")))
        program = with_functions(
            entry=(
                if_(ops.Compare(HERE, ops.Comparison.EQ, ctx("op"), n(14)), ops.ReserveOption(HERE, "r", n(5))),
                keep,
            )
        )
        machine = Machine(program)
        packet(machine, payload=100, kernel_options=TIMESTAMPS)
        seen.append(machine.get("out"))
    assert seen == [100, 20 + 12 + 8 + 100]


# ------------------------------------------------------------------------------------------- a whole option


def connected(socket: Hashable = 1) -> Machine:
    machine = Machine(delack(), now=77)
    machine.run(SockOpsContext(SockOp.TCP_CONNECT_CB, socket=socket))
    return machine


def receive(machine: Machine, options: bytes, socket: Hashable = 1) -> list[str]:
    """The names of the counters that a received packet increments."""
    context = SockOpsContext(SockOp.PARSE_HDR_OPT_CB, {"srtt_us": 80_000 << 3}, socket, options=options)
    return [str(effect.path[1]) for effect in machine.run(context).of(Counted)]


def test_connecting_asks_for_callbacks() -> None:
    done = Machine(delack()).run(SockOpsContext(SockOp.TCP_CONNECT_CB, socket=1))
    assert done.flags == CallbackFlag.WRITE_HDR_OPT | CallbackFlag.PARSE_UNKNOWN_HDR_OPT


def test_sent_until_one_is_received() -> None:
    machine = connected()
    machine.set("delayed_ack.divisor", 9)
    machine.set("delayed_ack.threshold", 0x20)
    wire = TIMESTAMPS + bytes.fromhex("fd06444109200101")
    assert packet(machine, socket=1, kernel_options=TIMESTAMPS).options == wire
    assert packet(machine, socket=2).options == b""
    assert receive(machine, FROM_PEER) == ["received"]
    assert packet(machine, socket=1).options == b""
    assert machine.counter("delayed_ack.sent") == 1
    assert machine.get("delayed_ack") == {"divisor": 9, "threshold": 0x20}


def test_received_values_are_checked_and_applied() -> None:
    machine = connected()
    context = SockOpsContext(SockOp.PARSE_HDR_OPT_CB, {"srtt_us": 80_000 << 3}, 1, options=FROM_PEER)
    done = machine.run(context)
    assert done.socket_options == {(6, 1003): 20_000}
    assert done.records == [{"time": 77, "timer": 20_000, "segments": 0x20}]
    assert receive(machine, bytes.fromhex("fd0644410020")) == ["out_of_range"]
    assert receive(machine, bytes.fromhex("fd0644410400")) == ["out_of_range"]
    assert receive(machine, bytes.fromhex("fd0644410441")) == ["out_of_range"]
    assert receive(machine, bytes.fromhex("fd0744410420aa")) == ["malformed"]
    assert receive(machine, TIMESTAMPS) == []
    assert receive(machine, FROM_PEER, socket=2) == []


def test_the_mss_calculation_reserves_the_most() -> None:
    context = SockOpsContext(SockOp.HDR_OPT_LEN_CB, {"args[0]": HeaderPass.CURRENT_MSS}, 1, space=28)
    assert connected().run(context).space == 22


def test_no_space_is_counted() -> None:
    machine = connected()
    assert packet(machine, socket=1, space=4).options == b""
    assert machine.counter("delayed_ack.no_space") == 1


def test_a_program_without_parameters_has_none_to_set() -> None:
    machine = Machine(replace(delack(), globals=()))
    with pytest.raises(KeyError):
        machine.set("delayed_ack.divisor", 1)
    with pytest.raises(KeyError):
        connected().set("delayed_ack.nothing", 1)
    with pytest.raises(KeyError):
        connected().counter("delayed_ack")


def test_let_runs_in_the_entry_as_well() -> None:
    machine = Machine(with_functions(entry=(let("x", n(4)), outcome("x"))))
    machine.run(SockOpsContext(SockOp.TIMEOUT_INIT))
    assert machine.get("out") == 4
