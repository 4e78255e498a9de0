"""Reads the fields of a received option and rejects what its declaration excludes.

    length as the format allows   or   bad_length
    checked reserved bits         or   bad_reserved
    each field inside its range   or   bad_<field>

The length comes first, whatever else is wrong. Only an option that has passed all of this reaches an action.

The buffer is as long as the longest form of the option, so an optional field is read whether it is there or not: what
stands in its place is used by nothing, because nothing reads the field without having asked.
"""

from __future__ import annotations

from collections.abc import Callable

from optdsl.ir import ops
from optdsl.lower.builder import FunctionBuilder, all_of, any_of, binary, compare, const, differs, equals, plus
from optdsl.lower.layout import groups
from optdsl.lower.reads import Reader
from optdsl.lower.uses import Wanted
from optdsl.lower.values import any_member, inside
from optdsl.record import field, record
from optdsl.semantics import model
from optdsl.semantics.ranges import of_bits
from optdsl.semantics.types import EnumType
from optdsl.source import Span

Reject = Callable[[Span, str], None]
_FEW = 4
"""So many lengths are compared one by one."""


@record(frozen=False)
class Decoder:
    """Reads one option, `length` bytes at `place`, into the locals that `reader` hands out.

    `wanted` are the fields, and of repeated ones the elements, that something uses. `length` may also be an error of
    the kernel's, which is far above every length.
    """

    builder: FunctionBuilder
    reader: Reader
    layout: model.Layout
    place: ops.Place
    length: ops.Value
    wanted: frozenset[Wanted]
    reject: Reject
    span: Span
    bits: int = 0
    """Bits of always-present fields since `moving`, or since the start."""
    moving: ops.Local | None = None
    """Where those begin, if fields that a flag announces stand before them."""
    _ends: list[ops.Value] = field(default_factory=list)
    """Where the option may end, if trailing optional fields decide it."""
    _reserved: list[tuple[model.Field, ops.Value]] = field(default_factory=list)

    def decode(self) -> None:
        """Emits the reads and the checks."""
        self._check_length()
        self.bits = 8 * len(self.layout.header)
        for group in groups(self.layout):
            self._read(group)
        self._check_end()
        for each, value in self._reserved:
            self._reject_unless(each.span, equals(each.span, value, each.fixed or 0), "bad_reserved")
        for each in self.layout.fields:
            self._check_range(each)

    # ---------------------------------------------------------------------------------------------- length

    @property
    def _flags_decide(self) -> bool:
        return any(each.flag for each in self.layout.fields)

    @property
    def _is_exact(self) -> bool:
        """Whether the lengths that the format allows say everything, so that they are checked first and alone."""
        sizes = self.layout.sizes
        return not self._flags_decide and (len(sizes) <= _FEW or len(sizes) == sizes[-1] - sizes[0] + 1)

    def _check_length(self) -> None:
        """The length against what the format allows; where flags decide, `_check_end` does it all."""
        span, length, sizes = self.span, self.length, self.layout.sizes
        if self._flags_decide:
            return
        if len(sizes) > 1 and (not self._is_exact or len(sizes) == sizes[-1] - sizes[0] + 1):
            longest = compare(span, ops.Comparison.LE, length, sizes[-1])
            allowed: ops.Condition = ops.Both(span, compare(span, ops.Comparison.GE, length, sizes[0]), longest)
        else:
            allowed = any_of(span, [equals(span, length, size) for size in sizes])
        self._reject_unless(span, allowed, "bad_length")

    def _check_end(self) -> None:
        """Behind all fields: nothing is left over and nothing was missing."""
        repeated = bool(self.layout.fields) and self.layout.fields[-1].repeat is not None
        if repeated or self._is_exact:
            return
        ends = [equals(self.span, self.length, end) for end in self._ends or [self._here()]]
        self._reject_unless(self.span, any_of(self.span, ends), "bad_length")

    def _reject_unless(self, span: Span, condition: ops.Condition, reason: str) -> None:
        with self.builder.when(span, ops.Not(span, condition)):
            self.reject(span, reason)

    # ---------------------------------------------------------------------------------------------- fields

    def _read(self, group: tuple[model.Field, ...]) -> None:
        first = group[0]
        if first.repeat is not None:
            self._repeated(first)
        elif first.presence is model.Presence.FLAG:
            self._flagged(group)
        elif first.presence is model.Presence.LENGTH:
            self._by_length(first)
        else:
            self._always(first)

    def _always(self, each: model.Field) -> None:
        if each.fixed is not None:
            self._reserved.append(
                (each, self.builder.let(each.span, "reserved", self._bit_field(self.bits, each.bits)))
            )
        elif not each.is_reserved and self._is_needed(each):
            self._keep(each)
        self.bits += each.bits

    def _is_needed(self, each: model.Field) -> bool:
        announces = bool(self.layout.guarded_by(each.name))
        return each in self.wanted or announces or self._allowed(each, const(each.span, 0)) is not None

    def _keep(self, each: model.Field) -> None:
        """Reads the field that begins here."""
        values = [self._bit_field(self.bits + start, min(64, each.bits - start)) for start in range(0, each.bits, 64)]
        self.reader.fields[each] = tuple(self.builder.let(each.span, each.name, value) for value in values)

    def _flagged(self, group: tuple[model.Field, ...]) -> None:
        """Fields behind a flag; what follows them moves."""
        span, start = group[0].span, self._here()
        flag = next(field for field in self.layout.fields if field.name == group[0].flag)
        there = differs(span, self.reader.fields[flag][0], 0)
        for each in group:
            self.reader.present[each] = there
            if self._is_needed(each):
                self._keep(each)
            self.bits += each.bits
        self.moving = self.builder.let(span, "at", ops.Select(span, there, self._here(), start))
        self.bits = 0

    def _by_length(self, each: model.Field) -> None:
        """A trailing field is there if the option is long enough to hold it whole; its place is fixed."""
        if not self._ends:
            self._ends.append(self._here())
        if self._is_needed(each):
            self._keep(each)
        self.bits += each.bits
        self._ends.append(self._here())
        if self._is_needed(each):
            reaches = compare(each.span, ops.Comparison.GE, self.length, self._here())
            self.reader.present[each] = reaches

    def _repeated(self, each: model.Field) -> None:
        """Elements up to the end of the option; their number is told by the length."""
        assert each.repeat is not None
        span, builder, size, start = each.span, self.builder, each.bits // 8, self._here()
        rest = builder.let(span, "rest", binary(span, ops.BinaryOperator.SUB, self.length, start))
        if not self._is_exact:
            # A length that does not reach to here leaves a rest far above the most.
            fits = [compare(span, ops.Comparison.LE, rest, each.repeat.high * size)]
            if each.repeat.low:
                fits.append(compare(span, ops.Comparison.GE, rest, each.repeat.low * size))
            if size > 1:
                fits.append(equals(span, binary(span, ops.BinaryOperator.MOD, rest, size), 0))
            self._reject_unless(span, all_of(span, fits), "bad_length")
        if not self._is_needed(each):
            return
        elements = binary(span, ops.BinaryOperator.DIV, rest, size) if size > 1 else rest
        self.reader.counts[each] = builder.let(span, f"{each.name}_count", elements)
        is_checked = self._allowed(each, const(span, 0)) is not None
        self.reader.elements[each] = {
            index: (builder.let(span, f"{each.name}_{index}", self._bytes(self.bits // 8 + index * size, size)),)
            for index in range(each.repeat.high)
            if is_checked or (each, index) in self.wanted
        }

    # ----------------------------------------------------------------------------------------------- ranges

    def _check_range(self, each: model.Field) -> None:
        if each.is_reserved or each.is_wide or self._allowed(each, const(each.span, 0)) is None:
            return
        if each.repeat is not None:
            for index, (element,) in self.reader.elements[each].items():
                missing = compare(each.span, ops.Comparison.LE, self.reader.counts[each], index)
                self._demand(each, element, missing if index >= each.repeat.low else None)
            return
        there = self.reader.present.get(each)
        self._demand(each, self.reader.fields[each][0], ops.Not(each.span, there) if there is not None else None)

    def _demand(self, each: model.Field, value: ops.Value, missing: ops.Condition | None) -> None:
        """Rejects a value outside the range of its field, unless the field is missing."""
        allowed = self._allowed(each, value)
        assert allowed is not None
        condition = allowed if missing is None else ops.Either(each.span, missing, allowed)
        self._reject_unless(each.span, condition, f"bad_{each.name}")

    def _allowed(self, each: model.Field, value: ops.Value) -> ops.Condition | None:
        """Whether a value is one that the field may have; None where every value is."""
        if isinstance(each.type, EnumType) and (member := any_member(each.span, value, each.type)) is not None:
            return member
        return None if each.is_wide else inside(each.span, value, each.raw, of_bits(each.bits))

    # ------------------------------------------------------------------------------------------- positions

    def _bit_field(self, start: int, width: int) -> ops.Value:
        """Bits out of the bytes that hold them; where those are nine, put together from two reads."""
        first, last = start // 8, (start + width - 1) // 8
        spare, span = 8 * (last + 1) - start - width, self.span
        if last - first < 8:
            value = self._bytes(first, last - first + 1)
            if spare:
                value = binary(span, ops.BinaryOperator.SHR, value, spare)
        else:
            upper = binary(span, ops.BinaryOperator.SHL, self._bytes(first, 8), 8 - spare)
            lower = binary(span, ops.BinaryOperator.SHR, self._bytes(last, 1), spare)
            value = binary(span, ops.BinaryOperator.OR, upper, lower)
        if start % 8 and width < 64:
            value = binary(span, ops.BinaryOperator.AND, value, (1 << width) - 1)
        return value

    def _bytes(self, start: int, size: int) -> ops.Value:
        return ops.LoadBytes(self.span, self.place, self._at(start), size)

    def _here(self) -> ops.Value:
        """The offset of what comes next."""
        return self._at(self.bits // 8)

    def _at(self, distance: int) -> ops.Value:
        return const(self.span, distance) if self.moving is None else plus(self.span, self.moving, distance)
