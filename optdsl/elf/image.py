"""The ELF container of an object as plain values: sections with their bytes and relocations, symbols.

This is the only module that touches pyelftools. Source of the relocation types: `Documentation/bpf/llvm_reloc.rst`.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from optdsl.elf.errors import ObjectError
from optdsl.elf.layout import read_header, read_sections
from optdsl.record import record

# Letters of `readelf -S` for the section flags that occur in BPF objects.
_FLAG_LETTERS = {0x1: "W", 0x2: "A", 0x4: "X", 0x10: "M", 0x20: "S", 0x80000000: "E"}
_RELOCATION_NAMES = {
    0: "R_BPF_NONE", 1: "R_BPF_64_64", 2: "R_BPF_64_ABS64", 3: "R_BPF_64_ABS32", 4: "R_BPF_64_NODYLD32",
    10: "R_BPF_64_32",
}  # fmt: skip
_PATCHED_32 = ("R_BPF_64_ABS32", "R_BPF_64_NODYLD32")


@record
class Symbol:
    """An entry of the symbol table; `section` is None for what is declared but not defined here, and for constants.

    `kind` is `func`, `object`, `section`, `notype` or `file`. Value and size are in bytes.
    """

    name: str
    kind: str
    section: int | None
    value: int
    size: int
    is_global: bool


@record
class ImageRelocation:
    """The field `offset` bytes into the section stands for a symbol plus what the field already holds."""

    offset: int
    kind: str
    symbol: Symbol


@record
class ImageSection:
    """A section; `data` is empty where the file holds no bytes for it (`.bss`), `size` is what it takes in memory."""

    index: int
    name: str
    type: str
    flags: str
    size: int
    data: bytes
    relocations: tuple[ImageRelocation, ...]

    @property
    def is_allocated(self) -> bool:
        """Whether the section is part of the loaded object."""
        return "A" in self.flags

    @property
    def is_code(self) -> bool:
        """Whether the section holds instructions."""
        return "X" in self.flags and self.type == "progbits"

    def bytes_at(self, offset: int, size: int) -> bytes:
        """The initial bytes of a stretch of the section, zeros for `.bss`. Raises `ObjectError` outside of it."""
        if offset + size > self.size:
            raise ObjectError(f"something in section {self.name} reaches beyond its end")
        return self.data[offset : offset + size] if self.type != "nobits" else bytes(size)


@record
class Image:
    """All sections, the empty one 0 included, and all symbols of an object, in the order of the file."""

    sections: tuple[ImageSection, ...]
    symbols: tuple[Symbol, ...]

    def section(self, name: str) -> ImageSection | None:
        """The first section of that name."""
        return next((section for section in self.sections if section.name == name), None)


def read_image(data: bytes) -> Image:
    """Read an object's container. Raises `ObjectError` for anything but an intact BPF ELF64 relocatable."""
    bodies = [section.body for section in read_sections(data, read_header(data))]
    try:
        return _read(ELFFile(BytesIO(data)), bodies)
    except ObjectError:
        raise
    except Exception as error:
        # On damaged input pyelftools fails in whatever way the damage suggests: its own errors, but also those of
        # struct, of decoding, of lookups. All of them mean the same.
        raise ObjectError(f"the ELF structure is damaged ({type(error).__name__})") from error


def relocated(section: ImageSection) -> bytes:
    """The bytes of `.BTF` or `.BTF.ext` with their 32-bit relocations applied."""
    data = bytearray(section.data)
    for relocation in section.relocations:
        field = slice(relocation.offset, relocation.offset + 4)
        if relocation.kind not in _PATCHED_32 or field.stop > len(data):
            raise ObjectError(f"a relocation in section {section.name} is damaged")
        value = int.from_bytes(data[field], "little") + relocation.symbol.value
        data[field] = (value & 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(data)


def _read(elf: Any, bodies: Sequence[bytes]) -> Image:
    found = list(elf.iter_sections())
    tables = [section for section in found if isinstance(section, SymbolTableSection)]
    if len(tables) != 1:
        raise ObjectError(f"the object has {len(tables)} symbol tables instead of one")
    symbols = tuple(_symbol(entry, len(found)) for entry in tables[0].iter_symbols())
    relocations: dict[int, tuple[ImageRelocation, ...]] = {}
    for section in found:
        # Nobody asks for those of DWARF, which are many times more than all others.
        if isinstance(section, RelocationSection) and not section.name.startswith(".rel.debug_"):
            relocations[section["sh_info"]] = tuple(_relocation(entry, symbols) for entry in section.iter_relocations())
    sections = (
        _section(index, section, body, relocations.get(index, ()))
        for index, (section, body) in enumerate(zip(found, bodies, strict=True))
    )
    return Image(tuple(sections), symbols)


def _symbol(entry: Any, section_count: int) -> Symbol:
    section = entry["st_shndx"]
    if isinstance(section, int) and section >= section_count:
        raise ObjectError("a symbol is defined in a section that does not exist")
    return Symbol(
        name=str(entry.name),
        kind=str(entry["st_info"]["type"]).removeprefix("STT_").lower(),
        section=section if isinstance(section, int) else None,  # pyelftools gives the reserved numbers as text
        value=int(entry["st_value"]),
        size=int(entry["st_size"]),
        is_global=entry["st_info"]["bind"] != "STB_LOCAL",
    )


def _relocation(entry: Any, symbols: tuple[Symbol, ...]) -> ImageRelocation:
    number = entry["r_info_type"]
    kind = _RELOCATION_NAMES.get(number, f"R_BPF_{number}")
    return ImageRelocation(int(entry["r_offset"]), kind, symbols[entry["r_info_sym"]])


def _section(index: int, section: Any, body: bytes, relocations: tuple[ImageRelocation, ...]) -> ImageSection:
    flags = int(section["sh_flags"])
    return ImageSection(
        index=index,
        name=str(section.name),
        type=str(section["sh_type"]).removeprefix("SHT_").lower(),
        flags="".join(letter for bit, letter in _FLAG_LETTERS.items() if flags & bit),
        size=int(section["sh_size"]),
        data=body,
        relocations=relocations,
    )
