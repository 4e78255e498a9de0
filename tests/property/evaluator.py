"""Runs checked blocks on numbers, and demands on the way everything that the checker claims to have proven.

Every value stays in its interval, no divisor is zero, no difference below zero, nothing leaves 64 bits, no optional
field or element is read that is not there. Params and attributes change as they may on a real machine: each is kept
from its first read in a block to the end of that block, and has any value in its range when it is read anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from optdsl.ir.ops import BinaryOperator, Comparison
from optdsl.semantics import model
from optdsl.semantics.ranges import Interval
from optdsl.semantics.types import BytesType, EnumType, Type
from optdsl.targets import Attribute

_COMPARE: dict[Comparison, Callable[[int, int], bool]] = {
    Comparison.EQ: int.__eq__, Comparison.NE: int.__ne__, Comparison.LT: int.__lt__,
    Comparison.LE: int.__le__, Comparison.GT: int.__gt__, Comparison.GE: int.__ge__,
}  # fmt: skip
_ARITHMETIC: dict[BinaryOperator, Callable[[int, int], int]] = {
    BinaryOperator.ADD: int.__add__, BinaryOperator.SUB: int.__sub__, BinaryOperator.MUL: int.__mul__,
    BinaryOperator.DIV: int.__floordiv__, BinaryOperator.MOD: int.__mod__, BinaryOperator.SHL: int.__lshift__,
    BinaryOperator.SHR: int.__rshift__, BinaryOperator.AND: int.__and__, BinaryOperator.OR: int.__or__,
    BinaryOperator.XOR: int.__xor__, BinaryOperator.MIN: min, BinaryOperator.MAX: max,
}  # fmt: skip


class RejectedError(Exception):
    """A `reject` was reached, with its reason."""


def pick(random: Random, interval: Interval) -> int:
    """A number of an interval, often at or near its ends, and often small."""
    near = [interval.low, interval.high, interval.low + 1, interval.high - 1, random.randint(0, 300)]
    near.append(random.randint(interval.low, interval.high))
    near.append(random.randint(interval.low, min(interval.high, interval.low + 1000)))
    return random.choice([value for value in near if value in interval])


@dataclass(slots=True)
class Machine:
    """One run of one block."""

    random: Random
    fields: dict[model.Field, int] = field(default_factory=dict)
    present: set[model.Field] = field(default_factory=set)
    elements: dict[model.Field, list[int]] = field(default_factory=dict)
    states: dict[model.State, int] = field(default_factory=dict)
    lets: dict[model.LetSymbol, int] = field(default_factory=dict)
    assigned: dict[model.Field, list[int]] = field(default_factory=dict)
    read: list[dict[object, int]] = field(default_factory=lambda: [{}])

    @classmethod
    def receiving(cls, option: model.Option, random: Random) -> Machine:
        """A valid received option, and states as they may have become."""
        machine = cls(random)
        for each in option.layout.fields:
            if each.repeat is not None:
                count = pick(random, each.repeat)
                machine.elements[each] = [pick(random, each.raw) * each.step for _ in range(count)]
            elif isinstance(each.type, EnumType):
                machine.fields[each] = random.choice(each.type.members)[1]
            elif isinstance(each.type, BytesType):
                machine.fields[each] = random.getrandbits(8 * each.type.length)
            else:
                machine.fields[each] = pick(random, each.raw) * each.step
        trailing = [each for each in option.layout.fields if each.presence is model.Presence.LENGTH]
        machine.present.update(trailing[: random.randint(0, len(trailing))])
        for each in option.layout.fields:
            flag = option.layout.field(each.flag) if each.flag else None
            if flag is not None and machine.fields[flag]:
                machine.present.add(each)
        machine.states = {
            state: random.getrandbits(8 * state.type.length) if isinstance(state.type, BytesType)
            else pick(random, state.interval)
            for state in option.states
        }  # fmt: skip
        return machine

    # -------------------------------------------------------------------------------------------- statements

    @contextmanager
    def _block(self) -> Iterator[None]:
        self.read.append({})
        try:
            yield
        finally:
            self.read.pop()

    def run(self, body: model.Block) -> None:
        """Runs statements to the end. Raises RejectedError."""
        for statement in body:
            self._statement(statement)

    def _statement(self, node: model.Statement) -> None:
        match node:
            case model.Let(symbol=symbol, value=value, otherwise=otherwise):
                self.lets[symbol] = self._looked_up(value, otherwise)
            case model.If(condition=condition, yes=yes, no=no):
                holds = self.value(condition)
                with self._block():
                    self.run(yes if holds else no)
            case model.SetState(state=state, value=value):
                found = self.value(value)
                inside = isinstance(state.type, BytesType) or found in state.interval
                assert inside, f"{state.name} gets {found}, inferred is {state.interval}"
                self.states[state] = found
            case model.SetField(field=target, value=value):
                found = self.value(value)
                assert isinstance(target.type, BytesType) or found in target.raw, f"{target.name} gets {found}"
                assert target not in self.assigned
                self.assigned[target] = [found]
            case model.SetElements(field=target, elements=elements):
                assert target.repeat is not None
                assert len(elements) in target.repeat
                self.assigned[target] = [self.value(element) for element in elements]
                assert all(found in target.raw for found in self.assigned[target])
            case model.SetAttribute(attribute=attribute, value=value, otherwise=otherwise):
                found = self._looked_up(value, otherwise)
                assert attribute.write is not None
                assert isinstance(value.type, BytesType) or found in attribute.write.bounds
                self.set_attribute(attribute, value.type, found)
            case model.Reject(reason=reason):
                raise RejectedError(reason)
            case model.Emit(record=record, values=values):
                self.emit(record, [self.value(each) for each in values])

    def _looked_up(self, node: model.Expression, otherwise: str | None) -> int:
        try:
            return self.value(node)
        except KeyError:
            raise RejectedError(otherwise) from None

    def set_attribute(self, attribute: Attribute, kind: Type, value: int) -> None:
        """An attribute is assigned."""

    def emit(self, record: model.Record, values: list[int]) -> None:
        """A record is sent."""

    # ------------------------------------------------------------------------------------------- expressions

    def value(self, node: model.Expression) -> int:
        """The value of an expression, checked against its interval."""
        found = int(self._value(node))
        if not isinstance(node.type, BytesType):
            assert found in node.interval, f"`{node.span.text}` is {found}, proven is {node.interval}"
            assert 0 <= found < 1 << 64
        return found

    def _value(self, node: model.Expression) -> int:
        match node:
            case model.Literal(value=value):
                return value
            case model.Read():
                return self._symbol(node)
            case model.Element(field=target, index=index):
                assert index < len(self.elements[target]), "an element that is not there"
                return self.elements[target][index]
            case model.CountOf(field=target):
                return len(self.elements[target])
            case model.Arithmetic(operator=operator, left=left, right=right):
                return self._arithmetic(operator, self.value(left), self.value(right))
            case model.Choose(condition=condition, yes=yes, no=no):
                return self.value(yes if self.value(condition) else no)
            case model.Compare(comparison=comparison, left=left, right=right):
                return _COMPARE[comparison](self.value(left), self.value(right))
            case model.Logic(both=both, left=left, right=right):
                first = self.value(left)
                return self.value(right) if bool(first) is both else first
            case model.Negation(operand=operand):
                return 1 - self.value(operand)
            case model.Present(field=target):
                return target in self.present
            case model.FactRead(fact=fact):
                return self._kept(fact, node)
            case model.WideLiteral(data=data):
                return int.from_bytes(data, "big")
            case model.WideEqual(left=left, right=right):
                return self.value(left) == self.value(right)
            case model.InPrefixes(address=address, prefixes=prefixes):
                if isinstance(prefixes, model.Param):
                    return self.is_in_param(self.value(address), prefixes, node)
                return is_inside(self.value(address), prefixes)
            case model.Lookup(table=table, key=key):
                entry = self.entry(table, self.value(key))
                return int.from_bytes(entry, "big") if isinstance(entry, bytes) else entry
            case _:
                raise TypeError(f"{type(node).__name__} is not generated")

    def _symbol(self, node: model.Read) -> int:
        match node.symbol:
            case model.Field() as target:
                assert target.presence is model.Presence.ALWAYS or target in self.present, "a field that is not there"
                return self.fields[target]
            case model.State() as state:
                return self.states[state]
            case model.LetSymbol() as let:
                return self.lets[let]
            case attribute_or_param:
                return self._kept(attribute_or_param, node)

    def _kept(self, key: object, node: model.Expression) -> int:
        """The first value read in this block or around it."""
        for scope in reversed(self.read):
            if key in scope:
                return scope[key]
        return self.read[-1].setdefault(key, self.read_anew(key, node))

    def read_anew(self, key: object, _node: model.Expression) -> int:
        """A param, an attribute or a fact as it is now."""
        if isinstance(key, model.Param):
            if isinstance(key.type, BytesType):
                return self.random.getrandbits(8 * key.type.length)
            if isinstance(key.type, EnumType):
                return self.random.choice(key.type.members)[1]
            return pick(self.random, key.interval)
        if isinstance(key, Attribute):
            assert key.read is not None
            if isinstance(_node.type, BytesType):
                return self.random.getrandbits(8 * _node.type.length)
            return pick(self.random, Interval(key.read.bounds.minimum, key.read.bounds.maximum))
        return self.random.randint(0, 1)

    def is_in_param(self, address: int, prefixes: model.Param, _node: model.Expression) -> bool:
        """Whether an address is inside a list that user space may change."""
        del address
        return bool(self._kept(prefixes.name, _node))

    def entry(self, table: model.Table, key: int) -> int | bytes:
        """The entry of a table. Raises KeyError."""
        if table.tunable and self.random.random() < 0.5 and not isinstance(table.value, BytesType):
            return pick(self.random, table.values)
        return dict(table.entries)[key]

    def _arithmetic(self, operator: BinaryOperator, left: int, right: int) -> int:
        if operator in (BinaryOperator.DIV, BinaryOperator.MOD):
            assert right, "a division by zero"
        if operator in (BinaryOperator.SHL, BinaryOperator.SHR):
            assert right < 64
        return _ARITHMETIC[operator](left, right)


def is_inside(address: int, prefixes: tuple[model.Prefix, ...]) -> bool:
    """Whether an address is inside one of some prefixes."""
    return any(address >> (128 - each.length) == each.address >> (128 - each.length) for each in prefixes)
