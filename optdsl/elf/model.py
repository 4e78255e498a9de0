"""What `optdsl.elf.object.read_object` returns: a BPF object in the terms of its author."""

from __future__ import annotations

from optdsl.elf.btf_values import Value
from optdsl.record import record


@record
class Section:
    """A section: its size in bytes and its flags in the letters of `readelf -S` (W write, A alloc, X execute, ...)."""

    name: str
    size: int
    flags: str


@record
class Relocation:
    """An instruction that refers to a symbol.

    `slot` counts 8-byte slots from the start of the function, `kind` is the ELF name of the relocation. `symbol` is the
    name a programmer knows (`wanted`, `more+8`), `place` the section and offset where it stands (`.data.params+4`),
    empty if the symbol is not defined in the object.
    """

    slot: int
    kind: str
    symbol: str
    place: str


@record
class SourceLine:
    """From slot `slot` of a function on, the code stems from this line; `text` is the line as it stands in the file.

    Lines and columns count from 1; a line of 0 marks code that belongs to no line.
    """

    slot: int
    file: str
    line: int
    column: int
    text: str


@record
class Function:
    """A program that can be loaded, or a sub-program that others call.

    `slot` is where it starts in its section, counted in 8-byte slots; `prototype` is C text, empty without BTF.
    """

    name: str
    section: str
    slot: int
    code: bytes
    prototype: str
    is_global: bool
    relocations: tuple[Relocation, ...]
    lines: tuple[SourceLine, ...]

    @property
    def instruction_count(self) -> int:
        """Length as the kernel counts it, in slots, of which a 64-bit immediate load takes two."""
        return len(self.code) // 8


@record
class TypeText:
    """The type of a map's keys or values.

    C text (empty if only the size is known), size in bytes, and the definition of a struct, union or enumeration.
    """

    text: str
    size: int
    definition: str


@record
class Map:
    """A map as declared in `.maps`.

    `type_name` is the kernel's name in lower case (`hash`, `sk_storage`), or the number of a type not known here. `key`
    and `value` are None for maps without them (ring buffers), `max_entries` is 0 where the loader decides.
    """

    name: str
    type_name: str
    key: TypeText | None
    value: TypeText | None
    max_entries: int
    flags: int
    is_pinned: bool


@record
class Variable:
    """A global variable with the value it has before the program runs.

    `offset` and `size` are bytes in `section`. `declaration` is C text, `typedef` the name of its type if that is a
    typedef (a unit such as `milliseconds`), else empty. `initial` is None for variables of more than `DECODED_SIZE`
    bytes; `initializer` is the same as C text, then empty. `definition` is that of the struct that it is, else empty.
    """

    name: str
    section: str
    offset: int
    size: int
    declaration: str
    typedef: str
    initial: Value | None
    initializer: str
    definition: str = ""


DECODED_SIZE = 64 * 1024
"""Variables larger than this many bytes, buffers by all likelihood, are listed without their value."""


@record
class ObjectFile:
    """A BPF object. Everything is in the order of the file; variables are sorted by section and offset."""

    license: str
    sections: tuple[Section, ...]
    programs: tuple[Function, ...]
    subprograms: tuple[Function, ...]
    maps: tuple[Map, ...]
    variables: tuple[Variable, ...]
