"""Which side of a connection a socket is on, and how generated code asks."""

from __future__ import annotations

from optdsl.ir import ops
from optdsl.lower.builder import const, equals
from optdsl.lower.memory import Memory
from optdsl.source import Span
from optdsl.targets import Role

_NUMBERS = {Role.CLIENT: 1, Role.SERVER: 2}
_PLACE = ops.Place(ops.PointerRoot("socket"), ("role",))


def has_role(memory: Memory, span: Span, role: Role | None) -> ops.Condition | None:
    """Whether this socket is on a side; None where that is certain."""
    if role is None or not memory.tells_roles:
        return None
    return equals(span, ops.Load(span, _PLACE), _NUMBERS[role])


def has_sender_role(memory: Memory, span: Span, sender: Role | None) -> ops.Condition | None:
    """As `has_role`, for a `send`: None as well where sizing has asked already, for all of them."""
    return None if sender is memory.only_sender else has_role(memory, span, sender)


def set_role(span: Span, role: Role) -> ops.Statement:
    """Notes the side of a new connection."""
    return ops.Store(span, _PLACE, const(span, _NUMBERS[role]))
