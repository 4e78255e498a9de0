"""What the C of a function depends on beyond its own text, found for the whole program before anything is printed.

- `errors`: results of the kernel's helpers that the function tests for being negative. C calls them `long`.
- `fallible`: functions whose result is tested like that; they return `long`.
- `needs_context`: functions that use `ctx`, themselves or through what they call. The others do without it.
- `guarded`: functions that read the context through `READ_ONCE`.
- `callbacks`: the values of `ctx->op` under which a function runs.
- `flags`: members that only ever are 0 or 1, which C tests without a comparison.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from optdsl.ir import ops
from optdsl.ir.program import Function, Program
from optdsl.ir.walk import operations, statements
from optdsl.record import record

_USES_CONTEXT = (
    ops.Context, ops.GetStorage, ops.SetCallbackFlags, ops.ReserveOption, ops.StoreOption, ops.LoadOption,
    ops.SetSocketOption, ops.GetSocketOption,
)  # fmt: skip
_HELPER_RESULTS = (
    ops.ReserveOption, ops.StoreOption, ops.LoadOption, ops.SetSocketOption, ops.GetSocketOption, ops.Call,
)  # fmt: skip


@record
class FunctionFacts:
    """`reads` counts how often each local name is used by what has an effect."""

    reads: Counter[str]
    errors: frozenset[str]


@record
class Facts:
    """See the top of this file."""

    functions: Mapping[str, FunctionFacts]
    fallible: frozenset[str]
    needs_context: frozenset[str]
    guarded: frozenset[str]
    callbacks: Mapping[str, frozenset[int]]
    called: frozenset[str]
    flags: frozenset[str]


def analyse(program: Program) -> Facts:
    """The facts of a program."""
    functions = {function.name: _function_facts(function) for function in program.functions}
    calls = {function.name: _calls(function) for function in program.functions}
    return Facts(
        functions,
        fallible=frozenset(_fallible(program, functions)),
        needs_context=frozenset(_needs_context(program, calls)),
        guarded=frozenset(_guarded(program, calls)),
        callbacks=_callbacks(program, calls),
        called=frozenset(name for callees in calls.values() for name in callees),
        flags=_flags(program),
    )


def written_name(statement: object) -> str | None:
    """The local name that a statement sets."""
    match statement:
        case ops.Let(name=name) | ops.Assign(name=name) | ops.Now(name=name):
            return name
        case ops.DeclareBuffer(name=name) | ops.Repeat(name=name):
            return name
        case ops.GetStorage(pointer=name) | ops.LookupMap(pointer=name) | ops.ReserveRecord(pointer=name):
            return name
        case ops.Call(result=result):
            return result
        case ops.ReserveOption(result=result) | ops.StoreOption(result=result) | ops.LoadOption(result=result):
            return result
        case ops.SetSocketOption(result=result) | ops.GetSocketOption(result=result):
            return result
        case _:
            return None


def read_names(part: object) -> Iterator[str]:
    """The local names that a part of the IR uses, with repetitions."""
    for node in operations(part):
        match node:
            case ops.Local(name=name) | ops.PointerRoot(name=name) | ops.BufferRoot(name=name):
                yield name
            case ops.IsNull(pointer=name) | ops.SubmitRecord(pointer=name):
                yield name
            case _:
                pass


def _function_facts(function: Function) -> FunctionFacts:
    body = list(operations(function.body))
    tested = {
        node.value.name for node in body if isinstance(node, ops.IsNegative) and isinstance(node.value, ops.Local)
    }
    from_helpers = {written_name(node) for node in body if isinstance(node, _HELPER_RESULTS)}
    return FunctionFacts(_reads(function.body), frozenset(name for name in tested if name in from_helpers))


_Reader = tuple[frozenset[str] | None, list[str]]
"""The names that a part of the code sets, if it does nothing else, and the other names that it reads."""


def _reads(body: ops.Block) -> Counter[str]:
    """How often each name is read by code that can run, and not only to compute what nothing reads."""
    parts = list(_readers(body))
    reads = Counter(name for _, names in parts for name in names)
    while True:
        useful = Counter(
            name
            for targets, names in parts
            if targets is None or any(reads[each] for each in targets)
            for name in names
        )
        if useful == reads:
            return reads
        reads = useful


def _readers(block: ops.Block) -> Iterator[_Reader]:
    """The parts of a block; a condition is there for what the arms behind it do."""
    for statement in block:
        match statement:
            case ops.If(condition=ops.Always(holds=holds)):
                yield from _readers(statement.yes if holds else statement.no)
            case ops.If(condition=condition, yes=yes, no=no):
                arms = [*_readers(yes), *_readers(no)]
                targets = [targets for targets, _ in arms if targets is not None]
                yield frozenset().union(*targets) if len(targets) == len(arms) else None, list(read_names(condition))
                yield from arms
            case ops.Repeat(body=body):
                yield from _readers(body)
            case ops.Switch(value=value, cases=cases):
                yield None, list(read_names(value))
                for case in cases:
                    yield from _readers(case.body)
            case ops.Let(name=target, value=value) | ops.Assign(name=target, value=value):
                yield frozenset({target}), [name for name in read_names(value) if name != target]
            case ops.Now(name=target) | ops.DeclareBuffer(name=target):
                yield frozenset({target}), []
            case _:
                yield None, list(read_names(statement))


def _calls(function: Function) -> tuple[str, ...]:
    return tuple(s.function for s in statements(function.body) if isinstance(s, ops.Call))


def _fallible(program: Program, facts: Mapping[str, FunctionFacts]) -> Iterator[str]:
    for function in program.functions:
        for statement in statements(function.body):
            if isinstance(statement, ops.Call) and statement.result in facts[function.name].errors:
                yield statement.function


def _needs_context(program: Program, calls: Mapping[str, Iterable[str]]) -> set[str]:
    found: set[str] = {program.entry}
    for function in program.functions:  # callees first
        itself = any(
            isinstance(node, _USES_CONTEXT) or (isinstance(node, ops.IsNull) and node.pointer == "ctx.sk")
            for node in operations(function.body)
        )
        if itself or not found.isdisjoint(calls[function.name]):
            found.add(function.name)
    return found


def _guarded(program: Program, calls: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Functions in which clang could merge reads of two fields into one read from a computed address.

    It can where the function, with all that is inlined into it, reads different fields on different paths. What the
    function reads before its first branch is on every path and does not count (see `leading`).
    """
    for root in program.functions:
        if not is_subprogram(program, root):
            continue
        unit, pending = {root.name}, [root.name]
        while pending:
            inlined = {name for name in calls[pending.pop()] if program.function(name).inline} - unit
            unit |= inlined
            pending += inlined
        before = leading(root.body)
        parts = [root.body[before:], *(program.function(name).body for name in unit if name != root.name)]
        head = root.body[before - 1] if before else None
        if isinstance(head, ops.If):
            parts += [head.yes, head.no]
        elif isinstance(head, ops.Switch):
            parts += [case.body for case in head.cases]
        if len({field for part in parts for field in _fields_read(part)}) > 1:
            yield from unit


def is_subprogram(program: Program, function: Function) -> bool:
    """True for a function that clang does not inline into another."""
    return not function.inline or function.name == program.entry


def leading(body: ops.Block) -> int:
    """How many statements of a sub-program run, up to their own condition, before its first branch."""
    for position, statement in enumerate(body):
        match statement:
            case ops.Switch(value=value) if not _branches(value):
                return position + 1
            case ops.If(condition=ops.Compare() as condition) if not _branches(condition):
                return position + 1
            case ops.Let() if not _branches(statement):
                pass
            case ops.Now() | ops.DeclareBuffer():
                pass
            case _:
                return position
    return len(body)


def _branches(part: object) -> bool:
    return any(isinstance(node, ops.Select | ops.Both | ops.Either) for node in operations(part))


def _fields_read(part: object) -> Iterator[str]:
    for node in operations(part):
        if isinstance(node, ops.Context):
            yield node.field
        elif isinstance(node, ops.SetCallbackFlags):
            yield "bpf_sock_ops_cb_flags"


def _callbacks(program: Program, calls: Mapping[str, Iterable[str]]) -> dict[str, frozenset[int]]:
    """Follows calls from the cases of the entry's `switch (ctx->op)`; others may be made under any."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    pending: list[tuple[str, frozenset[int]]] = []
    for statement in program.function(program.entry).body:
        match statement:
            case ops.Switch(value=ops.Context(field="op"), cases=cases):
                for case in cases:
                    chosen = frozenset(number for number, _ in case.values)
                    pending += [(s.function, chosen) for s in statements(case.body) if isinstance(s, ops.Call)]
            case _:
                anywhere = frozenset(range(32))
                pending += [(s.function, anywhere) for s in statements((statement,)) if isinstance(s, ops.Call)]
    while pending:
        name, chosen = pending.pop()
        if not chosen <= found[name]:
            found[name] |= chosen
            pending += [(callee, frozenset(found[name])) for callee in calls[name]]
    return {name: frozenset(numbers) for name, numbers in found.items()}


def _flags(program: Program) -> frozenset[str]:
    stored: set[str] = set()
    numbers: set[str] = set()
    for function in program.functions:
        for statement in statements(function.body):
            if isinstance(statement, ops.Store) and statement.place.path:
                name = statement.place.path[-1]
                if isinstance(name, str):
                    (stored if _is_truth(statement.value) else numbers).add(name)
    return frozenset(stored - numbers)


def _is_truth(value: ops.Value) -> bool:
    match value:
        case ops.Const(value=0 | 1) | ops.AsNumber():
            return True
        case ops.Select(yes=yes, no=no):
            return _is_truth(yes) and _is_truth(no)
        case _:
            return False
