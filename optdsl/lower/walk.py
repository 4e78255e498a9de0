"""Walks over the operations of the IR: what a block names, and where its code comes from."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.ir import ops
from optdsl.ir.program import Function
from optdsl.source import Source, Span


def operations(node: object) -> Iterator[object]:
    """Every operation in a function, a block or an operation, itself included; places and their roots as well."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, tuple):
            waiting.extend(reversed(each))
        elif not isinstance(each, Span) and (names := getattr(each, "__record_fields__", None)) is not None:
            yield each
            waiting.extend([getattr(each, name) for name in reversed(names)])


def names_used(block: object) -> frozenset[str]:
    """The local numbers that a block reads, and the pointers that it follows."""
    return frozenset(node.name for node in operations(block) if isinstance(node, ops.Local | ops.PointerRoot))


def writes_at_offsets(function: Function) -> bool:
    """Whether a function writes anywhere that is known only at run time."""
    found = (node for node in operations(function.body) if isinstance(node, ops.StoreBytes))
    return any(not isinstance(node.offset, ops.Const) for node in found)


def sources_of(files: tuple[Source, ...], functions: tuple[Function, ...]) -> tuple[Source, ...]:
    """Every source that a span of a program points into: its files first, then modules as code names them."""
    found = dict.fromkeys(files)
    for node in operations(functions):
        span = getattr(node, "span", None)
        if isinstance(span, Span):
            found.setdefault(span.source)
    return tuple(found)
