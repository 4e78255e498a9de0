"""The one text form of the IR: what `--emit ir` shows and what golden tests compare.

Top to bottom: the program, its structs with byte offsets, globals, maps, records and counters, then the functions,
callees first. Statements read like C; `wire[4..6]` are the bytes 4 and 5 of `wire`, most significant first. A function
looks like this:

    /// Builds the option.
    fn compose(ctx, socket : struct socket *) -> number {
        if socket.done != 0 {
            return 0
        }
        socket.wire[4..5] = divisor.value
        return 5
    }
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from optdsl.ir import types as t
from optdsl.ir.print_statements import block_lines
from optdsl.ir.print_values import INDENT, Line, number, type_name
from optdsl.ir.program import Function, Program
from optdsl.ir.structs import all_structs

_SPAN_COLUMN = 88
_LINE_LENGTH = 100


def print_program(program: Program, *, spans: bool = False) -> str:
    """The text of a whole program, ending in a newline.

    With `spans`, each line of code that comes from a source ends in `; file:line:column`. Deterministic: equal programs
    have equal texts, whatever folder their sources are in.
    """
    lines: list[Line] = [*_doc_lines(program.doc, "")]
    lines.append(Line(f'program {program.name} license "{program.license}"'))
    for struct in all_structs(program):
        lines += [Line(""), *_struct_lines(struct)]
    for section in t.Section:
        variables = [variable for variable in program.globals if variable.section is section]
        if variables:
            lines.append(Line(""))
            lines += [line for variable in variables for line in _global_lines(variable)]
    if program.maps:
        lines.append(Line(""))
        lines += [line for definition in program.maps for line in _map_lines(definition)]
    if program.records or program.counters.members:
        lines.append(Line(""))
        lines += [Line(f"record struct {record.name}") for record in program.records]
        lines += [Line(f"counters struct {program.counters.name}")] if program.counters.members else []
    for function in program.functions:
        lines += [Line(""), *_function_lines(function, is_entry=function.name == program.entry)]
    return "".join(_finish(line, spans) + "\n" for line in lines)


def _finish(line: Line, spans: bool) -> str:
    if not spans or line.span is None:
        return line.text
    span = line.span
    return f"{line.text:<{_SPAN_COLUMN}}  ; {span.source.base_name}:{span.line}:{span.column}"


def _doc_lines(doc: str, indent: str) -> Iterator[Line]:
    for text in doc.splitlines():
        yield Line(f"{indent}/// {text}".rstrip())


def _struct_lines(struct: t.Struct) -> Iterator[Line]:
    yield from _doc_lines(struct.doc, "")
    yield Line(f"struct {struct.name} {{  // {struct.size} bytes")
    width = max((len(member.name) for member in struct.members), default=0)
    for member in struct.members:
        yield from _doc_lines(member.doc, INDENT)
        yield Line(f"{INDENT}{struct.offset(member.name):>3}  {member.name:<{width}} : {type_name(member.type)}")
    yield Line("}")


def _global_lines(variable: t.GlobalVariable) -> Iterator[Line]:
    yield from _doc_lines(variable.doc, "")
    match variable.section:
        case t.Section.PARAMETERS:
            kind = "parameter"
        case t.Section.CONSTANTS:
            kind = "constant"
        case _:
            assert_never(variable.section)
    yield from _value_lines(f"{kind} {variable.name} : {type_name(variable.type)} = ", variable.type, variable.initial)


def _value_lines(head: str, kind: t.Type, value: t.Initial, indent: str = "") -> Iterator[Line]:
    """An initial value on one line if it fits, else one line for each element."""
    flat = f"{indent}{head}{_initial(kind, value)}"
    if len(flat) <= _LINE_LENGTH or isinstance(value, int) or flat.endswith('"'):
        yield Line(flat)
    elif isinstance(value, bytes):
        yield Line(f"{indent}{head}bytes(")
        yield from (Line(f"{indent}{INDENT}{value[at : at + 16].hex(' ')}") for at in range(0, len(value), 16))
        yield Line(f"{indent})")
    else:
        yield Line(f"{indent}{head}{{")
        for name, element, element_type in _elements(kind, value):
            yield from _value_lines(name, element_type, element, indent + INDENT)
        yield Line(f"{indent}}}")


def _initial(kind: t.Type, value: t.Initial) -> str:
    match value:
        case int():
            return number(value)
        case bytes() if isinstance(kind, t.ByteArray) and kind.text:
            return '"' + "".join(chr(byte) if _is_plain(byte) else f"\\x{byte:02x}" for byte in value) + '"'
        case bytes():
            return f"bytes({value.hex(' ')})"
        case tuple() if not value:
            return "{}"
        case tuple():
            return "{ " + ", ".join(name + _initial(inner, one) for name, one, inner in _elements(kind, value)) + " }"
        case _:
            assert_never(value)


def _is_plain(byte: int) -> bool:
    """True for the ASCII characters that stand for themselves in a quoted text."""
    return 32 <= byte < 127 and byte not in b'"\\'


def _elements(kind: t.Type, value: tuple[t.Initial, ...]) -> Iterator[tuple[str, t.Initial, t.Type]]:
    """(`name = ` or nothing, initial value, type) of each member or element."""
    match kind:
        case t.Struct():
            for member, one in zip(kind.members, value, strict=True):
                yield f"{member.name} = ", one, member.type
        case t.Array():
            for one in value:
                yield "", one, kind.element
        case t.Scalar() | t.ByteArray():
            raise TypeError(f"{value!r} is not an initial value of {kind}")
        case _:
            assert_never(kind)


def _map_lines(definition: t.MapDefinition) -> Iterator[Line]:
    yield from _doc_lines(definition.doc, "")
    kind = definition.kind.name.lower()
    match definition.kind, definition.key, definition.value:
        case t.MapKind.RINGBUF, _, _:
            yield Line(f"map {definition.name} : {kind} of {definition.max_entries} bytes")
        case t.MapKind.SK_STORAGE, _, t.Scalar() | t.ByteArray() | t.Array() | t.Struct() as value:
            yield Line(f"map {definition.name} : {kind} socket -> {type_name(value)}")
        case _, key, value:
            arrow = " -> ".join(type_name(side) for side in (key, value) if side is not None)
            entries = "1 entry" if definition.max_entries == 1 else f"{definition.max_entries} entries"
            yield Line(f"map {definition.name} : {kind} {arrow}, {entries}")


def _function_lines(function: Function, *, is_entry: bool) -> Iterator[Line]:
    yield from _doc_lines(function.doc, "")
    parameters = ["ctx"]
    for parameter in function.parameters:
        kind = "number" if parameter.points_to is None else f"{type_name(parameter.points_to)} *"
        parameters.append(f"{parameter.name} : {kind}")
    prefix = "entry " if is_entry else "inline " if function.inline else ""
    result = " -> number" if function.returns else ""
    yield Line(f"{prefix}fn {function.name}({', '.join(parameters)}){result} {{", function.span)
    yield from block_lines(function.body, INDENT)
    yield Line("}")
