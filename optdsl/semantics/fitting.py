"""Whether a value fits where it goes: its type, and its range with a replacement to suggest."""

from __future__ import annotations

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import values as wording
from optdsl.semantics import arithmetic, model
from optdsl.semantics.ranges import Interval
from optdsl.semantics.types import BOOL, NumberType, Type
from optdsl.semantics.units import Unit, same, show, show_range
from optdsl.source import Span


def show_interval(interval: Interval, kind: Type) -> str:
    """A range as the user would write it."""
    unit = kind.unit if isinstance(kind, NumberType) else Unit.NUMBER
    return show_range(interval.low, interval.high, unit)


def compatible(found: Type, wanted: Type) -> bool:
    """Whether a value can stand where a type is wanted: of the same unit, whatever its width; flags are conditions.

    A segment size is a size, and a size can be a segment size.
    """
    match found, wanted:
        case NumberType(), NumberType():
            return same(found.unit, wanted.unit) is not None
        case NumberType(bits=1), _ if wanted == BOOL:
            return True
        case _:
            return found == wanted


def check_type(span: Span, value: model.Expression, wanted: Type) -> None:
    if not compatible(value.type, wanted):
        raise CompileError(wording.wrong_type(span, str(value.type), str(wanted)))


def check_range(
    span: Span, value: model.Expression, allowed: Interval, kind: Type, what: str, before: str = ""
) -> None:
    """Raises where a number may be outside what `what` holds, with the bounds of `kind` as a suggestion.

    `before` is what any other value would need before it.
    """
    if not value.interval.within(allowed):
        unit = kind.unit if isinstance(kind, NumberType) else Unit.NUMBER
        found, holds = arithmetic.shown(value), show_interval(allowed, kind)
        raise CompileError(wording.may_not_fit(span, what, found, holds, _bounds(value, allowed, unit), before))


def _bounds(value: model.Expression, allowed: Interval, unit: Unit) -> tuple[str, str] | None:
    """The bounds to suggest: of a constant, twice the nearer one; none for a lookup, which no function takes."""
    if isinstance(value, model.Lookup):
        return None
    low, high = show(allowed.low, unit), show(allowed.high, unit)
    if not value.interval.is_constant:
        return low, high
    return (low, low) if value.interval.low < allowed.low else (high, high)
