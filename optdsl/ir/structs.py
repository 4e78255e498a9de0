"""The struct types that a program uses, found once and in an order in which members stand before what contains them."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.ir.ops import ReserveRecord
from optdsl.ir.program import Program
from optdsl.ir.types import Array, Struct, Type
from optdsl.ir.walk import statements


def all_structs(program: Program) -> tuple[Struct, ...]:
    """Every struct of globals, maps, records, counters, parameters and reserved records, nested ones first.

    A struct that occurs several times is listed once. Two different structs of one name are both listed; the checker
    reports them.
    """
    found: dict[Struct, None] = {}
    for root in _roots(program):
        _collect(root, found)
    return tuple(found)


def _roots(program: Program) -> Iterator[Type]:
    yield from (variable.type for variable in program.globals)
    for definition in program.maps:
        yield from (side for side in (definition.key, definition.value) if side is not None)
    yield from program.records
    if program.counters.members:
        yield program.counters
    for function in program.functions:
        yield from (parameter.points_to for parameter in function.parameters if parameter.points_to is not None)
        yield from (s.record for s in statements(function.body) if isinstance(s, ReserveRecord))


def _collect(kind: Type, found: dict[Struct, None]) -> None:
    match kind:
        case Array():
            _collect(kind.element, found)
        case Struct() if kind not in found:
            for member in kind.members:
                _collect(member.type, found)
            found[kind] = None
        case _:
            pass
