"""Expressions of all units, and conditions near the edges of ranges, over the names of a vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

LITERALS: Final = {
    "number": ["0", "1", "2", "3", "7", "8", "63", "64", "65", "200", "255", "256", "299", "300", "65535", "65536",
               "4294967295", "9223372036854775808", "18446744073709551615"],
    "duration": ["0us", "1us", "10ms", "1s", "2s", "1h", "50d"],
    "rate": ["0bps", "1bps", "1mbps", "10gbps"],
    "size": ["0B", "1B", "1460B", "64KiB", "1GiB"],
    "segments": ["0mss", "1mss", "10mss", "1000mss"],
    "ratio": ["0%", "0.0001%", "1%", "50%", "100%"],
}  # fmt: skip
UNITS: Final = list(LITERALS)
FUNCTIONS: Final = """
fn half(x : u64) -> u64 { x / 2 }
fn without(x : u64, y : u64) -> u64 { let z = max(x, y)  if x > y { x - y } else { saturate(z - y) } }
fn part(x : u64, y : u64) -> u64 { if y != 0 { x / y } else { x } }
fn later(x : duration, y : duration) -> duration { max(x, y) }
"""
"""What expressions call."""
_PRODUCTS: Final = {
    "duration": ["later({duration}, {duration})", "({size} / {rate})", "({duration} * {ratio})"],
    "rate": ["({size} / {duration})", "({ratio} * {rate})"],
    "size": ["({rate} * {duration})", "({segments} * {mss})", "({size} * {ratio})"],
    "segments": ["({size} / {mss})", "({segments} * {ratio})"],
    "ratio": ["({ratio} * {ratio})"],
}


@dataclass(slots=True)
class Vocabulary:
    """The names that expressions are made of. Values of other types stand in conditions only."""

    names: dict[str, list[str]]
    """By unit."""
    flags: list[str]
    """Conditions."""
    narrow: list[str]
    """Numbers of a declared width, for `~`."""
    mss: str = "socket.mss"
    lets: list[tuple[str, str]] = field(default_factory=list)
    """Names of `let` with their units."""


class Expressions:
    """Draws expressions as text."""

    def __init__(self, one_of: Callable[[Sequence[str]], str], words: Vocabulary) -> None:
        self.one_of = one_of
        self.words = words

    def leaf(self, unit: str) -> str:
        """A name or a literal."""
        names = self.words.names.get(unit, []) + [name for name, of in self.words.lets if of == unit]
        return self.one_of([*names, *names, *LITERALS[unit]])

    def value(self, unit: str, depth: int) -> str:
        """An expression; `depth` says how deep it may be."""
        if depth == 0:
            return self.leaf(unit)
        kinds = ["leaf", "+", "-", "saturate", "*", "/", "%", "min", "max", "clamp", "if", "ceil"]
        kinds += ["bits", "shift", "~", "fn", "quotient"] if unit == "number" else ["product"]
        kind = self.one_of(kinds)

        def same() -> str:
            return self.value(unit, depth - 1)

        def number() -> str:
            return self.value("number", depth - 1)

        match kind:
            case "+" | "%":
                return f"({same()} {kind} {same()})"
            case "-":
                return f"({same()} - {same()})"
            case "saturate":
                return f"saturate({same()} - {same()})"
            case "*" | "/":
                return f"({same()} {kind} {number()})"
            case "min" | "max":
                return f"{kind}({same()}, {same()})"
            case "clamp":
                return f"clamp({same()}, {self.leaf(unit)}, {self.leaf(unit)})"
            case "ceil":
                return f"ceil({same()} / {number()})"
            case "if":
                return f"(if {self.condition(depth - 1)} {{ {same()} }} else {{ {same()} }})"
            case "leaf":
                return self.leaf(unit)
            case _:
                return self._special(kind, unit, depth)

    def _special(self, kind: str, unit: str, depth: int) -> str:
        def value(other: str) -> str:
            return self.value(other, depth - 1)

        match kind:
            case "bits":
                return f"({value('number')} {self.one_of(['&', '|', '^'])} {value('number')})"
            case "shift":
                by = self.one_of(["1", "3", "8", "17", "63", self.leaf("number")])
                return f"({value('number')} {self.one_of(['<<', '>>', '>>'])} {by})"
            case "~":
                return f"~{self.one_of(self.words.narrow)}" if self.words.narrow else self.leaf(unit)
            case "fn":
                name = self.one_of(["half", "without", "part"])
                return f"{name}({value('number')}{'' if name == 'half' else ', ' + value('number')})"
            case "quotient":
                other = self.one_of(UNITS[1:])
                return f"({value(other)} / {value(other)})"
            case _:
                template = self.one_of(_PRODUCTS[unit])
                return template.format(**{name: value(name) for name in UNITS}, mss=self.words.mss)

    def condition(self, depth: int) -> str:
        """A condition."""
        kind = self.one_of(["compare", "compare", "compare", "in", "flag", "and", "or", "not"])
        if depth > 0 and kind in ("and", "or"):
            return f"({self.condition(depth - 1)} {kind} {self.condition(depth - 1)})"
        if depth > 0 and kind == "not":
            return f"not {self.condition(depth - 1)}"
        if kind == "flag" and self.words.flags:
            return self.one_of(self.words.flags)
        unit = self.one_of(["number", "number", "number", *UNITS])
        left = self.value(unit, min(depth, 1))
        if kind == "in":
            return f"{left} in {self.leaf(unit)}..={self.leaf(unit)}"
        return f"{left} {self.one_of(['<', '<=', '>', '>=', '==', '!='])} {self.value(unit, min(depth, 1))}"
