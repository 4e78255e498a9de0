"""Reader of `.BTF`: from bytes to the types of `optdsl.elf.btf_types`.

Source of the format: `Documentation/bpf/btf.rst`, `include/uapi/linux/btf.h`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum
from struct import Struct

from optdsl.elf.btf_types import (
    Array,
    Btf,
    BtfType,
    Composite,
    DataSection,
    Enum,
    Float,
    Forward,
    Function,
    Int,
    Linkage,
    Member,
    Parameter,
    Placement,
    Pointer,
    Prototype,
    Qualifier,
    Tag,
    Typedef,
    Variable,
    Void,
    type_tag,
)
from optdsl.elf.errors import ObjectError
from optdsl.elf.layout import string_at

_HEADER = Struct("<HBBIIIII")
_MAGIC, _VERSION = 0xEB9F, 1

_TYPE = Struct("<III")
_ONE, _TWO, _THREE = Struct("<I"), Struct("<II"), Struct("<III")
_ENUM_VALUE, _SIGNED_ENUM_VALUE = Struct("<II"), Struct("<Ii")
_ENUM64_VALUE, _SIGNED_ENUM64_VALUE = Struct("<IQ"), Struct("<Iq")

_INT_SIGNED, _INT_BOOL = 1, 4
_LINKAGES: tuple[Linkage, ...] = ("static", "global", "extern")


class _Kind(IntEnum):
    """`BTF_KIND_*`."""

    INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST = range(1, 11)
    RESTRICT, FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(11, 20)


def parse(data: bytes) -> Btf:
    """Read a `.BTF` section whose relocations have been applied.

    Raises `ObjectError` if it is damaged: out of bounds, of an unknown kind, or with a reference that leads nowhere.
    """
    if len(data) < _HEADER.size:
        raise ObjectError(".BTF ends inside its header")
    magic, version, _, header_size, type_offset, type_size, string_offset, string_size = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != _VERSION or header_size < _HEADER.size:
        raise ObjectError(".BTF does not begin with a little-endian header of BTF version 1")
    records = data[header_size + type_offset :][:type_size]
    strings = data[header_size + string_offset :][:string_size]
    if len(records) != type_size or len(strings) != string_size:
        raise ObjectError(".BTF ends before its types or its strings do")
    types: tuple[BtfType, ...] = (Void(), *_Reader(records, strings).types())
    _check_references(types)
    return Btf(types, strings)


class _Reader:
    """Walks over the records, each a common head and what its kind appends."""

    def __init__(self, records: bytes, strings: bytes) -> None:
        self._records = records
        self._strings = strings
        self._position = 0

    def types(self) -> Iterator[BtfType]:
        while self._position < len(self._records):
            name_offset, info, size_or_type = self._take(_TYPE)
            kind, count, flag = info >> 24 & 0x1F, info & 0xFFFF, bool(info >> 31)
            yield self._type(kind, self._name(name_offset), count, flag, size_or_type)

    def _take(self, record: Struct) -> tuple[int, ...]:
        if self._position + record.size > len(self._records):
            raise ObjectError("the types in .BTF end in the middle of one")
        fields = record.unpack_from(self._records, self._position)
        self._position += record.size
        return fields

    def _repeat(self, record: Struct, count: int) -> Iterator[tuple[int, ...]]:
        return (self._take(record) for _ in range(count))

    def _name(self, offset: int) -> str:
        return string_at(self._strings, offset).decode("utf-8", "replace")

    def _type(self, kind: int, name: str, count: int, flag: bool, size_or_type: int) -> BtfType:
        """One type; `count` and `flag` are `vlen` and `kind_flag` of the format."""
        match kind:
            case _Kind.INT:
                return self._int(name, size_or_type)
            case _Kind.FLOAT:
                return Float(name, size_or_type)
            case _Kind.PTR:
                return Pointer(size_or_type)
            case _Kind.ARRAY:
                element, _, length = self._take(_THREE)
                return Array(element, length)
            case _Kind.STRUCT | _Kind.UNION:
                members = tuple(self._member(flag, *fields) for fields in self._repeat(_THREE, count))
                return Composite("struct" if kind == _Kind.STRUCT else "union", name, size_or_type, members)
            case _Kind.ENUM:
                return self._enum(name, size_or_type, flag, _SIGNED_ENUM_VALUE if flag else _ENUM_VALUE, count)
            case _Kind.ENUM64:
                return self._enum(name, size_or_type, flag, _SIGNED_ENUM64_VALUE if flag else _ENUM64_VALUE, count)
            case _Kind.FWD:
                return Forward("union" if flag else "struct", name)
            case _Kind.TYPEDEF:
                return Typedef(name, size_or_type)
            case _Kind.VOLATILE | _Kind.CONST | _Kind.RESTRICT:
                return Qualifier(_Kind(kind).name.lower(), size_or_type)
            case _Kind.TYPE_TAG:
                return type_tag(name, size_or_type)
            case _:
                return self._declaration(kind, name, count, size_or_type)

    def _declaration(self, kind: int, name: str, count: int, size_or_type: int) -> BtfType:
        match kind:
            case _Kind.FUNC:
                return Function(name, size_or_type, _linkage(count))
            case _Kind.FUNC_PROTO:
                parameters = (Parameter(self._name(offset), number) for offset, number in self._repeat(_TWO, count))
                return Prototype(size_or_type, tuple(parameters))
            case _Kind.VAR:
                return Variable(name, size_or_type, _linkage(*self._take(_ONE)))
            case _Kind.DATASEC:
                placements = (Placement(*fields) for fields in self._repeat(_THREE, count))
                return DataSection(name, size_or_type, tuple(placements))
            case _Kind.DECL_TAG:
                (component,) = self._take(Struct("<i"))
                return Tag(name, size_or_type, component)
            case _:
                raise ObjectError(f".BTF holds a type of unknown kind {kind}")

    def _int(self, name: str, size: int) -> Int:
        (fields,) = self._take(_ONE)
        encoding, bit_offset, bits = fields >> 24 & 0xF, fields >> 16 & 0xFF, fields & 0xFF
        if bit_offset + bits > size * 8 or size > 16:
            raise ObjectError(f".BTF describes the integer {name!r} with more bits than it has")
        return Int(name, size, bits, bit_offset, bool(encoding & _INT_SIGNED), bool(encoding & _INT_BOOL))

    def _enum(self, name: str, size: int, is_signed: bool, record: Struct, count: int) -> Enum:
        if size not in (0, 1, 2, 4, 8):  # 0 if it is only declared
            raise ObjectError(f".BTF describes the enumeration {name!r} with {size} bytes")
        values = tuple((self._name(offset), value) for offset, value in self._repeat(record, count))
        return Enum(name, size, is_signed, values)

    def _member(self, has_bit_sizes: bool, name_offset: int, number: int, offset: int) -> Member:
        """With `kind_flag` set, the upper byte of a member's offset is the width of a bit field."""
        bit_offset, bit_size = (offset & 0xFFFFFF, offset >> 24) if has_bit_sizes else (offset, 0)
        return Member(self._name(name_offset), number, bit_offset, bit_size)


def _linkage(number: int) -> Linkage:
    if number >= len(_LINKAGES):
        raise ObjectError(f".BTF knows no linkage {number}")
    return _LINKAGES[number]


def _check_references(types: tuple[BtfType, ...]) -> None:
    for number, found in enumerate(types):
        if any(reference >= len(types) for reference in _references(found)):
            raise ObjectError(f"type {number} in .BTF refers to a type that does not exist")
        match found:
            case Function(prototype=prototype) if not isinstance(types[prototype], Prototype):
                raise ObjectError(f"type {number} in .BTF is a function without a function's type")
            case DataSection(placements=placements) if not all(
                isinstance(types[placement.variable], Variable | Function) for placement in placements
            ):
                raise ObjectError(f"type {number} in .BTF is a data section of something else than variables")


def _references(found: BtfType) -> Iterable[int]:
    """The numbers of the types that a type refers to."""
    match found:
        case Pointer(target) | Typedef(_, target) | Qualifier(_, target) | Tag(_, target):
            return (target,)
        case Array(element):
            return (element,)
        case Composite(members=members):
            return (member.type for member in members)
        case Prototype(returns, parameters):
            return (returns, *(parameter.type for parameter in parameters))
        case Function(_, number) | Variable(_, number):
            return (number,)
        case DataSection(placements=placements):
            return (placement.variable for placement in placements)
        case _:
            return ()
