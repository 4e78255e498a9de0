"""Walking over all statements of a block, whatever blocks they are nested in."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.ir.ops import Block, If, Repeat, Statement, Switch


def statements(block: Block) -> Iterator[Statement]:
    """Every statement of a block and of the blocks in it, in the order of the text."""
    for statement in block:
        yield statement
        match statement:
            case If():
                yield from statements(statement.yes)
                yield from statements(statement.no)
            case Repeat():
                yield from statements(statement.body)
            case Switch():
                for case in statement.cases:
                    yield from statements(case.body)
            case _:
                pass
