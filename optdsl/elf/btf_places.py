"""Integers within values: where they stand, reading one, and replacing one that a dotted path names.

    replaced(btf, section, data, "delayed_ack.divisor", 4)

A value is the bytes of one type: of a struct, or of a whole data section whose members are its variables.
"""

from __future__ import annotations

from optdsl.elf.btf_types import Btf, Composite, DataSection, Enum, Int, Member, Pointer
from optdsl.elf.errors import MemberRangeError, MemberTypeError, ObjectError, UnknownMemberError
from optdsl.record import record


@record
class Place:
    """Where an integer stands within a value: in bits, from the lowest bit of the first byte on."""

    bit_offset: int
    bit_size: int
    is_signed: bool

    @property
    def range(self) -> range:
        """The integers that fit."""
        end = 1 << self.bit_size
        return range(-end // 2, end // 2) if self.is_signed else range(end)

    def read(self, data: bytes) -> int:
        """The integer that stands here in `data`. Raises `ObjectError` if `data` ends before it does."""
        container = int.from_bytes(data[self._bytes(data)], "little")
        end = 1 << self.bit_size
        value = (container >> (self.bit_offset % 8)) & (end - 1)
        return value - end if self.is_signed and value >= end // 2 else value

    def write(self, data: bytes, value: int) -> bytes:
        """A copy of `data` with another integer here, which must be in `range`. Raises `ObjectError` as `read` does."""
        within = self._bytes(data)
        shift = self.bit_offset % 8
        mask = ((1 << self.bit_size) - 1) << shift
        container = (int.from_bytes(data[within], "little") & ~mask) | ((value << shift) & mask)
        return data[: within.start] + container.to_bytes(within.stop - within.start, "little") + data[within.stop :]

    def _bytes(self, data: bytes) -> slice:
        """The bytes that the integer has a part in."""
        end = -(-(self.bit_offset + self.bit_size) // 8)
        if end > len(data):
            raise ObjectError("a variable is smaller than its type in .BTF")
        return slice(self.bit_offset // 8, end)


def integer_place(btf: Btf, number: int, bit_offset: int = 0, bit_size: int = 0) -> Place:
    """Where the integer of a type stands that begins at `bit_offset`; `bit_size` is the width of a bit field, else 0.

    Pointers, and what is not a number at all, count as unsigned integers of their size.
    """
    match btf.resolve(number):
        case Int() as found if not bit_size:
            return Place(bit_offset + found.bit_offset, found.bits, found.is_signed)
        case Int(is_signed=is_signed) | Enum(is_signed=is_signed):
            return Place(bit_offset, bit_size or 8 * btf.size_of(number), is_signed)
        case _:
            return Place(bit_offset, bit_size or 8 * btf.size_of(number), False)


def locate(btf: Btf, number: int, path: str) -> Place:
    """Where the integer of a dotted path stands in a value of the type `number`, as `delayed_ack.divisor`.

    Raises `UnknownMemberError`, and `MemberTypeError` if the path ends at something other than an integer.
    """
    member, bit_offset = Member("", number, 0, 0), 0
    walked: list[str] = []
    for name in path.split("."):
        members = _members(btf, member.type)
        if name not in members:
            known = ", ".join(sorted(members)) or "nothing"
            raise UnknownMemberError(f"no member {name!r} in {'.'.join(walked) or 'the value'}", f"it has: {known}")
        member = members[name]
        bit_offset += member.bit_offset
        walked.append(name)
    if not isinstance(btf.resolve(member.type), Int | Enum | Pointer):
        raise MemberTypeError(f"{path} is not an integer")
    return integer_place(btf, member.type, bit_offset, member.bit_size)


def replaced(btf: Btf, number: int, data: bytes, path: str, value: int) -> bytes:
    """A copy of the value `data` with the integer at `path` set.

    Raises `UnknownMemberError` and `MemberTypeError` as `locate` does, `MemberRangeError` for an integer that does not
    fit, and `ObjectError` if `data` ends before the integer does.
    """
    place = locate(btf, number, path)
    if value not in place.range:
        allowed = f"{place.range.start}..={place.range.stop - 1}"
        raise MemberRangeError(f"{value} does not fit {path}", f"it holds {allowed}")
    return place.write(data, value)


def _members(btf: Btf, number: int) -> dict[str, Member]:
    """The members by name; none of a type without."""
    container = btf.resolve(number)
    if not isinstance(container, Composite | DataSection):
        return {}
    return {member.name: member for member in btf.members(container) if member.name}
