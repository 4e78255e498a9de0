"""The seam to the kernel's hooks: which sock_ops operation runs what.

Everything that knows operation numbers, callback flags and the order of callbacks stands here; another ABI for the
same hooks would be another file like this one.

    on_connect       storage, role client, callback flags, `on connect`
    on_listen        callback flags and TCP_SAVE_SYN for the children, `on listen`
    on_established   server: storage, role, flags; the options of the handshake; `on established`
    on_length        compose and reserve
    on_write         store, and let the policies note it
    on_parse         receive
    on_<event>       the other events
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from optdsl.ir import ops
from optdsl.ir.program import Function
from optdsl.lower.builder import FunctionBuilder, binary, const, differs, equals
from optdsl.lower.memory import SCRATCH, SOCKETS, Memory, has_dynamic_offsets
from optdsl.lower.policies import PolicyEmitter
from optdsl.lower.receiver import Receiver
from optdsl.lower.roles import NUMBERS, Roles
from optdsl.lower.sender import ESTABLISHED, WITH_DATA, Sender, may_send
from optdsl.semantics import model
from optdsl.source import Span
from optdsl.targets import PacketClass, Role
from optdsl.targets.sockops import TCP_SAVE_SYN, CallbackFlag, HeaderPass, Level, SockOp, TcpFlag

_SYNACK = frozenset({PacketClass.SYNACK})
_SYN = frozenset({PacketClass.SYN})


@dataclass(slots=True)
class Part:
    """One option with the makers of its functions and the functions they made."""

    option: model.Option
    sender: Sender
    receiver: Receiver
    handlers: list[tuple[model.Handler, Function]]
    functions: dict[str, Function] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        return f"{self.option.name}_{name}" in self.functions


def active_roles(program: model.CheckedProgram) -> frozenset[Role]:
    """The sides on which anything is sent, read or handled once a connection exists."""
    return frozenset(role for role in Role if any(_active(option, role) for option in program.options))


def _active(option: model.Option, role: Role) -> bool:
    receives = any(receive.receiver in (None, role) for receive in option.receives)
    handles = any(handler.event.roles and handler.role in (None, role) for handler in option.handlers)
    return may_send(option, role) or receives or handles


@dataclass(slots=True)
class Dispatch:
    """Makes the functions of the operations and the entry."""

    span: Span
    memory: Memory
    parts: list[Part]
    roles: Roles
    inline: bool
    made: dict[str, Function] = field(default_factory=dict)
    cases: list[ops.Case] = field(default_factory=list)

    # --------------------------------------------------------------------------------------------- helpers

    def _function(self, name: str, doc: str) -> FunctionBuilder:
        return FunctionBuilder(self.span, name, doc, taken=self.memory.taken)

    def _add(self, builder: FunctionBuilder, *operations: SockOp) -> None:
        """Keeps a function that does anything, as the case of some operations."""
        function = builder.finish(inline=True)
        if not function.body:
            return
        self.made[function.name] = function
        values = tuple((int(operation), f"BPF_SOCK_OPS_{operation.name}") for operation in operations)
        self.cases.append(ops.Case(values, (ops.Call(self.span, function.name),)))

    def _storage(self, builder: FunctionBuilder, *, create: bool = False) -> None:
        """The socket's storage in local `socket`; leaves without it."""
        builder.emit(ops.GetStorage(self.span, "socket", SOCKETS, create))
        builder.emit(ops.If(self.span, ops.IsNull(self.span, "socket"), (ops.Return(self.span),)))

    def _socket(self) -> ops.AddressOf:
        return ops.AddressOf(ops.Place(ops.PointerRoot("socket")))

    def _set(self, builder: FunctionBuilder, name: str, value: int) -> None:
        place = ops.Place(ops.PointerRoot("socket"), (name,))
        builder.emit(ops.Store(self.span, place, const(self.span, value)))

    def _by_role(self, builder: FunctionBuilder, roles: frozenset[Role], call: ops.Call) -> None:
        """A call on some sides of the connection only."""
        wanted = roles & self.roles.active
        if not wanted:
            return
        only = next(iter(wanted)) if len(wanted) == 1 else None
        condition = self.roles.condition(call.span, only)
        with builder.when(call.span, condition or ops.Always(call.span, True)):
            builder.emit(call)

    # ---------------------------------------------------------------------------- starting and establishing

    def _flags(self, role: Role) -> CallbackFlag:
        """The callbacks that a socket of a role must get."""
        flags = CallbackFlag.NONE
        for part in self.parts:
            if may_send(part.option, role):
                flags |= CallbackFlag.WRITE_HDR_OPT
            if part.receiver.receives() and role in part.receiver.receiving_roles():
                flags |= CallbackFlag.PARSE_UNKNOWN_HDR_OPT
            for handler, _ in part.handlers:
                if handler.role in (None, role):
                    flags |= handler.event.flag
        return flags

    def _begin(self, builder: FunctionBuilder, role: Role) -> None:
        """Storage as for a new connection, and the callbacks that it needs."""
        self._storage(builder, create=True)
        self._set(builder, "role", NUMBERS[role])
        if self.memory.names_third_ack():
            self._set(builder, "third_ack", 0)
        for part in self.parts:
            self._reset(builder, part)
        if flags := self._flags(role):
            builder.emit(ops.SetCallbackFlags(self.span, int(flags)))

    def _reset(self, builder: FunctionBuilder, part: Part) -> None:
        name = part.option.name
        for index, send in enumerate(part.option.sends):
            PolicyEmitter(builder, name, index, send).reset()
        members = next((member.type for member in self.memory.socket.members if member.name == name), None)
        for member in ("length", "received"):
            if any(known.name == member for known in getattr(members, "members", ())):
                place = ops.Place(ops.PointerRoot("socket"), (name, member))
                builder.emit(ops.Store(part.option.span, place, const(part.option.span, 0)))
        for state in part.option.states:
            self._reset_state(builder, name, state)

    def _reset_state(self, builder: FunctionBuilder, name: str, state: model.State) -> None:
        place = ops.Place(ops.PointerRoot("socket"), (name, "state", state.name))
        if isinstance(state.initial, int):
            builder.emit(ops.Store(state.span, place, const(state.span, state.initial)))
            return
        for start in range(0, len(state.initial), 8):
            part = state.initial[start : start + 8]
            number = const(state.span, int.from_bytes(part, "big"))
            builder.emit(ops.StoreBytes(state.span, place, const(state.span, start), len(part), number))

    def connect(self) -> None:
        """The client, before its SYN."""
        builder = self._function("on_connect", "A client is about to send its SYN.")
        if Role.CLIENT in self.roles.active:
            self._begin(builder, Role.CLIENT)
            self._handle(builder, "connect", SockOp.TCP_CONNECT_CB)
        self._add(builder, SockOp.TCP_CONNECT_CB)

    def listen(self) -> None:
        """The listening socket: its callback flags pass to the SYN-ACKs and children."""
        builder = self._function("on_listen", "A socket begins to listen.")
        if any(part.sender.sends_on(_SYNACK) for part in self.parts):
            builder.emit(ops.SetCallbackFlags(self.span, int(CallbackFlag.WRITE_HDR_OPT)))
        if any(self._reads_syn(part) for part in self.parts):
            one = const(self.span, 1)
            result = builder.fresh("error")
            builder.emit(ops.SetSocketOption(self.span, result, int(Level.SOL_TCP), TCP_SAVE_SYN, 4, one))
        self._handle(builder, "listen", SockOp.TCP_LISTEN_CB)
        self._add(builder, SockOp.TCP_LISTEN_CB)

    def _reads_syn(self, part: Part) -> bool:
        """Whether the SYN may carry the option: it does for our own client, and may for one that we do not know."""
        if not part.receiver.receives() or Role.SERVER not in part.receiver.receiving_roles():
            return False
        return bool(part.sender.sends_on(_SYN)) or not may_send(part.option, Role.CLIENT)

    def established(self) -> None:
        """Both sides: what the packets of the handshake carried, then `on established`."""
        active = self._function("on_active_established", "The SYN-ACK has come: the client is connected.")
        if Role.CLIENT in self.roles.active:
            self._storage(active)
            if self.memory.names_third_ack():
                self._set(active, "third_ack", 1)
            self._receive(active, Role.CLIENT, from_syn=False)
            self._handle(active, "established", SockOp.ACTIVE_ESTABLISHED_CB)
        self._add(active, SockOp.ACTIVE_ESTABLISHED_CB)
        passive = self._function("on_passive_established", "The third ACK, or with Fast Open the SYN, has come.")
        if Role.SERVER in self.roles.active:
            self._begin(passive, Role.SERVER)
            self._receive_syn(passive)
            self._receive(passive, Role.SERVER, from_syn=False)
            self._handle(passive, "established", SockOp.PASSIVE_ESTABLISHED_CB)
        self._add(passive, SockOp.PASSIVE_ESTABLISHED_CB)

    def _receive_syn(self, builder: FunctionBuilder) -> None:
        """The saved SYN; with Fast Open the packet at hand is the SYN itself and is read as such."""
        flags = binary(self.span, ops.BinaryOperator.AND, ops.Context(self.span, "skb_tcp_flags"), int(TcpFlag.SYN))
        with builder.when(self.span, equals(self.span, flags, 0)):
            for part in self.parts:
                if self._reads_syn(part):
                    builder.emit(self._receive_call(part, from_syn=True))

    def _receive(self, builder: FunctionBuilder, role: Role, *, from_syn: bool) -> None:
        for part in self.parts:
            if part.receiver.receives() and role in part.receiver.receiving_roles():
                builder.emit(self._receive_call(part, from_syn=from_syn))

    def _receive_call(self, part: Part, *, from_syn: bool) -> ops.Call:
        span = part.option.span
        return ops.Call(span, f"{part.option.name}_receive", (self._socket(), const(span, int(from_syn))))

    def _handle(self, builder: FunctionBuilder, event: str, operation: SockOp) -> None:
        """The handlers of an event that an operation raises; the role is known where the operation tells it."""
        for part in self.parts:
            for handler, function in part.handlers:
                trigger = next((each for each in handler.event.triggers if each.op is operation), None)
                if handler.event.name != event or trigger is None:
                    continue
                if trigger.role is not None and handler.role not in (None, trigger.role):
                    continue
                arguments = (self._socket(),) if handler.event.roles else ()
                builder.emit(ops.Call(handler.span, function.name, arguments))

    # ------------------------------------------------------------------------------------- sizing and writing

    def length(self) -> None:
        """HDR_OPT_LEN: the MSS calculation, a SYN-ACK, or a packet of a socket."""
        builder = self._function("on_length", "How many bytes of options does this packet get?")
        self._synack(builder, self._reserve_synack)
        if any(part.has("compose") or part.has("compose_syn") for part in self.parts):
            self._storage(builder)
            self._reserve_mss(builder)
            self._compose(builder)
        self._add(builder, SockOp.HDR_OPT_LEN_CB)

    def _synack(self, builder: FunctionBuilder, each: Callable[[FunctionBuilder, Part], None]) -> None:
        parts = [part for part in self.parts if part.has("compose_synack")]
        if not parts:
            return
        with builder.block() as body:
            for part in parts:
                each(builder, part)
            builder.emit(ops.Return(self.span))
        builder.emit(ops.If(self.span, ops.IsNull(self.span, "ctx.sk"), tuple(body)))

    def _composed_synack(self, builder: FunctionBuilder, part: Part) -> tuple[ops.Place, ops.Local]:
        """The SYN-ACK's option in a buffer, and its length."""
        span, name = part.option.span, part.option.name
        if has_dynamic_offsets(part.option):
            self.memory.uses_scratch = True
            pointer = builder.fresh("scratch")
            builder.emit(ops.LookupMap(span, pointer, SCRATCH, const(span, 0)))
            builder.emit(ops.If(span, ops.IsNull(span, pointer), (ops.Return(span),)))
            wire = ops.Place(ops.PointerRoot(pointer), ("wire",))
        else:
            buffer = builder.fresh(f"{name}_wire")
            builder.emit(ops.DeclareBuffer(span, buffer, self.memory.wire_size(part.option)))
            wire = ops.Place(ops.BufferRoot(buffer))
        length = builder.fresh(f"{name}_length")
        builder.emit(ops.Call(span, f"{name}_compose_synack", (ops.AddressOf(wire),), length))
        return wire, ops.Local(span, length)

    def _reserve_synack(self, builder: FunctionBuilder, part: Part) -> None:
        _, length = self._composed_synack(builder, part)
        with builder.when(part.option.span, differs(part.option.span, length, 0)), self._reserve(builder, part, length):
            pass

    @contextmanager
    def _reserve(self, builder: FunctionBuilder, part: Part, length: ops.Value) -> Iterator[None]:
        """Asks for room; where there is none, counts that and does what the `with` block says."""
        span = part.option.span
        result = builder.fresh("error")
        builder.emit(ops.ReserveOption(span, result, length))
        with builder.when(span, ops.IsNegative(span, ops.Local(span, result))):
            builder.emit(ops.Count(span, self.memory.count(part.option, "no_space")))
            yield

    def _reserve_mss(self, builder: FunctionBuilder) -> None:
        """The MSS calculation has no packet: ask for the most that a full segment may ever carry."""
        with builder.block() as body:
            for part in self.parts:
                for index, send in part.sender.sends_on(WITH_DATA):
                    self._reserve_send(builder, part, index, send)
            builder.emit(ops.Return(self.span))
        current = equals(self.span, ops.Context(self.span, "args[0]"), HeaderPass.CURRENT_MSS)
        builder.emit(ops.If(self.span, current, tuple(body)))

    def _reserve_send(self, builder: FunctionBuilder, part: Part, index: int, send: model.Send) -> None:
        """Room for one `send` that is not over yet; of several in an option only one is sent, so the largest counts."""
        sends = part.sender.sends_on(WITH_DATA)
        span = send.span
        conditions = []
        role = self.roles.condition(span, send.sender)
        if role is not None:
            conditions.append(role)
        finished = PolicyEmitter(builder, part.option.name, index, send).finished()
        if finished is not None:
            conditions.append(ops.Not(span, finished))
        if len(sends) > 1:
            if index != max(sends, key=lambda each: each[1].largest)[0]:
                return
            conditions = []
        with builder.block() as body:
            builder.emit(ops.ReserveOption(span, builder.fresh("error"), const(span, send.largest)))
        condition: ops.Condition = ops.Always(span, True)
        for each in conditions:
            condition = each if isinstance(condition, ops.Always) else ops.Both(span, condition, each)
        if isinstance(condition, ops.Always):
            for statement in body:
                builder.emit(statement)
        else:
            builder.emit(ops.If(span, condition, tuple(body)))

    def _compose(self, builder: FunctionBuilder) -> None:
        """A real packet: the SYN, or one of the connection; never a RST."""
        span = self.span
        flags = builder.let(span, "flags", ops.Context(span, "skb_tcp_flags"))
        self._compose_syn(builder, flags)
        parts = [part for part in self.parts if part.has("compose")]
        if not parts:
            return
        bits = int(TcpFlag.SYN | TcpFlag.RST)
        with builder.when(span, differs(span, binary(span, ops.BinaryOperator.AND, flags, bits), 0)):
            builder.emit(ops.Return(span))
        payload = builder.let(span, "payload", ops.Context(span, "skb_len"))
        if self.memory.asks_payload():
            place = ops.Place(ops.PointerRoot("socket"), ("payload",))
            builder.emit(ops.Store(span, place, ops.AsNumber(span, differs(span, payload, 0))))
        for part in parts:
            self._compose_part(builder, part, "compose", (self._socket(), flags, payload), payload)
        if self.memory.names_third_ack():
            self._set(builder, "third_ack", 0)

    def _compose_syn(self, builder: FunctionBuilder, flags: ops.Value) -> None:
        parts = [part for part in self.parts if part.has("compose_syn")]
        if not parts:
            return
        with builder.block() as body:
            for part in parts:
                self._compose_part(builder, part, "compose_syn", (self._socket(),), None)
            builder.emit(ops.Return(self.span))
        is_syn = differs(self.span, binary(self.span, ops.BinaryOperator.AND, flags, int(TcpFlag.SYN)), 0)
        builder.emit(ops.If(self.span, is_syn, tuple(body)))

    def _compose_part(
        self, builder: FunctionBuilder, part: Part, function: str,
        arguments: tuple[ops.Value | ops.AddressOf, ...], payload: ops.Value | None,
    ) -> None:  # fmt: skip
        """Composes one option and asks for its room; without room it is not on this packet."""
        span, name = part.option.span, part.option.name
        length = builder.fresh(f"{name}_length")
        builder.emit(ops.Call(span, f"{name}_{function}", arguments, length))
        kept = ops.Place(ops.PointerRoot("socket"), (name, "length"))
        builder.emit(ops.Store(span, kept, ops.Local(span, length)))
        is_sent = differs(span, ops.Local(span, length), 0)
        with builder.when(span, is_sent), self._reserve(builder, part, ops.Local(span, length)):
            builder.emit(ops.Store(span, kept, const(span, 0)))
            if payload is not None:
                with builder.when(span, differs(span, payload, 0)):
                    for index, send in part.sender.sends_on(ESTABLISHED):
                        PolicyEmitter(builder, name, index, send).note_no_space()

    def write(self) -> None:
        """WRITE_HDR_OPT: hands over what was composed."""
        builder = self._function("on_write", "Writes the options that this packet has room for.")
        self._synack(builder, self._write_synack)
        parts = [part for part in self.parts if part.has("compose") or part.has("compose_syn")]
        if parts:
            self._storage(builder)
            for part in parts:
                self._write_part(builder, part)
        self._add(builder, SockOp.WRITE_HDR_OPT_CB)

    def _write_synack(self, builder: FunctionBuilder, part: Part) -> None:
        wire, length = self._composed_synack(builder, part)
        with builder.when(part.option.span, differs(part.option.span, length, 0)), self._store(builder, part, wire):
            pass

    @contextmanager
    def _store(self, builder: FunctionBuilder, part: Part, wire: ops.Place) -> Iterator[None]:
        """Stores the option and counts how that went; where it went well, does what the `with` block says."""
        span, option = part.option.span, part.option
        result = builder.fresh("error")
        builder.emit(ops.StoreOption(span, result, wire, option.layout.largest))
        with builder.block() as stored:
            builder.emit(ops.Count(span, self.memory.count(option, "sent")))
            yield
        failed: ops.Block = (ops.Count(span, self.memory.count(option, "store_failed")),)
        builder.emit(ops.If(span, ops.IsNegative(span, ops.Local(span, result)), failed, tuple(stored)))

    def _write_part(self, builder: FunctionBuilder, part: Part) -> None:
        span, name = part.option.span, part.option.name
        kept = ops.Place(ops.PointerRoot("socket"), (name, "length"))
        wire = ops.Place(ops.PointerRoot("socket"), (name, "wire"))
        with builder.when(span, differs(span, ops.Load(span, kept), 0)):
            with self._store(builder, part, wire):
                self._note_written(builder, part)
            builder.emit(ops.Store(span, kept, const(span, 0)))

    def _note_written(self, builder: FunctionBuilder, part: Part) -> None:
        composing = [(index, send) for index, send in enumerate(part.option.sends) if send.packets - _SYNACK]
        for index, send in composing:
            condition: ops.Condition = ops.Always(send.span, True)
            if len(composing) > 1:
                sender = ops.Load(send.span, ops.Place(ops.PointerRoot("socket"), (part.option.name, "sender")))
                condition = equals(send.span, sender, index)
            with builder.when(send.span, condition):
                PolicyEmitter(builder, part.option.name, index, send).note_written()

    # ----------------------------------------------------------------------------------- parsing and events

    def parse(self) -> None:
        """PARSE_HDR_OPT: every option of ours that this packet carries."""
        builder = self._function("on_parse", "A packet with options that the kernel does not know has come.")
        parts = [part for part in self.parts if part.receiver.receives()]
        if parts:
            self._storage(builder)
            for part in parts:
                self._by_role(builder, part.receiver.receiving_roles(), self._receive_call(part, from_syn=False))
        self._add(builder, SockOp.PARSE_HDR_OPT_CB)

    def events(self) -> None:
        """The events that have an operation of their own."""
        special = {"connect", "listen", "established"}
        events = {handler.event.name: handler.event for part in self.parts for handler, _ in part.handlers}
        for name, event in events.items():
            if name in special:
                continue
            (trigger,) = event.triggers
            builder = self._function(f"on_{name}", event.doc)
            self._storage(builder)
            holds: ops.Condition = ops.Always(self.span, True)
            if trigger.condition is not None:
                argument = ops.Context(self.span, f"args[{trigger.condition.index}]")
                holds = equals(self.span, argument, trigger.condition.value)
            with builder.when(self.span, holds):
                self._handle(builder, name, trigger.op)
            self._add(builder, trigger.op)

    def entry(self, name: str, doc: str) -> Function:
        """The program: a switch over the operation. It always returns 1, because 0 would undo what others reserved."""
        switch = ops.Switch(self.span, ops.Context(self.span, "op"), tuple(self.cases))
        body: ops.Block = (switch,) if self.cases else ()
        return Function(self.span, name, doc, (), True, False, (*body, ops.Return(self.span, const(self.span, 1))))
