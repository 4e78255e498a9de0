"""Layouts at random: fields of odd widths, of units, of names, of bytes; optional in both ways, and repeated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from property.choices import Chooser

STEPS: Final = {"duration": (10_000, "10ms"), "rate": (1_000_000, "1mbps"), "size": (1024, "1KiB"),
                "segments": (1, "1mss"), "ratio": (10_000, "1%")}  # fmt: skip
"""How many base units a step of a field is, by unit, and how it is written."""
_MOST: Final = {"duration": 2**42 - 1, "rate": 2**40 - 1, "size": 2**48 - 1, "segments": 2**32 - 1, "ratio": 1_000_000}
_SUFFIXES: Final = {"number": "", "duration": "us", "rate": "bps", "size": "B", "segments": "mss"}


def literal(unit: str, value: int) -> str:
    """A number of base units as text."""
    if unit == "ratio":
        return f"{value // 10_000}.{value % 10_000:04}%"
    return f"{value}{_SUFFIXES[unit]}"


@dataclass(slots=True)
class Field:
    """A field. `kind` is a unit, or `enum`, `bool`, `ip4`, `ip6`, `bytes`; `low` and `high` are in base units."""

    name: str
    kind: str
    bits: int
    type: str
    low: int = 0
    high: int = 0
    step: int = 1
    names: list[str] = field(default_factory=list)
    """Of an enumeration."""
    suffix: str = ""
    """`when flag` or `optional`."""
    repeat: tuple[int, int] | None = None
    is_flag: bool = False
    fixed: int | None = None

    @property
    def declaration(self) -> str:
        """The line in the layout."""
        fixed = "" if self.fixed is None else f" = {self.fixed}"
        return f"{self.name} : {self.type}{fixed} {self.suffix}".rstrip()

    @property
    def is_number(self) -> bool:
        """Whether it is a number of any unit."""
        return self.kind in _SUFFIXES or self.kind == "ratio"


@dataclass(slots=True)
class Layout:
    """Fields in wire order, and how they belong together."""

    fields: list[Field] = field(default_factory=list)
    groups: dict[str, list[Field]] = field(default_factory=dict)
    """The fields behind each flag."""
    trailing: list[Field] = field(default_factory=list)
    repeated: Field | None = None

    @property
    def always(self) -> list[Field]:
        """What every `send` gives a value."""
        return [each for each in self.fields if not each.suffix and each.repeat is None and self.is_given(each)]

    def is_given(self, each: Field) -> bool:
        """Whether a `send` gives it a value: not to reserved space and flags."""
        return each.name != "_" and not each.is_flag


class LayoutMaker:
    """Makes layouts of at most `room` bytes behind kind, length and ExID."""

    def __init__(self, chooser: Chooser, room: int) -> None:
        self._choose = chooser
        self._room = room
        self._count = 0

    def make(self) -> Layout:
        """A layout."""
        choose, made = self._choose, Layout()
        flags = choose.one_of([0, 0, 1, 1, 2])
        self._room -= bool(flags)
        run = self._run(8 * choose.number(0 if flags else 1, max(1, min(8, self._room // 2))))
        flag_fields = [Field(f"has_{number}", "bool", 1, choose.one_of(["bool", "u1"]), is_flag=True)
                       for number in range(flags)]  # fmt: skip
        first = self._run(8 - flags) if flags else []
        made.fields = [*flag_fields, *first, *run]
        for flag in flag_fields:
            behind = self._bytes(choose.number(1, 2), f"when {flag.name}")
            flag.is_flag = bool(behind)
            if behind:
                made.groups[flag.name] = behind
            made.fields += behind
        self._end(made)
        return made

    def _end(self, made: Layout) -> None:
        match self._choose.one_of(["nothing", "trailing", "repeated"]):
            case "trailing":
                made.trailing = self._bytes(self._choose.number(1, 2), "optional")
                made.fields += made.trailing
            case "repeated" if self._room >= 2:
                width = self._choose.one_of([1, 1, 2, 3, 4])
                most = min(self._choose.number(1, 4), self._room // width)
                if most == 0:
                    return
                low = self._choose.number(0, min(1, most))
                name, top = self._name(), (1 << 8 * width) - 1
                bounds = f" in 3..={top - 3}" if self._choose.percent(30) else ""
                ends = (3, top - 3) if bounds else (0, top)
                made.repeated = Field(name, "number", 8 * width, f"u{8 * width}[{low}..={most}]{bounds}", *ends)
                made.repeated.repeat = (low, most)
                made.fields.append(made.repeated)
                self._room -= width * most

    def _name(self) -> str:
        self._count += 1
        return f"f{self._count}"

    def _run(self, bits: int) -> list[Field]:
        """Fields that fill so many bits."""
        found: list[Field] = []
        self._room -= bits // 8
        while bits:
            found.append(self._field(bits))
            bits -= found[-1].bits
        return found

    def _bytes(self, count: int, suffix: str) -> list[Field]:
        """Fields of whole bytes."""
        found = []
        for _ in range(count):
            if self._room < 1:
                break
            most = min(8, self._room)
            bits = 8 * self._choose.number(1, self._choose.one_of([most, min(4, most)]))
            made = self._wide(self._room * 8) if self._choose.percent(30) else None
            made = made or self._number(bits)
            made.suffix = suffix
            self._room -= made.bits // 8
            found.append(made)
        return found

    def _field(self, room: int) -> Field:
        choose = self._choose
        if room % 8 == 0 and choose.percent(20) and (wide := self._wide(room)):
            return wide
        bits = min(room, choose.one_of([1, 1, 2, 3, 4, 5, 7, 8, 8, 11, 13, 16, 20, 24, 31, 32, 33, 47, 57, 63, 64]))
        form = choose.number(1, 100)
        if form <= 12 and bits < 9:
            fixed = choose.number(0, (1 << bits) - 1) if choose.percent(50) else None
            return Field("_", "reserved", bits, f"u{bits}", fixed=fixed)
        if form <= 30 and bits == 1:
            return Field(self._name(), "bool", 1, "bool", 0, 1)
        if form <= 35 and 2 <= bits <= 16:
            return self._enumeration(bits)
        return self._number(bits)

    def _enumeration(self, bits: int) -> Field:
        if self._choose.percent(50) and bits == 3:
            return Field(self._name(), "enum", 3, "colour", names=["red", "green", "blue"])
        name = self._name()
        names = [f"{name}_{number}" for number in range(self._choose.number(1, min(1 << bits, 4)))]
        return Field(name, "enum", bits, f"u{bits} {{ {', '.join(names)} }}", names=names)

    def _number(self, bits: int) -> Field:
        choose, top = self._choose, (1 << bits) - 1
        unit = choose.one_of(["number", "number", "number", *STEPS])
        step, written = STEPS.get(unit, (1, ""))
        if unit != "number":
            top = min(top, _MOST[unit] // step)
        low, high = 0, top
        if unit == "ratio" or (choose.percent(50) and bits > 1):
            low = choose.one_of([0, choose.near(0, top)])
            high = choose.near(low, top)
        of = f" of {written}" if written else ""
        bounds = (
            f" in {literal(unit, low * step)}..={literal(unit, high * step)}"
            if (low, high) != (0, (1 << bits) - 1)
            else ""
        )
        return Field(self._name(), unit, bits, f"u{bits}{of}{bounds}", low * step, high * step, step)

    def _wide(self, room: int) -> Field | None:
        kinds = [("ip4", "ip4", 32), *[("ip6", "ip6", 128)] * 9]
        kinds += [("bytes", f"bytes[{length}]", 8 * length) for length in (1, 3, 6, 8, 9, 12)]
        fitting = [kind for kind in kinds if kind[2] <= room]
        if not fitting:
            return None
        kind, text, bits = self._choose.one_of(fitting)
        return Field(self._name(), kind, bits, text)
