"""Names of the IR as C identifiers.

The IR's names are kept: they are what bpftool shows. The few that C has taken get an underscore behind them.
"""

from __future__ import annotations

from collections.abc import Iterable

from optdsl.ir.program import Program

_KEYWORDS = frozenset(
    """
    asm auto break case char const continue default do double else enum extern float for goto if inline int long
    register restrict return short signed sizeof static struct switch typedef typeof union unsigned void volatile while
    """.split()
)
# Macros of bpf_helpers.h, and a function of which the compiler expects a certain type.
_TAKEN = _KEYWORDS | {"SEC", "NULL", "barrier", "barrier_var", "container_of", "likely", "offsetof", "unlikely", "main"}


def identifier(name: str) -> str:
    """The C identifier for a name of the IR."""
    return f"{name}_" if name in _TAKEN else name


class Names:
    """The names of one file: those of the program stay, helpers give way to them, and local names to both."""

    def __init__(self, program: Program, helpers: Iterable[str]) -> None:
        self._program = frozenset(
            identifier(name)
            for name in (
                *(variable.name for variable in program.globals),
                *(definition.name for definition in program.maps),
                *(function.name for function in program.functions),
            )
        )
        self._helpers = frozenset(self.helper(name) for name in helpers)

    def helper(self, name: str) -> str:
        """The name of a helper function of the file, which the program may have given to something of its own."""
        while name in self._program:
            name += "_"
        return name

    def local(self, name: str) -> str:
        """The name of a local variable or parameter."""
        name = identifier(name)
        return f"{name}_" if name in self._helpers or name in self._program else name
