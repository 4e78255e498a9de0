"""Which sides of a connection a program works on, and how it tells them apart."""

from __future__ import annotations

from dataclasses import dataclass

from optdsl.ir import ops
from optdsl.lower.builder import const, equals
from optdsl.source import Span
from optdsl.targets import Role

NUMBERS = {Role.CLIENT: 1, Role.SERVER: 2}
"""What the socket's storage keeps as its role."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The sides that get storage. With only one of them, nothing need be asked."""

    active: frozenset[Role]

    def condition(self, span: Span, role: Role | None) -> ops.Condition | None:
        """Whether this socket has a role; None where that is certain."""
        if role is None or self.active == {role}:
            return None
        place = ops.Place(ops.PointerRoot("socket"), ("role",))
        return equals(span, ops.Load(span, place), const(span, NUMBERS[role]))
