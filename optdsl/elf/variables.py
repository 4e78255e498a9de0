"""Global variables of an object: where they stand, their C types and the values they start with.

BTF describes those that the source declares; symbols that BTF leaves out (tables and string literals of the compiler,
objects built without debug information) are listed as arrays of bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.elf import maps
from optdsl.elf.btf_text import declare, define, initializer
from optdsl.elf.btf_types import MAX_DEPTH, Array, Btf, DataSection, Typedef
from optdsl.elf.btf_types import Variable as BtfVariable
from optdsl.elf.btf_values import decode
from optdsl.elf.image import Image, ImageSection, Symbol
from optdsl.elf.model import DECODED_SIZE, Variable

LICENSE_SECTION = "license"


def read_variables(image: Image, btf: Btf) -> tuple[Variable, ...]:
    """The variables in every data section but `.maps` and `license`, sorted by section and offset.

    Raises `ObjectError` if one reaches beyond its section or contradicts its type.
    """
    variables: list[Variable] = []
    for section in image.sections:
        if is_data(section):
            described = list(_described(section, btf))
            offsets = {variable.offset for variable in described}
            described += [_undescribed(section, symbol) for symbol in _objects(image, section, offsets)]
            variables += sorted(described, key=lambda variable: (variable.offset, variable.name))
    return tuple(variables)


def is_data(section: ImageSection) -> bool:
    """Whether global variables of the program may stand in the section."""
    is_variable_kind = section.is_allocated and section.type in ("progbits", "nobits") and not section.is_code
    return is_variable_kind and section.name not in (maps.SECTION_NAME, LICENSE_SECTION)


def _described(section: ImageSection, btf: Btf) -> Iterator[Variable]:
    for found in btf.types:
        if isinstance(found, DataSection) and found.name == section.name:
            for placement in found.placements:
                variable = btf.types[placement.variable]
                if isinstance(variable, BtfVariable) and variable.linkage != "extern":
                    yield _variable(section, btf, variable, placement.offset, placement.size)


def _variable(section: ImageSection, btf: Btf, variable: BtfVariable, offset: int, size: int) -> Variable:
    data = section.bytes_at(offset, size) if size <= DECODED_SIZE else None
    initial = None if data is None else decode(btf, variable.type, data)
    return Variable(
        name=variable.name,
        section=section.name,
        offset=offset,
        size=size,
        declaration=declare(btf, variable.type, variable.name),
        typedef=_typedef(btf, variable.type),
        initial=initial,
        initializer="" if initial is None else initializer(btf, variable.type, initial),
        definition=define(btf, variable.type),
    )


def _typedef(btf: Btf, number: int) -> str:
    """The typedef name of a type or, for an array, of its elements."""
    for _ in range(MAX_DEPTH):
        match btf.unqualified(number):
            case Typedef(name=name):
                return name
            case Array(element=element):
                number = element
            case _:
                break
    return ""


def _objects(image: Image, section: ImageSection, described: set[int]) -> Iterator[Symbol]:
    for symbol in image.symbols:
        is_here = symbol.section == section.index and symbol.kind == "object"
        if is_here and symbol.value not in described:
            yield symbol


def _undescribed(section: ImageSection, symbol: Symbol) -> Variable:
    data = section.bytes_at(symbol.value, symbol.size) if symbol.size <= DECODED_SIZE else None
    return Variable(
        name=symbol.name,
        section=section.name,
        offset=symbol.value,
        size=symbol.size,
        declaration=f"unsigned char {symbol.name}[{symbol.size}]",
        typedef="",
        initial=None if data is None else list(data),
        initializer="" if data is None else f"{{{', '.join(map(str, data))}}}",
    )
