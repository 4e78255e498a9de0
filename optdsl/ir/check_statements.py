"""Checks of the statements that are no control flow."""

from __future__ import annotations

from typing import assert_never

from optdsl.ir import ops
from optdsl.ir.check_scope import (
    DEAD,
    FRESH,
    BufferName,
    Flow,
    NumberName,
    Origin,
    PointerName,
    PointerState,
    Scope,
)
from optdsl.ir.check_values import (
    check_byte_array,
    check_bytes,
    check_live,
    check_scalar,
    check_value,
    check_writable,
    place_type,
    require_map_memory,
)
from optdsl.ir.print_values import place_text
from optdsl.ir.sock_ops import ALL_CALLBACK_FLAGS, SMALLEST_OPTION
from optdsl.ir.types import U64, ByteArray, MapKind, Scalar, Type, resolve
from optdsl.source import Span

Simple = (
    ops.Let | ops.Assign | ops.DeclareBuffer | ops.Store | ops.StoreBytes | ops.Call | ops.GetStorage | ops.LookupMap
    | ops.Count | ops.SetCallbackFlags | ops.ReserveOption | ops.StoreOption | ops.LoadOption | ops.SetSocketOption
    | ops.GetSocketOption | ops.Now | ops.ReserveRecord | ops.SubmitRecord
)  # fmt: skip


def check_statement(scope: Scope, flow: Flow, statement: Simple) -> Flow:
    """Reports what is wrong with a statement; returns the flow behind it."""
    match statement:
        case ops.GetStorage() | ops.LookupMap() | ops.ReserveRecord() | ops.SubmitRecord():
            return _check_pointer_statement(scope, flow, statement)
        case ops.ReserveOption() | ops.StoreOption() | ops.LoadOption():
            _check_option_statement(scope, flow, statement)
        case ops.SetSocketOption() | ops.GetSocketOption():
            _check_socket_option(scope, flow, statement)
        case ops.Call():
            _check_call(scope, flow, statement)
        case ops.Let():
            check_value(scope, flow, statement.value)
            scope.declare(statement.span, statement.name, NumberName(assignable=True))
        case ops.Assign():
            _check_assign(scope, flow, statement)
        case ops.DeclareBuffer():
            if statement.size < 1:
                scope.report(statement.span, f"buffer {statement.name} of {statement.size} bytes")
            scope.declare(statement.span, statement.name, BufferName(statement.size))
        case ops.Store():
            check_value(scope, flow, statement.value)
            check_scalar(scope, flow, statement.span, statement.place)
            check_writable(scope, statement.span, statement.place)
        case ops.StoreBytes():
            check_value(scope, flow, statement.value)
            check_bytes(scope, flow, statement.span, statement.place, statement.offset, statement.size)
            check_writable(scope, statement.span, statement.place)
        case ops.Count():
            _check_count(scope, statement)
        case ops.SetCallbackFlags():
            if not statement.flags or statement.flags & ~ALL_CALLBACK_FLAGS:
                scope.report(statement.span, f"{statement.flags:#x} are no callback flags")
        case ops.Now():
            scope.declare(statement.span, statement.name, NumberName())
        case _:
            assert_never(statement)
    return flow


def _check_assign(scope: Scope, flow: Flow, statement: ops.Assign) -> None:
    check_value(scope, flow, statement.value)
    target = scope.number(statement.span, statement.name)
    if target is not None and not target.assignable:
        scope.report(statement.span, f"{statement.name} is neither a parameter nor declared by `let`; it cannot change")


def _check_count(scope: Scope, statement: ops.Count) -> None:
    scope.use_global(statement.span, "counters")
    path = ".".join(str(step) for step in statement.path)
    try:
        kind = resolve(scope.program.counters, statement.path)[1]
    except KeyError:
        scope.report(statement.span, f"there is no counter {path}")
        return
    if not isinstance(kind, Scalar) or kind.size != U64.size:
        scope.report(statement.span, f"counter {path} is not a 64-bit number")


# ------------------------------------------------------------------------------------------------- pointers


def _check_pointer_statement(
    scope: Scope, flow: Flow, statement: ops.GetStorage | ops.LookupMap | ops.ReserveRecord | ops.SubmitRecord
) -> Flow:
    span, name = statement.span, statement.pointer
    match statement:
        case ops.GetStorage():
            pointer = _map_value(scope, span, statement.map, MapKind.SK_STORAGE)
            return _declare_pointer(scope, flow, span, name, pointer)
        case ops.LookupMap():
            check_value(scope, flow, statement.key)
            pointer = _map_value(scope, span, statement.map, MapKind.HASH, MapKind.PERCPU_ARRAY)
            return _declare_pointer(scope, flow, span, name, pointer)
        case ops.ReserveRecord():
            _map_value(scope, span, statement.map, MapKind.RINGBUF)
            if statement.record not in scope.program.records:
                scope.report(span, f"struct {statement.record.name} is not among the program's records")
            if flow.reachable and PointerState.LIVE in flow.pointers.get(name, ()):
                scope.report(span, f"record {name} is reserved again and may not have been submitted")
            return _declare_pointer(scope, flow, span, name, PointerName(statement.record, Origin.RECORD))
        case ops.SubmitRecord():
            record = scope.pointer(span, name)
            if record is not None and record.origin is not Origin.RECORD:
                scope.report(span, f"{name} is not a record")
            check_live(scope, flow, span, name)
            return flow.set(name, DEAD)
        case _:
            assert_never(statement)


def _declare_pointer(scope: Scope, flow: Flow, span: Span, name: str, pointer: PointerName) -> Flow:
    scope.declare(span, name, pointer)
    return flow.set(name, FRESH)


def _map_value(scope: Scope, span: Span, name: str, *kinds: MapKind) -> PointerName:
    """What a pointer into a map is; reports a map that is missing or of another kind."""
    scope.use_global(span, name)
    definition = scope.maps.get(name)
    if definition is None:
        scope.report(span, f"there is no map {name}")
    elif definition.kind not in kinds:
        scope.report(span, f"map {name} is a {definition.kind.name}, not a {' or '.join(kind.name for kind in kinds)}")
    elif MapKind.HASH in kinds and not isinstance(definition.key, Scalar):
        scope.report(span, f"map {name} has no scalar key")
    else:
        return PointerName(definition.value, Origin.MAP)
    return PointerName(None, Origin.MAP)


# -------------------------------------------------------------------------------------------------- helpers


def _check_option_statement(
    scope: Scope, flow: Flow, statement: ops.ReserveOption | ops.StoreOption | ops.LoadOption
) -> None:
    match statement:
        case ops.ReserveOption():
            check_value(scope, flow, statement.length)
        case ops.StoreOption() | ops.LoadOption():
            if statement.capacity < SMALLEST_OPTION:
                scope.report(
                    statement.span, f"an option of at most {statement.capacity} bytes; {SMALLEST_OPTION} is the least"
                )
            check_byte_array(scope, flow, statement.span, statement.place, statement.capacity)
            if isinstance(statement, ops.LoadOption):
                check_writable(scope, statement.span, statement.place)
                check_value(scope, flow, statement.from_syn)
        case _:
            assert_never(statement)
    scope.declare(statement.span, statement.result, NumberName())


def _check_socket_option(scope: Scope, flow: Flow, statement: ops.SetSocketOption | ops.GetSocketOption) -> None:
    span = statement.span
    if statement.size < 1:
        scope.report(span, f"socket option of {statement.size} bytes")
    if isinstance(statement, ops.GetSocketOption):
        check_byte_array(scope, flow, span, statement.place, statement.size)
        if not isinstance(statement.place.root, ops.BufferRoot):
            scope.report(span, f"{place_text(statement.place)} is not a local buffer")
    elif isinstance(statement.value, ops.Place):
        check_byte_array(scope, flow, span, statement.value, statement.size)
    else:
        check_value(scope, flow, statement.value)
        if statement.size not in (4, 8):
            scope.report(span, f"a number passed as {statement.size} bytes; 4 and 8 are allowed")
    scope.declare(span, statement.result, NumberName())


# ---------------------------------------------------------------------------------------------------- calls


def _check_call(scope: Scope, flow: Flow, statement: ops.Call) -> None:
    scope.use_global(statement.span, statement.function)
    callee = scope.callees.get(statement.function)
    if callee is None:
        scope.report(statement.span, f"there is no function {statement.function} before this one")
    else:
        if len(statement.arguments) != len(callee.parameters):
            scope.report(statement.span, f"{callee.name} takes {len(callee.parameters)} arguments")
        if statement.result is not None and not callee.returns:
            scope.report(statement.span, f"{callee.name} returns no number")
        for parameter, argument in zip(callee.parameters, statement.arguments, strict=False):
            in_map = parameter.name in scope.callees_map_memory[callee.name]
            _check_argument(scope, flow, statement.span, parameter, argument, in_map=in_map)
    if statement.result is not None:
        scope.declare(statement.span, statement.result, NumberName())


def _check_argument(
    scope: Scope,
    flow: Flow,
    span: Span,
    parameter: ops.Parameter,
    argument: ops.Value | ops.AddressOf,
    *,
    in_map: bool,
) -> None:
    if not isinstance(argument, ops.AddressOf):
        check_value(scope, flow, argument)
        if parameter.points_to is not None:
            scope.report(span, f"a number for the pointer {parameter.name}")
        return
    kind = place_type(scope, flow, span, argument.place)
    if parameter.points_to is None:
        scope.report(span, f"a pointer for the number {parameter.name}")
    elif kind is not None and not _may_point_to(parameter.points_to, kind):
        scope.report(span, f"{place_text(argument.place)} is not what {parameter.name} points to")
    if in_map:
        require_map_memory(scope, span, argument.place)


def _may_point_to(wanted: Type, kind: Type) -> bool:
    """True if a pointer to `wanted` may point to memory of type `kind`: the same, or enough bytes aligned as well."""
    if isinstance(wanted, ByteArray) and isinstance(kind, ByteArray):
        return kind.size >= wanted.size and kind.alignment >= wanted.alignment
    return kind == wanted
