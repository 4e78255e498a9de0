"""Values of variables: bytes decoded by their BTF type into Python integers, lists and dictionaries.

A `struct { int x; short y[2]; }` of the bytes `fd ff ff ff 01 00 02 00` is `{"x": -3, "y": [1, 2]}`.
"""

from __future__ import annotations

from struct import unpack
from typing import TypeAlias

from optdsl.elf.btf_places import integer_place
from optdsl.elf.btf_types import MAX_DEPTH, Array, Btf, Composite, DataSection, Float, Int, too_deep
from optdsl.elf.errors import ObjectError

Value: TypeAlias = "int | float | list[Value] | dict[str, Value]"

# The format lets members overlap, so that damaged type information could ask for more values than memory can hold.
_MAX_VALUES = 1 << 18
_MAX_VALUES_PER_BYTE = 64
_FLOAT_FORMATS = {2: "<e", 4: "<f", 8: "<d"}


def decode(btf: Btf, number: int, data: bytes) -> Value:
    """The value that `data` holds as the type `number`.

    Arrays are lists, structs and unions dictionaries by member (members of anonymous ones belong to the outer one),
    data sections dictionaries by variable, booleans `bool`, pointers and all else integers. Raises `ObjectError` if
    `data` is smaller than the type or the type is inconsistent in itself.
    """
    return _Decoder(btf, data).value(number, 0, 0, MAX_DEPTH)


class _Decoder:
    def __init__(self, btf: Btf, data: bytes) -> None:
        self._btf = btf
        self._data = data
        self._left = max(_MAX_VALUES, len(data) * _MAX_VALUES_PER_BYTE)

    def value(self, number: int, bit_offset: int, bit_size: int, depth: int) -> Value:
        """The value of a type at an offset in bits; `bit_size` is the width of a bit field, else 0."""
        self._left -= 1
        if depth == 0 or self._left < 0:
            raise too_deep()
        match self._btf.resolve(number):
            case Array(element, length):
                step = 8 * self._btf.size_of(element)
                count = length if step else 0
                return [self.value(element, bit_offset + index * step, 0, depth - 1) for index in range(count)]
            case Composite() | DataSection() as container:
                return {
                    member.name: self.value(member.type, bit_offset + member.bit_offset, member.bit_size, depth - 1)
                    for member in self._btf.members(container)
                    if member.name
                }
            case Float(size=size) if size in _FLOAT_FORMATS:
                return self._float(bit_offset // 8, size)
            case found:
                value = integer_place(self._btf, number, bit_offset, bit_size).read(self._data)
                return bool(value) if isinstance(found, Int) and found.is_boolean else value

    def _float(self, offset: int, size: int) -> float:
        if offset + size > len(self._data):
            raise ObjectError("a variable is smaller than its type in .BTF")
        decoded: float = unpack(_FLOAT_FORMATS[size], self._data[offset : offset + size])[0]
        return decoded
