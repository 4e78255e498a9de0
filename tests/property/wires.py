"""Options as a peer may send them: valid ones of every form of a layout, encoded by code that is not the compiler's."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from optdsl.semantics import model
from optdsl.semantics.types import BytesType, EnumType
from property.evaluator import pick


def wires_of(program: model.CheckedProgram, chance: Random, count: int = 6) -> list[bytes]:
    """Some valid options of each option of a program that anything is done with on receipt."""
    return [wire(option.layout, chance) for option in program.options if option.receives for _ in range(count)]


def wire(layout: model.Layout, chance: Random) -> bytes:
    """A valid option with values at random."""
    return encode(layout, any_values(layout, chance), chance)


def any_values(layout: model.Layout, chance: Random) -> dict[model.Field, list[int]]:
    """Raw values of a valid option: of a repeated field several, of one that is not there none."""
    values: dict[model.Field, list[int]] = {}
    flags = {each.name: chance.random() < 0.6 for each in layout.fields if layout.guarded_by(each.name)}
    trailing = [each for each in layout.fields if each.presence is model.Presence.LENGTH]
    there = set(trailing[: chance.randint(0, len(trailing))])
    for each in layout.fields:
        if each.repeat is not None:
            values[each] = [_value(each, chance) for _ in range(chance.randint(each.repeat.low, each.repeat.high))]
        elif each.name in flags:
            values[each] = [int(flags[each.name])]
        elif not each.is_reserved and (
            each.presence is model.Presence.ALWAYS or each in there or flags.get(each.flag, False)
        ):
            values[each] = [_value(each, chance)]
    return values


def encode(layout: model.Layout, values: Mapping[model.Field, list[int]], chance: Random | None = None) -> bytes:
    """The bytes of an option: flags as the fields behind them are there, free reserved bits 0 without `chance`."""
    bits = ""
    for each in layout.fields:
        guarded = layout.guarded_by(each.name)
        if each.is_reserved:
            free = chance.getrandbits(each.bits) if chance is not None else 0
            numbers = [free if each.fixed is None else each.fixed]
        elif guarded:
            numbers = [int(guarded[0] in values)]
        else:
            numbers = values.get(each, [])
        bits += "".join(f"{number:0{each.bits}b}" for number in numbers)
    content = int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""
    return bytes((layout.header[0], len(layout.header) + len(content))) + layout.header[2:] + content


def _value(each: model.Field, chance: Random) -> int:
    if isinstance(each.type, EnumType):
        return chance.choice(each.type.members)[1]
    return chance.getrandbits(each.bits) if isinstance(each.type, BytesType) else pick(chance, each.raw)
