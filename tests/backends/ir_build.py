"""A short notation for IR operations in tests: each `Build` makes operations that come from one place of a source."""

from __future__ import annotations

from dataclasses import dataclass

from optdsl.ir.ops import (
    Assign,
    Binary,
    BinaryOperator,
    Block,
    BufferRoot,
    Compare,
    Comparison,
    Condition,
    Const,
    Context,
    Count,
    GlobalRoot,
    If,
    Let,
    Load,
    LoadBytes,
    Local,
    Parameter,
    Place,
    PointerRoot,
    Return,
    Statement,
    Store,
    StoreBytes,
    Value,
)
from optdsl.ir.program import Function
from optdsl.source import Source, Span

Number = Value | int


@dataclass(frozen=True, slots=True)
class Build:
    """Builds operations that all come from one place of the source."""

    span: Span

    def const(self, value: Number) -> Value:
        return Const(self.span, value) if isinstance(value, int) else value

    def local(self, name: str) -> Local:
        return Local(self.span, name)

    def context(self, field: str) -> Context:
        return Context(self.span, field)

    def load(self, place: Place) -> Load:
        return Load(self.span, place)

    def binary(self, operator: str, left: Number, right: Number) -> Binary:
        return Binary(self.span, BinaryOperator(operator), self.const(left), self.const(right))

    def compare(self, left: Number, comparison: str, right: Number) -> Compare:
        return Compare(self.span, Comparison(comparison), self.const(left), self.const(right))

    def load_bytes(self, place: Place, offset: Number, size: int) -> LoadBytes:
        return LoadBytes(self.span, place, self.const(offset), size)

    def let(self, name: str, value: Number) -> Let:
        return Let(self.span, name, self.const(value))

    def assign(self, name: str, value: Number) -> Assign:
        return Assign(self.span, name, self.const(value))

    def store(self, place: Place, value: Number) -> Store:
        return Store(self.span, place, self.const(value))

    def store_bytes(self, place: Place, offset: Number, size: int, value: Number) -> StoreBytes:
        return StoreBytes(self.span, place, self.const(offset), size, self.const(value))

    def when(self, condition: Condition, *body: Statement, otherwise: Block = ()) -> If:
        return If(self.span, condition, body, otherwise)

    def count(self, *path: str) -> Count:
        return Count(self.span, path)

    def leave(self, value: Number | None = None) -> Return:
        return Return(self.span, None if value is None else self.const(value))

    def function(
        self,
        name: str,
        *body: Statement,
        parameters: tuple[Parameter, ...] = (),
        returns: bool = False,
        inline: bool = True,
    ) -> Function:
        return Function(self.span, name, f"The function {name}.", parameters, returns, inline, body)


def find(source: Source, fragment: str) -> Build:
    """Builds operations at the first occurrence of a fragment of the source."""
    start = source.text.index(fragment)
    return Build(Span(source, start, start + len(fragment)))


def in_global(name: str, *path: str | int | Value) -> Place:
    return Place(GlobalRoot(name), path)


def behind(name: str, *path: str | int | Value) -> Place:
    return Place(PointerRoot(name), path)


def in_buffer(name: str) -> Place:
    return Place(BufferRoot(name))
