"""Checked expressions to IR values and conditions.

A value that may only be computed where a condition holds, such as a quotient whose divisor the condition has shown not
to be zero, is computed in a branch of its own; so is what takes statements. What such a branch reads of params and
attributes is read before it, because the checker takes every read of one name for the same value.
"""

from __future__ import annotations

from collections.abc import Mapping

from optdsl.ir import ops
from optdsl.lower.builder import FunctionBuilder, Words, all_of, binary, compare, const, differs, equals
from optdsl.lower.conditions import denies
from optdsl.lower.memory import Memory
from optdsl.lower.prefixes import in_constant_prefixes, in_param_prefixes
from optdsl.lower.reads import Reader
from optdsl.lower.uses import nodes
from optdsl.lower.values import MAPPED, split
from optdsl.record import record
from optdsl.semantics import model
from optdsl.semantics.types import BoolType, BytesType
from optdsl.source import Span
from optdsl.targets import Attribute

_PARTIAL = (ops.BinaryOperator.DIV, ops.BinaryOperator.MOD, ops.BinaryOperator.SHL, ops.BinaryOperator.SHR)
"""Operations that have no result for some numbers on the right."""
_REFLEXIVE = (ops.Comparison.EQ, ops.Comparison.LE, ops.Comparison.GE)
"""What holds between a value and itself."""


@record(frozen=False)
class ExpressionLowering:
    """Lowers the expressions of one function."""

    reader: Reader
    facts: Mapping[model.Fact, ops.Condition]
    """How each fact that may be asked here is found out."""

    @property
    def builder(self) -> FunctionBuilder:
        """Of the function."""
        return self.reader.builder

    @property
    def memory(self) -> Memory:
        """Of the program."""
        return self.reader.memory

    def value(self, node: model.Expression) -> ops.Value:
        """A number."""
        if isinstance(node.type, BoolType) and not isinstance(node, model.Read | model.Literal | model.Choose):
            return ops.AsNumber(node.span, self.condition(node))
        (word,) = self.words(node)
        return word

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
            case model.Choose():
                return self._choose(node)
            case model.Lookup():
                raise TypeError("a lookup is lowered with its statement")
            case _:
                return (ops.AsNumber(node.span, self.condition(node)),)

    def condition(self, node: model.Expression) -> ops.Condition:
        """A condition."""
        match node:
            case model.Literal(span=span, value=value):
                return ops.Always(span, bool(value))
            case model.Compare() | model.WideEqual() if _is_same(node.left, node.right):
                # Nothing is compared with itself: clang has a warning for that.
                always = isinstance(node, model.WideEqual) or node.comparison in _REFLEXIVE
                return ops.Always(node.span, always)
            case model.Compare(span=span, comparison=comparison, left=left, right=right):
                one, other = self.value(left), self.value(right)
                if _is_one_place(one, other):
                    return ops.Always(span, comparison in _REFLEXIVE)
                return compare(span, comparison, one, other)
            case model.WideEqual(span=span, left=left, right=right):
                pairs = zip(self.words(left), self.words(right), strict=True)
                return all_of(span, [equals(span, first, second) for first, second in pairs])
            case model.Logic():
                return self._logic(node)
            case model.Negation(span=span, operand=operand):
                denied = self.condition(operand)
                return ops.Always(span, not denied.holds) if isinstance(denied, ops.Always) else ops.Not(span, denied)
            case model.InPrefixes():
                return self._in_prefixes(node)
            case model.Present(field=field):
                return self.reader.present[field]
            case model.FactRead(fact=fact):
                return self.facts[fact]
            case _:
                return differs(node.span, self.words(node)[0], 0)

    # --------------------------------------------------------------------------------------------- branches

    def _choose(self, node: model.Choose) -> Words:
        span, builder = node.span, self.builder
        self._read_ahead(node)
        decided = self.condition(node.condition)
        if isinstance(decided, ops.Always):
            return self.words(node.yes if decided.holds else node.no)
        with builder.block() as yes:
            first = self.words(node.yes)
        with builder.block() as no:
            second = self.words(node.no)
        if not yes and not no and not _is_partial(node.yes) and not _is_partial(node.no):
            pairs = zip(first, second, strict=True)
            return tuple(ops.Select(span, decided, one, other) for one, other in pairs)
        chosen = tuple(builder.let(span, "chosen", const(span, 0)) for _ in first)
        for block, words in ((yes, first), (no, second)):
            block.extend(ops.Assign(span, local.name, word) for local, word in zip(chosen, words, strict=True))
        builder.branch(span, decided, yes, no)
        return chosen

    def _logic(self, node: model.Logic) -> ops.Condition:
        span, builder = node.span, self.builder
        self._read_ahead(node)
        first = self.condition(node.left)
        if isinstance(first, ops.Always):
            return self.condition(node.right) if first.holds is node.both else first
        with builder.block() as statements:
            second = self.condition(node.right)
        if isinstance(second, ops.Always):
            return first if second.holds is node.both else second
        if not statements and denies(first, second):
            return ops.Always(span, not node.both)
        if not statements:
            return ops.Both(span, first, second) if node.both else ops.Either(span, first, second)
        holds = builder.let(span, "holds", const(span, 0))
        statements.append(ops.Assign(span, holds.name, ops.AsNumber(span, second)))
        if node.both:
            builder.branch(span, first, statements)
        else:
            builder.branch(span, first, [ops.Assign(span, holds.name, const(span, 1))], statements)
        return differs(span, holds, 0)

    def _read_ahead(self, node: model.Expression) -> None:
        """Reads every param and attribute of an expression here, for all branches of it."""
        for each in nodes(node):
            if isinstance(each, model.Read) and isinstance(each.symbol, model.Param | Attribute):
                self.reader.read(each)

    # --------------------------------------------------------------------------------------------- prefixes

    def _in_prefixes(self, node: model.InPrefixes) -> ops.Condition:
        span = node.span
        words = self.words(node.address)
        if isinstance(node.address.type, BytesType) and node.address.type.form == "ip4":
            words = (const(span, 0), binary(span, ops.BinaryOperator.OR, words[0], MAPPED))
        high, low = (self._kept(span, word) for word in words)
        if isinstance(node.prefixes, model.Param):
            place = self.reader.param_place(node.prefixes)
            return in_param_prefixes(self.builder, span, (high, low), node.prefixes, place)
        return in_constant_prefixes(span, (high, low), node.prefixes)

    def _kept(self, span: Span, value: ops.Value) -> ops.Value:
        return value if isinstance(value, ops.Local | ops.Const) else self.builder.let(span, "address", value)


def _is_same(left: model.Expression, right: model.Expression) -> bool:
    """Whether both are the same name or element; the checker takes all reads of a name in a block for one value."""
    match left, right:
        case model.Read(), model.Read():
            return left.symbol is right.symbol
        case model.Element(), model.Element():
            return left.field is right.field and left.index == right.index
        case model.CountOf(), model.CountOf():
            return left.field is right.field
        case _:
            return False


def _is_one_place(left: ops.Value, right: ops.Value) -> bool:
    """Whether both are what one local or one place in memory holds, as when a choice is decided at compile time."""
    match left, right:
        case ops.Local(), ops.Local():
            return left.name == right.name
        case ops.Load(), ops.Load():
            return left.place == right.place
        case _:
            return False


def _is_partial(node: model.Expression) -> bool:
    """Whether a value may have no result where a condition that it stands behind does not hold."""
    return any(
        isinstance(each, model.Arithmetic) and each.operator in _PARTIAL and not isinstance(each.right, model.Literal)
        for each in nodes(node)
    )
