"""Values of variables: bytes decoded by their BTF type into Python integers, lists and dictionaries.

A `struct { int x; short y[2]; }` of the bytes `fd ff ff ff 01 00 02 00` is `{"x": -3, "y": [1, 2]}`.
"""

from __future__ import annotations

from struct import unpack
from typing import TypeAlias

from optdsl.elf.btf_types import MAX_DEPTH, Array, Btf, Composite, Enum, Float, Int, Member
from optdsl.elf.errors import ObjectError

Value: TypeAlias = "int | float | list[Value] | dict[str, Value]"

# The format lets members overlap, so that damaged type information could ask for more values than memory can hold.
_MAX_VALUES = 1 << 18
_FLOAT_FORMATS = {2: "<e", 4: "<f", 8: "<d"}


def decode(btf: Btf, number: int, data: bytes) -> Value:
    """The value that `data` holds as the type `number`.

    Arrays are lists, structs and unions dictionaries by member (members of anonymous ones belong to the outer one),
    booleans `bool`, pointers and all else integers. Raises `ObjectError` if `data` is smaller than the type or the
    type is inconsistent in itself.
    """
    return _Decoder(btf, data).value(number, 0, MAX_DEPTH)


class _Decoder:
    def __init__(self, btf: Btf, data: bytes) -> None:
        self._btf = btf
        self._data = data
        self._left = _MAX_VALUES

    def value(self, number: int, offset: int, depth: int) -> Value:
        """The value of a type at a byte offset."""
        self._left -= 1
        if depth == 0 or self._left < 0:
            raise ObjectError("a variable's type in .BTF is nested too deeply or contains itself")
        match self._btf.resolve(number):
            case Int() as found:
                whole = int.from_bytes(self._bytes(offset, found.size), "little")
                value = _bits(whole, found.bit_offset, found.bits, found.is_signed)
                return bool(value) if found.is_boolean else value
            case Enum() as found:
                return int.from_bytes(self._bytes(offset, found.size), "little", signed=found.is_signed)
            case Float(size=size) if size in _FLOAT_FORMATS:
                decoded: float = unpack(_FLOAT_FORMATS[size], self._bytes(offset, size))[0]
                return decoded
            case Array(element, length):
                size = self._btf.size_of(element)
                return [self.value(element, offset + index * size, depth - 1) for index in range(length if size else 0)]
            case Composite() as composite:
                return self._members(composite, offset, depth)
            case _:
                return int.from_bytes(self._bytes(offset, self._btf.size_of(number)), "little")

    def _bytes(self, offset: int, size: int) -> bytes:
        if offset + size > len(self._data):
            raise ObjectError("a variable is smaller than its type in .BTF")
        return self._data[offset : offset + size]

    def _members(self, composite: Composite, offset: int, depth: int) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for member in composite.members:
            value = self._member(member, offset, depth)
            if member.name:
                values[member.name] = value
            elif isinstance(value, dict):
                values |= value
        return values

    def _member(self, member: Member, offset: int, depth: int) -> Value:
        if not member.bit_size:
            return self.value(member.type, offset + member.bit_offset // 8, depth - 1)
        found = self._btf.resolve(member.type)
        start, end = member.bit_offset // 8, -(-(member.bit_offset + member.bit_size) // 8)
        whole = int.from_bytes(self._bytes(offset + start, end - start), "little")
        is_signed = isinstance(found, Int | Enum) and found.is_signed
        return _bits(whole, member.bit_offset % 8, member.bit_size, is_signed)


def _bits(whole: int, offset: int, width: int, is_signed: bool) -> int:
    value = whole >> offset & ((1 << width) - 1)
    return value - (1 << width) if is_signed and width and value >> (width - 1) else value
