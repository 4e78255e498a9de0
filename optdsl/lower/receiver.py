"""The receiving side of one option, and its event handlers.

<option>_receive(ctx, socket, from_syn)      finds, validates and acts on a received option
<option>_on_<event>(ctx, socket)             a handler
"""

from __future__ import annotations

from dataclasses import dataclass

from optdsl.ir import ops
from optdsl.ir.program import Function
from optdsl.lower.blocks import BlockLowering
from optdsl.lower.builder import FunctionBuilder, const, differs, equals
from optdsl.lower.decoder import Decoder
from optdsl.lower.expressions import ExpressionLowering
from optdsl.lower.memory import SCRATCH, Memory, has_dynamic_offsets
from optdsl.lower.reads import Reader
from optdsl.lower.roles import Roles
from optdsl.lower.sender import store_pattern
from optdsl.semantics import model
from optdsl.source import Span
from optdsl.targets import Role

ENOENT, ENOSPC, ENOMSG = -2, -28, -42
_MASK64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Receiver:
    """Makes the functions of one option's receiving side."""

    memory: Memory
    option: model.Option
    roles: Roles
    inline: bool

    def receives(self) -> bool:
        """Whether the option is read at all."""
        return bool(self.option.receives) or self.memory.listens(self.option)

    def receiving_roles(self) -> frozenset[Role]:
        """The sides that read it."""
        if self.memory.listens(self.option):
            return frozenset(Role)
        found = {receive.receiver for receive in self.option.receives}
        return frozenset(Role) if None in found else frozenset(role for role in found if role is not None)

    def receive(self) -> Function | None:
        """Finds the option, validates it, and runs the `receive` blocks."""
        if not self.receives():
            return None
        option, span = self.option, self.option.span
        doc = f"Looks for option {option.name}, rejects what its declaration excludes, and acts on the rest."
        parameters = (ops.Parameter("socket", self.memory.socket), ops.Parameter("from_syn"))
        builder = FunctionBuilder(span, f"{option.name}_receive", doc, parameters, taken=self.memory.taken)
        reader = Reader(builder, self.memory, option)
        block = BlockLowering(ExpressionLowering(reader, self._facts()))
        place = self._buffer(builder)
        self._load(builder, place, block)
        length = ops.Local(span, "length")
        decoder = Decoder(builder, reader, option.layout, place, length, block.reject, span)
        decoder.decode()
        decoder.check_end()
        if self.memory.listens(option):
            received = ops.Place(ops.PointerRoot("socket"), (option.name, "received"))
            builder.emit(ops.Store(span, received, const(span, 1)))
        for receive in option.receives:
            self._run(builder, block, receive.receiver, receive.guard, receive.body, receive.span)
        # Called for the packets of the handshake and for later ones: one sub-program instead of three copies.
        return builder.finish(inline=False)

    def _facts(self) -> dict[model.Fact, ops.Condition]:
        span = self.option.span
        place = ops.Place(ops.PointerRoot("socket"), (self.option.name, "received"))
        return {model.Fact.RECEIVED: differs(span, ops.Load(span, place), 0)}

    def _buffer(self, builder: FunctionBuilder) -> ops.Place:
        """Where the option is copied to: on the stack, or in map memory where offsets are known only at run time."""
        span = self.option.span
        if not has_dynamic_offsets(self.option):
            builder.emit(ops.DeclareBuffer(span, builder.fresh("wire"), self._capacity()))
            return ops.Place(ops.BufferRoot("wire"))
        self.memory.uses_scratch = True
        builder.emit(ops.LookupMap(span, "scratch", SCRATCH, const(span, 0)))
        builder.emit(ops.If(span, ops.IsNull(span, "scratch"), (ops.Return(span),)))
        return ops.Place(ops.PointerRoot("scratch"), ("wire",))

    def _capacity(self) -> int:
        return self.option.layout.largest

    def _load(self, builder: FunctionBuilder, place: ops.Place, block: BlockLowering) -> None:
        """Copies the option out of the packet; leaves where there is none."""
        span = self.option.span
        store_pattern(builder, span, place, self.option.layout.header)
        from_syn = ops.Local(span, "from_syn")
        builder.emit(ops.LoadOption(span, builder.fresh("length"), place, self._capacity(), from_syn))
        length = ops.Local(span, "length")
        with builder.when(span, ops.IsNegative(span, length)):
            with builder.when(span, equals(span, length, ENOSPC & _MASK64)):
                block.count(span, "received")
                block.reject(span, "bad_length")
            absent = ops.Both(span, differs(span, length, ENOMSG & _MASK64), differs(span, length, ENOENT & _MASK64))
            with builder.when(span, absent):
                block.count(span, "load_failed")
            builder.emit(ops.Return(span))
        block.count(span, "received")

    def _run(
        self, builder: FunctionBuilder, block: BlockLowering, role: Role | None, guard: model.Expression | None,
        body: model.Block, span: Span,
    ) -> None:  # fmt: skip
        condition = self.roles.condition(span, role)
        with builder.when(span, condition if condition is not None else ops.Always(span, True)):
            holds = block.expressions.condition(guard) if guard is not None else ops.Always(span, True)
            with builder.when(span, holds):
                block.block(body)

    # ------------------------------------------------------------------------------------------------ events

    def handlers(self) -> list[tuple[model.Handler, Function]]:
        """A function for each `on`."""
        found: list[tuple[model.Handler, Function]] = []
        for handler in self.option.handlers:
            name = f"{self.option.name}_on_{handler.event.name}"
            number = sum(1 for earlier, _ in found if earlier.event is handler.event)
            doc = handler.doc or f"`on {handler.event.name}` of option {self.option.name}."
            has_socket = bool(handler.event.roles)
            parameters = (ops.Parameter("socket", self.memory.socket),) if has_socket else ()
            numbered = name if number == 0 else f"{name}_{number + 1}"
            builder = FunctionBuilder(handler.span, numbered, doc, parameters, taken=self.memory.taken)
            block = BlockLowering(ExpressionLowering(Reader(builder, self.memory, self.option), self._facts()))
            self._run(builder, block, handler.role, handler.guard, handler.body, handler.span)
            found.append((handler, builder.finish(inline=self.inline)))
        return found
