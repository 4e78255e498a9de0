"""BPF Type Format: reading the values of maps by the names of their members.

A `Btf` is built by `btf_reader`. Values are those of this machine, so in its byte order.
Source: Documentation/bpf/btf.rst and include/uapi/linux/btf.h of Linux.
"""

import errno
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

from optdsl.kernel.errors import KernelError

_BYTE_ORDER: Final[Literal["little", "big"]] = "little" if sys.byteorder == "little" else "big"

Value = int | list["Value"] | dict[str, "Value"]
"""A decoded value: integers, arrays as lists, structures and data sections as dictionaries in declaration order."""


class Kind(IntEnum):
    """The kinds of types, BTF_KIND_*."""

    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


_ALIASES: Final = {Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG, Kind.VAR}
_AGGREGATES: Final = {Kind.STRUCT, Kind.UNION, Kind.DATASEC}


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a structure or union, or a variable of a data section. Offsets are in bits from the start."""

    name: str
    type_id: int
    bit_offset: int
    bit_size: int = 0
    """The width of a bit field; 0 for an ordinary member."""


@dataclass(frozen=True, slots=True)
class BtfType:
    """One type. Which fields mean something depends on the kind."""

    kind: Kind
    name: str
    size: int = 0
    """In bytes, for the kinds that have a size of their own."""
    type_id: int = 0
    """The type referred to: of an alias or pointer the target, of an array the element."""
    members: tuple[Member, ...] = ()
    count: int = 0
    """The number of elements of an array."""
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where an integer stands within a value: bits from its start, counted as this machine's compilers do."""

    bit_offset: int
    bit_size: int
    signed: bool

    @property
    def range(self) -> range:
        """The integers that fit."""
        half = 1 << (self.bit_size - 1)
        return range(-half, half) if self.signed else range(2 * half)

    def read(self, data: bytes) -> int:
        """The integer that stands here in `data`."""
        whole, shift = self._container(data)
        raw = (whole >> shift) & ((1 << self.bit_size) - 1)
        return raw - (1 << self.bit_size) if self.signed and raw >> (self.bit_size - 1) else raw

    def write(self, data: bytes, value: int) -> bytes:
        """A copy of `data` with another integer here, which must be in `range`."""
        whole, shift = self._container(data)
        mask = ((1 << self.bit_size) - 1) << shift
        changed = (whole & ~mask) | ((value << shift) & mask)
        return changed.to_bytes(len(data), _BYTE_ORDER)

    def _container(self, data: bytes) -> tuple[int, int]:
        """All of `data` as one integer, and by how many bits the place is shifted in it."""
        shift = self.bit_offset if _BYTE_ORDER == "little" else 8 * len(data) - self.bit_offset - self.bit_size
        return int.from_bytes(data, _BYTE_ORDER), shift


class Btf:
    """The types of one object, by id; id 0 is void."""

    def __init__(self, types: Mapping[int, BtfType]) -> None:
        self._types = types

    def __getitem__(self, type_id: int) -> BtfType:
        return self._types[type_id]

    def find(self, kind: Kind, name: str) -> int | None:
        """The id of the first type of that kind and name; None if there is none."""
        return next((i for i, entry in self._types.items() if entry.kind is kind and entry.name == name), None)

    def resolve(self, type_id: int) -> BtfType:
        """The type behind typedefs, qualifiers and variables."""
        while (entry := self._types[type_id]).kind in _ALIASES:
            type_id = entry.type_id
        return entry

    def size_of(self, type_id: int) -> int:
        """The size of a value in bytes."""
        entry = self.resolve(type_id)
        if entry.kind is Kind.ARRAY:
            return entry.count * self.size_of(entry.type_id)
        return struct.calcsize("P") if entry.kind is Kind.PTR else entry.size

    def decode(self, type_id: int, data: bytes) -> Value:
        """The value of that type which begins with `data`; pointers and floating-point numbers come as integers."""
        return self._decode(Member("", type_id, 0), 0, data)

    def _decode(self, member: Member, base: int, data: bytes) -> Value:
        entry = self.resolve(member.type_id)
        start = base + member.bit_offset
        if entry.kind in _AGGREGATES:
            return {inner.name: self._decode(inner, start, data) for inner in self._flat(entry)}
        if entry.kind is Kind.ARRAY:
            step = 8 * self.size_of(entry.type_id)
            return [self._decode(Member("", entry.type_id, i * step), start, data) for i in range(entry.count)]
        return self._integer(member, start).read(data)

    def locate(self, type_id: int, path: str) -> Place:
        """Where the integer of a dotted path stands, as `delayed_ack.divisor`.

        Raises KernelError: ENOENT with the names there are, EINVAL if the path ends at something other than an integer.
        """
        member, base = Member("", type_id, 0), 0
        walked = ""
        for name in path.split("."):
            entry = self.resolve(member.type_id)
            base += member.bit_offset
            members = {inner.name: inner for inner in self._flat(entry)} if entry.kind in _AGGREGATES else {}
            if name not in members:
                known = ", ".join(sorted(members)) or "nothing"
                raise KernelError(f"no member {name!r} in {walked or 'the value'}", errno.ENOENT, f"it has: {known}")
            member = members[name]
            walked = f"{walked}.{name}".lstrip(".")
        if self.resolve(member.type_id).kind in _AGGREGATES | {Kind.ARRAY}:
            raise KernelError(f"{path} is not an integer", errno.EINVAL)
        return self._integer(member, base + member.bit_offset)

    def replaced(self, type_id: int, data: bytes, path: str, value: int) -> bytes:
        """A copy of `data` with the integer at `path` set. Raises KernelError as `locate` does, and ERANGE."""
        place = self.locate(type_id, path)
        if value not in place.range:
            allowed = f"{place.range.start}..={place.range.stop - 1}"
            raise KernelError(f"{value} does not fit {path}", errno.ERANGE, f"it holds {allowed}")
        return place.write(data, value)

    def _integer(self, member: Member, bit_offset: int) -> Place:
        bits = member.bit_size or 8 * self.size_of(member.type_id)
        return Place(bit_offset, bits, self.resolve(member.type_id).signed)

    def _flat(self, entry: BtfType) -> Iterator[Member]:
        """The members, with those of anonymous inner structures and unions in place."""
        for member in entry.members:
            inner = self.resolve(member.type_id)
            if member.name or inner.kind not in _AGGREGATES:
                yield member
                continue
            for nested in self._flat(inner):
                yield Member(nested.name, nested.type_id, member.bit_offset + nested.bit_offset, nested.bit_size)


def total(values: Sequence[Value]) -> Value:
    """Adds up decoded values of one shape, integer by integer: the sum of a per-CPU value over all CPUs."""
    first = values[0]
    if isinstance(first, dict):
        return {name: total([value[name] for value in values if isinstance(value, dict)]) for name in first}
    if isinstance(first, list):
        return [total([value[i] for value in values if isinstance(value, list)]) for i in range(len(first))]
    return sum(value for value in values if isinstance(value, int))
