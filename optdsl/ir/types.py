"""Memory of a generated program: scalar types, structs, globals and maps.

Layouts are those of C on BPF (little-endian, natural alignment), so that both back ends, BTF and bpftool agree.
"""

from __future__ import annotations

from enum import Enum

from optdsl.record import field, record


@record
class Scalar:
    """An unsigned integer of 8, 16, 32 or 64 bits.

    `alias` is the name of a typedef that tells the unit to whoever reads the BTF: `microseconds`, `bits_per_second`.
    """

    bits: int
    alias: str = ""

    @property
    def size(self) -> int:
        return self.bits // 8

    @property
    def alignment(self) -> int:
        return self.bits // 8


@record
class ByteArray:
    """`length` bytes. `text` marks NUL-padded characters (`char[length]` in C).

    `aligned` places them at a multiple of 8, so that wide loads and stores at aligned offsets are single instructions.
    """

    length: int
    text: bool = False
    aligned: bool = False

    @property
    def size(self) -> int:
        return self.length

    @property
    def alignment(self) -> int:
        return 8 if self.aligned else 1


@record
class Array:
    """`length` elements of one type."""

    element: Type
    length: int

    @property
    def size(self) -> int:
        return self.element.size * self.length

    @property
    def alignment(self) -> int:
        return self.element.alignment


@record
class Member:
    """A member of a struct. `doc` becomes a comment in C."""

    name: str
    type: Type
    doc: str = ""


@record
class Struct:
    """A named struct with C's natural layout."""

    name: str
    members: tuple[Member, ...]
    doc: str = ""

    # Large programs have structs of a thousand members and ask for each: the layout is worked out once.
    alignment: int = field(init=False, shown=False, compare=False)
    size: int = field(init=False, shown=False, compare=False)
    _places: dict[str, tuple[int, Member]] = field(init=False, shown=False, compare=False)

    def __post_init__(self) -> None:
        places: dict[str, tuple[int, Member]] = {}
        end, alignment = 0, 1
        for member in self.members:
            start = _align(end, member.type.alignment)
            places.setdefault(member.name, (start, member))
            end = start + member.type.size
            alignment = max(alignment, member.type.alignment)
        object.__setattr__(self, "alignment", alignment)
        object.__setattr__(self, "size", _align(end, alignment))
        object.__setattr__(self, "_places", places)

    def offset(self, name: str) -> int:
        """Byte offset of a member."""
        return self._place(name)[0]

    def member(self, name: str) -> Member:
        return self._place(name)[1]

    def _place(self, name: str) -> tuple[int, Member]:
        if name not in self._places:
            raise KeyError(f"struct {self.name} has no member {name}")
        return self._places[name]


Type = Scalar | ByteArray | Array | Struct

U8, U16, U32, U64 = Scalar(8), Scalar(16), Scalar(32), Scalar(64)

# A path into nested memory: member names, and integers for the elements of arrays.
Path = tuple[str | int, ...]


def resolve(root: Type, path: Path) -> tuple[int, Type]:
    """Byte offset and type of what `path` names inside `root`. Raises KeyError for a path that does not exist."""
    offset, found = 0, root
    for step in path:
        match found, step:
            case Struct(), str():
                offset += found.offset(step)
                found = found.member(step).type
            case Array(), int() if 0 <= step < found.length:
                offset += found.element.size * step
                found = found.element
            case _:
                raise KeyError(f"{step!r} does not select anything in {found}")
    return offset, found


# The initial value of a type: an int, bytes, or a tuple with one initial value for each member or element.
Initial = int | bytes | tuple["Initial", ...]


def encode(kind: Type, value: Initial) -> bytes:
    """The bytes of an initial value in memory, padding zero."""
    match kind, value:
        case Scalar(), int():
            return value.to_bytes(kind.size, "little")
        case ByteArray(), bytes() if len(value) <= kind.length:
            return value.ljust(kind.length, b"\0")
        case Array(), tuple():
            return b"".join(encode(kind.element, element) for element in value).ljust(kind.size, b"\0")
        case Struct(), tuple():
            data = bytearray(kind.size)
            for member, element in zip(kind.members, value, strict=True):
                start = kind.offset(member.name)
                data[start : start + member.type.size] = encode(member.type, element)
            return bytes(data)
        case _:
            raise TypeError(f"{value!r} is not an initial value of {kind}")


class Section(Enum):
    """Where a global variable lives: tunable while the program is attached, or constant."""

    PARAMETERS = ".data.params"
    CONSTANTS = ".rodata"


@record
class GlobalVariable:
    """A variable in a data section. Parameters are read afresh at each use, because user space may change them."""

    name: str
    type: Type
    section: Section
    initial: Initial
    doc: str = ""


class MapKind(Enum):
    """Kinds of map that generated programs use; the value is the kernel's number (`enum bpf_map_type`)."""

    HASH = 1
    PERCPU_ARRAY = 6
    SK_STORAGE = 24
    RINGBUF = 27


@record
class MapDefinition:
    """A BPF map. A ring buffer has neither key nor value; `max_entries` is then its size in bytes."""

    name: str
    kind: MapKind
    max_entries: int
    key: Type | None = None
    value: Type | None = None
    doc: str = ""


def _align(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment
