"""Params and tables as user space sets them: any bytes, in the maps of the kernel and in the interpreter's memory."""

from __future__ import annotations

from random import Random

from optdsl.elf.btf_types import DataSection, Variable
from optdsl.ir.machine import Machine
from optdsl.ir.types import Array, ByteArray, MapKind, Scalar, Section, Struct, Type
from optdsl.kernel.libbpf import Object


def change(chance: Random, machine: Machine, loaded: Object) -> None:
    """Writes the same values into the params and the tunable tables of both."""
    section = Section.PARAMETERS.value
    variables = [each for each in machine.program.globals if each.section is Section.PARAMETERS]
    if variables:
        target = loaded.map(section)
        image, places = bytearray(target.lookup(bytes(4)) or b""), _places(loaded, section)
        for variable in variables:
            region = machine.memory.globals[variable.name]
            _any(chance, variable.type, region.data, 0)
            start = places[variable.name]
            image[start : start + variable.type.size] = region.data
        target.update(bytes(4), bytes(image))
    for definition in machine.program.maps:
        if definition.kind is MapKind.HASH and isinstance(definition.key, Scalar):
            for _ in range(chance.randrange(4)):
                _add_entry(chance, definition.name, definition.key, machine, loaded)


def _add_entry(chance: Random, name: str, kind: Scalar, machine: Machine, loaded: Object) -> None:
    table = machine.memory.tables[name]
    if len(table) >= machine.memory.maps[name].max_entries:
        return
    key = chance.choice([chance.randrange(8), chance.getrandbits(kind.bits)]) % (1 << kind.bits)
    value = machine.memory.map_value(name)
    _any(chance, value.type, value.data, 0)
    table[key] = value
    loaded.map(name).update(key.to_bytes(kind.size, "little"), bytes(value.data))


def _places(loaded: Object, section: str) -> dict[str, int]:
    """Where in a section of variables each of them stands."""
    types = loaded.btf
    assert types is not None
    number = types.find(DataSection, section)
    assert number is not None
    found = types.types[number]
    assert isinstance(found, DataSection)
    places = {}
    for placement in found.placements:
        variable = types.types[placement.variable]
        assert isinstance(variable, Variable)
        places[variable.name] = placement.offset
    return places


def _any(chance: Random, kind: Type, data: bytearray, start: int) -> None:
    """Changes about half of what is there: to small numbers, to the ends of what fits, to anything."""
    match kind:
        case Struct():
            for member in kind.members:
                _any(chance, member.type, data, start + kind.offset(member.name))
        case Array():
            for index in range(kind.length):
                _any(chance, kind.element, data, start + index * kind.element.size)
        case Scalar() if chance.random() < 0.5:
            top = (1 << kind.bits) - 1
            near = int.from_bytes(data[start : start + kind.size], "little")
            number = chance.choice([0, 1, chance.randrange(300), top, chance.randint(0, top), near + 1, near - 1])
            data[start : start + kind.size] = (number & top).to_bytes(kind.size, "little")
        case ByteArray() if chance.random() < 0.4:
            whole = chance.random() < 0.5
            length = kind.length if whole else chance.randrange(kind.length + 1)
            data[start : start + kind.length] = chance.randbytes(length).ljust(kind.length, b"\0")
