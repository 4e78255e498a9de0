"""HDR_OPT_LEN: how many bytes of options a packet gets.

The kernel asks with a packet, which may be a SYN, a SYN-ACK (there is no socket yet) or any other, and without one when
it computes how much data a segment may hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from optdsl.ir import ops
from optdsl.lower.builder import FunctionBuilder, all_of, binary, const, differs, equals
from optdsl.lower.dispatch import Dispatch
from optdsl.lower.packets import has_flags, is_third_ack, mark_third_ack
from optdsl.lower.parts import Part
from optdsl.lower.policies import PolicyEmitter, note_payload
from optdsl.lower.roles import has_role, has_sender_role
from optdsl.lower.synack import add_synack, composed_synack
from optdsl.lower.uses import ESTABLISHED
from optdsl.lower.walk import names_used
from optdsl.semantics import model
from optdsl.targets import PacketClass
from optdsl.targets.sockops import HeaderPass, SockOp, TcpFlag

_FULL_SEGMENTS = frozenset({PacketClass.DATA, PacketClass.FIN})
"""Classes whose packets may be full: room for the option must be kept when the MSS is computed."""


def add_sizing(dispatch: Dispatch) -> None:
    """The MSS calculation, a SYN-ACK, or a packet of a socket."""
    builder = dispatch.begin("on_length", "How many bytes of options does this packet get?")
    add_synack(dispatch, builder, lambda part: _size_synack(dispatch, builder, part))
    if any(part.sends_from_sockets for part in dispatch.parts):
        with dispatch.storage(builder):
            _add_only_sender(dispatch, builder)
            _add_mss(dispatch, builder)
            _add_packet(dispatch, builder)
    dispatch.end(builder, SockOp.HDR_OPT_LEN_CB)


def _add_only_sender(dispatch: Dispatch, builder: FunctionBuilder) -> None:
    """Where one side alone sends, the other is done at once."""
    memory, span = dispatch.memory, dispatch.span
    mine = None if memory.only_sender is None else has_role(memory, span, memory.only_sender)
    if mine is not None:
        with builder.when(span, ops.Not(span, mine)):
            builder.emit(ops.Return(span))


def _size_synack(dispatch: Dispatch, builder: FunctionBuilder, part: Part) -> None:
    span = part.option.span
    _, length = composed_synack(dispatch, builder, part)
    with builder.when(span, differs(span, length, 0)), _where_no_room(dispatch, builder, part, length):
        pass


@contextmanager
def _where_no_room(dispatch: Dispatch, builder: FunctionBuilder, part: Part, length: ops.Value) -> Iterator[None]:
    """Asks for room; where there is none, counts that and does what the `with` block says."""
    span, result = part.option.span, builder.fresh("error")
    builder.emit(ops.ReserveOption(span, result, length))
    with builder.when(span, ops.IsNegative(span, ops.Local(span, result))):
        builder.emit(ops.Count(span, dispatch.memory.count(part.option, "no_space")))
        yield


# ----------------------------------------------------------------------------------------- the MSS calculation


def _add_mss(dispatch: Dispatch, builder: FunctionBuilder) -> None:
    """Without a packet: ask for the most that a full segment may carry.

    More than was asked for here would push a full segment past the MTU, and it would be lost.
    """
    span = dispatch.span
    with builder.block() as body:
        for part in dispatch.parts:
            builder.emit_all(_reserve_most(dispatch, builder, part))
        builder.emit(ops.Return(span))
    builder.branch(span, equals(span, ops.Context(span, "args[0]"), HeaderPass.CURRENT_MSS), body)


def _reserve_most(dispatch: Dispatch, builder: FunctionBuilder, part: Part) -> list[ops.Statement]:
    """One of several `send` statements composes a packet, so room is kept for the longest that is not over yet."""
    chain: list[ops.Statement] = []
    is_first = part is next(each for each in dispatch.parts if each.sends_from_sockets)
    sends = [pair for pair in enumerate(part.option.sends) if pair[1].packets & ESTABLISHED]
    for index, send in sorted(sends, key=lambda pair: pair[1].largest):
        conditions = _still_sends(dispatch, builder, part, index, send)
        if conditions is None:
            continue
        with builder.block() as reserve:
            # Where an option before it stays away, one that has no room here may have it on a packet.
            least = _smallest_beside(send, [each for _, each in sends]) if is_first else 1
            _reserve_what_fits(builder, send, least)
        if conditions:
            chain = [ops.If(send.span, all_of(send.span, conditions), tuple(reserve), tuple(chain))]
        else:
            chain = reserve
    return chain


def _smallest_beside(send: model.Send, sends: list[model.Send]) -> int:
    """The shortest form that any `send` of the same side may write."""
    same_side = (each for each in sends if None in (each.sender, send.sender) or each.sender is send.sender)
    return min(each.smallest for each in same_side)


def _reserve_what_fits(builder: FunctionBuilder, send: model.Send, smallest: int) -> None:
    """Room for the longest form; where that is not left, for the longest that is, since shorter ones will be sent."""
    span, error = send.span, builder.fresh("error")
    largest = const(span, send.largest)
    if smallest >= send.largest:
        builder.emit(ops.ReserveOption(span, error, largest))
        return
    shorter = builder.fresh("shorter")
    length = binary(span, ops.BinaryOperator.SUB, largest, ops.Local(span, shorter))
    with builder.block() as attempt:
        builder.emit(ops.ReserveOption(span, error, length))
        with builder.when(span, ops.Not(span, ops.IsNegative(span, ops.Local(span, error)))):
            builder.emit(ops.Break(span))
    builder.emit(ops.Repeat(span, shorter, send.largest - smallest + 1, tuple(attempt)))


def _still_sends(
    dispatch: Dispatch, builder: FunctionBuilder, part: Part, index: int, send: model.Send
) -> list[ops.Condition] | None:
    """When a full segment may still carry what a `send` composes; None for never."""
    span = send.span
    conditions: list[ops.Condition] = []
    if not send.packets & _FULL_SEGMENTS:
        if PacketClass.THIRD_ACK not in send.packets:
            return None
        # The ACK that completes the handshake may wait for the first data and go with it.
        conditions.append(is_third_ack(span))
    elif (mine := has_sender_role(dispatch.memory, span, send.sender)) is not None:
        conditions.append(mine)
    finished = PolicyEmitter(builder, dispatch.memory.place(part.option), index, send).finished()
    if finished is not None:
        conditions.append(ops.Not(span, finished))
    return conditions


# ------------------------------------------------------------------------------------------------ real packets


def _add_packet(dispatch: Dispatch, builder: FunctionBuilder) -> None:
    """The SYN, or a packet of the connection; never a RST."""
    span, memory = dispatch.span, dispatch.memory
    flags = builder.let(span, "flags", ops.Context(span, "skb_tcp_flags"))
    syn_parts = [part for part in dispatch.parts if part.compose_syn is not None]
    parts = [part for part in dispatch.parts if part.compose is not None]
    if syn_parts:
        with builder.when(span, has_flags(span, flags, TcpFlag.SYN)):
            for part in syn_parts:
                _compose(dispatch, builder, part, None)
            builder.emit(ops.Return(span))
    if not parts:
        return
    with builder.when(span, has_flags(span, flags, TcpFlag.RST if syn_parts else TcpFlag.SYN | TcpFlag.RST)):
        builder.emit(ops.Return(span))
    payload = ops.Local(span, builder.fresh("payload"))
    with builder.block() as work:
        for part in parts:
            _compose(dispatch, builder, part, (flags, payload))
    if payload.name in names_used(tuple(work)):
        builder.emit(ops.Let(span, payload.name, ops.Context(span, "skb_len")))
    builder.emit_all(work)
    if memory.names_third_ack:
        builder.emit(mark_third_ack(span, const(span, 0)))


def _compose(
    dispatch: Dispatch, builder: FunctionBuilder, part: Part, packet: tuple[ops.Value, ops.Value] | None
) -> None:
    """Composes one option and asks for its room; without room it is not on this packet. `packet` is None on a SYN."""
    span, option = part.option.span, part.option
    function = part.compose_syn if packet is None else part.compose
    assert function is not None
    composed = builder.fresh("composed")
    numbers = dict(zip(("flags", "payload"), packet or (), strict=False))
    arguments = dispatch.arguments(function, numbers)
    builder.emit(ops.Call(span, function.name, arguments, composed))
    length = builder.let(span, f"{option.name}_length", ops.Local(span, composed))
    with builder.when(span, differs(span, length, 0)):
        if dispatch.memory.asks_payload:
            # What a SYN carries counts as without data: see `policies`.
            builder.emit(note_payload(span, const(span, 0) if packet is None else packet[1]))
        with _where_no_room(dispatch, builder, part, length):
            builder.emit(ops.Assign(span, length.name, const(span, 0)))
            if packet is not None:
                _note_no_room(dispatch, builder, option, packet[1])
    builder.emit(ops.Store(span, dispatch.memory.place(option, "length"), length))


def _note_no_room(dispatch: Dispatch, builder: FunctionBuilder, option: model.Option, payload: ops.Value) -> None:
    """Tells policies that a packet goes without what they let pass, which counts if it carries data."""
    with builder.when(option.span, differs(option.span, payload, 0)):
        for index, send in enumerate(option.sends):
            if send.packets & ESTABLISHED:
                PolicyEmitter(builder, dispatch.memory.place(option), index, send).note_data_without()
