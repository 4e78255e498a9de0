"""Reader of `.BTF.ext`: which function and which source line each stretch of instructions belongs to.

The text of the source line is in the object itself; nothing is read from the disk. Source of the format:
`Documentation/bpf/btf.rst`, section "BTF.ext section".
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from optdsl.elf.btf_types import Btf
from optdsl.elf.errors import ObjectError
from optdsl.record import record

_HEADER = Struct("<HBBIIIII")
_MAGIC, _VERSION = 0xEB9F, 1
_RECORD_SIZE = Struct("<I")
_BLOCK = Struct("<II")
_FUNCTION = Struct("<II")
_LINE = Struct("<IIII")


@record
class FunctionInfo:
    """A function of BTF type `type` starts `offset` bytes into `section`."""

    section: str
    offset: int
    type: int


@record
class LineInfo:
    """From `offset` bytes into `section` on, until the next such record, the code stems from this line of the source.

    Lines and columns count from 1; a line of 0 marks code that belongs to no line.
    """

    section: str
    offset: int
    file: str
    line: int
    column: int
    text: str


@record
class BtfExt:
    """What `.BTF.ext` says, in the order of the file."""

    functions: tuple[FunctionInfo, ...]
    lines: tuple[LineInfo, ...]


def parse(data: bytes, btf: Btf) -> BtfExt:
    """Read a `.BTF.ext` section whose relocations have been applied; its strings are those of `btf`.

    Raises `ObjectError` if it is damaged.
    """
    if len(data) < _HEADER.size:
        raise ObjectError(".BTF.ext ends inside its header")
    magic, version, _, header_size, function_offset, function_size, line_offset, line_size = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != _VERSION or header_size < _HEADER.size:
        raise ObjectError(".BTF.ext does not begin with a little-endian header of BTF version 1")
    functions = _part(data, header_size + function_offset, function_size)
    lines = _part(data, header_size + line_offset, line_size)
    return BtfExt(
        tuple(FunctionInfo(btf.string(section), *fields) for section, fields in _records(functions, _FUNCTION)),
        tuple(_line(btf, section, *fields) for section, fields in _records(lines, _LINE)),
    )


def _part(data: bytes, start: int, size: int) -> bytes:
    part = data[start : start + size]
    if len(part) != size:
        raise ObjectError(".BTF.ext ends before its records do")
    return part


def _records(part: bytes, record: Struct) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The records of one part, each with the string offset of its section's name.

    A part is the size of its records, then one block a section: name, number of records, records. Records may be longer
    than what we know of them.
    """
    if not part:
        return
    size = _take(part, 0, _RECORD_SIZE)[0]
    if size < record.size:
        raise ObjectError(f".BTF.ext has records of {size} bytes instead of {record.size}")
    position = _RECORD_SIZE.size
    while position < len(part):
        section, count = _take(part, position, _BLOCK)
        position += _BLOCK.size
        for _ in range(count):
            yield section, _take(part, position, record)
            position += size


def _take(part: bytes, position: int, record: Struct) -> tuple[int, ...]:
    if position + record.size > len(part):
        raise ObjectError(".BTF.ext ends in the middle of a record")
    return record.unpack_from(part, position)


def _line(btf: Btf, section: int, offset: int, file: int, text: int, position: int) -> LineInfo:
    """`position` holds the line in its upper 22 bits and the column in its lower 10."""
    line, column = position >> 10, position & 0x3FF
    return LineInfo(btf.string(section), offset, btf.string(file), line, column, btf.string(text))
