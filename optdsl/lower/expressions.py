"""Checked expressions to IR values and conditions."""

from __future__ import annotations

from dataclasses import dataclass

from optdsl.ir import ops
from optdsl.lower.builder import FunctionBuilder, Words, all_of, any_of, binary, compare, const, differs, equals
from optdsl.lower.memory import Memory
from optdsl.lower.reads import MAPPED, Reader, word_size
from optdsl.semantics import model
from optdsl.semantics.types import BoolType, BytesType, PrefixesType
from optdsl.source import Span

_ALL = (1 << 64) - 1


@dataclass(slots=True)
class ExpressionLowering:
    """Lowers the expressions of one function."""

    reader: Reader
    facts: dict[model.Fact, ops.Condition]
    """How each fact that may be asked here is found out."""

    @property
    def builder(self) -> FunctionBuilder:
        return self.reader.builder

    @property
    def memory(self) -> Memory:
        return self.reader.memory

    def value(self, node: model.Expression) -> ops.Value:
        """A number."""
        if isinstance(node.type, BoolType) and not isinstance(node, model.Read | model.Literal):
            return ops.AsNumber(node.span, self.condition(node))
        words = self.words(node)
        assert len(words) == 1, f"{node} is no number"
        return words[0]

    def words(self, node: model.Expression) -> Words:
        """A value of any type as words."""
        match node:
            case model.Literal(span=span, value=value):
                return (const(span, value),)
            case model.WideLiteral(span=span, data=data):
                return tuple(const(span, word) for word in split(data))
            case model.Read():
                return self.reader.read(node)
            case model.Element(span=span, field=field, index=index):
                return self.reader.scaled(span, self.reader.elements[field][index], field.step)
            case model.CountOf(field=field):
                return (self.reader.counts[field],)
            case model.Arithmetic(span=span, operator=operator, left=left, right=right):
                return (ops.Binary(span, operator, self.value(left), self.value(right)),)
            case model.Choose(span=span, condition=condition, yes=yes, no=no):
                decided = self.condition(condition)
                pairs = zip(self.words(yes), self.words(no), strict=True)
                return tuple(ops.Select(span, decided, first, second) for first, second in pairs)
            case model.Lookup():
                raise TypeError("a lookup is lowered with its statement")
            case _:
                return (ops.AsNumber(node.span, self.condition(node)),)

    def condition(self, node: model.Expression) -> ops.Condition:
        """A condition."""
        match node:
            case model.Literal(span=span, value=value):
                return ops.Always(span, bool(value))
            case model.Compare(span=span, comparison=comparison, left=left, right=right):
                return compare(span, comparison, self.value(left), self.value(right))
            case model.WideEqual(span=span, left=left, right=right):
                pairs = zip(self.words(left), self.words(right), strict=True)
                return all_of(span, [equals(span, first, second) for first, second in pairs])
            case model.Logic(span=span, both=both, left=left, right=right):
                first, second = self.condition(left), self.condition(right)
                return ops.Both(span, first, second) if both else ops.Either(span, first, second)
            case model.Negation(span=span, operand=operand):
                return ops.Not(span, self.condition(operand))
            case model.InPrefixes():
                return self._in_prefixes(node)
            case model.Present(field=field):
                return self.reader.present[field.name]
            case model.FactRead(fact=fact):
                return self.facts[fact]
            case _:
                return differs(node.span, self.words(node)[0], 0)

    # -------------------------------------------------------------------------------------------- prefixes

    def _in_prefixes(self, node: model.InPrefixes) -> ops.Condition:
        span = node.span
        words = self.words(node.address)
        kind = node.address.type
        if isinstance(kind, BytesType) and kind.form == "ip4":
            words = (const(span, 0), binary(span, ops.BinaryOperator.OR, words[0], MAPPED))
        high, low = (self._kept(span, word) for word in words)
        if isinstance(node.prefixes, model.Param):
            return self._in_param(span, high, low, node.prefixes)
        return any_of(span, [_in_constant(span, high, low, prefix) for prefix in node.prefixes])

    def _kept(self, span: Span, value: ops.Value) -> ops.Value:
        return value if isinstance(value, ops.Local | ops.Const) else self.builder.let(span, "address", value)

    def _in_param(self, span: Span, high: ops.Value, low: ops.Value, param: model.Param) -> ops.Condition:
        """Goes through the entries: a loop, because there may be many and user space may change them."""
        assert isinstance(param.type, PrefixesType)
        builder = self.builder
        found = builder.let(span, f"in_{param.name}", const(span, 0))
        index = builder.fresh("entry")
        base = self.reader.param_place(param)
        entry = ops.Place(base.root, (*base.path, ops.Local(span, index)))
        with builder.block() as body:
            length = builder.let(span, "length", ops.Load(span, ops.Place(entry.root, (*entry.path, "length"))))
            address = ops.Place(entry.root, (*entry.path, "address"))
            matches = _matches(span, high, low, address, length)
            with builder.when(span, ops.Both(span, _used(span, length), matches)):
                builder.emit(ops.Assign(span, found.name, const(span, 1)))
                builder.emit(ops.Break(span))
        builder.emit(ops.Repeat(span, index, param.type.length, tuple(body)))
        return differs(span, found, 0)


def split(data: bytes) -> list[int]:
    """Bytes as words, most significant first."""
    return [
        int.from_bytes(data[8 * index : 8 * index + word_size(len(data), index)], "big")
        for index in range(-(-len(data) // 8))
    ]


def _used(span: Span, length: ops.Value) -> ops.Condition:
    """An entry counts with a length of 1 to 128: 0 is free, and more is nonsense that user space has written."""
    shifted = binary(span, ops.BinaryOperator.SUB, length, 1)
    return compare(span, ops.Comparison.LT, shifted, 128)


def _matches(span: Span, high: ops.Value, low: ops.Value, address: ops.Place, length: ops.Value) -> ops.Condition:
    """The first `length` (1..=128) bits of two addresses agree. Shift counts are masked to stay below 64."""
    differences = [
        binary(span, ops.BinaryOperator.XOR, half, ops.LoadBytes(span, address, const(span, 8 * index), 8))
        for index, half in enumerate((high, low))
    ]
    rest = binary(span, ops.BinaryOperator.AND, binary(span, ops.BinaryOperator.SUB, const(span, 0), length), 63)
    short = equals(span, binary(span, ops.BinaryOperator.SHR, differences[0], rest), 0)
    longer = ops.Both(
        span,
        equals(span, differences[0], 0),
        equals(span, binary(span, ops.BinaryOperator.SHR, differences[1], rest), 0),
    )
    is_short = compare(span, ops.Comparison.LE, length, 64)
    return ops.Either(span, ops.Both(span, is_short, short), longer)


def _in_constant(span: Span, high: ops.Value, low: ops.Value, prefix: model.Prefix) -> ops.Condition:
    mask = ((1 << 128) - 1) ^ ((1 << (128 - prefix.length)) - 1)
    conditions = []
    for half, shift in ((high, 64), (low, 0)):
        bits = (mask >> shift) & _ALL
        if bits == 0:
            continue
        masked = half if bits == _ALL else binary(span, ops.BinaryOperator.AND, half, bits)
        conditions.append(equals(span, masked, (prefix.address >> shift) & _ALL))
    return all_of(span, conditions)
