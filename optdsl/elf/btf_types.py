"""BTF, the type information of BPF objects, as one record a kind of type.

Types refer to one another by number; 0 is `void`. `optdsl.elf.btf.parse` makes them of bytes and sees to it that every
reference leads to a type, so that nobody else need check; `optdsl.kernel.btf` makes them of what bpftool prints. BPF
objects are little-endian here, and so are the values that these types describe. Source: `Documentation/bpf/btf.rst`,
`include/uapi/linux/btf.h`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from optdsl.elf.errors import ObjectError
from optdsl.elf.layout import string_at
from optdsl.record import record

MAX_DEPTH = 32
"""How many types may stand between a type and what it is made of; the kernel's limit (`MAX_RESOLVE_DEPTH`)."""

POINTER_SIZE = 8

# Anonymous members may share their types, so that damaged type information could have more of them than memory holds.
_MAX_ANONYMOUS_MEMBERS = 1 << 16

Linkage: TypeAlias = Literal["static", "global", "extern"]


@record
class Void:
    """The type number 0."""


@record
class Int:
    """An integer of `size` bytes whose value has `bits` bits from bit `bit_offset` on."""

    name: str
    size: int
    bits: int
    bit_offset: int
    is_signed: bool
    is_boolean: bool


@record
class Float:
    """A floating-point number of `size` bytes."""

    name: str
    size: int


@record
class Pointer:
    """A pointer, 8 bytes."""

    target: int


@record
class Array:
    """An array of `length` elements."""

    element: int
    length: int


@record
class Member:
    """A member of a struct or union; `bit_size` is 0 for all but bit fields, the name empty for anonymous ones."""

    name: str
    type: int
    bit_offset: int
    bit_size: int


@record
class Composite:
    """A struct or union of `size` bytes."""

    keyword: Literal["struct", "union"]
    name: str
    size: int
    members: tuple[Member, ...]


@record
class Enum:
    """An enumeration of `size` bytes."""

    name: str
    size: int
    is_signed: bool
    values: tuple[tuple[str, int], ...]


@record
class Forward:
    """A struct or union that is only declared."""

    keyword: Literal["struct", "union"]
    name: str


@record
class Typedef:
    """Another name for a type."""

    name: str
    target: int


@record
class Qualifier:
    """`const`, `volatile`, `restrict`, or the text of a type tag."""

    keyword: str
    target: int


def type_tag(name: str, target: int) -> Qualifier:
    """A `btf_type_tag`, as clang writes it behind the type that it qualifies."""
    return Qualifier(f'__attribute__((btf_type_tag("{name}")))', target)


@record
class Parameter:
    """A parameter of a function; the last one of a variadic function has no name and type 0."""

    name: str
    type: int


@record
class Prototype:
    """The type of a function."""

    returns: int
    parameters: tuple[Parameter, ...]


@record
class Function:
    """A function by name; `prototype` is the number of a `Prototype`."""

    name: str
    prototype: int
    linkage: Linkage


@record
class Variable:
    """A global variable."""

    name: str
    type: int
    linkage: Linkage


@record
class Placement:
    """Where in its section a variable stands; `variable` is the number of a `Variable`, the rest is in bytes."""

    variable: int
    offset: int
    size: int


@record
class DataSection:
    """A section of variables. Compilers leave `size` 0 and the offsets to relocations."""

    name: str
    size: int
    placements: tuple[Placement, ...]


@record
class Tag:
    """A `btf_decl_tag` on a declaration, or on its member or parameter number `component` unless that is -1."""

    text: str
    target: int
    component: int


BtfType: TypeAlias = (
    Void | Int | Float | Pointer | Array | Composite | Enum | Forward | Typedef | Qualifier | Prototype | Function
    | Variable | DataSection | Tag
)  # fmt: skip
NamedType: TypeAlias = Int | Float | Composite | Enum | Forward | Typedef | Function | Variable | DataSection


@record
class Btf:
    """All types of an object, by number, and the strings that `.BTF.ext` shares with them."""

    types: tuple[BtfType, ...]
    strings: bytes

    def string(self, offset: int) -> str:
        """The string at a byte offset. Raises `ObjectError` if there is none."""
        return string_at(self.strings, offset).decode("utf-8", "replace")

    def find(self, kind: type[NamedType], name: str) -> int | None:
        """The number of the first type of a class and name, `(DataSection, ".data.params")`; None if there is none."""
        for number, found in enumerate(self.types):
            if isinstance(found, kind) and found.name == name:
                return number
        return None

    def unqualified(self, number: int) -> BtfType:
        """The type without its outermost `const`, `volatile` and the like, but with its typedef name."""
        for _ in range(MAX_DEPTH):
            found = self.types[number]
            if not isinstance(found, Qualifier):
                return found
            number = found.target
        raise too_deep()

    def resolve(self, number: int) -> BtfType:
        """The type behind typedefs and qualifiers. Raises `ObjectError` if they go round in a circle."""
        for _ in range(MAX_DEPTH):
            found = self.types[number]
            if not isinstance(found, Typedef | Qualifier):
                return found
            number = found.target
        raise too_deep()

    def size_of(self, number: int) -> int:
        """Size in bytes; 0 for what has none (`void`, functions, forward declarations)."""
        factor = 1
        for _ in range(MAX_DEPTH):
            match self.resolve(number):
                case Int() | Float() | Composite() | Enum() | DataSection() as found:
                    return factor * found.size
                case Pointer():
                    return factor * POINTER_SIZE
                case Array(element, length):
                    factor *= length
                    number = element
                case _:
                    return 0
        raise too_deep()

    def members(self, container: Composite | DataSection) -> Iterator[Member]:
        """The members of a struct or union, or the variables of a data section, with offsets from its start.

        Those of anonymous structs and unions come in their place. Raises `ObjectError` if there is no end of them.
        """
        waiting = list(self._variables(container) if isinstance(container, DataSection) else container.members)[::-1]
        left = _MAX_ANONYMOUS_MEMBERS
        while waiting:
            member = waiting.pop()
            inner = self.resolve(member.type)
            if member.name or not isinstance(inner, Composite):
                yield member
                continue
            left -= len(inner.members)
            if left < 0:
                raise too_deep()
            for nested in reversed(inner.members):
                bit_offset = member.bit_offset + nested.bit_offset
                waiting.append(Member(nested.name, nested.type, bit_offset, nested.bit_size))

    def _variables(self, section: DataSection) -> Iterator[Member]:
        for placement in section.placements:
            variable = self.types[placement.variable]
            if isinstance(variable, Variable):
                yield Member(variable.name, variable.type, 8 * placement.offset, 0)


def too_deep() -> ObjectError:
    """The error for what only damaged type information does."""
    return ObjectError("types in .BTF are nested too deeply or contain themselves")
