"""What programs have counted, without the zeros."""

from __future__ import annotations

from optdsl.lab.attach import AttachedProgram


def nonzero(program: AttachedProgram, option: str) -> dict[str, int]:
    """The counters of an option that have counted anything; all others of it are zero."""
    return {name: count for name, count in program.counters()[option].items() if count}
