"""Params, states, tables and constants of an option, and the vocabulary that they make with its fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from property.choices import Chooser
from property.expressions import Vocabulary
from property.fields import Field, Layout, literal
from property.pieces import Piece

SHARED: Final = """enum colour : u3 { red = 1, green, blue = 6 }
const lab = { 192.0.2.0/31, 2001:db8::/64 }
const mine = { lab, 10.0.0.0/8, 192.0.2.77 }
const most = 1000
const algorithm = "reno"
"""
"""Declared in every program; what is not used is left out by the compiler."""
_ALWAYS: Final = (
    "param n : u64 = 5",
    "param d : duration = 1s in 10ms..=2s",
    "param r : rate = 1mbps in 1kbps..=10gbps",
    "param z : size = 1MB",
    "param m : segments = 10mss in 1mss..=1000mss",
    "param i : ratio = 50%",
    "param g : segment_size = 1448B in 536B..=9000B",
    "param c : bool = true",
    "param hue : colour = green",
    'param cc : text[16] = "reno"',
    "param peers : prefixes[4] = { 192.0.2.0/24, 2001:db8::2 }",
    "param at6 : address = 2001:db8::1",
    "param at4 : ip4 = 192.0.2.1",
    "param tag : bytes[6] = 0x010203040506",
    "param tunable : u8 = 5 in 3..=200",
)
_STATES: Final = (
    "state s : u16 = 7 in 0..=1000",
    "state k : u32 = 5 in 2..=100000",
    "state q : u64",
    "state l : duration = 0s",
    "state j : bool",
    "state inferred : u32 = 1",
    "state last : bytes[6] = 0",
    "state loosely : u32",
)
_FULL: Final = ["socket.peer.port", "socket.local.port"]
_KEPT: Final = {
    "number": ["socket.mark", "socket.priority", "socket.keep_count"],
    "duration": ["socket.user_timeout", "socket.keep_idle"],
}
"""Attributes whose values are what the program has set."""


@dataclass(slots=True)
class Values:
    """What an option declares beside its layout. `wide` has names of bytes by length."""

    pieces: list[Piece] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    wide: dict[int, list[str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """The param that has the type of a field, by the field's name."""

    def vocabulary(self, layout: Layout | None) -> Vocabulary:
        """The names for expressions; with those of the fields, where they can be read."""
        names = {unit: list(found) for unit, found in self.names.items()}
        flags = list(self.flags)
        narrow = ["tunable", "(tunable & 7)", "s"]
        for each in layout.fields if layout is not None else []:
            if each.is_flag:
                flags += [each.name, f"not {each.name}"]
            elif each.name == "_":
                continue
            elif each.repeat is not None:
                names["number"] += [f"count({each.name})", f"{each.name}[0]", f"{each.name}[1]"]
                flags += [f"count({each.name}) > {number}" for number in range(2)]
            else:
                self._add(each, names, flags, narrow)
        return Vocabulary(names, flags, narrow, mss="g")

    def _add(self, each: Field, names: dict[str, list[str]], flags: list[str], narrow: list[str]) -> None:
        if each.suffix:
            flags += [f"has {each.name}"] * 2
        match each.kind:
            case "enum":
                flags.append(f"{each.name} == {each.names[0]}")
            case "bool":
                flags += [each.name, f"{each.name} == false"]
            case "ip4":
                flags += [f"{each.name} == at4", f"{each.name} != socket.peer.ip4", f"{each.name} in mine"]
            case "ip6":
                flags += [f"{each.name} == at6", f"{each.name} in peers", f"{each.name} == socket.local.address"]
            case "bytes":
                flags.append(f"{each.name} == 0x0102")
            case unit:
                names[unit] += [each.name, each.name]
                narrow += [each.name] if unit == "number" else []


def declare(choose: Chooser, layout: Layout) -> Values:
    """Declarations; most of the names are in every option, so that every expression has something to say."""
    made = Values()
    made.names = {
        "number": ["n", "tunable", "most", "s", "k", "q", "inferred", *_FULL, *_KEPT["number"]],
        "duration": ["d", "l", *_KEPT["duration"]],
        "rate": ["r"],
        "size": ["z", "g"],
        "segments": ["m"],
        "ratio": ["i"],
    }
    made.flags = ["c", "j", "hue == red", "hue != blue", "socket.ipv6", "socket.peer.address in peers", "received",
                  "socket.peer.address in lab", 'cc == "reno"', "socket.peer.ip4 == at4", "tag == last",
                  "socket.nodelay", "socket.local.address in mine", "cc == algorithm"]  # fmt: skip
    made.wide = {16: ["at6", "socket.peer.address", "socket.local.address"], 4: ["at4", "socket.local.ip4"],
                 6: ["tag", "last"]}  # fmt: skip
    made.pieces = [Piece(text) for text in (*_ALWAYS, *_STATES)]
    for each in layout.fields:
        if layout.is_given(each) and choose.percent(70):
            _source(choose, each, made)
    _tables(choose, made)
    return made


def _source(choose: Chooser, each: Field, made: Values) -> None:
    """A param with the type of a field."""
    name = f"p_{each.name}"
    made.sources[each.name] = name
    match each.kind:
        case "enum":
            kind, first = each.type if each.type == "colour" else "", each.names[-1]
            if not kind:
                del made.sources[each.name]
                return
        case "bool":
            kind, first = "bool", "false"
        case "ip4":
            kind, first = "ip4", "198.51.100.7"
        case "ip6":
            kind, first = "address", "2001:db8::77"
        case "bytes":
            kind, first = each.type, str(choose.number(0, (1 << each.bits) - 1))
            made.wide.setdefault(each.bits // 8, []).append(name)
        case unit:
            low, high = each.low, each.high
            kind = f"u{each.bits}" if unit == "number" else unit
            first = literal(unit, choose.near(low, high))
            bounds = f" in {literal(unit, low)}..={literal(unit, high)}"
            made.pieces.append(Piece(f"param {name} : {kind} = {first}{bounds}"))
            made.names[unit].append(name)
            return
    made.pieces.append(Piece(f"param {name} : {kind} = {first}"))


def _tables(choose: Chooser, made: Values) -> None:
    for number in range(choose.one_of([0, 0, 1, 1, 2])):
        name = f"t{number}"
        key, keys = choose.one_of([("u8", 255), ("u4", 15), ("u16", 65535), ("u32", 2**32 - 1)])
        value = choose.one_of(["u32", "u64", "duration", "text[16]", "u8"])
        entries = {
            choose.one_of([choose.number(0, min(keys, 9)), choose.near(0, keys)]) for _ in range(choose.number(1, 12))
        }
        texts = [f"{each}: {_entry(choose, value)}" for each in sorted(entries)]
        tunable = "param " if choose.percent(40) else ""
        made.pieces.append(Piece(f"{tunable}table {name} : {key} -> {value} {{ {', '.join(texts)} }}"))
        made.tables.append(f"{name} {value}")


def _entry(choose: Chooser, value: str) -> str:
    match value:
        case "text[16]":
            return choose.one_of(['"reno"', '"cubic"', '"none"', '"bbr"'])
        case "duration":
            return literal("duration", choose.near(0, 2**42 - 1))
        case _:
            return str(choose.near(0, (1 << int(value[1:])) - 1))
