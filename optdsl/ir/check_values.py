"""Checks of values, conditions and places at one point of a function."""

from __future__ import annotations

from typing import assert_never

from optdsl.ir import ops
from optdsl.ir.check_scope import NOWHERE, Flow, Origin, PointerName, PointerState, Scope
from optdsl.ir.print_values import place_text
from optdsl.ir.sock_ops import CONTEXT_FIELDS
from optdsl.ir.types import ByteArray, Scalar, Section, Type, resolve
from optdsl.source import Span

# An offset that is no constant is masked to 0..63 by the back ends, and at most 8 bytes are read or written there.
_LEAST_MAP_MEMORY = 72


def check_value(scope: Scope, flow: Flow, value: ops.Value) -> None:
    """Reports what is wrong with a value and its operands."""
    match value:
        case ops.Const():
            if not 0 <= value.value < 1 << 64:
                scope.report(value.span, f"constant {value.value} is not in 0..2**64")
        case ops.Local():
            scope.number(value.span, value.name)
        case ops.Binary():
            _check_binary(scope, flow, value)
        case ops.Select():
            check_condition(scope, flow, value.condition)
            check_value(scope, flow, value.yes)
            check_value(scope, flow, value.no)
        case ops.AsNumber():
            check_condition(scope, flow, value.condition)
        case ops.Context():
            if value.field not in CONTEXT_FIELDS:
                scope.report(value.span, f"struct bpf_sock_ops has no number {value.field}")
        case ops.SwapBytes():
            if value.bits not in (16, 32, 64):
                scope.report(value.span, f"{value.bits} bits cannot be swapped; 16, 32 and 64 can")
            check_value(scope, flow, value.value)
        case ops.Load():
            check_scalar(scope, flow, value.span, value.place)
        case ops.LoadBytes():
            check_bytes(scope, flow, value.span, value.place, value.offset, value.size)
        case _:
            assert_never(value)


def _check_binary(scope: Scope, flow: Flow, value: ops.Binary) -> None:
    check_value(scope, flow, value.left)
    check_value(scope, flow, value.right)
    match value.operator, value.right:
        case ((ops.BinaryOperator.DIV | ops.BinaryOperator.MOD), ops.Const(value=0)):
            scope.report(value.span, "division by zero")
        case ((ops.BinaryOperator.SHL | ops.BinaryOperator.SHR), ops.Const(value=count)) if count >= 64:
            scope.report(value.span, f"shift by {count}, the most is 63")
        case _:
            pass


def check_condition(scope: Scope, flow: Flow, condition: ops.Condition) -> tuple[Flow, Flow]:
    """Reports what is wrong with a condition; returns the flows where it holds and where it does not."""
    match condition:
        case ops.Always():
            return (flow, NOWHERE) if condition.holds else (NOWHERE, flow)
        case ops.Compare():
            check_value(scope, flow, condition.left)
            check_value(scope, flow, condition.right)
            return flow, flow
        case ops.Both():
            left_yes, left_no = check_condition(scope, flow, condition.left)
            right_yes, right_no = check_condition(scope, left_yes, condition.right)
            return right_yes, left_no.join(right_no)
        case ops.Either():
            left_yes, left_no = check_condition(scope, flow, condition.left)
            right_yes, right_no = check_condition(scope, left_no, condition.right)
            return left_yes.join(right_yes), right_no
        case ops.Not():
            yes, no = check_condition(scope, flow, condition.condition)
            return no, yes
        case ops.IsNegative():
            check_value(scope, flow, condition.value)
            return flow, flow
        case ops.IsNull():
            return _check_null_test(scope, flow, condition)
        case _:
            assert_never(condition)


def _check_null_test(scope: Scope, flow: Flow, condition: ops.IsNull) -> tuple[Flow, Flow]:
    if condition.pointer == "ctx.sk" or scope.pointer(condition.span, condition.pointer) is None:
        return flow, flow
    if flow.reachable and PointerState.DEAD in flow.pointers.get(condition.pointer, ()):
        scope.report(condition.span, f"{condition.pointer} may have been submitted; it is no pointer any more")
    return flow.narrow(condition.pointer, PointerState.NULL), flow.narrow(condition.pointer, PointerState.LIVE)


def place_type(scope: Scope, flow: Flow, span: Span, place: ops.Place) -> Type | None:
    """The type of a place, after reporting a root that cannot be used here and a path that selects nothing."""
    root = _root_type(scope, flow, span, place.root)
    path: list[str | int] = []
    for step in place.path:
        match step:
            case str() | int():
                path.append(step)
            case ops.Const():
                path.append(step.value)
            case _:
                check_value(scope, flow, step)
                path.append(0)
    if root is None:
        return None
    try:
        return resolve(root, tuple(path))[1]
    except KeyError:
        scope.report(span, f"there is no {place_text(place)}")
        return None


def _root_type(scope: Scope, flow: Flow, span: Span, root: ops.Root) -> Type | None:
    match root:
        case ops.GlobalRoot():
            scope.use_global(span, root.name)
            if root.name not in scope.globals:
                scope.report(span, f"there is no global variable {root.name}")
                return None
            return scope.globals[root.name].type
        case ops.PointerRoot():
            pointer = scope.pointer(span, root.name)
            if pointer is None:
                return None
            check_live(scope, flow, span, root.name)
            return pointer.type
        case ops.BufferRoot():
            buffer = scope.buffer(span, root.name)
            return None if buffer is None else ByteArray(buffer.size, aligned=True)
        case _:
            assert_never(root)


def check_live(scope: Scope, flow: Flow, span: Span, name: str) -> None:
    """Reports a pointer that may be NULL, or a submitted record, on some path that leads here."""
    states = flow.pointers.get(name, frozenset()) if flow.reachable else frozenset()
    if PointerState.NULL in states:
        scope.report(span, f"{name} may be null here")
    if PointerState.DEAD in states:
        scope.report(span, f"{name} may have been submitted before")


def check_scalar(scope: Scope, flow: Flow, span: Span, place: ops.Place) -> None:
    """Reports a place that holds no scalar."""
    kind = place_type(scope, flow, span, place)
    if kind is not None and not isinstance(kind, Scalar):
        scope.report(span, f"{place_text(place)} is not a number")


def check_writable(scope: Scope, span: Span, place: ops.Place) -> None:
    """Reports a place among the constants."""
    variable = scope.globals.get(place.root.name) if isinstance(place.root, ops.GlobalRoot) else None
    if variable is not None and variable.section is Section.CONSTANTS:
        scope.report(span, f"{place_text(place)} is constant")


def check_bytes(scope: Scope, flow: Flow, span: Span, place: ops.Place, offset: ops.Value, size: int) -> None:
    """Reports what is wrong with `size` bytes at `place[offset..]`."""
    if not 1 <= size <= 8:
        scope.report(span, f"{size} bytes do not make a number; 1 to 8 do")
    kind = check_byte_array(scope, flow, span, place)
    check_value(scope, flow, offset)
    if kind is None:
        return
    if isinstance(offset, ops.Const):
        if offset.value + size > kind.size:
            scope.report(
                span, f"bytes {offset.value}..{offset.value + size} of {place_text(place)}, which has {kind.size}"
            )
        return
    if kind.size < _LEAST_MAP_MEMORY:
        scope.report(span, f"offset that is no constant into {place_text(place)}, which has fewer than 72 bytes")
    require_map_memory(scope, span, place)


def require_map_memory(scope: Scope, span: Span, place: ops.Place) -> None:
    """Reports a place that is no map memory. Where it is a parameter's, the callers must pass map memory."""
    match place.root:
        case ops.GlobalRoot():
            return  # data sections are maps too
        case ops.PointerRoot(name):
            pointer = scope.visible.get(name)
            if isinstance(pointer, PointerName) and pointer.origin is not Origin.RECORD:
                if pointer.origin is Origin.PARAMETER:
                    scope.map_memory.add(name)
                return
        case ops.BufferRoot():
            pass
        case _:
            assert_never(place.root)
    scope.report(span, f"offset that is no constant into {place_text(place)}, which is no map memory")


def check_byte_array(scope: Scope, flow: Flow, span: Span, place: ops.Place, least: int = 0) -> ByteArray | None:
    """The byte array or buffer at a place of at least `least` bytes; reports anything else."""
    kind = place_type(scope, flow, span, place)
    if kind is None:
        return None
    if not isinstance(kind, ByteArray):
        scope.report(span, f"{place_text(place)} is not a byte array")
        return None
    if kind.size < least:
        scope.report(span, f"{least} bytes of {place_text(place)}, which has {kind.size}")
    return kind
