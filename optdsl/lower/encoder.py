"""Writes the bytes of an option from the values of its fields.

Fields that share a byte are gathered into one store; whole-byte fields are stored on their own, so that no value is
shifted together only to be taken apart again. Behind an optional field the offset is a local.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from optdsl.ir import ops
from optdsl.lower.builder import FunctionBuilder, binary, compare, const, differs, plus
from optdsl.lower.reads import word_size
from optdsl.semantics import model
from optdsl.source import Span


@dataclass(slots=True)
class Encoder:
    """Writes one option to `place`."""

    builder: FunctionBuilder
    layout: model.Layout
    place: ops.Place
    span: Span
    values: dict[model.Field, list[str]]
    """By field: the locals of its words; of a repeated one: of each element, and last of the count."""
    given: dict[str, str]
    """By optional field that not every path writes: the local that says whether this one does."""
    always: frozenset[str]
    """The optional fields that every path writes."""
    offset: int = 0
    """Bytes so far; of `moving` the bytes after it."""
    moving: str | None = None
    end: str | None = None
    """The local that holds the option's length, where optional fields or elements at its end decide it."""
    _pending: list[tuple[int, ops.Value]] = field(default_factory=list)
    """Bit widths and values of fields that share bytes not yet stored."""

    def encode(self) -> ops.Value:
        """Emits the stores; the value is the option's length."""
        header = self.layout.header
        self.offset = len(header)
        for each in self.layout.fields:
            self._field(each)
        self._flush()
        length = self._here() if self.end is None else ops.Local(self.span, self.end)
        self._store_header(length)
        return length

    def _store_header(self, length: ops.Value) -> None:
        header = self.layout.header
        if isinstance(length, ops.Const):
            whole = bytes((header[0], length.value)) + header[2:]
            for start in range(0, len(whole), 4):
                part = whole[start : start + 4]
                self._at(const(self.span, start), len(part), const(self.span, int.from_bytes(part, "big")))
            return
        self._at(const(self.span, 0), 1, const(self.span, header[0]))
        self._at(const(self.span, 1), 1, length)
        if len(header) > 2:
            self._at(const(self.span, 2), len(header) - 2, const(self.span, int.from_bytes(header[2:], "big")))

    # ---------------------------------------------------------------------------------------------- fields

    def _field(self, each: model.Field) -> None:
        if each.repeat is not None:
            self._flush()
            self._repeated(each)
        elif each.presence is model.Presence.ALWAYS:
            self._put(each)
        elif each.name in self.always:
            self._flush()
            self._put(each)
            self._flush()
        elif each.name in self.given:
            self._flush()
            if each.presence is model.Presence.FLAG:
                self._flagged(each)
            else:
                self._trailing(each)

    def _put(self, each: model.Field) -> None:
        if each.is_wide:
            self._flush()
            for index, name in enumerate(self.values[each]):
                size = word_size(each.bits // 8, index)
                self._at(self._here(), size, ops.Local(self.span, name))
                self.offset += size
            return
        self._pending.append((each.bits, self._value(each)))
        if sum(bits for bits, _ in self._pending) % 8 == 0:
            self._flush()

    def _value(self, each: model.Field) -> ops.Value:
        """The raw value of a field: a local, the constant of reserved space, or a flag that the compiler sets."""
        if each.is_reserved:
            return const(self.span, each.fixed or 0)
        guarded = self.layout.guarded_by(each.name)
        if not guarded:
            return ops.Local(self.span, self.values[each][0])
        first = guarded[0].name
        if first in self.always:
            return const(self.span, 1)
        return ops.Local(self.span, self.given[first]) if first in self.given else const(self.span, 0)

    def _flush(self) -> None:
        """Stores what is pending, a whole number of bytes, in pieces of at most 8 bytes."""
        while self._pending:
            group = self._take_group()
            bits = sum(width for width, _ in group)
            value: ops.Value | None = None
            shift = bits
            for width, each in group:
                shift -= width
                shifted = binary(self.span, ops.BinaryOperator.SHL, each, shift) if shift else each
                value = shifted if value is None else binary(self.span, ops.BinaryOperator.OR, value, shifted)
            assert value is not None
            self._at(self._here(), bits // 8, _folded(self.span, group, value))
            self.offset += bits // 8

    def _take_group(self) -> list[tuple[int, ops.Value]]:
        """The longest run of pending fields in whole bytes and 64 bits; a field that straddles the end is split."""
        group: list[tuple[int, ops.Value]] = []
        bits = 0
        while self._pending and bits + self._pending[0][0] <= 64:
            group.append(self._pending.pop(0))
            bits += group[-1][0]
        if bits % 8:
            width, value = self._pending.pop(0)
            rest = width - (64 - bits)
            group.append((64 - bits, binary(self.span, ops.BinaryOperator.SHR, value, rest)))
            lower = binary(self.span, ops.BinaryOperator.AND, value, (1 << rest) - 1)
            self._pending.insert(0, (rest, lower))
        return group

    def _flagged(self, each: model.Field) -> None:
        """A field behind a flag that only some paths set; what follows it moves."""
        start = self._here()
        moving = self._move()
        with self._where_given(each):
            self._words(each, start)
            self.builder.emit(ops.Assign(self.span, moving, plus(self.span, start, each.bits // 8)))

    def _trailing(self, each: model.Field) -> None:
        """A field that the length tells; those before it are there too, so its place is fixed."""
        start = self._here()
        self.offset += each.bits // 8
        if self.end is None:
            self.end = self.builder.let(self.span, "end", start).name
        with self._where_given(each):
            self._words(each, start)
            self.builder.emit(ops.Assign(self.span, self.end, self._here()))

    def _repeated(self, each: model.Field) -> None:
        *names, count = self.values[each]
        start, size = self._here(), each.bits // 8
        for index, name in enumerate(names):
            present = compare(self.span, ops.Comparison.GT, ops.Local(self.span, count), index)
            with self.builder.when(self.span, present):
                self._at(plus(self.span, start, index * size), size, ops.Local(self.span, name))
        elements = binary(self.span, ops.BinaryOperator.MUL, ops.Local(self.span, count), size)
        total = binary(self.span, ops.BinaryOperator.ADD, elements, start)
        self.end = self.builder.let(self.span, "end", total).name

    def _where_given(self, each: model.Field) -> AbstractContextManager[None]:
        return self.builder.when(self.span, differs(self.span, ops.Local(self.span, self.given[each.name]), 0))

    def _words(self, each: model.Field, start: ops.Value) -> None:
        for index, name in enumerate(self.values[each]):
            size = word_size(each.bits // 8, index)
            self._at(plus(self.span, start, 8 * index), size, ops.Local(self.span, name))

    # --------------------------------------------------------------------------------------------- offsets

    def _move(self) -> str:
        """The local that holds the offset from here on."""
        if self.moving is None:
            self.moving = self.builder.let(self.span, "at", const(self.span, self.offset)).name
        elif self.offset:
            self.builder.emit(ops.Assign(self.span, self.moving, self._here()))
        self.offset = 0
        return self.moving

    def _here(self) -> ops.Value:
        if self.moving is None:
            return const(self.span, self.offset)
        return plus(self.span, ops.Local(self.span, self.moving), self.offset)

    def _at(self, offset: ops.Value, size: int, value: ops.Value) -> None:
        self.builder.emit(ops.StoreBytes(self.span, self.place, offset, size, value))


def _folded(span: Span, group: list[tuple[int, ops.Value]], value: ops.Value) -> ops.Value:
    """One constant instead of an expression of constants."""
    if not all(isinstance(each, ops.Const) for _, each in group):
        return value
    whole = 0
    for width, each in group:
        assert isinstance(each, ops.Const)
        whole = (whole << width) | each.value
    return const(span, whole)
