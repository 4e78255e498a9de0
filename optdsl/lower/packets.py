"""Tells packets apart: whether one of an established connection is of a class that a `send` names."""

from __future__ import annotations

from optdsl.ir import ops
from optdsl.lower.builder import any_of, binary, differs, equals
from optdsl.semantics import model
from optdsl.source import Span
from optdsl.targets import PacketClass
from optdsl.targets.sockops import TcpFlag

_MARKED = "third_ack"
"""The member of the socket's state that marks the packet that completes the handshake."""


def is_third_ack(span: Span) -> ops.Condition:
    """Whether the packet at hand, or the next one, completes the handshake."""
    return differs(span, ops.Load(span, ops.Place(ops.PointerRoot("socket"), (_MARKED,))), 0)


def mark_third_ack(span: Span, value: ops.Value) -> ops.Statement:
    """Notes whether the next packet completes the handshake."""
    return ops.Store(span, ops.Place(ops.PointerRoot("socket"), (_MARKED,)), value)


def has_flags(span: Span, flags: ops.Value, wanted: TcpFlag) -> ops.Condition:
    """Whether any of some flags is set."""
    return differs(span, binary(span, ops.BinaryOperator.AND, flags, int(wanted)), 0)


def of_class(send: model.Send, flags: ops.Value, payload: ops.Value) -> ops.Condition:
    """Whether a packet without SYN and RST is of one of the classes that a `send` names.

    `data` is every packet with a payload, `fin` every one with FIN, `ack` what is neither.
    """
    span, wanted = send.span, send.packets
    data, fin = differs(span, payload, 0), has_flags(span, flags, TcpFlag.FIN)
    alternatives: list[ops.Condition] = []
    match {PacketClass.ACK, PacketClass.DATA, PacketClass.FIN} & wanted:
        case found if len(found) == 3:
            return ops.Always(span, True)
        case found if found == {PacketClass.ACK, PacketClass.DATA}:
            alternatives = [data, ops.Not(span, fin)]
        case found if found == {PacketClass.ACK, PacketClass.FIN}:
            alternatives = [equals(span, payload, 0), fin]
        case found if found == {PacketClass.ACK}:
            alternatives = [ops.Both(span, equals(span, payload, 0), ops.Not(span, fin))]
        case found:
            alternatives = [data] * (PacketClass.DATA in found) + [fin] * (PacketClass.FIN in found)
    if PacketClass.THIRD_ACK in wanted:
        alternatives.append(is_third_ack(span))
    return any_of(span, alternatives)
