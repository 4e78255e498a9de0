"""What the kernel allows one program as a whole: functions, maps, counters, bytes kept for a socket.

Nothing is lowered here: the numbers are bounds from above, so that whatever is accepted fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from optdsl.diagnostics import Diagnostic, Diagnostics
from optdsl.diagnostics.values import too_many_together
from optdsl.semantics import model
from optdsl.semantics.types import BytesType, NumberType, Type
from optdsl.semantics.units import Unit

MOST_FUNCTIONS = 250
"""BPF_MAX_SUBPROGS is 256 (`include/linux/bpf_verifier.h`); the entry and what the back ends add take a few."""
MOST_MAPS = 56
"""MAX_USED_MAPS is 64 (`include/linux/bpf_verifier.h`); params, constants, counters, records and storage take a few."""
MOST_COUNTERS = 4096
"""8 bytes each of PCPU_MIN_UNIT_SIZE, 32 KiB for a value of a per-CPU map (`include/linux/percpu.h`)."""
MOST_KEPT = 60_000
"""Bytes kept for one socket: BPF_LOCAL_STORAGE_MAX_VALUE_SIZE is a little below 64 KiB (`bpf_local_storage.h`)."""

_OWN_COUNTERS = 10
"""Counters that an option may have besides its reasons and its fields: sent, received, no_space and the like."""
_OWN_BYTES = 120
"""The composed option with what is around it for unaligned access, and its length."""
_POLICY_BYTES = 16


def check_limits(options: tuple[model.Option, ...], tables: tuple[model.Table, ...], diagnostics: Diagnostics) -> None:
    """Tells at which option, or table, a program outgrows what the kernel takes."""
    diagnostics.extend(_exceeded(options, "functions", MOST_FUNCTIONS, _functions))
    diagnostics.extend(_exceeded(options, "counters", MOST_COUNTERS, _counters))
    diagnostics.extend(_exceeded(options, "bytes kept for a socket", MOST_KEPT, _kept))
    tunable = [table for table in (*tables, *(each for option in options for each in option.tables)) if table.tunable]
    if len(tunable) > MOST_MAPS:
        diagnostics.add(too_many_together(tunable[MOST_MAPS].span, "tunable tables", MOST_MAPS))


def _exceeded(
    options: tuple[model.Option, ...], what: str, most: int, size: Callable[[model.Option], int]
) -> Iterator[Diagnostic]:
    for option, total in zip(options, accumulate(map(size, options)), strict=True):
        if total > most:
            yield too_many_together(option.span, what, most)
            return


def _functions(option: model.Option) -> int:
    """Composing for the SYN, the SYN-ACK and other packets; receiving; each handler."""
    return 3 * bool(option.sends) + 1 + len(option.handlers)


def _counters(option: model.Option) -> int:
    """A reason for each field whose range is checked, and what the program itself names."""
    return _OWN_COUNTERS + len(option.layout.fields) + len(option.reasons)


def _kept(option: model.Option) -> int:
    policies = _POLICY_BYTES * len(option.sends)
    return _OWN_BYTES + policies + sum(_bytes(state.type) for state in option.states)


def _bytes(kind: Type) -> int:
    """Bytes of a state, with what aligns it."""
    match kind:
        case BytesType(length=length):
            return length + 7
        case NumberType(unit=Unit.NUMBER, bits=bits):
            return 2 * max(1, (bits or 64) // 8)
        case _:
            return 8
