"""The receiving side of one option, and its event handlers.

<option>_receive(ctx, socket, from_syn)      finds, validates and acts on a received option
<option>_on_<event>(ctx, socket)             a handler

A parameter is there only if the function uses it. An option whose offsets are known only at run time is
copied to the socket's storage, where the verifier accepts them; its owner, the socket's lock, is held in every callback
that reads or writes options, and between sizing and writing a packet nothing is received.
"""

from __future__ import annotations

from optdsl.ir import ops
from optdsl.ir.program import Function
from optdsl.lower.blocks import BlockLowering
from optdsl.lower.builder import FunctionBuilder, all_of, const, differs
from optdsl.lower.decoder import Decoder
from optdsl.lower.expressions import ExpressionLowering
from optdsl.lower.layout import has_dynamic_offsets, search_pattern
from optdsl.lower.memory import Memory
from optdsl.lower.reads import Reader
from optdsl.lower.roles import has_role
from optdsl.lower.uses import asks, fields_read, is_received, reads_syn, receiving_roles, side_of
from optdsl.lower.values import store_constant
from optdsl.record import record
from optdsl.semantics import model
from optdsl.source import Span

_MASK64 = (1 << 64) - 1
ENOENT, ENOSPC, ENOMSG = -2 & _MASK64, -28 & _MASK64, -42 & _MASK64
"""Errors of `bpf_load_hdr_opt()`: no SYN was kept; the option is longer than the buffer; it is not there."""


@record
class Receiver:
    """Makes the functions of one option's receiving side."""

    memory: Memory
    option: model.Option
    inline: bool

    def receive(self) -> Function | None:
        """Finds the option, validates it, and runs the `receive` blocks."""
        option, memory = self.option, self.memory
        if not is_received(option):
            return None
        name = memory.names.give(f"{option.name}_receive")
        doc = f"Looks for option {option.name}, rejects what its declaration excludes, and acts on the rest."
        parameters = (*memory.socket_parameters, ops.Parameter(memory.numbers["from_syn"]))
        builder = FunctionBuilder(option.span, name, doc, parameters, taken=memory.names.given)
        block = self._block(builder)
        self._find(block)
        if asks(option, model.Fact.RECEIVED):
            builder.emit(ops.Store(option.span, self._received, const(option.span, 1)))
        for receive in option.receives:
            # Where only one side reads the option, its callers have asked already.
            mine = has_role(memory, receive.span, receive.receiver) if len(receiving_roles(option)) > 1 else None
            with builder.block() as statements:  # each reads params and attributes anew
                self._run(block, receive, mine)
            builder.emit_all(statements)
        # Called for the packets of the handshake and for later ones: one sub-program instead of three copies.
        return builder.finish(inline=False)

    def handlers(self) -> list[tuple[model.Handler, Function]]:
        """A function for each `on`."""
        found = []
        for handler in self.option.handlers:
            name = self.memory.names.give(f"{self.option.name}_on_{handler.event.name}")
            doc = handler.doc or f"`on {handler.event.name}` of option {self.option.name}."
            parameters = self.memory.socket_parameters if handler.event.roles else ()
            builder = FunctionBuilder(handler.span, name, doc, parameters, taken=self.memory.names.given)
            self._run(self._block(builder), handler, has_role(self.memory, handler.span, side_of(handler)))
            is_shared = handler.role is None and len(handler.event.triggers) > 1
            found.append((handler, builder.finish(inline=self.inline and not is_shared)))
        return found

    # ------------------------------------------------------------------------------------------------ parts

    @property
    def _received(self) -> ops.Place:
        return self.memory.place(self.option, "received")

    def _block(self, builder: FunctionBuilder) -> BlockLowering:
        received = differs(self.option.span, ops.Load(self.option.span, self._received), 0)
        facts: dict[model.Fact, ops.Condition] = {model.Fact.RECEIVED: received}
        return BlockLowering(ExpressionLowering(Reader(builder, self.memory, self.option), facts))

    def _run(self, block: BlockLowering, part: model.Receive | model.Handler, mine: ops.Condition | None) -> None:
        """The body of a block, on its side of the connection, where its guard holds."""
        builder, span = block.builder, part.span
        with builder.when(span, all_of(span, [mine] if mine is not None else [])):
            guard = block.expressions.condition(part.guard) if part.guard is not None else ops.Always(span, True)
            with builder.when(span, guard):
                block.block(part.body)

    def _find(self, block: BlockLowering) -> None:
        """Reads and checks the option; leaves where there is none, or a wrong one."""
        builder, span, layout = block.builder, self.option.span, self.option.layout
        place = self._place(builder, span)
        store_constant(builder, span, place, search_pattern(layout))
        may_be_syn = reads_syn(self.option)
        from_syn = ops.Local(span, self.memory.numbers["from_syn"]) if may_be_syn else const(span, 0)
        name = builder.fresh("length")
        builder.emit(ops.LoadOption(span, name, place, layout.largest, from_syn))
        length = ops.Local(span, name)
        # Too long an option for the buffer has been received, and is refused for its length.
        with builder.when(span, ops.Both(span, ops.IsNegative(span, length), differs(span, length, ENOSPC))):
            missing = [differs(span, length, ENOMSG)] + [differs(span, length, ENOENT)] * may_be_syn
            with builder.when(span, all_of(span, missing)):
                block.count(span, "load_failed")
            builder.emit(ops.Return(span))
        block.count(span, "received")
        reader, wanted = block.expressions.reader, fields_read(self.option)
        Decoder(builder, reader, layout, place, length, wanted, block.reject, span).decode()

    def _place(self, builder: FunctionBuilder, span: Span) -> ops.Place:
        """Where the option is copied to."""
        if has_dynamic_offsets(self.option):
            return self.memory.place(self.option, "wire")
        wire = builder.fresh("wire")
        builder.emit(ops.DeclareBuffer(span, wire, self.option.layout.largest))
        return ops.Place(ops.BufferRoot(wire))
