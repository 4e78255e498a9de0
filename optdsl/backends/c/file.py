"""A whole C file: the functions first, because they decide what has to stand above them."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.backends.c.analysis import analyse
from optdsl.backends.c.constants import Constants
from optdsl.backends.c.declarations import global_lines, map_lines, record_lines, struct_lines, typedef_lines
from optdsl.backends.c.frame import Frame
from optdsl.backends.c.functions import write_function
from optdsl.backends.c.header import attribute_lines, define_lines, header_comment, include_lines
from optdsl.backends.c.names import Names
from optdsl.backends.c.support import Support, helper_names
from optdsl.backends.c.writer import Writer, quoted
from optdsl.ir import ops
from optdsl.ir.program import Program
from optdsl.ir.structs import all_structs
from optdsl.ir.walk import statements


def file_text(program: Program, *, lines: bool) -> str:
    """The text of the file for a program."""
    facts = analyse(program)
    names = Names(program, helper_names(program))
    guards = any(
        isinstance(statement, ops.SetCallbackFlags)
        for function in program.functions
        if function.name in facts.guarded
        for statement in statements(function.body)
    )
    constants, support = Constants(), Support(program, names, lines=lines, guard_callbacks=guards)
    writer = Writer(lines=lines)
    for function in program.functions:
        writer.plain("")
        frame = Frame(program, function, facts, names=names, constants=constants, support=support)
        write_function(frame, writer, lines=lines)
    data = _paragraphs(_data(program, support))
    below = "\n".join([data, *support.texts()])
    code = writer.text()
    top = _paragraphs(
        [
            header_comment(program, lines=lines),
            include_lines(swaps_bytes=support.swaps_bytes),
            define_lines(constants.defined),
            attribute_lines(below + code),
        ]
    )
    return f"{top}\n{data}\n" + "".join(f"{text}\n\n" for text in support.texts()).removesuffix("\n") + code


def _data(program: Program, support: Support) -> Iterator[list[str]]:
    """Types, maps, variables and the licence, as paragraphs."""
    yield typedef_lines(program)
    yield from (struct_lines(struct) for struct in all_structs(program))
    yield from (map_lines(definition) for definition in program.maps)
    yield from (global_lines(variable) for variable in program.globals)
    yield from (record_lines(record) for record in program.records if not support.is_reserved(record))
    yield [f'char LICENSE[] SEC("license") = {quoted(program.license)};']


def _paragraphs(parts: Iterator[list[str]] | list[list[str]]) -> str:
    """The parts that have any lines, with an empty line between them."""
    return "\n".join("".join(f"{line}\n" for line in part) for part in parts if part)
