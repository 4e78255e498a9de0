"""Checked program in, IR out: `lower_program(checked)`.

Each option becomes functions that compose, receive and handle; `dispatch` wires them to the kernel's callbacks.
"""

from __future__ import annotations

from optdsl.ir.program import Function, Program
from optdsl.lower.blocks import record_struct
from optdsl.lower.dispatch import Dispatch, Part, active_roles
from optdsl.lower.memory import Memory
from optdsl.lower.receiver import Receiver
from optdsl.lower.roles import Roles
from optdsl.lower.sender import Sender
from optdsl.semantics import model
from optdsl.source import Source, Span

MOST_INLINED = 8
"""With more options than this, their functions stay sub-programs: one function must not outgrow BPF's jumps."""


def lower_program(program: model.CheckedProgram) -> Program:
    """The IR of a checked program."""
    memory = Memory(program)
    roles = Roles(active_roles(program))
    inline = len(program.options) <= MOST_INLINED
    parts = [_part(memory, option, roles, inline) for option in program.options]
    span = program.options[0].span if program.options else Span(program.sources[0], 0, 0)
    dispatch = Dispatch(span, memory, parts, roles, inline)
    dispatch.connect()
    dispatch.listen()
    dispatch.established()
    dispatch.length()
    dispatch.write()
    dispatch.parse()
    dispatch.events()
    entry = dispatch.entry(_entry_name(program), "Runs at every sock_ops callback of the cgroup.")
    functions = [function for part in parts for function in part.functions.values()]
    return Program(
        name=program.name,
        sources=_sources(program),
        globals=tuple(memory.globals + memory.settings()),
        maps=memory.maps(),
        records=tuple(record_struct(record) for record in program.records),
        counters=memory.counters_struct(),
        functions=(*functions, *dispatch.made.values(), entry),
        entry=entry.name,
        doc=" ".join(option.doc.split("\n")[0] for option in program.options if option.doc),
    )


def _entry_name(program: model.CheckedProgram) -> str:
    """The name of the BPF program: at most 15 characters, and not that of an option's params."""
    if all(option.name != program.name for option in program.options):
        return program.name
    return f"{program.name[:10]}_prog"


def _part(memory: Memory, option: model.Option, roles: Roles, inline: bool) -> Part:
    sender, receiver = Sender(memory, option, roles, inline), Receiver(memory, option, roles, inline)
    handlers = receiver.handlers()
    made: list[Function | None] = [
        sender.compose(), sender.compose_syn(), sender.compose_synack(), receiver.receive(),
        *(function for _, function in handlers),
    ]  # fmt: skip
    functions = {function.name: function for function in made if function is not None}
    return Part(option, sender, receiver, handlers, functions)


def _sources(program: model.CheckedProgram) -> tuple[Source, ...]:
    """The sources that spans may point into."""
    return program.sources
