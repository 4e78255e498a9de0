"""Walks over the IR: the blocks, the statements, and every operation below a node."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.ir.ops import Block, If, Repeat, Statement, Switch
from optdsl.source import Span


def blocks(block: Block) -> Iterator[Block]:
    """A block and all blocks in it, in the order of the text."""
    yield block
    for statement in block:
        for inner in _inner(statement):
            yield from blocks(inner)


def statements(block: Block) -> Iterator[Statement]:
    """Every statement of a block and of the blocks in it, in the order of the text."""
    for statement in block:
        yield statement
        for inner in _inner(statement):
            yield from statements(inner)


def operations(node: object) -> Iterator[object]:
    """Every operation in a function, a block or an operation, itself first, in the order of the text; places and their
    roots as well."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, tuple):
            waiting.extend(reversed(each))
        elif not isinstance(each, Span) and (names := getattr(each, "__record_fields__", None)) is not None:
            yield each
            waiting.extend([getattr(each, name) for name in reversed(names)])


def _inner(statement: Statement) -> tuple[Block, ...]:
    match statement:
        case If(yes=yes, no=no):
            return yes, no
        case Repeat(body=body):
            return (body,)
        case Switch(cases=cases):
            return tuple(case.body for case in cases)
        case _:
            return ()
