"""Numbers in base units as people write them in `.opt` files: 200000 microseconds are "200ms"."""

from __future__ import annotations

from optdsl.targets.attribute import Bounds
from optdsl.targets.vocabulary import Unit

# Largest first; the last one is the base unit.
_SCALES = {
    Unit.DURATION: (("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)),
    Unit.RATE: (("gbps", 10**9), ("mbps", 10**6), ("kbps", 10**3), ("bps", 1)),
    Unit.SIZE: (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("B", 1)),
    Unit.SEGMENT_SIZE: (("B", 1),),
    Unit.SEGMENTS: (("mss", 1),),
    Unit.NUMBER: (("", 1),),
}

# The largest values of whole machine words: no limit that a user could hit.
_WORDS = frozenset({2**32 - 1, 2**64 - 1})


def quantity(value: int, unit: Unit) -> str:
    """A value in its largest unit that expresses it exactly: 120 000 000 (duration) is "2min"."""
    scales = _SCALES[unit]
    for suffix, factor in scales:
        if value != 0 and value % factor == 0:
            return f"{value // factor}{suffix}"
    return f"{value}{scales[-1][0]}"


def interval(bounds: Bounds, unit: Unit) -> str:
    """A range as in a declaration: "2ms..=200ms". A whole machine word has no upper end: "0B.."."""
    match unit:
        case Unit.BOOL:
            return "false, true"
        case Unit.ADDRESS | Unit.IP4 | Unit.IP6:
            return "any"
        case Unit.TEXT:
            return f"{bounds.minimum}..={bounds.maximum} characters"
    lower = quantity(bounds.minimum, unit)
    if bounds.maximum in _WORDS:
        return f"{lower}.."
    return f"{lower}..={quantity(bounds.maximum, unit)}"
