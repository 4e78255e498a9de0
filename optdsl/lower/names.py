"""The names of a program's variables, maps and functions, each given once.

What the source names keeps its name, because users read and set it by that; of two with one name the second is
numbered. The names that every generated program has are given first.
"""

from __future__ import annotations

from optdsl.record import field, record
from optdsl.semantics.units import ALIASES

SOCKETS, COUNTERS, EVENTS, SCRATCH, SETTINGS = "sockets", "counters", "events", "scratch", "settings"
"""The maps and variables of the generated code itself."""

_OWN = frozenset({SOCKETS, COUNTERS, EVENTS, SCRATCH, SETTINGS, "ctx", "boolean", *ALIASES.values()})


@record(frozen=False)
class Names:
    """Gives names that no other variable, map or function of the program has."""

    _given: set[str] = field(default_factory=lambda: set(_OWN))

    def give(self, wanted: str) -> str:
        """The name wanted, or a numbered one where that is taken."""
        name = numbered(wanted, self._given)
        self._given.add(name)
        return name

    @property
    def given(self) -> frozenset[str]:
        """All names so far."""
        return frozenset(self._given)


def numbered(wanted: str, taken: set[str] | frozenset[str]) -> str:
    """`wanted`, or the first of `wanted_2`, `wanted_3`... that is not taken."""
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name
