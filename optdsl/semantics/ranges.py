"""Intervals of whole numbers: what the checker knows of a value, and the arithmetic on that knowledge.

Intervals here are exact over unbounded integers; whether a result fits 64 bits is asked afterwards.
"""

from __future__ import annotations

from optdsl.record import record

LARGEST = 2**64 - 1


@record
class Interval:
    """The numbers `low..=high`."""

    low: int
    high: int

    def __contains__(self, value: int) -> bool:
        return self.low <= value <= self.high

    def within(self, other: Interval) -> bool:
        return other.low <= self.low and self.high <= other.high

    @property
    def is_constant(self) -> bool:
        return self.low == self.high

    def join(self, other: Interval) -> Interval:
        """The smallest interval that holds both."""
        return Interval(min(self.low, other.low), max(self.high, other.high))

    def meet(self, other: Interval) -> Interval | None:
        """What both hold, or None."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Interval(low, high) if low <= high else None

    def scaled(self, factor: int) -> Interval:
        return Interval(self.low * factor, self.high * factor)

    def divided(self, divisor: int) -> Interval:
        """Floor division by a positive constant."""
        return Interval(self.low // divisor, self.high // divisor)


FULL = Interval(0, LARGEST)


def of_bits(bits: int) -> Interval:
    """All values of an unsigned integer."""
    return Interval(0, (1 << bits) - 1)


def constant(value: int) -> Interval:
    return Interval(value, value)


def add(a: Interval, b: Interval) -> Interval:
    return Interval(a.low + b.low, a.high + b.high)


def subtract(a: Interval, b: Interval) -> Interval:
    return Interval(a.low - b.high, a.high - b.low)


def multiply(a: Interval, b: Interval) -> Interval:
    return Interval(a.low * b.low, a.high * b.high)


def divide(a: Interval, b: Interval) -> Interval:
    """Floor division; `b` does not hold 0."""
    return Interval(a.low // b.high, a.high // b.low)


def modulo(a: Interval, b: Interval) -> Interval:
    """Remainder; `b` does not hold 0."""
    if a.high < b.low:
        return a
    return Interval(0, min(a.high, b.high - 1))


def shift_left(a: Interval, b: Interval) -> Interval:
    return Interval(a.low << b.low, a.high << b.high)


def shift_right(a: Interval, b: Interval) -> Interval:
    return Interval(a.low >> b.high, a.high >> b.low)


def bit_and(a: Interval, b: Interval) -> Interval:
    if a.is_constant and b.is_constant:
        return constant(a.low & b.low)
    return Interval(0, min(a.high, b.high))


def bit_or(a: Interval, b: Interval) -> Interval:
    if a.is_constant and b.is_constant:
        return constant(a.low | b.low)
    bits = max(a.high.bit_length(), b.high.bit_length())
    return Interval(max(a.low, b.low), (1 << bits) - 1)


def bit_xor(a: Interval, b: Interval) -> Interval:
    if a.is_constant and b.is_constant:
        return constant(a.low ^ b.low)
    bits = max(a.high.bit_length(), b.high.bit_length())
    return Interval(0, (1 << bits) - 1)


def minimum(a: Interval, b: Interval) -> Interval:
    return Interval(min(a.low, b.low), min(a.high, b.high))


def maximum(a: Interval, b: Interval) -> Interval:
    return Interval(max(a.low, b.low), max(a.high, b.high))
