"""How connections begin: connecting, listening, and the end of the handshake on both sides."""

from __future__ import annotations

from optdsl.ir import ops
from optdsl.lower.builder import FunctionBuilder, const
from optdsl.lower.dispatch import Dispatch
from optdsl.lower.memory import Memory
from optdsl.lower.packets import has_flags, mark_third_ack
from optdsl.lower.policies import PolicyEmitter
from optdsl.lower.roles import set_role
from optdsl.lower.uses import may_send, reads_syn, receiving_roles
from optdsl.lower.values import store_constant
from optdsl.semantics import model
from optdsl.targets import Role
from optdsl.targets.registry import KNOWN_TO_NEWER_KERNELS
from optdsl.targets.sockops import TCP_SAVE_SYN, CallbackFlag, Level, SockOp, TcpFlag


def add_connections(dispatch: Dispatch) -> None:
    """The operations from the first SYN to the established connection."""
    _add_connect(dispatch)
    _add_listen(dispatch)
    _add_active(dispatch)
    _add_passive(dispatch)


def _add_connect(dispatch: Dispatch) -> None:
    """The client, before its SYN."""
    builder = dispatch.begin("on_connect", "A client is about to send its SYN.")
    if Role.CLIENT in dispatch.memory.roles:
        with dispatch.storage(builder, create=True):
            _begin(dispatch, builder, Role.CLIENT)
            dispatch.handle(builder, "connect", SockOp.TCP_CONNECT_CB)
    dispatch.end(builder, SockOp.TCP_CONNECT_CB)


def _add_listen(dispatch: Dispatch) -> None:
    """The listening socket: its callback flags pass to SYN-ACKs and children."""
    span, builder = dispatch.span, dispatch.begin("on_listen", "A socket begins to listen.")
    if any(part.compose_synack is not None for part in dispatch.parts):
        builder.emit(ops.SetCallbackFlags(span, int(CallbackFlag.WRITE_HDR_OPT)))
    if any(reads_syn(part.option) for part in dispatch.parts):
        result, keep = builder.fresh("error"), const(span, 1)
        builder.emit(ops.SetSocketOption(span, result, int(Level.SOL_TCP), TCP_SAVE_SYN, 4, keep))
    dispatch.handle(builder, "listen", SockOp.TCP_LISTEN_CB)
    dispatch.end(builder, SockOp.TCP_LISTEN_CB)


def _add_active(dispatch: Dispatch) -> None:
    """The client: what the SYN-ACK carried, then the handlers."""
    span, memory = dispatch.span, dispatch.memory
    builder = dispatch.begin("on_active_established", "The SYN-ACK has come: the client is connected.")
    with dispatch.storage(builder):
        if memory.names_third_ack:
            builder.emit(mark_third_ack(span, const(span, 1)))
        _receive_all(dispatch, builder, Role.CLIENT)
        dispatch.handle(builder, "established", SockOp.ACTIVE_ESTABLISHED_CB)
    dispatch.end(builder, SockOp.ACTIVE_ESTABLISHED_CB)


def _add_passive(dispatch: Dispatch) -> None:
    """The server: what the SYN carried, if it was kept, and the packet at hand, then the handlers."""
    span = dispatch.span
    builder = dispatch.begin("on_passive_established", "The third ACK, or with Fast Open the SYN, has come.")
    if Role.SERVER in dispatch.memory.roles:
        with dispatch.storage(builder, create=True):
            _begin(dispatch, builder, Role.SERVER)
            # With Fast Open the packet at hand is the SYN itself, and is read once.
            is_syn = has_flags(span, ops.Context(span, "skb_tcp_flags"), TcpFlag.SYN)
            with builder.when(span, ops.Not(span, is_syn)):
                for part in dispatch.parts:
                    if reads_syn(part.option):
                        dispatch.receive(builder, part, from_syn=True)
            _receive_all(dispatch, builder, Role.SERVER)
            dispatch.handle(builder, "established", SockOp.PASSIVE_ESTABLISHED_CB)
    dispatch.end(builder, SockOp.PASSIVE_ESTABLISHED_CB)


def _receive_all(dispatch: Dispatch, builder: FunctionBuilder, role: Role) -> None:
    for part in dispatch.parts:
        if part.receive is not None and role in receiving_roles(part.option):
            dispatch.receive(builder, part)


# ------------------------------------------------------------------------------------------- a new connection


def _begin(dispatch: Dispatch, builder: FunctionBuilder, role: Role) -> None:
    """Storage reset as for a new connection (a socket may connect again), and the callbacks that it needs."""
    span, memory = dispatch.span, dispatch.memory
    if memory.tells_roles:
        builder.emit(set_role(span, role))
    if memory.names_third_ack:
        builder.emit(mark_third_ack(span, const(span, 0)))
    for part in dispatch.parts:
        _reset(memory, builder, part.option)
    if flags := _flags(dispatch, role):
        builder.emit(ops.SetCallbackFlags(span, int(flags)))


def _flags(dispatch: Dispatch, role: Role) -> CallbackFlag:
    """The callbacks that a socket of a role must get."""
    flags = CallbackFlag.NONE
    for part in dispatch.parts:
        if may_send(part.option, role):
            flags |= CallbackFlag.WRITE_HDR_OPT
        if part.receive is not None and role in receiving_roles(part.option):
            flags |= CallbackFlag.PARSE_UNKNOWN_HDR_OPT
            if part.option.kind in KNOWN_TO_NEWER_KERNELS:
                flags |= CallbackFlag.PARSE_ALL_HDR_OPT
        for handler, _ in part.handlers:
            if handler.role in (None, role):
                flags |= handler.event.flag
    return flags


def _reset(memory: Memory, builder: FunctionBuilder, option: model.Option) -> None:
    for index, send in enumerate(option.sends):
        PolicyEmitter(builder, memory.place(option), index, send).reset()
    for member in ("length", "received"):
        if memory.keeps(option, member):
            builder.emit(ops.Store(option.span, memory.place(option, member), const(option.span, 0)))
    for state in option.states:
        _reset_state(builder, memory.place(option, "state", state.name), state)


def _reset_state(builder: FunctionBuilder, place: ops.Place, state: model.State) -> None:
    if isinstance(state.initial, int):
        builder.emit(ops.Store(state.span, place, const(state.span, state.initial)))
    else:
        store_constant(builder, state.span, place, state.initial)
