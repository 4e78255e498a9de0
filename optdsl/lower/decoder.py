"""Reads the fields of a received option and rejects what its declaration excludes.

    length as the format allows   or   bad_length
    checked reserved bits         or   bad_reserved
    each field inside its range   or   bad_<field>

Only a value that has passed reaches an action.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from optdsl.ir import ops
from optdsl.lower.builder import FunctionBuilder, any_of, binary, compare, const, differs, equals, plus
from optdsl.lower.reads import Reader, word_size
from optdsl.semantics import model
from optdsl.semantics.ranges import of_bits
from optdsl.semantics.types import EnumType
from optdsl.source import Span

Reject = Callable[[Span, str], None]


@dataclass(slots=True)
class Decoder:
    """Reads one option, `length` bytes at `place`, into the locals that `reader` hands out."""

    builder: FunctionBuilder
    reader: Reader
    layout: model.Layout
    place: ops.Place
    length: ops.Value
    reject: Reject
    span: Span
    bits: int = 0
    """Bits of always-present fields since `moving`, or since the start."""
    moving: str | None = None
    _ends: list[ops.Value] = field(default_factory=list)
    """Where the option may end, if trailing optional fields decide it."""

    def decode(self) -> None:
        """Emits the reads and the checks. Expects that the length is in `layout.smallest..=layout.largest`."""
        self._check_length()
        self.bits = 8 * len(self.layout.header)
        for each in self.layout.fields:
            if each.repeat is not None:
                self._repeated(each)
            elif each.presence is model.Presence.FLAG:
                self._flagged(each)
            elif each.presence is model.Presence.LENGTH:
                self._by_length(each)
            else:
                self._always(each)

    # ---------------------------------------------------------------------------------------------- length

    def _check_length(self) -> None:
        """The length against what the format allows; where flags decide, `check_end` does the rest."""
        sizes = self.layout.sizes
        if not self._flags_decide() and len(sizes) <= 4:
            self._demand(any_of(self.span, [equals(self.span, self.length, size) for size in sizes]), "bad_length")
            return
        self._demand(compare(self.span, ops.Comparison.GE, self.length, sizes[0]), "bad_length")
        self._demand(compare(self.span, ops.Comparison.LE, self.length, sizes[-1]), "bad_length")

    def _flags_decide(self) -> bool:
        return any(each.presence is model.Presence.FLAG for each in self.layout.fields)

    def _demand(self, condition: ops.Condition, reason: str) -> None:
        with self.builder.when(self.span, ops.Not(self.span, condition)):
            self.reject(self.span, reason)

    def check_end(self) -> None:
        """Behind all fields: nothing is left over and nothing was missing."""
        last = self.layout.fields[-1] if self.layout.fields else None
        if last is None or last.repeat is not None:
            return
        if last.presence is model.Presence.LENGTH:
            if self._flags_decide() or len(self.layout.sizes) > 4:
                self._demand(
                    any_of(self.span, [equals(self.span, self.length, end) for end in self._ends]), "bad_length"
                )
        elif self._flags_decide():
            self._demand(equals(self.span, self.length, self._here(0)), "bad_length")

    # ---------------------------------------------------------------------------------------------- fields

    def _always(self, each: model.Field) -> None:
        if each.is_wide:
            start = self.bits // 8
            words = [
                self._kept(each, self._bytes(start + 8 * index, word_size(each.bits // 8, index)))
                for index in range(-(-each.bits // 64))
            ]
            self.reader.fields[each] = tuple(words)
        elif each.fixed is not None:
            value = self._bit_field(each)
            with self.builder.when(each.span, differs(each.span, value, each.fixed)):
                self.reject(each.span, "bad_reserved")
        elif not each.is_reserved:
            value = self._kept(each, self._bit_field(each))
            self.reader.fields[each] = (value,)
            self._check_range(each, value)
        self.bits += each.bits

    def _flagged(self, each: model.Field) -> None:
        """A field behind a flag; what follows it moves."""
        flag = next(field for field in self.layout.fields if field.name == each.flag)
        there = differs(each.span, self.reader.fields[flag][0], 0)
        start, moving = self._here(0), self._move()
        with self._optional(each, there, start):
            self.builder.emit(ops.Assign(each.span, moving, plus(each.span, start, each.bits // 8)))

    def _by_length(self, each: model.Field) -> None:
        """A trailing field is there if the option is long enough to hold it whole; its place is fixed."""
        start = self._here(0)
        if not self._ends:
            self._ends.append(start)
        self.bits += each.bits
        self._ends.append(self._here(0))
        reaches = compare(each.span, ops.Comparison.GE, self.length, self._here(0))
        there = differs(each.span, self.builder.let(each.span, f"has_{each.name}", ops.AsNumber(each.span, reaches)), 0)
        with self._optional(each, there, start):
            pass

    @contextmanager
    def _optional(self, each: model.Field, there: ops.Condition, start: ops.Value) -> Iterator[None]:
        """Reads and checks a field where it is there, then does what the `with` block says."""
        span, builder = each.span, self.builder
        names = [builder.let(span, each.name, const(span, 0)).name for _ in range(-(-each.bits // 64))]
        with builder.when(span, there):
            for index, name in enumerate(names):
                size = word_size(each.bits // 8, index)
                value = ops.LoadBytes(span, self.place, plus(span, start, 8 * index), size)
                builder.emit(ops.Assign(span, name, value))
            if not each.is_wide:
                self._check_range(each, ops.Local(span, names[0]))
            yield
        self.reader.fields[each] = tuple(ops.Local(span, name) for name in names)
        self.reader.present[each.name] = there

    def _repeated(self, each: model.Field) -> None:
        """Elements up to the end of the option; their number is told by the length."""
        assert each.repeat is not None
        span, builder, size = each.span, self.builder, each.bits // 8
        start = self._here(0)
        rest = builder.let(span, "rest", binary(span, ops.BinaryOperator.SUB, self.length, start))
        wrong = []
        if self.moving is not None:
            wrong.append(compare(span, ops.Comparison.LT, self.length, start))
            least, most = each.repeat.low * size, each.repeat.high * size
            wrong.append(compare(span, ops.Comparison.LT, rest, least))
            wrong.append(compare(span, ops.Comparison.GT, rest, most))
        if size > 1:
            wrong.append(differs(span, binary(span, ops.BinaryOperator.MOD, rest, size), 0))
        if wrong:
            self._demand(ops.Not(span, any_of(span, wrong)), "bad_length")
        count = builder.let(span, f"{each.name}_count", binary(span, ops.BinaryOperator.DIV, rest, size))
        self.reader.counts[each] = count
        self.reader.elements[each] = []
        for index in range(each.repeat.high):
            name = builder.let(span, f"{each.name}_{index}", const(span, 0)).name
            with builder.when(span, compare(span, ops.Comparison.GT, count, index)):
                offset = plus(span, start, index * size)
                builder.emit(ops.Assign(span, name, ops.LoadBytes(span, self.place, offset, size)))
                self._check_range(each, ops.Local(span, name))
            self.reader.elements[each].append((ops.Local(span, name),))

    def _check_range(self, each: model.Field, value: ops.Value) -> None:
        span, reason = each.span, f"bad_{each.name}"
        possible = of_bits(each.bits) if each.bits <= 64 else each.raw
        if isinstance(each.type, EnumType):
            self._check_enum(each, each.type, value)
            return
        if each.raw.low > possible.low:
            with self.builder.when(span, compare(span, ops.Comparison.LT, value, each.raw.low)):
                self.reject(span, reason)
        if each.raw.high < possible.high:
            with self.builder.when(span, compare(span, ops.Comparison.GT, value, each.raw.high)):
                self.reject(span, reason)

    def _check_enum(self, each: model.Field, enum: EnumType, value: ops.Value) -> None:
        values = sorted(number for _, number in enum.members)
        if len(values) == 1 << each.bits:
            return
        if values == list(range(values[0], values[-1] + 1)):
            low = compare(each.span, ops.Comparison.LT, value, values[0]) if values[0] else None
            high = compare(each.span, ops.Comparison.GT, value, values[-1])
            outside = high if low is None else ops.Either(each.span, low, high)
        else:
            outside = differs(each.span, value, values[0])
            for number in values[1:]:
                outside = ops.Both(each.span, outside, differs(each.span, value, number))
        with self.builder.when(each.span, outside):
            self.reject(each.span, f"bad_{each.name}")

    # ------------------------------------------------------------------------------------------- positions

    def _bit_field(self, each: model.Field) -> ops.Value:
        """The bits of a field out of the bytes that hold them; a field over nine bytes is put together from two."""
        first, last = self.bits // 8, (self.bits + each.bits - 1) // 8
        spare = 8 * (last + 1) - self.bits - each.bits
        span = each.span
        if last - first < 8:
            value = self._bytes(first, last - first + 1)
            if spare:
                value = binary(span, ops.BinaryOperator.SHR, value, spare)
        else:
            upper = binary(span, ops.BinaryOperator.SHL, self._bytes(first, 8), 8 - spare)
            lower = binary(span, ops.BinaryOperator.SHR, self._bytes(last, 1), spare)
            value = binary(span, ops.BinaryOperator.OR, upper, lower)
        if self.bits % 8 and each.bits < 64:
            value = binary(span, ops.BinaryOperator.AND, value, (1 << each.bits) - 1)
        return value

    def _bytes(self, start: int, size: int) -> ops.Value:
        return ops.LoadBytes(self.span, self.place, self._at(start), size)

    def _kept(self, each: model.Field, value: ops.Value) -> ops.Value:
        return self.builder.let(each.span, each.name, value)

    def _here(self, distance: int) -> ops.Value:
        """The offset of what comes `distance` bytes behind the fields read so far."""
        return self._at(self.bits // 8 + distance)

    def _at(self, distance: int) -> ops.Value:
        if self.moving is None:
            return const(self.span, distance)
        return plus(self.span, ops.Local(self.span, self.moving), distance)

    def _move(self) -> str:
        """The local that holds the offset from here on."""
        if self.moving is None:
            self.moving = self.builder.let(self.span, "at", const(self.span, self.bits // 8)).name
        elif self.bits:
            self.builder.emit(ops.Assign(self.span, self.moving, self._here(0)))
        self.bits = 0
        return self.moving
