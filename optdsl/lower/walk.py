"""Walks over the operations of the IR: what a block names, and where its code comes from."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.ir import ops
from optdsl.ir.program import Function
from optdsl.source import Source, Span


def operations(node: object) -> Iterator[object]:
    """Every operation in a function, a block or an operation, itself included; places and their roots as well."""
    if isinstance(node, tuple):
        for each in node:
            yield from operations(each)
    elif not isinstance(node, Span):
        names = getattr(node, "__record_fields__", None)
        if names is not None:
            yield node
            for name in names:
                yield from operations(getattr(node, name))


def names_used(block: object) -> frozenset[str]:
    """The local numbers that a block reads, and the pointers that it follows."""
    return frozenset(node.name for node in operations(block) if isinstance(node, ops.Local | ops.PointerRoot))


def sources_of(files: tuple[Source, ...], functions: tuple[Function, ...]) -> tuple[Source, ...]:
    """Every source that a span of a program points into: its files first, then modules as code names them."""
    found = dict.fromkeys(files)
    for node in operations(functions):
        span = getattr(node, "span", None)
        if isinstance(span, Span):
            found.setdefault(span.source)
    return tuple(found)
