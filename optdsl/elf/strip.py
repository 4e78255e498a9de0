"""Removal of DWARF from a BPF object, in pure Python, so that no binutils or LLVM tools are needed.

    before: .text sockops .maps license .debug_info .debug_line ... .BTF .BTF.ext .llvm_addrsig .symtab .strtab
    after:  .text sockops .maps license .BTF .BTF.ext .symtab .strtab

What the kernel and libbpf read stays byte for byte: programs, data, maps, licence, `.BTF`, `.BTF.ext` and their
relocations. Sections, symbols and relocations are renumbered. Symbols that nothing needs any more (labels, the file
name, sections nobody refers to) go as well. The output depends on the input alone, and stripping twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from optdsl.elf import layout
from optdsl.elf.errors import ObjectError
from optdsl.elf.layout import Section
from optdsl.record import record, replace

_DROPPED_PREFIX = b".debug_"
_DROPPED_NAMES = frozenset({b".comment", b".llvm_addrsig"})
_UNSUPPORTED = frozenset({layout.SHT_RELA, layout.SHT_GROUP, layout.SHT_SYMTAB_SHNDX})
# Section alignments of compilers are 1 to 16; a damaged header must not make us write gigabytes of padding.
_MAX_ALIGNMENT = 4096


@record
class _Symbol:
    name: bytes
    info: int
    other: int
    section: int
    value: int
    size: int

    @property
    def is_local(self) -> bool:
        return self.info >> 4 == layout.STB_LOCAL

    @property
    def is_definition(self) -> bool:
        """Functions and objects are kept even if only the loader, by their name, refers to them."""
        return self.info & 0xF in (layout.STT_OBJECT, layout.STT_FUNC)


def strip(data: bytes) -> bytes:
    """The object `data` without `.debug_*`, `.comment`, `.llvm_addrsig` and the relocations that belong to them.

    Raises `ObjectError` if `data` is not a little-endian BPF ELF64 relocatable with one symbol table.
    """
    header = layout.read_header(data)
    sections = layout.read_sections(data, header)
    _check(sections)
    order = [index for index in range(len(sections)) if not _is_dropped(sections, index)]
    numbers = {old: new for new, old in enumerate(order)}
    table = _symbol_table(sections)
    for index in (sections[table].link, header.names_index):
        if index not in numbers or sections[index].type != layout.SHT_STRTAB:
            raise ObjectError(f"section {index} should be a string table, and is not")

    symbols = _read_symbols(sections, table)
    kept = _kept_symbols(symbols, [sections[index] for index in order], numbers)
    symbol_numbers = {old: new for new, old in enumerate(kept)}

    strings = {index: layout.StringTable() for index in {sections[table].link, header.names_index}}
    symbol_body = _symbol_body([symbols[index] for index in kept], strings[sections[table].link], numbers)
    names = [strings[header.names_index].add(sections[index].name) for index in order]
    locals_count = sum(symbols[index].is_local for index in kept)

    written = []
    for index in order:
        section = _relinked(sections[index], numbers, symbol_numbers)
        if index == table:
            section = replace(section, body=symbol_body, size=len(symbol_body), info=locals_count)
        elif index in strings:
            section = replace(section, body=strings[index].body(), size=len(strings[index].body()))
        written.append(section)
    return layout.write_object(
        replace(header, names_index=numbers[header.names_index]), zip(names, written, strict=True)
    )


def _check(sections: tuple[Section, ...]) -> None:
    if sections[0].type != layout.SHT_NULL:
        raise ObjectError("the first section is not the empty one")
    for index, section in enumerate(sections):
        if section.type in _UNSUPPORTED:
            raise ObjectError(f"section {index} has type {section.type}, which no BPF compiler writes")
        if section.alignment > _MAX_ALIGNMENT:
            raise ObjectError(f"section {index} is aligned to {section.alignment} bytes")
        if section.type == layout.SHT_REL and (section.info >= len(sections) or section.size % layout.RELOCATION.size):
            raise ObjectError(f"the relocations in section {index} are damaged")


def _is_dropped(sections: tuple[Section, ...], index: int) -> bool:
    section = sections[index]
    if section.type == layout.SHT_REL:
        section = sections[section.info]
    return section.name.startswith(_DROPPED_PREFIX) or section.name in _DROPPED_NAMES


def _symbol_table(sections: tuple[Section, ...]) -> int:
    tables = [
        index
        for index, section in enumerate(sections)
        if section.type == layout.SHT_SYMTAB and not _is_dropped(sections, index)
    ]
    if len(tables) != 1:
        raise ObjectError(f"the object has {len(tables)} symbol tables instead of one")
    return tables[0]


def _read_symbols(sections: tuple[Section, ...], table: int) -> list[_Symbol]:
    body = sections[table].body
    if not body or len(body) % layout.SYMBOL.size:
        raise ObjectError("the symbol table is damaged")
    names = sections[sections[table].link].body
    symbols: list[_Symbol] = []
    for name, *rest in layout.SYMBOL.iter_unpack(body):
        symbol = _Symbol(layout.string_at(names, name), *rest)
        if len(sections) <= symbol.section < layout.SHN_LORESERVE:
            raise ObjectError(f"symbol {len(symbols)} is defined in a section that does not exist")
        symbols.append(symbol)
    return symbols


def _kept_symbols(symbols: list[_Symbol], sections: list[Section], numbers: Mapping[int, int]) -> list[int]:
    """Indices of the symbols that stay: the empty one, those that relocations name, and every definition or global."""
    named = {
        info >> 32
        for section in sections
        if section.type == layout.SHT_REL
        for _, info in layout.RELOCATION.iter_unpack(section.body)
    }
    kept = [0]
    for index, symbol in enumerate(symbols):
        is_wanted = index in named or not symbol.is_local or symbol.is_definition
        is_placed = symbol.section in numbers or symbol.section >= layout.SHN_LORESERVE
        if index != 0 and is_wanted and is_placed:
            kept.append(index)
    if not named <= set(kept):
        raise ObjectError("a relocation refers to a debug section or to no symbol at all")
    return kept


def _symbol_body(symbols: list[_Symbol], strings: layout.StringTable, numbers: Mapping[int, int]) -> bytes:
    return b"".join(
        layout.SYMBOL.pack(
            *(strings.add(symbol.name), symbol.info, symbol.other),
            *(numbers.get(symbol.section, symbol.section), symbol.value, symbol.size),
        )
        for symbol in symbols
    )


def _relinked(section: Section, numbers: Mapping[int, int], symbol_numbers: Mapping[int, int]) -> Section:
    """The section with its references to other sections, and a relocation section's to symbols, renumbered."""
    section = replace(section, link=numbers.get(section.link, 0))
    if section.type != layout.SHT_REL:
        return section
    body = b"".join(
        layout.RELOCATION.pack(offset, symbol_numbers[info >> 32] << 32 | info & 0xFFFFFFFF)
        for offset, info in layout.RELOCATION.iter_unpack(section.body)
    )
    return replace(section, info=numbers[section.info], body=body)
