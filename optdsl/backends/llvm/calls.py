"""Statements of the IR that call: functions of the program, and the kernel's helpers."""

from __future__ import annotations

from typing import assert_never

from optdsl.backends.llvm import memory
from optdsl.backends.llvm.errors import BackendError
from optdsl.backends.llvm.frame import Frame
from optdsl.backends.llvm.values import number
from optdsl.ir.ops import (
    AddressOf,
    Call,
    Const,
    Count,
    GetSocketOption,
    GetStorage,
    LoadOption,
    LookupMap,
    Now,
    Place,
    ReserveOption,
    ReserveRecord,
    SetCallbackFlags,
    SetSocketOption,
    StoreOption,
    SubmitRecord,
    Value,
)
from optdsl.ir.types import Scalar, Type, resolve
from optdsl.targets.sockops import LOAD_HDR_OPT_TCP_SYN, SK_STORAGE_GET_F_CREATE, Helper

COUNTER_BYTES = 8
"""Bytes of a counter; the function that counts is told its number."""

KernelStatement = (
    GetStorage | LookupMap | Count | SetCallbackFlags | ReserveOption | StoreOption | LoadOption
    | SetSocketOption | GetSocketOption | Now | ReserveRecord | SubmitRecord
)  # fmt: skip


def function(frame: Frame, call: Call) -> None:
    """Calls a function of the program; the context goes along as its first argument."""
    arguments = ["ptr %ctx"]
    for argument in call.arguments:
        if isinstance(argument, AddressOf):
            arguments.append(f"ptr {_pointer(frame, argument.place)}")
        else:
            arguments.append(f"i64 {number(frame, argument)}")
    frame.writer.at(call.span)
    callee = frame.program.function(call.function)
    text = f"@{callee.name}({', '.join(arguments)})"
    if not callee.returns:
        frame.writer.effect(f"call {'i32' if callee.is_independent else 'void'} {text}")
        return
    result = frame.writer.value(f"call i64 {text}")
    if call.result is not None:
        frame.assign(call.result, result)


def kernel(frame: Frame, statement: KernelStatement) -> None:
    """Calls a helper of the kernel."""
    match statement:
        case GetStorage():
            _get_storage(frame, statement)
        case LookupMap():
            _lookup(frame, statement)
        case Count():
            offset, _ = resolve(frame.program.counters, statement.path)
            frame.writer.effect(f"call i32 @{frame.counter}(i64 {offset // COUNTER_BYTES})")
        case SetCallbackFlags():
            flags, _ = frame.context_field("bpf_sock_ops_cb_flags", statement.span)
            wanted = frame.writer.value(f"or i32 {flags}, {statement.flags}")
            frame.helper(Helper.SOCK_OPS_CB_FLAGS_SET, "ptr %ctx", f"i32 {wanted}")
        case ReserveOption() | StoreOption() | LoadOption():
            frame.assign(statement.result, _header_option(frame, statement))
        case SetSocketOption():
            frame.assign(statement.result, _set_socket_option(frame, statement))
        case GetSocketOption():
            frame.assign(statement.result, _get_socket_option(frame, statement))
        case Now():
            frame.assign(statement.name, frame.helper(Helper.KTIME_GET_NS))
        case ReserveRecord():
            record = statement.record
            arguments = (f"ptr @{statement.map}", f"i64 {record.size}", "i64 0")
            frame.point(statement.pointer, record, frame.helper(Helper.RINGBUF_RESERVE, *arguments, result="ptr"))
        case SubmitRecord():
            frame.helper(Helper.RINGBUF_SUBMIT, f"ptr {frame.pointer(statement.pointer)}", "i64 0", result="void")
        case _:
            assert_never(statement)


def _get_storage(frame: Frame, statement: GetStorage) -> None:
    """The helper demands a socket that is known not to be NULL; without one the storage is NULL as well."""
    writer = frame.writer
    found, end, before = writer.label("socket"), writer.label("end"), writer.block
    socket, _ = frame.context_field("sk", statement.span)
    writer.branch(writer.value(f"icmp eq ptr {socket}, null"), end, found)
    writer.start(found)
    flags = SK_STORAGE_GET_F_CREATE if statement.create else 0
    storage = frame.helper(
        Helper.SK_STORAGE_GET, f"ptr @{statement.map}", f"ptr {socket}", "ptr null", f"i64 {flags}", result="ptr"
    )
    writer.jump(end)
    writer.start(end)
    pointer = writer.phi("ptr", ("null", before), (storage, found))
    frame.point(statement.pointer, _value_type(frame, statement.map), pointer)


def _lookup(frame: Frame, statement: LookupMap) -> None:
    kind = frame.program.map(statement.map).key
    if not isinstance(kind, Scalar):
        raise BackendError("emit", f"the key of map {statement.map} is no scalar")
    key = number(frame, statement.key)
    frame.writer.at(statement.span)
    with frame.writer.scratch(kind.size) as slot:
        memory.store(frame, memory.Address(slot, kind, kind.alignment), key)
        value = frame.helper(Helper.MAP_LOOKUP_ELEM, f"ptr @{statement.map}", f"ptr {slot}", result="ptr")
    frame.point(statement.pointer, _value_type(frame, statement.map), value)


def _header_option(frame: Frame, statement: ReserveOption | StoreOption | LoadOption) -> str:
    match statement:
        case ReserveOption():
            length = _word(frame, number(frame, statement.length))
            frame.writer.at(statement.span)
            return frame.helper(Helper.RESERVE_HDR_OPT, "ptr %ctx", f"i32 {length}", "i64 0")
        case StoreOption():
            option = _pointer(frame, statement.place)
            return frame.helper(Helper.STORE_HDR_OPT, "ptr %ctx", f"ptr {option}", f"i32 {statement.capacity}", "i64 0")
        case LoadOption():
            flags = _load_flags(frame, statement.from_syn)
            frame.writer.at(statement.span)
            option = _pointer(frame, statement.place)
            return frame.helper(
                Helper.LOAD_HDR_OPT, "ptr %ctx", f"ptr {option}", f"i32 {statement.capacity}", f"i64 {flags}"
            )


def _load_flags(frame: Frame, from_syn: Value) -> str:
    """BPF_LOAD_HDR_OPT_TCP_SYN is 1, so the flag is the number itself; the kernel refuses any other bit."""
    if isinstance(from_syn, Const):
        return str(LOAD_HDR_OPT_TCP_SYN if from_syn.value else 0)
    return number(frame, from_syn)


def _set_socket_option(frame: Frame, statement: SetSocketOption) -> str:
    if isinstance(statement.value, Place):
        pointer = _pointer(frame, statement.value)
        return _socket_option(frame, Helper.SETSOCKOPT, statement, pointer)
    value = number(frame, statement.value)
    frame.writer.at(statement.span)
    kind = Scalar(8 * statement.size)
    with frame.writer.scratch(statement.size) as slot:
        memory.store(frame, memory.Address(slot, kind, kind.alignment), value)
        return _socket_option(frame, Helper.SETSOCKOPT, statement, slot)


def _get_socket_option(frame: Frame, statement: GetSocketOption) -> str:
    return _socket_option(frame, Helper.GETSOCKOPT, statement, _pointer(frame, statement.place))


def _socket_option(frame: Frame, helper: Helper, statement: SetSocketOption | GetSocketOption, pointer: str) -> str:
    return frame.helper(
        helper,
        "ptr %ctx",
        f"i32 {statement.level}",
        f"i32 {statement.option}",
        f"ptr {pointer}",
        f"i32 {statement.size}",
    )


def _pointer(frame: Frame, place: Place) -> str:
    return memory.locate(frame, place, number).pointer


def _value_type(frame: Frame, name: str) -> Type:
    value = frame.program.map(name).value
    if value is None:
        raise BackendError("emit", f"map {name} has no values")
    return value


def _word(frame: Frame, value: str) -> str:
    return memory.narrowed(frame, value, 32)
