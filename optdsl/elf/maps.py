"""Maps of an object, from the BTF of the variables in its `.maps` section.

A declaration encodes numbers as pointers to arrays and types as pointers to them:

    struct { int (*type)[1]; int (*max_entries)[1024]; struct peer *key; __u64 *value; } peers SEC(".maps");

Source: `tools/lib/bpf/bpf_helpers.h` (`__uint`, `__type`) and `parse_btf_map_def` in `tools/lib/bpf/libbpf.c`.
"""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.elf.btf_text import declare, define
from optdsl.elf.btf_types import Array, Btf, Composite, DataSection, Pointer, Variable
from optdsl.elf.errors import ObjectError
from optdsl.elf.model import Map, TypeText
from optdsl.uapi import MAP_TYPE_NAMES

SECTION_NAME = ".maps"


def read_maps(btf: Btf) -> tuple[Map, ...]:
    """The maps that `btf` describes, in the order of the section. Raises `ObjectError` for a malformed declaration."""
    return tuple(_map(btf, variable) for variable in _variables(btf))


def _variables(btf: Btf) -> Iterator[Variable]:
    for section in btf.types:
        if isinstance(section, DataSection) and section.name == SECTION_NAME:
            for placement in sorted(section.placements, key=lambda placement: placement.offset):
                variable = btf.types[placement.variable]
                if isinstance(variable, Variable):
                    yield variable


def _map(btf: Btf, variable: Variable) -> Map:
    declaration = btf.resolve(variable.type)
    if not isinstance(declaration, Composite):
        raise ObjectError(f"the map {variable.name} is not declared as a struct")
    members = {member.name: member.type for member in declaration.members}
    numbers = {name: _number(btf, number) for name, number in members.items()}
    type_number = numbers.get("type")
    if type_number is None:
        raise ObjectError(f"the map {variable.name} is declared without a type")
    return Map(
        name=variable.name,
        type_name=MAP_TYPE_NAMES.get(type_number, str(type_number)),
        key=_type(btf, members.get("key"), numbers.get("key_size")),
        value=_type(btf, members.get("value"), numbers.get("value_size")),
        max_entries=numbers.get("max_entries") or 0,
        flags=numbers.get("map_flags") or 0,
        is_pinned=bool(numbers.get("pinning")),
    )


def _number(btf: Btf, number: int) -> int | None:
    """The number that `__uint` encodes as the length of an array pointed to; None for any other type."""
    pointer = btf.resolve(number)
    if isinstance(pointer, Pointer):
        array = btf.resolve(pointer.target)
        if isinstance(array, Array):
            return array.length
    return None


def _type(btf: Btf, number: int | None, size: int | None) -> TypeText | None:
    """The type that `__type` encodes as a pointer to it or, if the declaration gives only a size, that."""
    if number is None:
        return None if size is None else TypeText("", size, "")
    pointer = btf.resolve(number)
    if not isinstance(pointer, Pointer):
        raise ObjectError("the key or value of a map is not declared as a pointer to its type")
    return TypeText(declare(btf, pointer.target), btf.size_of(pointer.target), define(btf, pointer.target))
