"""Where the local names of a function are declared in C.

The IR declares a name where it is first set. That is where C declares it too, if everything else that uses the name
stands in the same block or deeper. Other names (a loop's variable that is read behind the loop, a result that several
branches set) are declared at the start of the function.
"""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.backends.c.analysis import read_names, written_name
from optdsl.ir import ops
from optdsl.ir.program import Function

# The blocks around a statement, outermost first.
_Blocks = tuple[int, ...]


def hoisted_names(function: Function) -> tuple[str, ...]:
    """The names that have to be declared at the start of the function, in the order of their first use."""
    home: dict[str, _Blocks] = {}
    found: dict[str, None] = {}
    parameters = {parameter.name for parameter in function.parameters}
    for name, blocks in _Walk().block(function.body, ()):
        first = home.setdefault(name, blocks)
        if blocks[: len(first)] != first and name not in parameters:
            found[name] = None
    return tuple(found)


class _Walk:
    """Finds each name that a statement sets or uses, with the blocks around it."""

    def __init__(self) -> None:
        self._blocks = 0

    def block(self, block: ops.Block, around: _Blocks) -> Iterator[tuple[str, _Blocks]]:
        self._blocks += 1
        blocks = (*around, self._blocks)
        for statement in block:
            match statement:
                case ops.If():
                    yield from self._names(statement.condition, blocks)
                    yield from self.block(statement.yes, blocks)
                    yield from self.block(statement.no, blocks)
                case ops.Repeat():
                    # The variable is declared in the head of the loop, which counts as part of its body.
                    self._blocks += 1
                    yield statement.name, (*blocks, self._blocks)
                    yield from self.block(statement.body, (*blocks, self._blocks))
                case ops.Switch():
                    yield from self._names(statement.value, blocks)
                    for case in statement.cases:
                        yield from self.block(case.body, blocks)
                case _:
                    yield from self._names(statement, blocks)

    def _names(self, part: object, blocks: _Blocks) -> Iterator[tuple[str, _Blocks]]:
        written = written_name(part)
        if written is not None:
            yield written, blocks
        for name in read_names(part):
            yield name, blocks
