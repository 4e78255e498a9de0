"""The ELF64 container of a BPF object, to the byte: header, section table, string tables.

Only what a compiler's output for BPF contains: one little-endian relocatable file without program headers. Sources: the
System V ABI (gABI 4.1, "Object Files") for the records, `include/uapi/linux/elf-em.h` for the machine number.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from optdsl.elf.errors import ObjectError
from optdsl.record import record

FILE_HEADER = Struct("<16sHHIQQQIHHHHHH")
SECTION_HEADER = Struct("<IIQQQQIIQQ")
SYMBOL = Struct("<IBBHQQ")
RELOCATION = Struct("<QQ")

SHT_NULL, SHT_SYMTAB, SHT_STRTAB, SHT_RELA, SHT_NOBITS, SHT_REL, SHT_GROUP, SHT_SYMTAB_SHNDX = 0, 2, 3, 4, 8, 9, 17, 18
SHN_LORESERVE = 0xFF00
STB_LOCAL = 0
STT_OBJECT, STT_FUNC = 1, 2

_MAGIC = b"\x7fELF"
_CLASS_64, _LITTLE_ENDIAN = 2, 1
_ET_REL = 1
_EM_BPF = 247


@record
class Header:
    """The file header, reduced to what varies between BPF objects."""

    ident: bytes
    version: int
    flags: int
    table_offset: int
    section_count: int
    names_index: int


@record
class Section:
    """One section with its bytes; `body` is empty for sections that occupy no space in the file (`.bss`)."""

    name: bytes
    type: int
    flags: int
    address: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int
    body: bytes


def read_header(data: bytes) -> Header:
    """Read and check the file header. Raises `ObjectError` for anything but a little-endian BPF ELF64 relocatable."""
    if not data.startswith(_MAGIC):
        raise ObjectError("this is not an ELF file")
    if len(data) < FILE_HEADER.size:
        raise ObjectError("the file ends inside its ELF header")
    ident, kind, machine, version, _, _, table, flags, _, _, _, entry_size, count, names = FILE_HEADER.unpack_from(data)
    if ident[4] != _CLASS_64 or ident[5] != _LITTLE_ENDIAN:
        raise ObjectError("this is not a 64-bit little-endian ELF file")
    if machine != _EM_BPF:
        raise ObjectError(f"this ELF file is for machine {machine}, not for BPF ({_EM_BPF})")
    if kind != _ET_REL:
        raise ObjectError("this ELF file is not a relocatable object")
    if count == 0 or count >= SHN_LORESERVE or entry_size != SECTION_HEADER.size:
        raise ObjectError("the ELF header describes no usable section table")
    if table + count * SECTION_HEADER.size > len(data):
        raise ObjectError("the file ends before its section table does")
    if names >= count:
        raise ObjectError("the ELF header names no section for the names of sections")
    return Header(ident, version, flags, table, count, names)


def read_sections(data: bytes, header: Header) -> tuple[Section, ...]:
    """Read every section, the empty section 0 included. Raises `ObjectError` if one lies outside the file."""
    end = header.table_offset + header.section_count * SECTION_HEADER.size
    records = list(SECTION_HEADER.iter_unpack(data[header.table_offset : end]))
    bodies = [_body(data, index, record) for index, record in enumerate(records)]
    names = bodies[header.names_index]
    return tuple(
        Section(string_at(names, name), kind, flags, address, size, link, info, alignment, entry_size, body)
        for (name, kind, flags, address, _, size, link, info, alignment, entry_size), body in zip(
            records, bodies, strict=True
        )
    )


def _body(data: bytes, index: int, record: tuple[int, ...]) -> bytes:
    _, kind, _, _, offset, size, *_ = record
    if kind in (SHT_NULL, SHT_NOBITS):
        return b""
    if offset + size > len(data):
        raise ObjectError(f"the file ends inside section {index}")
    return data[offset : offset + size]


def string_at(table: bytes, offset: int) -> bytes:
    """The NUL-terminated string at `offset` of a string table, without the NUL. Raises `ObjectError` outside of it."""
    end = table.find(b"\0", offset) if offset < len(table) else -1
    if end < 0:
        raise ObjectError(f"no string ends after offset {offset} of a string table of {len(table)} bytes")
    return table[offset:end]


class StringTable:
    """Collects strings in the order they are first asked for, each stored once."""

    def __init__(self) -> None:
        self._body = bytearray(b"\0")
        self._offsets = {b"": 0}

    def add(self, text: bytes) -> int:
        """The offset of `text`, which is appended if it is new."""
        if text not in self._offsets:
            self._offsets[text] = len(self._body)
            self._body += text + b"\0"
        return self._offsets[text]

    def body(self) -> bytes:
        """The table as it stands in the file."""
        return bytes(self._body)


def write_object(header: Header, sections: Iterable[tuple[int, Section]]) -> bytes:
    """Lay the sections out one after the other, each with the offset of its name, and put the header before them.

    Section 0 must come first; `header.table_offset` and `header.section_count` are computed anew.
    """
    out = bytearray(FILE_HEADER.size)
    records = []
    for name, section in sections:
        offset = 0
        if section.type != SHT_NULL:
            out.extend(bytes(-len(out) % max(section.alignment, 1)))
            offset = len(out)
            out.extend(section.body)
        records.append(
            SECTION_HEADER.pack(
                *(name, section.type, section.flags, section.address, offset, section.size),
                *(section.link, section.info, section.alignment, section.entry_size),
            )
        )
    out.extend(bytes(-len(out) % 8))
    table = len(out)
    out[: FILE_HEADER.size] = FILE_HEADER.pack(
        *(header.ident, _ET_REL, _EM_BPF, header.version, 0, 0, table, header.flags),
        *(FILE_HEADER.size, 0, 0, SECTION_HEADER.size, len(records), header.names_index),
    )
    return bytes(out) + b"".join(records)
