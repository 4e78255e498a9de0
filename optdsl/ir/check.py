"""The invariants of the IR: what every pass that makes IR must keep and every back end may rely on.

A problem found here is a mistake of the compiler, never of the user, so the messages speak of the IR. Run it after
lowering and after every pass of the IR:

    problems = check_program(program)
    if problems: ...  # internal error
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from optdsl.ir import ops
from optdsl.ir import types as t
from optdsl.ir.check_body import check_body
from optdsl.ir.check_callbacks import check_callbacks
from optdsl.ir.check_scope import Scope
from optdsl.ir.program import Function, Program
from optdsl.ir.structs import all_structs
from optdsl.ir.walk import statements

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# BPF passes five arguments in registers; the first is the context.
_MOST_PARAMETERS = 4
# MAX_BPF_STACK in include/linux/filter.h; it holds for a whole chain of calls.
_STACK = 512
_PAGE = 4096


def check_program(program: Program) -> list[str]:
    """What is wrong with a program, in the order of its parts; empty if it is fine.

    Messages about code begin with `function: file:line:column:`.
    """
    problems = [
        *_check_names(program),
        *_check_structs(program),
        *_check_globals(program),
        *(problem for definition in program.maps for problem in _check_map(program, definition)),
        *_check_entry(program),
    ]
    in_bodies: dict[str, None] = {}
    _check_functions(program, in_bodies)
    problems += in_bodies
    # The walks along calls need calls that lead somewhere.
    return problems or [*_check_stack(program), *check_callbacks(program)]


def _check_names(program: Program) -> Iterator[str]:
    names = [
        *(variable.name for variable in program.globals),
        *(definition.name for definition in program.maps),
        *(function.name for function in program.functions),
    ]
    yield from (f"two definitions of {name}" for name in _repeated(names))
    locals_ = (parameter.name for function in program.functions for parameter in function.parameters)
    yield from (f"{name!r} is no name" for name in [*names, *locals_] if not _IDENTIFIER.fullmatch(name))


def _check_structs(program: Program) -> Iterator[str]:
    structs = all_structs(program)
    yield from (f"two different structs {name}" for name in _repeated(struct.name for struct in structs))
    for struct in structs:
        yield from (
            f"struct {struct.name} has two members {name}" for name in _repeated(m.name for m in struct.members)
        )
        for member in struct.members:
            yield from _check_type(f"struct {struct.name}: {member.name}", member.type)


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def _check_type(where: str, kind: t.Type) -> Iterator[str]:
    match kind:
        case t.Scalar() if kind.bits not in (8, 16, 32, 64):
            yield f"{where}: a number of {kind.bits} bits"
        case t.ByteArray() if kind.length < 1:
            yield f"{where}: an array of {kind.length} bytes"
        case t.Array():
            if kind.length < 1:
                yield f"{where}: an array of {kind.length} elements"
            yield from _check_type(where, kind.element)
        case _:
            pass


def _check_globals(program: Program) -> Iterator[str]:
    for variable in program.globals:
        yield from _check_type(f"global {variable.name}", variable.type)
        try:
            t.encode(variable.type, variable.initial)
        except (TypeError, ValueError, OverflowError) as error:
            yield f"global {variable.name}: initial value: {error}"


def _check_map(program: Program, definition: t.MapDefinition) -> Iterator[str]:
    where, key, value = f"map {definition.name}", definition.key, definition.value
    for side in (key, value):
        if side is not None:
            yield from _check_type(where, side)
    match definition.kind:
        case t.MapKind.RINGBUF:
            if key is not None or value is not None:
                yield f"{where}: a ring buffer has neither key nor value"
            if definition.max_entries < _PAGE or definition.max_entries.bit_count() != 1:
                yield f"{where}: {definition.max_entries} bytes; a power of two from {_PAGE} is needed"
        case t.MapKind.SK_STORAGE:
            if key != t.U32 or value is None or definition.max_entries != 0:
                yield f"{where}: socket storage needs a u32 key, a value and no number of entries"
        case t.MapKind.HASH:
            if key is None or value is None or definition.max_entries < 1:
                yield f"{where}: a hash table needs a key, a value and at least one entry"
        case t.MapKind.PERCPU_ARRAY:
            if key != t.U32 or value is None or definition.max_entries < 1:
                yield f"{where}: an array needs a u32 index, a value and at least one entry"
    if definition.name == "counters" and (
        definition.kind is not t.MapKind.PERCPU_ARRAY or value != program.counters or definition.max_entries != 1
    ):
        yield f"{where}: must be a per-CPU array of one struct {program.counters.name}"


def _check_entry(program: Program) -> Iterator[str]:
    if not program.functions or program.functions[-1].name != program.entry:
        yield f"the entry {program.entry} is not the last function"
        return
    entry = program.functions[-1]
    if entry.parameters or not entry.returns:
        yield f"the entry {entry.name} must take no parameters and return a number"
    for statement in statements(entry.body):
        if isinstance(statement, ops.Return) and not _is_one(statement.value):
            yield f"{entry.name}: {statement.span}: the entry returns something else than 1"


def _is_one(value: ops.Value | None) -> bool:
    return isinstance(value, ops.Const) and value.value == 1


def _check_functions(program: Program, problems: dict[str, None]) -> None:
    """Checks functions in their order, so that what a callee needs is known where it is called."""
    before: dict[str, Function] = {}
    map_memory: dict[str, set[str]] = {}
    for function in program.functions:
        scope = Scope(program, function, problems)
        scope.callees, scope.callees_map_memory = before, map_memory
        if len(function.parameters) > _MOST_PARAMETERS and not function.inline:
            scope.report(function.span, f"{len(function.parameters)} parameters besides ctx; 4 fit")
        check_body(scope)
        before[function.name], map_memory[function.name] = function, scope.map_memory


def _check_stack(program: Program) -> Iterator[str]:
    """Estimates the stack from buffers alone, along the deepest chain of calls."""
    depth: dict[str, int] = {}
    for function in program.functions:
        body = list(statements(function.body))
        own = sum(-(-s.size // 8) * 8 for s in body if isinstance(s, ops.DeclareBuffer))
        depth[function.name] = own + max((depth[s.function] for s in body if isinstance(s, ops.Call)), default=0)
        if depth[function.name] > _STACK:
            yield f"{function.name}: {function.span}: {depth[function.name]} bytes of buffers; the stack has {_STACK}"
            return
