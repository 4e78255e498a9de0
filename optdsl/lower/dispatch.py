"""The seam to the kernel's hooks: which sock_ops operation runs what.

Everything that knows operation numbers, callback flags and the order of callbacks stands here and in the rooms beside;
another ABI for the same hooks would be other files like these.

    connections   on_connect               storage, role client, callback flags, `on connect`
                  on_listen                callback flags and TCP_SAVE_SYN for the children, `on listen`
                  on_..._established       server: storage, role, flags; the options of the handshake; `on established`
    sizing        on_length                compose and reserve
    writing       on_write                 store, and let the policies note it
    here          on_parse                 receive
                  on_<event>               the other events
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from optdsl.ir import ops
from optdsl.ir.program import Function
from optdsl.lower.builder import FunctionBuilder, const, equals
from optdsl.lower.memory import Memory
from optdsl.lower.names import SOCKETS
from optdsl.lower.parts import Part
from optdsl.lower.roles import has_role
from optdsl.lower.uses import receiving_roles
from optdsl.lower.walk import names_used
from optdsl.record import field, record
from optdsl.source import Span
from optdsl.targets.event import ArgumentIs
from optdsl.targets.sockops import SockOp

_IN_CONNECTIONS = frozenset({"connect", "listen", "established"})
"""Events whose operations do more than run handlers."""


@record(frozen=False)
class Dispatch:
    """Collects the functions of the operations, and the cases of the entry that call them."""

    span: Span
    memory: Memory
    parts: list[Part]
    functions: list[Function] = field(default_factory=list)
    cases: list[ops.Case] = field(default_factory=list)

    def begin(self, name: str, doc: str) -> FunctionBuilder:
        """A function for an operation."""
        given = self.memory.names.give(name)
        return FunctionBuilder(self.span, given, doc, taken=self.memory.names.given)

    def end(self, builder: FunctionBuilder, operation: SockOp) -> None:
        """Keeps the function as what an operation runs, behind what it runs already; nothing if it does nothing."""
        function = builder.finish(inline=True)
        if not function.body:
            return
        self.functions.append(function)
        values = ((int(operation), f"BPF_SOCK_OPS_{operation.name}"),)
        call = ops.Call(self.span, function.name)
        known = next((number for number, case in enumerate(self.cases) if case.values == values), None)
        if known is None:
            self.cases.append(ops.Case(values, (call,)))
        else:
            self.cases[known] = ops.Case(values, (*self.cases[known].body, call))

    @contextmanager
    def storage(self, builder: FunctionBuilder, *, create: bool = False) -> Iterator[None]:
        """Around what needs the socket's storage, in local `socket`; the function leaves where there is none.

        Where nothing inside uses it, it is not asked for, unless it is to be created.
        """
        with builder.block() as work:
            yield
        if self.memory.keeps_sockets and (create or "socket" in names_used(tuple(work))):
            builder.emit(ops.GetStorage(self.span, "socket", SOCKETS, create))
            builder.emit(ops.If(self.span, ops.IsNull(self.span, "socket"), (ops.Return(self.span),)))
        builder.emit_all(work)

    def arguments(
        self, function: Function, numbers: Mapping[str, ops.Value] | None = None
    ) -> tuple[ops.Value | ops.AddressOf, ...]:
        """What a function of an option is called with: the socket's storage, and numbers by `Memory.numbers`."""
        known = {self.memory.numbers[name]: value for name, value in (numbers or {}).items()}
        socket = ops.AddressOf(ops.Place(ops.PointerRoot("socket")))
        return tuple(socket if each.points_to is not None else known[each.name] for each in function.parameters)

    def handle(self, builder: FunctionBuilder, event: str, operation: SockOp) -> None:
        """The handlers of an event that an operation raises; the role is known where the operation tells it."""
        for part in self.parts:
            for handler, function in part.handlers:
                trigger = next((each for each in handler.event.triggers if each.op is operation), None)
                if handler.event.name != event or trigger is None:
                    continue
                if trigger.role is not None and handler.role not in (None, trigger.role):
                    continue
                builder.emit(ops.Call(handler.span, function.name, self.arguments(function)))

    def receive(self, builder: FunctionBuilder, part: Part, *, from_syn: bool = False) -> None:
        """Receives one option, from the packet at hand or from the SYN that was kept."""
        assert part.receive is not None
        span = part.option.span
        arguments = self.arguments(part.receive, {"from_syn": const(span, int(from_syn))})
        builder.emit(ops.Call(span, part.receive.name, arguments))


def add_parsing(dispatch: Dispatch) -> None:
    """PARSE_HDR_OPT: every option of ours that this packet carries."""
    builder = dispatch.begin("on_parse", "A packet with options that the kernel does not know has come.")
    with dispatch.storage(builder):
        for part in dispatch.parts:
            if part.receive is None:
                continue
            span, roles = part.option.span, receiving_roles(part.option)
            only = next(iter(roles)) if len(roles) == 1 else None
            with builder.when(span, has_role(dispatch.memory, span, only) or ops.Always(span, True)):
                dispatch.receive(builder, part)
    dispatch.end(builder, SockOp.PARSE_HDR_OPT_CB)


def add_events(dispatch: Dispatch) -> None:
    """The events that have an operation of their own."""
    events = {handler.event.name: handler.event for part in dispatch.parts for handler, _ in part.handlers}
    for name, event in events.items():
        if name in _IN_CONNECTIONS:
            continue
        (trigger,) = event.triggers
        builder = dispatch.begin(f"on_{name}", event.doc)
        with builder.when(dispatch.span, _raises(dispatch.span, trigger.condition)), dispatch.storage(builder):
            dispatch.handle(builder, name, trigger.op)
        dispatch.end(builder, trigger.op)


def _raises(span: Span, condition: ArgumentIs | None) -> ops.Condition:
    if condition is None:
        return ops.Always(span, True)
    return equals(span, ops.Context(span, f"args[{condition.index}]"), condition.value)


def entry(dispatch: Dispatch) -> Function:
    """The program: a switch over the operation. It always returns 1, because 0 would undo what others reserved."""
    span = dispatch.span
    switch = ops.Switch(span, ops.Context(span, "op"), tuple(dispatch.cases))
    body: ops.Block = (switch,) if dispatch.cases else ()
    doc = "Runs at every sock_ops callback of the cgroup."
    return Function(span, dispatch.memory.entry, doc, (), True, False, (*body, ops.Return(span, const(span, 1))))
