"""Questions about finished code: what a block names, in which order a function writes, where code comes from."""

from __future__ import annotations

from optdsl.ir import ops
from optdsl.ir.program import Function
from optdsl.ir.walk import blocks, operations
from optdsl.source import Source, Span


def names_used(block: object) -> frozenset[str]:
    """The local numbers that a block reads, and the pointers that it follows."""
    return frozenset(node.name for node in operations(block) if isinstance(node, ops.Local | ops.PointerRoot))


def writes_in_order(function: Function) -> bool:
    """Whether all bytes that a function writes for its caller are written in one block, to places known beforehand.

    Of two branches that write at different places of one buffer, compilers make one store at an address worked out
    with `|`; in a buffer on the stack, where they know the alignment, and there no verifier accepts that.
    """
    stores = [
        [each for each in block if isinstance(each, ops.StoreBytes) and isinstance(each.place.root, ops.PointerRoot)]
        for block in blocks(function.body)
    ]
    written = [block for block in stores if block]
    return len(written) < 2 and all(isinstance(each.offset, ops.Const) for block in written for each in block)


def sources_of(files: tuple[Source, ...], functions: tuple[Function, ...]) -> tuple[Source, ...]:
    """Every source that a span of a program points into: its files first, then modules as code names them."""
    found = dict.fromkeys(files)
    for node in operations(functions):
        span = getattr(node, "span", None)
        if isinstance(span, Span):
            found.setdefault(span.source)
    return tuple(found)
