"""Where chance comes from: a seed, so that a program has a number, or hypothesis, which shrinks what it draws.

Programs that run on the kernel are made of seeds: a number is all that is needed to make one again, in any process,
and the choices are even. Where trying a program is cheap, hypothesis draws the same programs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Choices(Protocol):
    """Makes choices."""

    def one_of(self, choices: Sequence[T]) -> T:
        """One of several."""

    def number(self, low: int, high: int) -> int:
        """A whole number, both ends included."""


class Seeded:
    """Choices that depend on a seed alone."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def one_of(self, choices: Sequence[T]) -> T:
        return self._random.choice(choices)

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)


class Drawn:
    """Choices that hypothesis makes."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def one_of(self, choices: Sequence[T]) -> T:
        found: T = self._draw(st.sampled_from(choices))
        return found

    def number(self, low: int, high: int) -> int:
        return int(self._draw(st.integers(low, high)))


class Chooser:
    """Choices as the generator asks for them."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices

    def one_of(self, choices: Sequence[T]) -> T:
        """One of several."""
        return self._choices.one_of(choices)

    def number(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return self._choices.number(low, high)

    def percent(self, chance: int) -> bool:
        """True so many times in a hundred."""
        return self._choices.number(1, 100) > 100 - chance

    def near(self, low: int, high: int) -> int:
        """A whole number of a range, often at or near its ends."""
        form = self._choices.number(0, 4)
        match form:
            case 0:
                return low
            case 1:
                return high
            case 2:
                return min(low + self._choices.number(0, 3), high)
            case 3:
                return max(high - self._choices.number(0, 3), low)
            case _:
                return self._choices.number(low, high)

    def some(self, choices: Sequence[T], most: int) -> list[T]:
        """Up to so many different ones, at least one, in the order given."""
        count = self._choices.number(1, min(most, len(choices)))
        left = list(range(len(choices)))
        found = []
        for _ in range(count):
            found.append(left.pop(self._choices.number(0, len(left) - 1)))
        return [choices[index] for index in sorted(found)]
