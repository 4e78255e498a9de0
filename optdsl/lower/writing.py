"""WRITE_HDR_OPT: hands over what was composed, and lets the policies note what went out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from optdsl.ir import ops
from optdsl.lower.builder import FunctionBuilder, const, differs, equals
from optdsl.lower.dispatch import Dispatch
from optdsl.lower.memory import Memory
from optdsl.lower.parts import Part
from optdsl.lower.policies import PolicyEmitter, with_payload
from optdsl.lower.synack import add_synack, composed_synack
from optdsl.lower.uses import ESTABLISHED, SYN
from optdsl.semantics import model
from optdsl.targets.sockops import SockOp


def add_writing(dispatch: Dispatch) -> None:
    """Writes the options that a packet has room for."""
    builder = dispatch.begin("on_write", "Writes the options that this packet has room for.")
    add_synack(dispatch, builder, lambda part: _write_synack(dispatch, builder, part))
    with dispatch.storage(builder):
        for part in dispatch.parts:
            if part.sends_from_sockets:
                _write(dispatch, builder, part)
    dispatch.end(builder, SockOp.WRITE_HDR_OPT_CB)


def _write_synack(dispatch: Dispatch, builder: FunctionBuilder, part: Part) -> None:
    span = part.option.span
    wire, length = composed_synack(dispatch, builder, part)
    with builder.when(span, differs(span, length, 0)):
        with builder.block() as failed:
            pass
        with _stored(dispatch, builder, part, wire, failed):
            pass


def _write(dispatch: Dispatch, builder: FunctionBuilder, part: Part) -> None:
    span, memory = part.option.span, dispatch.memory
    length, wire = memory.place(part.option, "length"), memory.place(part.option, "wire")
    with builder.when(span, differs(span, ops.Load(span, length), 0)):
        with builder.block() as failed:
            _note_data_without(memory, builder, part.option, _composers(part.option))
        with _stored(dispatch, builder, part, wire, failed):
            _note_written(memory, builder, part.option)
        builder.emit(ops.Store(span, length, const(span, 0)))


@contextmanager
def _stored(
    dispatch: Dispatch, builder: FunctionBuilder, part: Part, wire: ops.Place, failed: list[ops.Statement]
) -> Iterator[None]:
    """Stores the option and counts how that went; where it went well, does what the `with` block says."""
    span, option, memory = part.option.span, part.option, dispatch.memory
    result = builder.fresh("error")
    builder.emit(ops.StoreOption(span, result, wire, option.layout.largest))
    with builder.block() as stored:
        builder.emit(ops.Count(span, memory.count(option, "sent")))
        yield
    counted = ops.Count(span, memory.count(option, "store_failed"))
    builder.branch(span, ops.IsNegative(span, ops.Local(span, result)), [counted, *failed], stored)


# ---------------------------------------------------------------------------------------------------- policies


def _composers(option: model.Option) -> list[tuple[int, model.Send]]:
    """The `send` statements that compose in the socket's storage, with their numbers."""
    return [pair for pair in enumerate(option.sends) if pair[1].packets & (SYN | ESTABLISHED)]


def _note_written(memory: Memory, builder: FunctionBuilder, option: model.Option) -> None:
    """Tells the policy of the `send` that composed the option, and those of the others that it was not theirs."""
    composers = _composers(option)
    if not memory.keeps(option, "sender"):
        # There is one, or none of them remembers anything.
        index, send = composers[0]
        PolicyEmitter(builder, memory.place(option), index, send).note_written()
        return
    sender = ops.Load(option.span, memory.place(option, "sender"))
    for index, send in composers:
        with builder.block() as mine:
            PolicyEmitter(builder, memory.place(option), index, send).note_written()
        with builder.block() as others:
            _note_data_without(memory, builder, option, [(index, send)])
        builder.branch(send.span, equals(send.span, sender, index), mine, others)


def _note_data_without(
    memory: Memory, builder: FunctionBuilder, option: model.Option, composers: list[tuple[int, model.Send]]
) -> None:
    """Tells policies that a packet goes without what they let pass, which counts if it carries data."""
    waiting = [pair for pair in composers if pair[1].policy.form is model.PolicyForm.UNTIL_ACKED]
    if not waiting:
        return
    with builder.when(option.span, with_payload(option.span)):
        for index, send in waiting:
            PolicyEmitter(builder, memory.place(option), index, send).note_data_without()
