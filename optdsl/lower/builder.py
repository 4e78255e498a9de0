"""Collects the statements of one IR function: unique names, nested blocks, and values read once.

Params and attributes may change while a handler runs, and what a condition has shown of them must stay true. So each
is read at its first use in a block, into a local, and every later use in that block or inside it takes the local.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from optdsl.ir import ops
from optdsl.ir.program import Function
from optdsl.lower.names import numbered
from optdsl.lower.walk import names_used
from optdsl.record import field, record
from optdsl.source import Span

Words = tuple[ops.Value, ...]
"""A value: one number, or for long byte strings several, most significant first."""


@record(frozen=False)
class FunctionBuilder:
    """A function in the making."""

    span: Span
    name: str
    doc: str
    parameters: tuple[ops.Parameter, ...] = ()
    returns: bool = False
    taken: frozenset[str] = frozenset()
    """Names of variables and maps, which no local may hide."""
    _blocks: list[list[ops.Statement]] = field(default_factory=lambda: [[]])
    _read: list[dict[object, Words]] = field(default_factory=lambda: [{}])
    _names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._names.update(self.taken)
        self._names.update({"ctx", "socket", *(parameter.name for parameter in self.parameters)})

    def emit(self, statement: ops.Statement) -> None:
        """Adds a statement to the innermost block."""
        self._blocks[-1].append(statement)

    def emit_all(self, statements: list[ops.Statement]) -> None:
        """Emits what a block of its own has collected."""
        self._blocks[-1].extend(statements)

    def fresh(self, hint: str) -> str:
        """A name that no other local of the function has."""
        name = numbered(hint, self._names)
        self._names.add(name)
        return name

    def let(self, span: Span, hint: str, value: ops.Value) -> ops.Local:
        """Keeps a value in a new local."""
        name = self.fresh(hint)
        self.emit(ops.Let(span, name, value))
        return ops.Local(span, name)

    @contextmanager
    def block(self) -> Iterator[list[ops.Statement]]:
        """Statements emitted inside go to the list; values read inside are forgotten behind it."""
        statements: list[ops.Statement] = []
        self._blocks.append(statements)
        self._read.append({})
        try:
            yield statements
        finally:
            self._blocks.pop()
            self._read.pop()

    @contextmanager
    def when(self, span: Span, condition: ops.Condition) -> Iterator[None]:
        """An `If` around what is emitted inside; nothing at all where that is nothing, or can never be."""
        if isinstance(condition, ops.Always) and condition.holds:
            yield
            return
        with self.block() as statements:
            yield
        if not isinstance(condition, ops.Always):
            self.branch(span, condition, statements)

    def branch(
        self, span: Span, condition: ops.Condition, yes: list[ops.Statement], no: list[ops.Statement] | None = None
    ) -> None:
        """An `If` between two blocks; nothing at all where both are nothing."""
        if yes or no:
            self.emit(ops.If(span, condition, tuple(yes), tuple(no or ())))

    @property
    def is_over(self) -> bool:
        """Whether the block has ended with a `Return`, so that what follows would never run."""
        statements = self._blocks[-1]
        return bool(statements) and isinstance(statements[-1], ops.Return)

    def remembered(self, key: object) -> Words | None:
        """What has been read of `key` in this block or around it."""
        for scope in reversed(self._read):
            if key in scope:
                return scope[key]
        return None

    def remember(self, key: object, words: Words) -> Words:
        """Keeps what has been read of `key` for the rest of this block; returns it."""
        self._read[-1][key] = words
        return words

    def finish(self, *, inline: bool) -> Function:
        """The function, without the parameters that nothing uses. Called once, outside of all blocks."""
        (body,) = self._blocks
        used = names_used(tuple(body))
        parameters = tuple(parameter for parameter in self.parameters if parameter.name in used)
        return Function(self.span, self.name, self.doc, parameters, self.returns, inline, tuple(body))


# ---------------------------------------------------------------------------------------- short constructors


def const(span: Span, value: int) -> ops.Const:
    """A constant."""
    return ops.Const(span, value)


def binary(span: Span, operator: ops.BinaryOperator, left: ops.Value, right: ops.Value | int) -> ops.Value:
    """`left operator right`."""
    return ops.Binary(span, operator, left, const(span, right) if isinstance(right, int) else right)


def compare(span: Span, comparison: ops.Comparison, left: ops.Value, right: ops.Value | int) -> ops.Condition:
    """`left comparison right`."""
    return ops.Compare(span, comparison, left, const(span, right) if isinstance(right, int) else right)


def equals(span: Span, left: ops.Value, right: ops.Value | int) -> ops.Condition:
    """`left == right`."""
    return compare(span, ops.Comparison.EQ, left, right)


def differs(span: Span, left: ops.Value, right: ops.Value | int) -> ops.Condition:
    """`left != right`."""
    return compare(span, ops.Comparison.NE, left, right)


def all_of(span: Span, conditions: list[ops.Condition]) -> ops.Condition:
    """All conditions, from left to right; true without any."""
    if not conditions:
        return ops.Always(span, True)
    first, *rest = conditions
    for condition in rest:
        first = ops.Both(span, first, condition)
    return first


def any_of(span: Span, conditions: list[ops.Condition]) -> ops.Condition:
    """Any condition, from left to right; false without one."""
    if not conditions:
        return ops.Always(span, False)
    first, *rest = conditions
    for condition in rest:
        first = ops.Either(span, first, condition)
    return first


def plus(span: Span, offset: ops.Value, distance: int) -> ops.Value:
    """`offset + distance`, as a constant where the offset is one."""
    match offset:
        case _ if distance == 0:
            return offset
        case ops.Const(value=value):
            return const(span, value + distance)
        case ops.Binary(operator=ops.BinaryOperator.ADD, left=left, right=ops.Const(value=value)):
            return binary(span, ops.BinaryOperator.ADD, left, value + distance)
        case _:
            return binary(span, ops.BinaryOperator.ADD, offset, distance)
