"""Calls of the kernel's helpers and of the program's own functions, as C expressions."""

from __future__ import annotations

from typing import assert_never

from optdsl.backends.c.expression import Binding
from optdsl.backends.c.frame import Frame
from optdsl.backends.c.leaves import plain
from optdsl.backends.c.names import identifier
from optdsl.backends.c.values import condition_expression, place_memory, plain_text, value_expression
from optdsl.ir import ops

# Statements that set a number to the result of a call.
NumberCall = (
    ops.Call
    | ops.ReserveOption
    | ops.StoreOption
    | ops.LoadOption
    | ops.SetSocketOption
    | ops.GetSocketOption
    | ops.Now
)
# Statements that set a pointer to the result of a call.
PointerCall = ops.GetStorage | ops.LookupMap | ops.ReserveRecord


def number_call(frame: Frame, statement: NumberCall) -> str:
    """A call that returns a number."""
    match statement:
        case ops.Call():
            return _own_call(frame, statement)
        case ops.ReserveOption():
            return f"bpf_reserve_hdr_opt(ctx, {plain_text(frame, statement.length)}, 0)"
        case ops.StoreOption():
            place = place_memory(frame, statement.place).pointer
            return f"bpf_store_hdr_opt(ctx, {place}, {statement.capacity}, 0)"
        case ops.LoadOption():
            place = place_memory(frame, statement.place).pointer
            return f"bpf_load_hdr_opt(ctx, {place}, {statement.capacity}, {_load_flags(frame, statement.from_syn)})"
        case ops.SetSocketOption():
            return _set_socket_option(frame, statement)
        case ops.GetSocketOption():
            place = place_memory(frame, statement.place).pointer
            return f"bpf_getsockopt(ctx, {_option(frame, statement)}, {place}, {statement.size})"
        case ops.Now():
            return "bpf_ktime_get_ns()"
        case _:
            assert_never(statement)


def pointer_call(frame: Frame, statement: PointerCall) -> str:
    """A call that returns a pointer."""
    match statement:
        case ops.GetStorage():
            accessor = frame.support.map_accessor(frame.program.map(statement.map))
            return f"{accessor}(ctx, {'BPF_SK_STORAGE_GET_F_CREATE' if statement.create else '0'})"
        case ops.LookupMap():
            accessor = frame.support.map_accessor(frame.program.map(statement.map))
            return f"{accessor}({plain_text(frame, statement.key)})"
        case ops.ReserveRecord():
            return f"{frame.support.reserve_record(statement.map, statement.record)}()"
        case _:
            assert_never(statement)


def _own_call(frame: Frame, statement: ops.Call) -> str:
    arguments = ["ctx"] if statement.function in frame.facts.needs_context else []
    for argument in statement.arguments:
        if isinstance(argument, ops.AddressOf):
            arguments.append(place_memory(frame, argument.place).pointer)
        else:
            arguments.append(plain_text(frame, argument))
    return f"{identifier(statement.function)}({', '.join(arguments)})"


def _load_flags(frame: Frame, from_syn: ops.Value) -> str:
    match from_syn:
        case ops.Const(value=0):
            return "0"
        case ops.Const():
            return "BPF_LOAD_HDR_OPT_TCP_SYN"
        case ops.AsNumber(condition=condition):
            chosen = condition_expression(frame, condition)
        case _:
            chosen = value_expression(frame, from_syn)
    return f"{chosen.within(Binding.LOGICAL_OR)} ? BPF_LOAD_HDR_OPT_TCP_SYN : 0"


def _set_socket_option(frame: Frame, statement: ops.SetSocketOption) -> str:
    option = _option(frame, statement)
    if isinstance(statement.value, ops.Place):
        place = place_memory(frame, statement.value).pointer
        return f"bpf_setsockopt(ctx, {option}, {place}, {statement.size})"
    helper = frame.support.use(f"setsockopt_u{8 * statement.size}")
    value = plain(frame, statement.value) or value_expression(frame, statement.value).text
    return f"{helper}(ctx, {option}, {value})"


def _option(frame: Frame, statement: ops.SetSocketOption | ops.GetSocketOption) -> str:
    level, option = statement.level, statement.option
    return f"{frame.constants.level(level)}, {frame.constants.socket_option(level, option)}"
