"""Writes the bytes of an option from the values of its fields.

Fields that share a byte are gathered into one store; whole-byte fields are stored on their own, so that no value is
shifted together only to be taken apart again. Behind an optional field the offset is a local.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optdsl.ir import ops
from optdsl.lower.builder import FunctionBuilder, binary, compare, const, differs, plus
from optdsl.lower.layout import groups
from optdsl.lower.values import store_constant, word_size
from optdsl.record import field, record
from optdsl.semantics import model
from optdsl.source import Span


@record(frozen=False)
class Encoder:
    """Writes one option to `place`."""

    builder: FunctionBuilder
    layout: model.Layout
    place: ops.Place
    span: Span
    values: Mapping[model.Field, Sequence[ops.Value]]
    """By field: its words; of a repeated one: its elements, and last their number."""
    given: Mapping[model.Field, ops.Local]
    """By the first of optional fields that come together, but not on every path: whether they do on this one."""
    always: frozenset[str]
    """The optional fields that every path writes."""
    offset: int = 0
    """Bytes so far; of `moving` the bytes after it."""
    moving: ops.Local | None = None
    end: ops.Local | None = None
    """The option's length, where trailing fields or elements decide it."""
    _pending: list[tuple[int, ops.Value]] = field(default_factory=list)
    """Bit widths and values of fields that share bytes not yet stored."""

    def encode(self) -> ops.Value:
        """Emits the stores; the value is the option's length."""
        self.offset = len(self.layout.header)
        for group in groups(self.layout):
            self._write(group)
        length = self._here() if self.end is None else self.end
        self._store_header(length)
        return length

    def _store_header(self, length: ops.Value) -> None:
        kind, exid = self.layout.header[:1], self.layout.header[2:]
        if isinstance(length, ops.Const):
            store_constant(self.builder, self.span, self.place, kind + bytes((length.value,)) + exid)
            return
        self._store(const(self.span, 0), 1, const(self.span, kind[0]))
        self._store(const(self.span, 1), 1, length)
        if exid:
            self._store(const(self.span, 2), len(exid), const(self.span, int.from_bytes(exid, "big")))

    # ---------------------------------------------------------------------------------------------- fields

    def _write(self, group: tuple[model.Field, ...]) -> None:
        first = group[0]
        if first.repeat is not None:
            self._repeated(first)
        elif first.presence is model.Presence.ALWAYS or first.name in self.always:
            for each in group:
                self._put(each)
        elif first in self.given:
            if first.presence is model.Presence.FLAG:
                self._flagged(group)
            else:
                self._trailing(first)

    def _put(self, each: model.Field) -> None:
        if each.is_wide:
            sizes = [min(64, each.bits - start) for start in range(0, each.bits, 64)]
            self._pending += zip(sizes, self.values[each], strict=True)
        else:
            self._pending.append((each.bits, self._value(each)))
        if sum(bits for bits, _ in self._pending) % 8 == 0:
            self._flush()

    def _value(self, each: model.Field) -> ops.Value:
        """The raw value of a field: a local, the constant of reserved space, or a flag that the compiler sets."""
        if each.is_reserved:
            return const(self.span, each.fixed or 0)
        guarded = self.layout.guarded_by(each.name)
        if not guarded:
            return self.values[each][0]
        if guarded[0].name in self.always:
            return const(self.span, 1)
        return self.given.get(guarded[0], const(self.span, 0))

    def _flush(self) -> None:
        """Stores what is pending, a whole number of bytes, in pieces of at most 8 bytes."""
        while self._pending:
            group = self._take_group()
            bits = sum(width for width, _ in group)
            self._store(self._here(), bits // 8, _joined(self.span, group))
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

    def _flagged(self, group: tuple[model.Field, ...]) -> None:
        """Fields behind a flag that only some paths set; what follows them moves."""
        start, given = self._here(), self._is_given(group[0])
        with self.builder.when(self.span, given):
            for each in group:
                self._words(each)
                self.offset += each.bits // 8
        self.moving = self.builder.let(self.span, "at", ops.Select(self.span, given, self._here(), start))
        self.offset = 0

    def _trailing(self, each: model.Field) -> None:
        """A field that the length tells; those before it are there too, so its place is fixed."""
        if self.end is None:
            self.end = self.builder.let(self.span, "end", self._here())
        with self.builder.when(self.span, self._is_given(each)):
            self._words(each)
            self.offset += each.bits // 8
            self.builder.emit(ops.Assign(self.span, self.end.name, self._here()))

    def _repeated(self, each: model.Field) -> None:
        *elements, number = self.values[each]
        size = each.bits // 8
        if isinstance(number, ops.Const):
            for element in elements:
                self._store(self._here(), size, element)
                self.offset += size
            return
        for index, element in enumerate(elements):
            with self.builder.when(self.span, compare(self.span, ops.Comparison.GT, number, index)):
                self._store(self._at(self.offset + index * size), size, element)
        length = binary(self.span, ops.BinaryOperator.MUL, number, size) if size > 1 else number
        self.end = self.builder.let(self.span, "end", binary(self.span, ops.BinaryOperator.ADD, length, self._here()))

    def _is_given(self, each: model.Field) -> ops.Condition:
        return differs(self.span, self.given[each], 0)

    def _words(self, each: model.Field) -> None:
        """Stores a field of whole bytes here."""
        for index, word in enumerate(self.values[each]):
            self._store(self._at(self.offset + 8 * index), word_size(each.bits // 8, index), word)

    # --------------------------------------------------------------------------------------------- offsets

    def _here(self) -> ops.Value:
        return self._at(self.offset)

    def _at(self, offset: int) -> ops.Value:
        return const(self.span, offset) if self.moving is None else plus(self.span, self.moving, offset)

    def _store(self, offset: ops.Value, size: int, value: ops.Value) -> None:
        self.builder.emit(ops.StoreBytes(self.span, self.place, offset, size, value))


def _joined(span: Span, group: list[tuple[int, ops.Value]]) -> ops.Value:
    """Fields side by side as one number; constants among them are joined here."""
    known, joined = 0, None
    shift = sum(width for width, _ in group)
    for width, value in group:
        shift -= width
        if isinstance(value, ops.Const):
            known |= value.value << shift
            continue
        shifted = binary(span, ops.BinaryOperator.SHL, value, shift) if shift else value
        joined = shifted if joined is None else binary(span, ops.BinaryOperator.OR, joined, shifted)
    if joined is None:
        return const(span, known)
    return binary(span, ops.BinaryOperator.OR, joined, known) if known else joined
