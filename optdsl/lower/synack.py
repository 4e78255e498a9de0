"""SYN-ACKs: there is no full socket yet, so nothing can be kept between sizing and writing.

The option is composed in both, from what both see alike: params, constants and the SYN.
"""

from __future__ import annotations

from collections.abc import Callable

from optdsl.ir import ops
from optdsl.lower.builder import FunctionBuilder, const
from optdsl.lower.dispatch import Dispatch
from optdsl.lower.names import SCRATCH
from optdsl.lower.parts import Part
from optdsl.lower.walk import writes_in_order


def add_synack(dispatch: Dispatch, builder: FunctionBuilder, each: Callable[[Part], None]) -> None:
    """What is done for every option that a SYN-ACK may carry; the function ends there."""
    parts = [part for part in dispatch.parts if part.compose_synack is not None]
    if not parts:
        return
    span = dispatch.span
    with builder.block() as body:
        for part in parts:
            each(part)
        builder.emit(ops.Return(span))
    builder.branch(span, ops.IsNull(span, "ctx.sk"), body)


def composed_synack(dispatch: Dispatch, builder: FunctionBuilder, part: Part) -> tuple[ops.Place, ops.Value]:
    """The option in a buffer, and its length."""
    assert part.compose_synack is not None
    span = part.option.span
    wire = _buffer(dispatch, builder, part)
    length = builder.fresh(f"{part.option.name}_length")
    # A function whose every guard is known to be false has no parameter.
    arguments = tuple(ops.AddressOf(wire) for _ in part.compose_synack.parameters)
    builder.emit(ops.Call(span, part.compose_synack.name, arguments, length))
    return wire, ops.Local(span, length)


def _buffer(dispatch: Dispatch, builder: FunctionBuilder, part: Part) -> ops.Place:
    """On the stack; where that might not please the verifier (see `writes_in_order`), in map memory.

    One buffer for each CPU is enough: SYN-ACKs are made in softirq context, which nothing of the kind interrupts.
    """
    span, option = part.option.span, part.option
    assert part.compose_synack is not None
    if writes_in_order(part.compose_synack):
        buffer = builder.fresh(f"{option.name}_wire")
        builder.emit(ops.DeclareBuffer(span, buffer, option.layout.largest))
        return ops.Place(ops.BufferRoot(buffer))
    dispatch.memory.uses_scratch = True
    pointer = builder.fresh("scratch")
    builder.emit(ops.LookupMap(span, pointer, SCRATCH, const(span, 0)))
    builder.emit(ops.If(span, ops.IsNull(span, pointer), (ops.Return(span),)))
    return ops.Place(ops.PointerRoot(pointer), ("wire",))
