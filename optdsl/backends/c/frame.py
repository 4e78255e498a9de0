"""What is known while one function is written: the types of its names, and what of the file it needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from optdsl.backends.c.analysis import Facts, FunctionFacts
from optdsl.backends.c.constants import Constants
from optdsl.backends.c.expression import Expression, Kind
from optdsl.backends.c.names import Names
from optdsl.backends.c.support import Support
from optdsl.ir import ops
from optdsl.ir.program import Function, Program
from optdsl.ir.types import ByteArray, Type
from optdsl.ir.walk import statements


class Frame:
    """The state of writing one function.

    `non_negative` are the `long` results known not to be errors where the writer stands; `calls` are results that are
    used once, right where they arise, and are written as the call itself; `guarded` says whether the context is read
    through `READ_ONCE` at this point; `loops` are the variables of loops with the number that they stay below.
    """

    def __init__(
        self,
        program: Program,
        function: Function,
        facts: Facts,
        *,
        names: Names,
        constants: Constants,
        support: Support,
    ) -> None:
        self.program = program
        self.function = function
        self.facts = facts
        self.names = names
        self.constants = constants
        self.support = support
        self.guarded = function.name in facts.guarded
        self.calls: dict[str, Expression] = {}
        self.non_negative: frozenset[str] = frozenset()
        self.loops = {one.name: one.count for one in statements(function.body) if isinstance(one, ops.Repeat)}
        self._pointers, self._buffers = _memory_names(program, function)

    @property
    def own(self) -> FunctionFacts:
        return self.facts.functions[self.function.name]

    def kind(self, name: str) -> Kind:
        """The C type of a local number."""
        return Kind.LONG if name in self.own.errors else Kind.U64

    def pointee(self, name: str) -> Type:
        """What a local pointer points to."""
        return self._pointers[name]

    def root_type(self, root: ops.Root) -> Type:
        """The type of the memory that a place starts from."""
        match root:
            case ops.GlobalRoot():
                return self.program.global_variable(root.name).type
            case ops.PointerRoot():
                return self._pointers[root.name]
            case ops.BufferRoot():
                return ByteArray(self._buffers[root.name], aligned=True)

    @contextmanager
    def knowing(self, names: Iterable[str]) -> Iterator[None]:
        """Code in which these results are known not to be negative."""
        before = self.non_negative
        self.non_negative = before.union(names)
        yield
        self.non_negative = before


def _memory_names(program: Program, function: Function) -> tuple[dict[str, Type], dict[str, int]]:
    """The types of what the function's pointers point to, and the sizes of its buffers."""
    pointers = {one.name: one.points_to for one in function.parameters if one.points_to is not None}
    buffers: dict[str, int] = {}
    for statement in statements(function.body):
        match statement:
            case ops.GetStorage() | ops.LookupMap():
                value = program.map(statement.map).value
                if value is None:
                    raise ValueError(f"map {statement.map} has no values")
                pointers[statement.pointer] = value
            case ops.ReserveRecord():
                pointers[statement.pointer] = statement.record
            case ops.DeclareBuffer():
                buffers[statement.name] = statement.size
            case _:
                pass
    return pointers, buffers
