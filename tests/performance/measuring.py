"""What all figures share: how much to measure, interleaved rounds, statistics that bear noise, tables in Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Effort:
    """`quick` is for a look whether everything works: few rounds, and no figure to rely on."""

    quick: bool = False

    def rounds(self, full: int, quick: int = 1) -> int:
        """How often to repeat a measurement."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Figure:
    """One section of the document: Markdown for people, and the same as data for programs."""

    title: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)


def interleaved(actions: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Runs all actions in turn, `rounds` times, so that what disturbs the machine disturbs them alike.

    Every second round goes backwards: no action always has the same one before it.
    """
    found: dict[str, list[T]] = {name: [] for name in actions}
    for number in range(rounds):
        for name in list(actions) if number % 2 == 0 else reversed(list(actions)):
            found[name].append(actions[name]())
    return found


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> float:
    """Half the distance of the quartiles, as a share of the median: how far apart half of the rounds are."""
    if len(values) < _ENOUGH_FOR_QUARTILES:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4)
    return (high - low) / 2 / median(values)


_ENOUGH_FOR_QUARTILES: Final = 4


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The k of `cost = c * size ** k` that fits best (least squares of logarithms); 1 is linear."""
    slope, _ = statistics.linear_regression([math.log(size) for size in sizes], [math.log(cost) for cost in costs])
    return slope


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown; the first column to the left, the others to the right."""
    lines = [_row(head), _row(["---", *["---:"] * (len(head) - 1)]), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def milliseconds(seconds: float) -> str:
    """A time as it stands in tables."""
    return f"{seconds * 1000:.1f}"


def percent(share: float) -> str:
    """A difference, with its sign."""
    return f"{share * 100:+.1f} %"
