"""Memory of an interpreted program: globals, map values, records and buffers, and the errors that C does not notice."""

from __future__ import annotations

from collections.abc import Hashable

from optdsl.ir.program import Program
from optdsl.ir.types import Array, ByteArray, Initial, MapKind, Scalar, Section, Struct, Type, encode
from optdsl.record import record
from optdsl.source import Span

# What memory means: numbers, bytes, text, lists of elements, and dictionaries of members.
Decoded = int | bytes | str | list["Decoded"] | dict[str, "Decoded"]


class InterpreterError(Exception):
    """The program did something that has no meaning: a mistake in the IR, which the verifier might refuse or not.

    `span` is the statement at which it happened.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.span: Span | None = None

    def __str__(self) -> str:
        return self.message if self.span is None else f"{self.span}: {self.message}"


class Region:
    """A contiguous piece of memory. `name` is what errors call it.

    `written` has a byte for each byte of memory that starts undefined (records); None where memory starts defined.
    """

    __slots__ = ("alive", "data", "name", "type", "writable", "written")

    def __init__(self, name: str, kind: Type, data: bytes | None = None, *, writable: bool = True) -> None:
        self.name = name
        self.type = kind
        self.data = bytearray(kind.size) if data is None else bytearray(data)
        self.writable = writable
        self.alive = True
        self.written: bytearray | None = None

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`; raises InterpreterError where they are undefined or not there."""
        self.check(offset, size)
        if self.written is not None and not all(self.written[offset : offset + size]):
            raise InterpreterError(f"reads {self.name} before it is written")
        return bytes(self.data[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        """Writes bytes from `offset`; raises InterpreterError where there are none, or constants."""
        self.check(offset, len(data))
        if not self.writable:
            raise InterpreterError(f"writes {self.name}, which is constant")
        self.data[offset : offset + len(data)] = data
        if self.written is not None:
            self.written[offset : offset + len(data)] = b"\1" * len(data)

    def check(self, offset: int, size: int) -> None:
        """Raises InterpreterError unless `size` bytes from `offset` are there."""
        if not self.alive:
            raise InterpreterError(f"uses {self.name} after it was submitted")
        if offset < 0 or offset + size > len(self.data):
            raise InterpreterError(f"bytes {offset}..{offset + size} of {self.name}, which has {len(self.data)}")


@record
class Pointer:
    """A place in memory and the type of what is there."""

    region: Region
    offset: int
    type: Type


class ProgramMemory:
    """What outlives a run: global variables and maps. One CPU.

    `exhausted` names the maps that have no memory left: storage cannot be created there, records cannot be reserved.
    """

    def __init__(self, program: Program) -> None:
        self.globals = {
            variable.name: Region(
                variable.name,
                variable.type,
                encode(variable.type, variable.initial),
                writable=variable.section is Section.PARAMETERS,
            )
            for variable in program.globals
        }
        self.maps = {definition.name: definition for definition in program.maps}
        self.storage: dict[str, dict[Hashable, Region]] = {}
        self.tables: dict[str, dict[int, Region]] = {}
        for definition in program.maps:
            if definition.kind is MapKind.SK_STORAGE:
                self.storage[definition.name] = {}
            elif definition.kind in (MapKind.HASH, MapKind.PERCPU_ARRAY):
                self.tables[definition.name] = {}
            if definition.kind is MapKind.PERCPU_ARRAY and definition.value is not None:
                for index in range(definition.max_entries):
                    self.tables[definition.name][index] = Region(f"{definition.name}[{index}]", definition.value)
        self.exhausted: set[str] = set()
        self._layouts: dict[int, dict[str, tuple[int, Type]]] = {}

    def member(self, struct: Struct, name: str) -> tuple[int, Type]:
        """Offset and type of a member; remembered, because layouts are costly to compute again and again.

        `struct` must belong to the program: it is remembered by identity.
        """
        layout = self._layouts.get(id(struct))
        if layout is None:
            layout = {member.name: (struct.offset(member.name), member.type) for member in struct.members}
            self._layouts[id(struct)] = layout
        if name not in layout:
            raise InterpreterError(f"struct {struct.name} has no member {name}")
        return layout[name]

    def map_value(self, name: str, initial: Initial | None = None) -> Region:
        """A new value of a map: zero, or as given."""
        kind = self.maps[name].value
        if kind is None:
            raise InterpreterError(f"map {name} has no values")
        return Region(f"a value of {name}", kind, None if initial is None else encode(kind, initial))


def decode(kind: Type, data: bytes) -> Decoded:
    """What the bytes of a type in memory mean; text loses its padding. The inverse of `types.encode`."""
    match kind:
        case Scalar():
            return int.from_bytes(data[: kind.size], "little")
        case ByteArray(text=True):
            return data.split(b"\0", 1)[0].decode("latin-1")
        case ByteArray():
            return data
        case Array():
            size = kind.element.size
            return [decode(kind.element, data[start : start + size]) for start in range(0, kind.size, size)]
        case Struct():
            starts = {member.name: kind.offset(member.name) for member in kind.members}
            return {
                member.name: decode(member.type, data[starts[member.name] : starts[member.name] + member.type.size])
                for member in kind.members
            }


def undefined_members(kind: Type, written: bytes, offset: int = 0, path: str = "") -> list[str]:
    """Names of the members with a byte that was never written. Padding does not count: no statement can write it."""
    match kind:
        case Struct():
            found: list[str] = []
            for member in kind.members:
                start = offset + kind.offset(member.name)
                found += undefined_members(member.type, written, start, f"{path}.{member.name}".lstrip("."))
            return found
        case Array():
            size = kind.element.size
            return [
                name
                for index in range(kind.length)
                for name in undefined_members(kind.element, written, offset + index * size, f"{path}[{index}]")
            ]
        case Scalar() | ByteArray():
            return [] if all(written[offset : offset + kind.size]) else [path]
