"""What is known at a point of a handler: narrower ranges and present fields, as conditions have shown.

A param or an attribute is read once in a block and kept (see `lower`), so what a condition has shown of it stays true
there although user space or the kernel may change it meanwhile. Behind the block it is read anew: see `behind`.
"""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.ir.ops_values import BinaryOperator, Comparison
from optdsl.record import field, fields, record
from optdsl.semantics import model
from optdsl.semantics.ranges import Interval
from optdsl.semantics.types import BoolType, BytesType, EnumType, NumberType
from optdsl.targets import Attribute

_MIRRORED = {
    Comparison.EQ: Comparison.EQ, Comparison.NE: Comparison.NE, Comparison.LT: Comparison.GT,
    Comparison.GT: Comparison.LT, Comparison.LE: Comparison.GE, Comparison.GE: Comparison.LE,
}  # fmt: skip
_NOT_FORM = frozenset({"span", "type", "interval"})


@record
class Form:
    """An expression without its places and ranges: two of one form have the same value at one point of a block."""

    parts: tuple[object, ...]
    """The class of the node, then symbols, operators, numbers, and the forms of the operands."""


Key = model.Symbol | Form
"""What a range is known of."""


def key_of(expression: model.Expression) -> Key:
    """The symbol of a name, the form of any other expression."""
    return expression.symbol if isinstance(expression, model.Read) else _form(expression)


def _form(expression: model.Expression) -> Form:
    names = [name for name in fields(expression) if name not in _NOT_FORM]
    values = [getattr(expression, name) for name in names]
    return Form(
        (type(expression), *(key_of(value) if isinstance(value, model.Expression) else value for value in values))
    )


def difference(left: model.Expression, right: model.Expression) -> Form:
    """The key of `left - right`."""
    return Form((model.Arithmetic, BinaryOperator.SUB, key_of(left), key_of(right)))


def _symbols(key: object) -> Iterator[object]:
    """The leaves of a key."""
    if isinstance(key, Form):
        for part in key.parts:
            yield from _symbols(part)
    else:
        yield key


def _changing(key: Key) -> set[object]:
    """The params and attributes in a key: what may change behind the program's back."""
    return {symbol for symbol in _symbols(key) if isinstance(symbol, model.Param | Attribute)}


@record
class Facts:
    """Knowledge on the current path. `counts` are the ranges of the lengths of repeated fields."""

    ranges: dict[Key, Interval] = field(default_factory=dict)
    present: frozenset[model.Field] = frozenset()
    counts: dict[model.Field, Interval] = field(default_factory=dict)
    reachable: bool = True

    def interval(self, key: Key, widest: Interval) -> Interval:
        """The range of something that is never outside `widest`."""
        known = self.ranges.get(key)
        return (known.meet(widest) or known) if known is not None else widest

    def with_range(self, key: Key, interval: Interval) -> Facts:
        return Facts({**self.ranges, key: interval}, self.present, self.counts, self.reachable)

    def assigned(self, state: model.State, interval: Interval) -> Facts:
        """A state has a new value: what was known of it, and of expressions with it, is gone."""
        ranges = {
            key: value for key, value in self.ranges.items() if all(symbol is not state for symbol in _symbols(key))
        }
        return Facts({**ranges, state: interval}, self.present, self.counts, self.reachable)

    def with_present(self, fields: tuple[model.Field, ...]) -> Facts:
        return Facts(self.ranges, self.present | set(fields), self.counts, self.reachable)

    def with_count(self, repeated: model.Field, interval: Interval) -> Facts:
        return Facts(self.ranges, self.present, {**self.counts, repeated: interval}, self.reachable)

    def unreachable(self) -> Facts:
        return Facts(self.ranges, self.present, self.counts, False)

    def join(self, other: Facts) -> Facts:
        """What holds whichever of two paths was taken."""
        if not self.reachable:
            return other
        if not other.reachable:
            return self
        ranges = {key: value.join(other.ranges[key]) for key, value in self.ranges.items() if key in other.ranges}
        counts = {key: value.join(other.counts[key]) for key, value in self.counts.items() if key in other.counts}
        return Facts(ranges, self.present & other.present, counts)

    def behind(self, *starts: Facts) -> Facts:
        """These facts behind blocks that began with `starts`.

        A param or attribute that was read inside a block for the first time is read again behind it, and may have
        changed by then: what the block has shown of it is forgotten.
        """
        read = {symbol for start in starts for key in start.ranges for symbol in _changing(key)}
        ranges = {key: value for key, value in self.ranges.items() if _changing(key) <= read}
        return Facts(ranges, self.present, self.counts, self.reachable)


def assume(facts: Facts, condition: model.Expression, holds: bool, layout: model.Layout | None) -> Facts:
    """The facts where a condition has turned out true, or false."""
    match condition:
        case model.Literal():
            return facts if bool(condition.value) is holds else facts.unreachable()
        case model.Negation():
            return assume(facts, condition.operand, not holds, layout)
        case model.Logic():
            return _assume_logic(facts, condition, holds, layout)
        case model.Compare():
            comparison = condition.comparison if holds else condition.comparison.negated
            facts = _assume_order(facts, comparison, condition.left, condition.right)
            facts = _assume_comparison(facts, comparison, condition.left, condition.right, layout)
            return _assume_comparison(facts, _MIRRORED[comparison], condition.right, condition.left, layout)
        case model.Present() if holds:
            return facts.with_present(_announced_with(condition.field, layout))
        case model.Read(type=BoolType()):
            return _assume_flag(facts, condition.symbol, holds, layout)
        case _:
            return facts


def _assume_logic(facts: Facts, logic: model.Logic, holds: bool, layout: model.Layout | None) -> Facts:
    if logic.both is holds:
        return assume(assume(facts, logic.left, holds, layout), logic.right, holds, layout)
    first = assume(facts, logic.left, holds, layout)
    second = assume(assume(facts, logic.left, not holds, layout), logic.right, holds, layout)
    return first.join(second)


def _assume_order(facts: Facts, comparison: Comparison, left: model.Expression, right: model.Expression) -> Facts:
    """What an order says of the difference: `a > b` proves that `a - b` is at least 1."""
    if comparison in (Comparison.LT, Comparison.LE):
        left, right, comparison = right, left, _MIRRORED[comparison]
    if comparison not in (Comparison.GT, Comparison.GE) or not isinstance(left.type, NumberType):
        return facts
    least = 1 if comparison is Comparison.GT else 0
    most = left.interval.high - right.interval.low
    return facts.with_range(difference(left, right), Interval(least, most)) if most >= least else facts


def _assume_comparison(
    facts: Facts, comparison: Comparison, left: model.Expression, right: model.Expression, layout: model.Layout | None
) -> Facts:
    bound = right.interval
    if isinstance(left, model.CountOf):
        narrowed = _narrow(facts.counts.get(left.field, left.interval), comparison, bound)
        return facts.with_count(left.field, narrowed) if narrowed else facts.unreachable()
    if isinstance(left, model.Literal) or isinstance(left.type, EnumType | BytesType):
        return facts
    key = key_of(left)
    narrowed = _narrow(facts.interval(key, left.interval), comparison, bound)
    if narrowed is None:
        return facts.unreachable()
    facts = facts.with_range(key, narrowed)
    if isinstance(key, model.Field) and narrowed == Interval(1, 1):
        return _assume_flag(facts, key, True, layout)
    return facts


def _narrow(interval: Interval, comparison: Comparison, bound: Interval) -> Interval | None:
    """What is left of a range where a comparison with something in `bound` holds; None if nothing is."""
    match comparison:
        case Comparison.EQ:
            return interval.meet(bound)
        case Comparison.LT:
            return interval.meet(Interval(interval.low, bound.high - 1)) if bound.high > interval.low else None
        case Comparison.LE:
            return interval.meet(Interval(interval.low, bound.high)) if bound.high >= interval.low else None
        case Comparison.GT:
            return interval.meet(Interval(bound.low + 1, interval.high)) if bound.low < interval.high else None
        case Comparison.GE:
            return interval.meet(Interval(bound.low, interval.high)) if bound.low <= interval.high else None
        case Comparison.NE:
            return _leave_out(interval, bound)


def _leave_out(interval: Interval, bound: Interval) -> Interval | None:
    if not bound.is_constant:
        return interval
    if interval.is_constant and interval.low == bound.low:
        return None
    if interval.low == bound.low:
        return Interval(interval.low + 1, interval.high)
    if interval.high == bound.low:
        return Interval(interval.low, interval.high - 1)
    return interval


def _assume_flag(facts: Facts, symbol: model.Symbol, holds: bool, layout: model.Layout | None) -> Facts:
    facts = facts.with_range(symbol, Interval(int(holds), int(holds)))
    if holds and isinstance(symbol, model.Field) and layout is not None:
        return facts.with_present(layout.guarded_by(symbol.name))
    return facts


def _announced_with(field: model.Field, layout: model.Layout | None) -> tuple[model.Field, ...]:
    """The fields that are there when `field` is: those of its flag, or the trailing ones before it."""
    if layout is None:
        return (field,)
    if field.presence is model.Presence.FLAG:
        return layout.guarded_by(field.flag)
    trailing = [each for each in layout.fields if each.presence is model.Presence.LENGTH]
    return tuple(trailing[: trailing.index(field) + 1]) if field in trailing else (field,)
