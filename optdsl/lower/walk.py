"""Walks over the operations of the IR: what a block names, and where its code comes from."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.ir import ops
from optdsl.ir.program import Function
from optdsl.source import Source, Span

_OPPOSITE = {
    ops.Comparison.EQ: ops.Comparison.NE, ops.Comparison.NE: ops.Comparison.EQ,
    ops.Comparison.LT: ops.Comparison.GE, ops.Comparison.GE: ops.Comparison.LT,
    ops.Comparison.GT: ops.Comparison.LE, ops.Comparison.LE: ops.Comparison.GT,
}  # fmt: skip


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


def denies(one: ops.Condition, other: ops.Condition) -> bool:
    """Whether one of two conditions is plainly the negation of the other."""
    return form(_plain(ops.Not(one.span, one))) == form(_plain(other))


def _plain(condition: ops.Condition) -> ops.Condition:
    """A condition without a negation that can be had otherwise."""
    match condition:
        case ops.Not(condition=ops.Compare(span=span, comparison=comparison, left=left, right=right)):
            return ops.Compare(span, _OPPOSITE[comparison], left, right)
        case ops.Not(condition=ops.Not(condition=inner)):
            return _plain(inner)
        case _:
            return condition


def form(node: object) -> object:
    """What an operation is wherever it stands: its classes and parts without their spans."""
    if isinstance(node, tuple):
        return tuple(map(form, node))
    names = () if isinstance(node, Span) else getattr(node, "__record_fields__", ())
    if not names:
        return node
    return type(node), *(form(getattr(node, name)) for name in names if name != "span")


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
        for block in _blocks(function.body)
    ]
    written = [block for block in stores if block]
    return len(written) < 2 and all(isinstance(each.offset, ops.Const) for block in written for each in block)


def _blocks(block: ops.Block) -> Iterator[ops.Block]:
    """A block and all inside it."""
    yield block
    for each in block:
        match each:
            case ops.If(yes=yes, no=no):
                yield from _blocks(yes)
                yield from _blocks(no)
            case ops.Repeat(body=body):
                yield from _blocks(body)
            case ops.Switch(cases=cases):
                for case in cases:
                    yield from _blocks(case.body)


def sources_of(files: tuple[Source, ...], functions: tuple[Function, ...]) -> tuple[Source, ...]:
    """Every source that a span of a program points into: its files first, then modules as code names them."""
    found = dict.fromkeys(files)
    for node in operations(functions):
        span = getattr(node, "span", None)
        if isinstance(span, Span):
            found.setdefault(span.source)
    return tuple(found)
