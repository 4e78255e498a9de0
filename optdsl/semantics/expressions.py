"""Checks expressions: tree in, checked expression out, with type and range; what cannot be proven is raised.

Names, fields and tables are in `references`, calls in `calls`, literals in `literals`, the rules of arithmetic in
`arithmetic`.
"""

from __future__ import annotations

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import values as wording
from optdsl.record import record, replace
from optdsl.semantics import arithmetic, calls, literals, model, references
from optdsl.semantics.facts import Facts, Form, assume, difference, key_of
from optdsl.semantics.place import Place, Session
from optdsl.semantics.ranges import Interval
from optdsl.semantics.scope import Scope
from optdsl.semantics.types import BOOL, BoolType, BytesType, NumberType, Type
from optdsl.semantics.units import Unit, same
from optdsl.semantics.unused import mark
from optdsl.source import Span
from optdsl.syntax import tree
from optdsl.syntax.walk import asks_target


@record
class Destination:
    """What a value is assigned to, for `saturate`: a range of a unit, and for a field with `of` one in steps."""

    interval: Interval
    unit: Unit = Unit.NUMBER
    steps: Interval | None = None

    def bounds(self, unit: Unit) -> Interval | None:
        """The range that a value of a unit is held to; None where it means nothing to the destination."""
        if same(unit, self.unit) is not None:
            return self.interval
        return self.steps if unit is Unit.NUMBER else None


@record
class ExpressionChecker:
    """Checks the expressions of one block, in the light of the facts at the point where they stand.

    `calling` are the functions being inlined; `warns` is off where an expression is checked several times with other
    values, in loops and inlined functions, because what is always true there need not be always true.
    """

    session: Session
    scope: Scope
    place: Place
    facts: Facts
    destination: Destination | None = None
    calling: tuple[tree.Function, ...] = ()
    warns: bool = True

    def value(self, node: tree.Expression, expected: Type | None = None) -> model.Expression:
        """A value of any type but a table lookup."""
        checked = self.value_or_lookup(node, expected)
        if isinstance(checked, model.Lookup):
            raise CompileError(wording.lookup_without_else(node.span))
        return checked

    def value_or_lookup(self, node: tree.Expression, expected: Type | None = None) -> model.Expression:
        """As `value`, and also the lookup of a table, which its statement gives an `else reject`."""
        return self.known(self._check(node, expected))

    def known(self, value: model.Expression) -> model.Expression:
        """The value inside the range that conditions have shown of an expression of this form."""
        if isinstance(value, model.Read | model.Literal) or not any(isinstance(key, Form) for key in self.facts.ranges):
            return value
        return arithmetic.narrowed(value, self.facts.interval(key_of(value), value.interval))

    def number(self, node: tree.Expression) -> model.Expression:
        """A value that arithmetic can use."""
        value = self.value(node)
        if isinstance(value.type, BoolType) and isinstance(value, model.Read):
            value = replace(value, type=NumberType(Unit.NUMBER, 1))
        arithmetic.number_type(value)
        return value

    def plain_number(self, node: tree.Expression) -> model.Expression:
        """A number without a unit."""
        value = self.number(node)
        if arithmetic.number_type(value).unit is not Unit.NUMBER:
            raise CompileError(wording.wrong_type(node.span, str(value.type), "a plain number"))
        return value

    def condition(self, node: tree.Expression) -> model.Expression:
        """A condition: of type bool, or a flag of one bit."""
        value = self.value(node, BOOL)
        if isinstance(value.type, BoolType):
            return value
        if isinstance(value.type, NumberType) and value.type.bits == 1:
            return replace(value, type=BOOL) if isinstance(value, model.Read | model.Literal) else value
        raise CompileError(wording.wrong_type(node.span, str(value.type), "a condition"))

    def decided(self, node: tree.Expression, condition: model.Expression) -> bool | None:
        """What is known of a condition without running it, with a warning; None if nothing is.

        `target has` is meant to be known, and gets no warning.
        """
        if not isinstance(condition, model.Literal):
            return None
        if self.warns and not asks_target(node):
            self.session.diagnostics.add(wording.condition_constant(node.span, bool(condition.value)))
        return bool(condition.value)

    def under(self, condition: model.Expression, holds: bool) -> ExpressionChecker:
        """The checker where a condition is known to hold, or not to."""
        return replace(self, facts=assume(self.facts, condition, holds, self.place.layout))

    # ------------------------------------------------------------------------------------------ dispatch

    def _check(self, node: tree.Expression, expected: Type | None) -> model.Expression:
        """`saturate` looks at the destination through calls and conditionals, but not through operators."""
        match node:
            case tree.Call():
                return calls.call(self, node, expected)
            case tree.Conditional():
                return self._conditional(node, expected)
            case _ if self.destination is not None:
                return replace(self, destination=None)._operand(node, expected)
            case _:
                return self._operand(node, expected)

    def _operand(self, node: tree.Expression, expected: Type | None) -> model.Expression:
        match node:
            case tree.Integer(span=span, value=value):
                return literals.integer(span, value, expected)
            case tree.Quantity():
                return literals.quantity(node)
            case tree.Boolean(span=span, value=value):
                return model.Literal(span, BOOL, int(value))
            case tree.Text():
                return literals.text(node, expected)
            case tree.AddressLiteral():
                return literals.address(node, expected)
            case tree.NameExpression():
                return references.name(self, node, expected)
            case tree.Index():
                return references.index(self, node)
            case tree.Unary(span=span, operator="~", operand=operand):
                return arithmetic.complement(span, self.number(operand))
            case tree.Unary(span=span, operand=operand):
                return _negated(span, self.condition(operand))
            case tree.Binary():
                return self._binary(node)
            case tree.In():
                return self._in(node)
            case tree.TargetHas(span=span, path=path):
                return model.Literal(span, BOOL, int(self.session.has(path)))
            case tree.HasField(span=span, field=name):
                return references.has(self, span, name)
            case tree.PrefixLiteral(span=span):
                raise CompileError(name_wording.not_a_value(span, "a prefix"))
            case tree.ListExpression(span=span):
                raise CompileError(name_wording.not_a_value(span, "a list"))
            case tree.Call() | tree.Conditional():
                return self._check(node, expected)

    # ----------------------------------------------------------------------------------------- operators

    def _binary(self, node: tree.Binary) -> model.Expression:
        if node.operator in ("and", "or"):
            return self._logic(node)
        if node.operator in arithmetic.COMPARISONS:
            left, right = self._operands(node)
            return arithmetic.compare(node.span, node.operator, left, right)
        left, right = self.number(node.left), self.number(node.right)
        if node.operator == "-":
            return arithmetic.subtract(node.span, left, right, self.difference(left, right))
        return arithmetic.binary(node.span, node.operator, left, right)

    def difference(self, left: model.Expression, right: model.Expression) -> Interval | None:
        """What conditions have shown of `left - right`, as `left >= right` does."""
        return self.facts.ranges.get(difference(left, right)) if self.facts.ranges else None

    def _operands(self, node: tree.Binary) -> tuple[model.Expression, model.Expression]:
        """The sides of a comparison; a bare enumerator or literal takes its meaning from the other side."""
        if references.is_enumerator(self.scope, node.left) and not references.is_enumerator(self.scope, node.right):
            right = self.value(node.right)
            return self.value(node.left, right.type), right
        left = self.value(node.left)
        right = self.value(node.right, left.type)
        match left.type, right.type:
            case BoolType(), NumberType(unit=Unit.NUMBER, bits=bits):
                return self._flags(node.left, node.right, bits)
            case NumberType(unit=Unit.NUMBER, bits=bits), BoolType():
                second, first = self._flags(node.right, node.left, bits)
                return first, second
            case _:
                return left, right

    def _flags(
        self, condition: tree.Expression, number: tree.Expression, bits: int
    ) -> tuple[model.Expression, model.Expression]:
        """A condition beside a number: `flag == true` compares conditions, `flag == 1` numbers."""
        if bits == 1:
            return self.condition(condition), self.condition(number)
        return self.number(condition), self.number(number)

    def _logic(self, node: tree.Binary) -> model.Expression:
        both = node.operator == "and"
        left = self.condition(node.left)
        if isinstance(left, model.Literal) and bool(left.value) is not both and asks_target(node.left):
            mark(self.scope, node.right)
            return left
        right = self.under(left, both).condition(node.right)
        if isinstance(left, model.Literal):
            return right if bool(left.value) is both else left
        if isinstance(right, model.Literal):
            return left if bool(right.value) is both else right
        return model.Logic(node.span, BOOL, both, left, right)

    def _in(self, node: tree.In) -> model.Expression:
        if isinstance(node.container, tree.Range):
            return self._in_range(node, node.container)
        address = self.value(node.value)
        if not isinstance(address.type, BytesType) or address.type.form not in ("address", "ip4"):
            raise CompileError(wording.wrong_type(node.value.span, str(address.type), "an IP address"))
        return model.InPrefixes(node.span, BOOL, address, references.prefixes(self, node.container))

    def _in_range(self, node: tree.In, bounds: tree.Range) -> model.Expression:
        value = self.number(node.value)
        first, last = self.number(bounds.low), self.number(bounds.high)
        for end in (first, last):
            arithmetic.common_unit(node.span, "in", value, end)
        low = arithmetic.compare(node.span, ">=", value, first)
        high = arithmetic.compare(node.span, "<=", value, last)
        if first.interval.low > last.interval.high:
            raise CompileError(wording.empty_range(bounds.span, arithmetic.shown(first), arithmetic.shown(last)))
        if isinstance(low, model.Literal):
            return high if low.value else low
        if isinstance(high, model.Literal):
            return low if high.value else high
        return model.Logic(node.span, BOOL, True, low, high)

    def _conditional(self, node: tree.Conditional, expected: Type | None) -> model.Expression:
        checker = replace(self, destination=None)
        condition = checker.condition(node.condition)
        holds = checker.decided(node.condition, condition)
        if holds is not None:
            mark(self.scope, node.no if holds else node.yes)
            return self.value(node.yes if holds else node.no, expected)
        yes = self.under(condition, True).value(node.yes, expected)
        no = self.under(condition, False).value(node.no, expected or yes.type)
        kind = yes.type
        if isinstance(yes.type, NumberType) and isinstance(no.type, NumberType):
            unit = arithmetic.common_unit(node.span, "if ... else", yes, no)
            kind = yes.type if yes.type == no.type else NumberType(unit)
        elif yes.type != no.type:
            raise CompileError(wording.wrong_type(node.no.span, str(no.type), str(yes.type)))
        return model.Choose(node.span, kind, yes.interval.join(no.interval), condition, yes, no)


def _negated(span: Span, operand: model.Expression) -> model.Expression:
    if isinstance(operand, model.Literal):
        return model.Literal(span, BOOL, 1 - operand.value)
    return model.Negation(span, BOOL, operand)
