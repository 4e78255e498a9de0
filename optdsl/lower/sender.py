"""The sending side of one option.

The option is composed when the kernel asks for the packet's size (HDR_OPT_LEN): predicate, field values, bytes, all
into the socket's storage. Writing (WRITE_HDR_OPT) hands over these very bytes, so size and content cannot disagree,
whatever user space changes in between. A SYN-ACK has no full socket to keep them in: it is composed twice, from
params, constants and the SYN alone.

    <option>_compose(ctx, socket, flags, payload) -> length     packets of an established connection
    <option>_compose_syn(ctx, socket) -> length                 the SYN
    <option>_compose_synack(ctx, wire) -> length                the SYN-ACK
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from optdsl.ir import ops
from optdsl.ir.program import Function
from optdsl.ir.types import ByteArray
from optdsl.lower.blocks import BlockLowering
from optdsl.lower.builder import FunctionBuilder, const, differs, equals
from optdsl.lower.encoder import Encoder
from optdsl.lower.expressions import ExpressionLowering
from optdsl.lower.layout import groups, search_pattern, wire_size
from optdsl.lower.memory import Memory
from optdsl.lower.packets import of_class
from optdsl.lower.policies import PolicyEmitter
from optdsl.lower.reads import Reader
from optdsl.lower.receiver import ENOSPC
from optdsl.lower.roles import has_sender_role
from optdsl.lower.uses import ESTABLISHED, SYN, SYNACK, asks, nodes
from optdsl.lower.values import store_constant
from optdsl.lower.walk import writes_in_order
from optdsl.record import record, replace
from optdsl.semantics import model
from optdsl.targets import PacketClass
from optdsl.targets.sockops import HeaderPass

_GIVES = (model.SetField, model.SetElements)


@record
class Sender:
    """Makes the functions of one option's sending side."""

    memory: Memory
    option: model.Option
    inline: bool

    def sends_on(self, packets: frozenset[PacketClass]) -> list[tuple[int, model.Send]]:
        """The `send` statements, with their numbers, that name any of some classes."""
        return [(index, send) for index, send in enumerate(self.option.sends) if send.packets & packets]

    # -------------------------------------------------------------------------------------------- functions

    def compose(self) -> Function | None:
        """For packets of an established connection."""
        sends = self.sends_on(ESTABLISHED)
        if not sends:
            return None
        parameters = [ops.Parameter(self.memory.numbers[name]) for name in ("flags", "payload")]
        builder = self._begin("compose", "this packet", (*self.memory.socket_parameters, *parameters))
        for index, send in sends:
            if builder.is_over:
                break
            span = send.span
            flags, payload = (ops.Local(span, parameter.name) for parameter in parameters)
            mine = has_sender_role(self.memory, span, send.sender) or ops.Always(span, True)
            gate = PolicyEmitter(builder, self.memory.place(self.option), index, send)
            with builder.when(span, mine), gate.gate(of_class(send, flags, payload), payload):
                self._for_socket(builder, index, send)
        return self._end(builder)

    def compose_syn(self) -> Function | None:
        """For the SYN."""
        sends = self.sends_on(SYN)
        if not sends:
            return None
        builder = self._begin("compose_syn", "the SYN", self.memory.socket_parameters)
        for index, send in sends:
            if builder.is_over:
                break
            gate = PolicyEmitter(builder, self.memory.place(self.option), index, send)
            with gate.gate(ops.Always(send.span, True), None):
                self._for_socket(builder, index, send)
        return self._end(builder)

    def compose_synack(self) -> Function | None:
        """For the SYN-ACK, into a buffer of the caller."""
        sends = self.sends_on(SYNACK)
        if not sends:
            return None
        wire = ops.Parameter(self.memory.numbers["wire"], ByteArray(wire_size(self.option), aligned=True))
        builder = self._begin("compose_synack", "the SYN-ACK", (wire,))
        span = self.option.span
        facts = {model.Fact.SYN_COOKIE: equals(span, ops.Context(span, "args[0]"), HeaderPass.SYNACK_COOKIE)}
        if asks(self.option, model.Fact.RECEIVED):
            facts[model.Fact.RECEIVED] = self._is_in_syn(builder)
        for _, send in sends:
            if builder.is_over:
                break
            with self._guarded(builder, send, facts) as block:
                builder.emit(ops.Return(send.span, self._encode(block, send, ops.Place(ops.PointerRoot(wire.name)))))
        made = self._end(builder)
        if not made.parameters or not writes_in_order(made):
            return made
        # A buffer on the stack will do, and what sizing composes there the back ends leave out.
        return replace(
            made, parameters=(ops.Parameter(wire.name, ByteArray(self.option.layout.largest, aligned=True)),)
        )

    def _begin(self, name: str, packet: str, parameters: tuple[ops.Parameter, ...]) -> FunctionBuilder:
        full = self.memory.names.give(f"{self.option.name}_{name}")
        doc = f"Composes option {self.option.name} for {packet} and returns its length; 0 sends none."
        taken = self.memory.names.given
        return FunctionBuilder(self.option.span, full, doc, parameters, returns=True, taken=taken)

    def _end(self, builder: FunctionBuilder) -> Function:
        if not builder.is_over:
            builder.emit(ops.Return(self.option.span, const(self.option.span, 0)))
        return builder.finish(inline=self.inline)

    def _is_in_syn(self, builder: FunctionBuilder) -> ops.Condition:
        """Whether the SYN carries the option: looked up once, before everything else, and not copied as a whole."""
        span, pattern = self.option.span, search_pattern(self.option.layout)
        seen, result = builder.fresh("seen"), builder.fresh("in_syn")
        place = ops.Place(ops.BufferRoot(seen))
        builder.emit(ops.DeclareBuffer(span, seen, len(pattern)))
        store_constant(builder, span, place, pattern)
        builder.emit(ops.LoadOption(span, result, place, len(pattern), const(span, 1)))
        found = ops.Local(span, result)
        return ops.Either(span, ops.Not(span, ops.IsNegative(span, found)), equals(span, found, ENOSPC))

    # --------------------------------------------------------------------------------------------- one send

    def _for_socket(self, builder: FunctionBuilder, index: int, send: model.Send) -> None:
        """Where the guard holds: the option in the socket's storage, and its length returned."""
        span = send.span
        received = ops.Load(span, self.memory.place(self.option, "received"))
        facts = {
            model.Fact.RECEIVED: differs(span, received, 0),
            model.Fact.SYN_COOKIE: ops.Always(span, False),
        }
        with self._guarded(builder, send, facts) as block:
            length = self._encode(block, send, self.memory.place(self.option, "wire"))
            if self.memory.keeps(self.option, "sender"):
                builder.emit(ops.Store(span, self.memory.place(self.option, "sender"), const(span, index)))
            builder.emit(ops.Return(span, length))

    @contextmanager
    def _guarded(
        self, builder: FunctionBuilder, send: model.Send, facts: Mapping[model.Fact, ops.Condition]
    ) -> Iterator[BlockLowering]:
        """Around what happens where the guard of a `send` holds."""
        expressions = ExpressionLowering(Reader(builder, self.memory, self.option), facts)
        guard = expressions.condition(send.guard) if send.guard is not None else ops.Always(send.span, True)
        with builder.when(send.span, guard):
            yield BlockLowering(expressions)

    def _encode(self, block: BlockLowering, send: model.Send, wire: ops.Place) -> ops.Value:
        """The body and the bytes; the value is the length."""
        for each in self.option.layout.fields:
            self._declare(block, send, each)
        block.block(send.body)
        layout = self.option.layout
        return Encoder(block.builder, layout, wire, send.span, block.chosen, block.given, send.always).encode()

    def _declare(self, block: BlockLowering, send: model.Send, each: model.Field) -> None:
        """The locals that the body gives the field's value to, where it is not given once for all paths."""
        if each.is_reserved or self.option.layout.guarded_by(each.name):
            return
        given = [node for node in nodes(send.body) if isinstance(node, _GIVES) and node.field is each]
        if any(node in send.body for node in given):
            return
        if each.repeat is not None:
            most = max((len(node.elements) for node in given if isinstance(node, model.SetElements)), default=0)
            elements = [self._zero(block, send, f"{each.name}_{index}") for index in range(most)]
            count = self._zero(block, send, f"{each.name}_count") if given else const(send.span, 0)
            block.chosen[each] = [*elements, count]
        elif given:
            block.chosen[each] = [self._zero(block, send, each.name) for _ in range(0, each.bits, 64)]
            is_first = any(group[0] is each for group in groups(self.option.layout))
            if is_first and each.presence is not model.Presence.ALWAYS and each.name not in send.always:
                block.given[each] = self._zero(block, send, f"has_{each.name}")

    def _zero(self, block: BlockLowering, send: model.Send, name: str) -> ops.Local:
        return block.builder.let(send.span, name, const(send.span, 0))
