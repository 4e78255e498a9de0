"""The text of `optdsl inspect OBJECT`: what is in an object, and its code between the source lines it stems from.

    ; delack.opt:29  rtt_divisor = divisor
         41  r1 = divisor ll                             # .data.params+0
         43  w1 = *(u8 *)(r1 + 0)

Plain text without colours; every function is pure and returns lines without a newline at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from optdsl.elf.disassembler import Instruction, Reference, disassemble
from optdsl.elf.model import Function, Map, ObjectFile, Relocation, SourceLine, TypeText, Variable

_INDENT = "  "
_SLOT_WIDTH = 6
_NOTE_COLUMN = 46
_PLAIN_INTEGER = re.compile(r"_*[us](8|16|32|64)|u?int(8|16|32|64)_t")


def listing(obj: ObjectFile) -> str:
    """The whole listing of an object, one paragraph a subject, with a newline at the end."""
    paragraphs = [
        [f"license: {obj.license or 'none'}"],
        section_lines(obj),
        map_lines(obj.maps),
        variable_lines(obj.variables),
        program_lines(obj),
    ]
    paragraphs += [list(function_lines(obj, function)) for function in (*obj.programs, *obj.subprograms)]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines) + "\n"


def section_lines(obj: ObjectFile) -> list[str]:
    """The table of sections: name, size in bytes, flags in the letters of `readelf -S`."""
    return _table("sections", ("name", "bytes", "flags"), [(s.name, str(s.size), s.flags) for s in obj.sections])


def map_lines(maps: Sequence[Map]) -> list[str]:
    """The maps with the types of keys and values, and below them the structs those types name; nothing without maps."""
    if not maps:
        return []
    rows = [
        (found.name, found.type_name, _type(found.key), _type(found.value), str(found.max_entries), _map_flags(found))
        for found in maps
    ]
    lines = _table("maps", ("name", "type", "key", "value", "entries", "flags"), rows)
    types = [found_type for found in maps for found_type in (found.key, found.value) if found_type]
    return lines + _definition_lines(found_type.definition for found_type in types)


def _definition_lines(definitions: Iterable[str]) -> list[str]:
    """Each definition once, indented, with an empty line before it."""
    found = dict.fromkeys(definition for definition in definitions if definition)
    return [line for definition in found for line in ("", *(_INDENT + line for line in definition.splitlines()))]


def _type(found: TypeText | None) -> str:
    if found is None:
        return "-"
    return f"{found.text} ({found.size} bytes)" if found.text else f"{found.size} bytes"


def _map_flags(found: Map) -> str:
    return ", ".join([*([f"{found.flags:#x}"] if found.flags else []), *(["pinned"] if found.is_pinned else [])])


def variable_lines(variables: Sequence[Variable]) -> list[str]:
    """The global variables, section by section, with their units and first values, and the structs that they are."""
    lines: list[str] = []
    for section, group in groupby(variables, key=lambda variable: variable.section):
        members = list(group)
        rows = [(str(found.offset), found.declaration, found.initializer, _unit(found)) for found in members]
        lines += ["", *_table(f"variables in {section}", ("offset", "declaration", "initial value", "unit"), rows)]
        lines += _definition_lines(found.definition for found in members)
    return lines[1:]


def _unit(variable: Variable) -> str:
    """The typedef name of a variable's type, unless it only says how wide the integer is."""
    return "" if _PLAIN_INTEGER.fullmatch(variable.typedef) else variable.typedef


def program_lines(obj: ObjectFile) -> list[str]:
    """The table of programs and sub-programs with their lengths, in instructions as the kernel counts them."""
    rows = [
        (function.name, function.section, str(function.instruction_count), kind)
        for kind, functions in (("program", obj.programs), ("sub-program", obj.subprograms))
        for function in functions
    ]
    return _table("programs", ("name", "section", "instructions", "kind"), rows) if rows else []


def function_lines(obj: ObjectFile, function: Function) -> Iterator[str]:
    """The code of a function, each stretch below the source line it stems from.

    Slots count from the start of the function, which for a program is how the verifier's log counts them.
    """
    yield f"{function.section}: {function.prototype or function.name}"
    references = {relocation.slot: _reference(relocation) for relocation in function.relocations}
    neighbours = {
        other.slot - function.slot: other.name
        for other in (*obj.programs, *obj.subprograms)
        if other.section == function.section
    }
    lines = {line.slot: line for line in function.lines if line.line}
    shown: SourceLine | None = None
    for instruction in disassemble(function.code, references, neighbours):
        line = lines.get(instruction.slot)
        if line and (shown is None or (line.file, line.line) != (shown.file, shown.line)):
            yield source_text(line)
            shown = line
        yield instruction_text(instruction)


def _reference(relocation: Relocation) -> Reference:
    """Functions say all by their name; of data and maps the reader also wants to know where they are."""
    is_call = relocation.kind == "R_BPF_64_32"
    return Reference(relocation.symbol, "" if is_call or relocation.place == relocation.symbol else relocation.place)


def source_text(line: SourceLine) -> str:
    """`; delack.opt:29  rtt_divisor = divisor`: the file without its directories, the line without its indentation."""
    return f"; {line.file.rpartition('/')[2]}:{line.line}  {line.text.strip()}".rstrip()


def instruction_text(instruction: Instruction) -> str:
    """One instruction with its slot, and its note in a column of its own."""
    text = f"{instruction.slot:>{_SLOT_WIDTH}}  {instruction.text}"
    return f"{text:<{_NOTE_COLUMN}}  # {instruction.note}" if instruction.note else text


def _table(title: str, headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A titled table without its empty columns; columns of numbers are aligned to the right."""
    columns = [_column(column) for column in zip(headings, *rows, strict=True) if any(column[1:])]
    return [title, *((_INDENT + "  ".join(row)).rstrip() for row in zip(*columns, strict=True))]


def _column(cells: tuple[str, ...]) -> list[str]:
    """The cells, heading first, made as wide as the widest."""
    width = max(map(len, cells))
    is_number = all(cell.isdecimal() for cell in cells[1:])
    return [cell.rjust(width) if is_number else cell.ljust(width) for cell in cells]
