"""The bit diagram of an option, as the RFC that defines it would show it, and the table of its fields.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |   Kind=253    |    Length     |          ExID=0x4441          |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |H|     rsv     | [max_delack]  |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

    H  has_delack   1 bit   set when max_delack follows
       max_delack   8 bits  0us..=255ms in steps of 1ms, when has_delack

Brackets mark what may be absent; it is drawn where it stands when everything before it is there. Reserved bits are
`rsv` (`0` where that does not fit), checked ones show their value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from string import ascii_lowercase, ascii_uppercase, digits

from optdsl.backends.diagram_grid import Box, draw, label_width
from optdsl.record import record
from optdsl.semantics import model
from optdsl.semantics.types import BoolType, BytesType, EnumType, NumberType
from optdsl.semantics.units import Unit, show, show_range

_MOST_ELEMENTS = 4
"""A repeated field with more elements is drawn as one part of varying length."""


@record
class Diagram:
    """The lines of the drawing, and the abbreviations in it, by field name."""

    lines: tuple[str, ...]
    marks: dict[str, str]


def diagram(option: model.Option) -> Diagram:
    """Draws an option: kind, length, ExID and every field, most significant bit first."""
    boxes = list(_header(option))
    marks = {field.name: field.name for field in option.layout.fields}
    position = sum(box.bits for box in boxes)
    for field in option.layout.fields:
        for box in _boxes(field, position, marks):
            boxes.append(box)
            position += box.bits
    return Diagram(tuple(draw(boxes)), {name: mark for name, mark in marks.items() if mark != name})


def field_rows(option: model.Option, marks: dict[str, str]) -> list[tuple[str, str, str, str]]:
    """A row for each named field: its abbreviation in the diagram, its name, its width, and what it holds."""
    fields = [field for field in option.layout.fields if not field.is_reserved]
    return [(marks.get(field.name, ""), field.name, _width(field), _meaning(option, field)) for field in fields]


def sizes_text(layout: model.Layout) -> str:
    """The lengths that an option may have: `6 bytes`, `5 or 6 bytes`, `5 to 12 bytes`."""
    sizes = layout.sizes
    if len(sizes) == 1:
        return f"{sizes[0]} bytes"
    if len(sizes) <= 3:
        return f"{', '.join(str(size) for size in sizes[:-1])} or {sizes[-1]} bytes"
    return f"{sizes[0]} to {sizes[-1]} bytes"


def kind_text(option: model.Option) -> str:
    """`kind 28`; `kind 253, ExID 0x4441`."""
    return f"kind {option.kind}" + (f", ExID {_exid(option)}" if option.exid is not None else "")


# ------------------------------------------------------------------------------------------------------ boxes


def _header(option: model.Option) -> Iterator[Box]:
    layout = option.layout
    yield Box(f"Kind={option.kind}", 8)
    yield Box(f"Length={layout.sizes[0]}" if len(layout.sizes) == 1 else "Length", 8)
    if option.exid is not None:
        yield Box(f"ExID={_exid(option)}", 8 * option.exid_bytes)


def _exid(option: model.Option) -> str:
    return f"0x{option.exid or 0:0{2 * option.exid_bytes}X}"


def _boxes(field: model.Field, position: int, marks: dict[str, str]) -> Iterator[Box]:
    """The boxes of one field that begins at a bit of the option. `marks` has the names to draw, by field."""
    if field.is_reserved:
        yield Box(_reserved(field, label_width(position, field.bits)), field.bits, continued="")
    elif field.repeat is None:
        yield _box(field, position, field.presence is not model.Presence.ALWAYS, "", marks)
    elif field.repeat.high <= _MOST_ELEMENTS:
        for number in range(1, field.repeat.high + 1):
            box = _box(field, position, number > field.repeat.low, f" {number}", marks)
            position += box.bits
            yield box
    else:
        count = f"{field.repeat.low}..={field.repeat.high}"
        yield Box(f"{field.name}, {count} times {_width(field)}"[:63], 0)


def _box(field: model.Field, position: int, optional: bool, suffix: str, marks: dict[str, str]) -> Box:
    pattern = f"[{{}}{suffix}]" if optional else f"{{}}{suffix}"
    room = label_width(position, field.bits) - (len(pattern) - 2)
    if len(marks[field.name]) > room:
        marks[field.name] = _mark(field.name, room, marks.values())
    return Box(pattern.format(marks[field.name]), field.bits)


def _mark(name: str, room: int, taken: Iterable[str]) -> str:
    """A short form of a name, of at most `room` characters, that no other field has."""
    words = [word for word in name.split("_") if word]
    initials = "".join(word[0] for word in words).upper()
    candidates = [initials, *name.replace("_", "").upper(), *ascii_uppercase, *ascii_lowercase, *digits]
    used = set(taken)
    return next((each for each in candidates if len(each) <= room and each not in used), "*")


def _reserved(field: model.Field, room: int) -> str:
    if field.fixed is not None:
        bits = " ".join(f"{field.fixed:0{field.bits}b}")
        return bits if len(bits) <= room and field.bits <= 16 else f"=0x{field.fixed:x}"
    return "rsv" if room >= 3 else "0"


# ----------------------------------------------------------------------------------------------------- fields


def _width(field: model.Field) -> str:
    if field.bits >= 32 and field.bits % 8 == 0:
        return f"{field.bits // 8} bytes"
    return f"{field.bits} bit{'' if field.bits == 1 else 's'}"


def _meaning(option: model.Option, field: model.Field) -> str:
    parts = [_values(option, field)]
    if field.flag:
        parts.append(f"when {field.flag}")
    elif field.presence is model.Presence.LENGTH:
        parts.append("if the length has room for it")
    if field.repeat is not None:
        parts.append(f"{field.repeat.low} to {field.repeat.high} times")
    return ", ".join(part for part in parts if part)


def _values(option: model.Option, field: model.Field) -> str:
    """What a field may hold, in human units."""
    guarded = option.layout.guarded_by(field.name)
    if guarded:
        return f"set when {' and '.join(each.name for each in guarded)} follow{'' if len(guarded) > 1 else 's'}"
    match field.type:
        case EnumType(members=members):
            return ", ".join(f"{value} = {name}" for name, value in members)
        case BoolType():
            return "0 or 1"
        case BytesType() as kind:
            return str(kind)
        case NumberType(unit=unit):
            return _number(field, unit)
        case _:
            return ""


def _number(field: model.Field, unit: Unit) -> str:
    whole = field.raw.low == 0 and field.raw.high == (1 << field.bits) - 1
    if unit is Unit.NUMBER and field.step == 1:
        return "any number" if whole and field.bits > 16 else f"{field.raw.low}..={field.raw.high}"
    return f"{show_range(field.interval.low, field.interval.high, unit)} in steps of {show(field.step, unit)}"
