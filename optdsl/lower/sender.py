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

from dataclasses import dataclass

from optdsl.ir import ops
from optdsl.ir.program import Function
from optdsl.ir.types import ByteArray
from optdsl.lower.blocks import BlockLowering
from optdsl.lower.builder import FunctionBuilder, all_of, any_of, binary, const, differs, equals
from optdsl.lower.encoder import Encoder
from optdsl.lower.expressions import ExpressionLowering
from optdsl.lower.memory import Memory, asks
from optdsl.lower.policies import PolicyEmitter
from optdsl.lower.reads import Reader
from optdsl.lower.roles import Roles
from optdsl.semantics import model
from optdsl.semantics.types import BytesType
from optdsl.source import Span
from optdsl.targets import PacketClass, Role
from optdsl.targets.sockops import HeaderPass, TcpFlag

FLAGS, PAYLOAD = ops.Parameter("flags"), ops.Parameter("payload")
ESTABLISHED = frozenset({PacketClass.THIRD_ACK, PacketClass.ACK, PacketClass.DATA, PacketClass.FIN})
WITH_DATA = frozenset({PacketClass.DATA, PacketClass.FIN})
"""Classes whose packets may be full: room for the option must be kept when the MSS is computed."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Makes the functions of one option's sending side."""

    memory: Memory
    option: model.Option
    roles: Roles
    inline: bool

    @property
    def _socket(self) -> ops.Parameter:
        return ops.Parameter("socket", self.memory.socket)

    def _function(self, name: str, doc: str, parameters: tuple[ops.Parameter, ...]) -> FunctionBuilder:
        """A function of the option that returns a length."""
        full = f"{self.option.name}_{name}"
        return FunctionBuilder(self.option.span, full, doc, parameters, returns=True, taken=self.memory.taken)

    def sends_on(self, packets: frozenset[PacketClass]) -> list[tuple[int, model.Send]]:
        """The `send` statements, with their numbers, that name any of some classes."""
        return [(index, send) for index, send in enumerate(self.option.sends) if send.packets & packets]

    def compose(self) -> Function | None:
        """For packets of an established connection."""
        sends = self.sends_on(ESTABLISHED)
        if not sends:
            return None
        doc = f"Composes option {self.option.name} for this packet and returns its length; 0 sends none."
        parameters = (self._socket, FLAGS, PAYLOAD)
        builder = self._function("compose", doc, parameters)
        for index, send in sends:
            flags, payload = ops.Local(send.span, "flags"), ops.Local(send.span, "payload")
            policy = PolicyEmitter(builder, self.option.name, index, send)
            with builder.when(send.span, all_of(send.span, self._by_role(send) + _class_of(send, flags, payload))):
                policy.prepare()
                with builder.when(send.span, all_of(send.span, policy.ready(payload))):
                    self._attempt(builder, index, send, self._wire())
                policy.let_pass()
        builder.emit(ops.Return(self.option.span, const(self.option.span, 0)))
        return builder.finish(inline=self.inline)

    def compose_syn(self) -> Function | None:
        """For the SYN."""
        sends = self.sends_on(frozenset({PacketClass.SYN}))
        if not sends:
            return None
        doc = f"Composes option {self.option.name} for the SYN and returns its length; 0 sends none."
        builder = FunctionBuilder(
            self.option.span,
            f"{self.option.name}_compose_syn",
            doc,
            (self._socket,),
            returns=True,
            taken=self.memory.taken,
        )
        for index, send in sends:
            ready = PolicyEmitter(builder, self.option.name, index, send).ready(None)
            with builder.when(send.span, all_of(send.span, ready)):
                self._attempt(builder, index, send, self._wire())
        builder.emit(ops.Return(self.option.span, const(self.option.span, 0)))
        return builder.finish(inline=self.inline)

    def compose_synack(self) -> Function | None:
        """For the SYN-ACK, into a buffer of the caller."""
        sends = self.sends_on(frozenset({PacketClass.SYNACK}))
        if not sends:
            return None
        doc = f"Composes option {self.option.name} for the SYN-ACK and returns its length; 0 sends none."
        wire = ops.Parameter("wire", ByteArray(self.memory.wire_size(self.option), aligned=True))
        builder = self._function("compose_synack", doc, (wire,))
        received = self._in_syn(builder) if asks(self.option, model.Fact.RECEIVED) else None
        for index, send in sends:
            self._attempt(builder, index, send, ops.Place(ops.PointerRoot("wire")), received)
        builder.emit(ops.Return(self.option.span, const(self.option.span, 0)))
        return builder.finish(inline=self.inline)

    def _in_syn(self, builder: FunctionBuilder) -> ops.Condition:
        """Whether the SYN carries the option: looked up once, before everything else."""
        span, header = self.option.span, self.option.layout.header
        builder.emit(ops.DeclareBuffer(span, "seen", 40))
        place = ops.Place(ops.BufferRoot("seen"))
        store_pattern(builder, span, place, header)
        builder.emit(ops.LoadOption(span, "in_syn", place, 40, const(span, 1)))
        return ops.Not(span, ops.IsNegative(span, ops.Local(span, "in_syn")))

    # --------------------------------------------------------------------------------------------- one send

    def _wire(self) -> ops.Place:
        return ops.Place(ops.PointerRoot("socket"), (self.option.name, "wire"))

    def _by_role(self, send: model.Send) -> list[ops.Condition]:
        condition = self.roles.condition(send.span, send.sender)
        return [condition] if condition is not None else []

    def _attempt(
        self, builder: FunctionBuilder, index: int, send: model.Send, wire: ops.Place,
        received: ops.Condition | None = None,
    ) -> None:  # fmt: skip
        """Where the guard holds: the body, the bytes, and the length returned."""
        reader = Reader(builder, self.memory, self.option)
        if received is None:
            place = ops.Place(ops.PointerRoot("socket"), (self.option.name, "received"))
            received = differs(send.span, ops.Load(send.span, place), 0)
        cookie = equals(send.span, ops.Context(send.span, "args[0]"), HeaderPass.SYNACK_COOKIE)
        facts = {model.Fact.RECEIVED: received, model.Fact.SYN_COOKIE: cookie}
        expressions = ExpressionLowering(reader, facts)
        guard = expressions.condition(send.guard) if send.guard is not None else ops.Always(send.span, True)
        with builder.when(send.span, guard):
            self._compose(builder, index, send, BlockLowering(expressions), wire)

    def _compose(
        self, builder: FunctionBuilder, index: int, send: model.Send, block: BlockLowering, wire: ops.Place
    ) -> None:
        layout = self.option.layout
        for each in layout.fields:
            self._declare(builder, send, each, block)
        block.block(send.body)
        encoder = Encoder(builder, layout, wire, send.span, block.chosen, block.given, send.always)
        length = encoder.encode()
        if self._numbers_senders() and isinstance(wire.root, ops.PointerRoot) and wire.root.name == "socket":
            sender = ops.Place(ops.PointerRoot("socket"), (self.option.name, "sender"))
            builder.emit(ops.Store(send.span, sender, const(send.span, index)))
        builder.emit(ops.Return(send.span, length))

    def _numbers_senders(self) -> bool:
        members = self.memory.socket.member(self.option.name).type
        return any(member.name == "sender" for member in getattr(members, "members", ()))

    def _declare(self, builder: FunctionBuilder, send: model.Send, each: model.Field, block: BlockLowering) -> None:
        """The locals that the body gives the field's value to."""
        if each.is_reserved or self.option.layout.guarded_by(each.name):
            return
        optional = each.presence is not model.Presence.ALWAYS
        if not _assigned(send.body, each):
            if each.repeat is not None:
                block.chosen[each] = [_zero(builder, send.span, f"{each.name}_count")]
            return
        if each.repeat is not None:
            names = [_zero(builder, send.span, f"{each.name}_{i}") for i in range(_most_elements(send.body, each))]
            block.chosen[each] = [*names, _zero(builder, send.span, f"{each.name}_count")]
            return
        if any(isinstance(statement, model.SetField) and statement.field is each for statement in send.body):
            return
        words = each.type.words if isinstance(each.type, BytesType) else 1
        block.chosen[each] = [_zero(builder, send.span, each.name) for _ in range(words)]
        if optional and each.name not in send.always:
            block.given[each.name] = _zero(builder, send.span, f"has_{each.name}")


def store_pattern(builder: FunctionBuilder, span: Span, place: ops.Place, header: bytes) -> None:
    """What `bpf_load_hdr_opt` searches for: (kind, 0), or for experiments (kind, 4 or 6, ExID)."""
    pattern = header if len(header) == 2 else bytes((header[0], len(header))) + header[2:]
    for start in range(0, len(pattern), 4):
        part = pattern[start : start + 4]
        number = const(span, int.from_bytes(part, "big"))
        builder.emit(ops.StoreBytes(span, place, const(span, start), len(part), number))


def _zero(builder: FunctionBuilder, span: Span, name: str) -> str:
    return builder.let(span, name, const(span, 0)).name


def _class_of(send: model.Send, flags: ops.Value, payload: ops.Value) -> list[ops.Condition]:
    """Whether a packet without SYN and RST is of one of the classes that a `send` names."""
    span, packets = send.span, send.packets
    data = differs(span, payload, 0)
    fin = differs(span, binary(span, ops.BinaryOperator.AND, flags, int(TcpFlag.FIN)), 0)
    third = differs(span, ops.Load(span, ops.Place(ops.PointerRoot("socket"), ("third_ack",))), 0)
    wanted = packets & ESTABLISHED
    if wanted >= {PacketClass.ACK, PacketClass.DATA, PacketClass.FIN}:
        return []
    if wanted >= {PacketClass.ACK, PacketClass.DATA}:
        return [ops.Either(span, data, ops.Not(span, fin))]
    if wanted >= {PacketClass.ACK, PacketClass.FIN}:
        alternatives = [equals(span, payload, 0), fin]
    else:
        alternatives = []
        if PacketClass.DATA in wanted:
            alternatives.append(data)
        if PacketClass.FIN in wanted:
            alternatives.append(fin)
        if PacketClass.ACK in wanted:
            alternatives.append(ops.Both(span, equals(span, payload, 0), ops.Not(span, fin)))
    if PacketClass.THIRD_ACK in wanted:
        alternatives.append(third)
    return [any_of(span, alternatives)]


def _assigned(body: model.Block, field: model.Field) -> bool:
    """Whether any path of a body gives a field a value."""
    for statement in body:
        match statement:
            case model.SetField(field=target) | model.SetElements(field=target) if target is field:
                return True
            case model.If(yes=yes, no=no) if _assigned(yes, field) or _assigned(no, field):
                return True
    return False


def _most_elements(body: model.Block, field: model.Field) -> int:
    most = 0
    for statement in body:
        match statement:
            case model.SetElements(field=target, elements=elements) if target is field:
                most = max(most, len(elements))
            case model.If(yes=yes, no=no):
                most = max(most, _most_elements(yes, field), _most_elements(no, field))
    return most


def may_send(option: model.Option, role: Role) -> bool:
    """Whether a side sends the option on anything."""
    only = {Role.CLIENT: {PacketClass.SYNACK}, Role.SERVER: {PacketClass.SYN, PacketClass.THIRD_ACK}}[role]
    return any(send.sender in (None, role) and send.packets - only for send in option.sends)
