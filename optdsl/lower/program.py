"""Checked program in, IR out: `lower_program(checked)`.

Each option becomes functions that compose, receive and handle; `dispatch` wires them to the kernel's callbacks.
"""

from __future__ import annotations

from optdsl.ir.program import Program
from optdsl.lower.connections import add_connections
from optdsl.lower.dispatch import Dispatch, add_events, add_parsing, entry
from optdsl.lower.memory import Memory
from optdsl.lower.parts import make_parts
from optdsl.lower.sizing import add_sizing
from optdsl.lower.walk import sources_of
from optdsl.lower.writing import add_writing
from optdsl.semantics import model
from optdsl.source import Span


def lower_program(program: model.CheckedProgram) -> Program:
    """The IR of a checked program."""
    memory = Memory(program)
    parts = make_parts(memory)
    span = program.options[0].span if program.options else Span(program.sources[0], 0, 0)
    dispatch = Dispatch(span, memory, parts)
    add_connections(dispatch)
    add_sizing(dispatch)
    add_writing(dispatch)
    add_parsing(dispatch)
    add_events(dispatch)
    functions = (*(each for part in parts for each in part.functions), *dispatch.functions, entry(dispatch))
    return Program(
        name=program.name,
        sources=sources_of(program.sources, functions),
        globals=memory.variables(),
        maps=memory.maps(),
        records=tuple(form.struct for form in memory.records.values()),
        counters=memory.counters_struct(),
        functions=functions,
        entry=memory.entry,
        doc=" ".join(option.doc.split("\n")[0] for option in program.options if option.doc),
    )
