"""From an instruction of a loaded program back to the line of the source it stems from.

The kernel counts the instructions of a program with the sub-programs that libbpf put behind it: each at the first call
that reaches it, and right behind it those that it calls itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.elf.encoding import Callee, Class, Jump, words
from optdsl.elf.model import Function, ObjectFile, SourceLine
from optdsl.record import record


@record
class Linked:
    """A function of a loaded program, which begins at instruction `start`."""

    function: Function
    start: int


def linked(obj: ObjectFile, program: Function) -> tuple[Linked, ...]:
    """The functions of a program in the order in which libbpf loads them, the program itself first."""
    by_place = {(each.section, each.slot): each for each in (*obj.programs, *obj.subprograms)}
    order: list[Linked] = []
    placed: set[tuple[str, int]] = set()
    waiting = [iter([program])]
    while waiting:  # not recursive: a damaged object may nest as deeply as it has functions
        function = next(waiting[-1], None)
        if function is None:
            waiting.pop()
        elif (function.section, function.slot) not in placed:
            placed.add((function.section, function.slot))
            start = order[-1].start + order[-1].function.instruction_count if order else 0
            order.append(Linked(function, start))
            called = (by_place.get(place) for place in _called(function))
            waiting.append(iter([each for each in called if each is not None]))
    return tuple(order)


def line_at(functions: tuple[Linked, ...], index: int) -> SourceLine | None:
    """The line that instruction `index` stems from, or the nearest one before it in its function that is one."""
    holder = next((each for each in reversed(functions) if each.start <= index), None)
    if holder is None or index >= holder.start + holder.function.instruction_count:
        return None
    before = [each for each in holder.function.lines if each.line and each.slot <= index - holder.start]
    return before[-1] if before else None


def _called(function: Function) -> Iterator[tuple[str, int]]:
    """Where the functions that a function calls, or names as callbacks, begin: (section, slot), call by call."""
    relocated = {each.slot: each.place for each in function.relocations}
    for word in words(function.code):
        if place := relocated.get(word.slot):
            section, _, offset = place.rpartition("+")
            if offset.isdecimal():
                yield section, int(offset) // 8
        elif word.kind == Class.JMP and word.operation == Jump.CALL and word.source == Callee.LOCAL:
            yield function.section, function.slot + word.slot + 1 + word.immediate
