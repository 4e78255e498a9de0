"""Functions of an object: their code, what it refers to, and the source lines it stems from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from struct import unpack_from

from optdsl.elf.btf_ext import BtfExt, LineInfo
from optdsl.elf.btf_text import declare_function
from optdsl.elf.btf_types import Btf
from optdsl.elf.btf_types import Function as BtfFunction
from optdsl.elf.encoding import SLOT_SIZE
from optdsl.elf.errors import ObjectError
from optdsl.elf.image import Image, ImageRelocation, ImageSection, Symbol
from optdsl.elf.model import Function, Relocation, SourceLine

_CALL_RELOCATION = "R_BPF_64_32"
_WIDE_LOAD_RELOCATION = "R_BPF_64_64"


def read_functions(image: Image, btf: Btf, ext: BtfExt) -> tuple[Function, ...]:
    """Every function that a symbol marks, in the order of sections and offsets.

    Raises `ObjectError` for code that is not whole instructions and for relocations that do not fit it.
    """
    places = _Places(image)
    functions: list[Function] = []
    for section in image.sections:
        if not section.is_code:
            continue
        symbols = sorted(
            (symbol for symbol in image.symbols if symbol.kind == "func" and symbol.section == section.index),
            key=lambda symbol: symbol.value,
        )
        prototypes = {info.offset: info.type for info in ext.functions if info.section == section.name}
        lines = sorted((line for line in ext.lines if line.section == section.name), key=lambda line: line.offset)
        for symbol in symbols:
            code = _code(section, symbol)
            functions.append(
                Function(
                    name=symbol.name,
                    section=section.name,
                    slot=symbol.value // SLOT_SIZE,
                    code=code,
                    prototype=_prototype(btf, prototypes.get(symbol.value)),
                    is_global=symbol.is_global,
                    relocations=tuple(_relocations(section, symbol.value, code, places)),
                    lines=tuple(_lines(lines, symbol.value, len(code))),
                )
            )
    return tuple(functions)


def _code(section: ImageSection, symbol: Symbol) -> bytes:
    if symbol.value % SLOT_SIZE or symbol.size % SLOT_SIZE:
        raise ObjectError(f"the function {symbol.name} is not a whole number of instructions")
    return section.bytes_at(symbol.value, symbol.size)


def _prototype(btf: Btf, number: int | None) -> str:
    if number is None:
        return ""
    found = btf.types[number] if number < len(btf.types) else None
    if not isinstance(found, BtfFunction):
        raise ObjectError(".BTF.ext describes a function by a type that is none")
    return declare_function(btf, found)


def _lines(lines: Sequence[LineInfo], start: int, size: int) -> Iterator[SourceLine]:
    for line in lines:
        if start <= line.offset < start + size:
            yield SourceLine((line.offset - start) // SLOT_SIZE, line.file, line.line, line.column, line.text)


def _relocations(section: ImageSection, start: int, code: bytes, places: _Places) -> Iterator[Relocation]:
    for relocation in sorted(section.relocations, key=lambda relocation: relocation.offset):
        offset = relocation.offset - start
        if not 0 <= offset < len(code):
            continue
        if offset % SLOT_SIZE:
            raise ObjectError(f"a relocation in section {section.name} does not stand on an instruction")
        symbol, place = places.of(relocation, _addend(relocation, code, offset))
        yield Relocation(offset // SLOT_SIZE, relocation.kind, symbol, place)


def _addend(relocation: ImageRelocation, code: bytes, offset: int) -> int:
    """What the instruction's immediate adds to the symbol, in bytes.

    A call counts slots from the instruction after it, so that -1 is the symbol itself; a wide load counts bytes.
    """
    lower: int = unpack_from("<i", code, offset + 4)[0]
    if relocation.kind == _CALL_RELOCATION:
        return (lower + 1) * SLOT_SIZE
    if relocation.kind == _WIDE_LOAD_RELOCATION and offset + 2 * SLOT_SIZE <= len(code):
        upper: int = unpack_from("<i", code, offset + SLOT_SIZE + 4)[0]
        return upper << 32 | lower & 0xFFFFFFFF
    raise ObjectError(f"a relocation {relocation.kind} does not belong to an instruction")


class _Places:
    """Names for places in sections, from the symbols that stand there."""

    def __init__(self, image: Image) -> None:
        self._sections = image.sections
        self._named: dict[int, list[Symbol]] = {}
        for symbol in image.symbols:
            if symbol.section is not None and symbol.kind in ("func", "object"):
                self._named.setdefault(symbol.section, []).append(symbol)

    def of(self, relocation: ImageRelocation, addend: int) -> tuple[str, str]:
        """The name of what a relocation refers to, and its section and offset unless it is defined elsewhere."""
        symbol = relocation.symbol
        if symbol.section is None:
            return symbol.name, ""
        offset = symbol.value + addend
        place = f"{self._sections[symbol.section].name}{offset:+}"
        return _name_at(self._named.get(symbol.section, ()), offset) or place, place


def _name_at(symbols: Iterable[Symbol], offset: int) -> str:
    """The name of the symbol at an offset or, with the distance, of the one that contains it; empty if none does."""
    for symbol in symbols:
        if symbol.value == offset:
            return symbol.name
        if symbol.value < offset < symbol.value + symbol.size:
            return f"{symbol.name}{offset - symbol.value:+}"
    return ""
