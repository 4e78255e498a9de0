"""Arithmetic with proof: units of results, ranges of results, and what cannot be proven told as a diagnostic."""

from __future__ import annotations

from collections.abc import Callable

from optdsl.diagnostics import CompileError, Diagnostic
from optdsl.diagnostics import values as wording
from optdsl.ir.ops_values import BinaryOperator, Comparison
from optdsl.record import replace
from optdsl.semantics import model, ranges
from optdsl.semantics.ranges import FULL, Interval
from optdsl.semantics.types import BOOL, BoolType, BytesType, EnumType, NumberType, Type
from optdsl.semantics.units import Unit, product, quotient, same, show, show_range
from optdsl.source import Span

OPERATORS = {
    "+": BinaryOperator.ADD, "-": BinaryOperator.SUB, "*": BinaryOperator.MUL, "/": BinaryOperator.DIV,
    "%": BinaryOperator.MOD, "<<": BinaryOperator.SHL, ">>": BinaryOperator.SHR, "&": BinaryOperator.AND,
    "|": BinaryOperator.OR, "^": BinaryOperator.XOR,
}  # fmt: skip
COMPARISONS = {comparison.value: comparison for comparison in Comparison}

_RANGE_OF: dict[BinaryOperator, Callable[[Interval, Interval], Interval]] = {
    BinaryOperator.ADD: ranges.add, BinaryOperator.SUB: ranges.subtract, BinaryOperator.MUL: ranges.multiply,
    BinaryOperator.DIV: ranges.divide, BinaryOperator.MOD: ranges.modulo, BinaryOperator.SHL: ranges.shift_left,
    BinaryOperator.SHR: ranges.shift_right, BinaryOperator.AND: ranges.bit_and, BinaryOperator.OR: ranges.bit_or,
    BinaryOperator.XOR: ranges.bit_xor, BinaryOperator.MIN: ranges.minimum, BinaryOperator.MAX: ranges.maximum,
}  # fmt: skip


def number_type(expression: model.Expression) -> NumberType:
    """The type of an operand of arithmetic. Raises where it is no number."""
    if not isinstance(expression.type, NumberType):
        raise CompileError(wording.wrong_type(expression.span, str(expression.type), "a number"))
    return expression.type


def shown(expression: model.Expression) -> str:
    """The range of a number as the user would write it."""
    unit = expression.type.unit if isinstance(expression.type, NumberType) else Unit.NUMBER
    interval = expression.interval
    return show(interval.low, unit) if interval.is_constant else show_range(interval.low, interval.high, unit)


def binary(span: Span, symbol: str, left: model.Expression, right: model.Expression) -> model.Expression:
    """`left symbol right` for the arithmetic and bit operators but `-`."""
    operator = OPERATORS[symbol]
    match operator:
        case BinaryOperator.ADD | BinaryOperator.MOD:
            unit = common_unit(span, symbol, left, right)
            if operator is BinaryOperator.MOD:
                _check_divisor(right)
            return _exact(span, operator, left, right, unit)
        case BinaryOperator.MUL:
            return _product(span, left, right)
        case BinaryOperator.DIV:
            return divide(span, left, right)
        case BinaryOperator.SHL | BinaryOperator.SHR:
            _plain(symbol, left, right)
            if right.interval.high > 63:
                raise CompileError(wording.shift_too_far(right.span, shown(right)))
            return _exact(span, operator, left, right, Unit.NUMBER)
        case _:
            _plain(symbol, left, right)
            return _exact(span, operator, left, right, Unit.NUMBER)


def divide(span: Span, left: model.Expression, right: model.Expression, *, up: bool = False) -> model.Expression:
    """`left / right`, rounded down, or up."""
    meaning = quotient(number_type(left).unit, number_type(right).unit)
    if meaning is None:
        raise CompileError(_mixed(span, "/", left, right))
    _check_divisor(right)
    dividend = _scaled(span, left, meaning.multiply)
    if not up:
        return _exact(span, BinaryOperator.DIV, dividend, right, meaning.unit)
    low, high = dividend.interval.low, dividend.interval.high
    interval = Interval(-(-low // right.interval.high), -(-high // right.interval.low))
    lacking = _make(span, BinaryOperator.SUB, right, literal(span, 1), Unit.NUMBER)
    dividend = _exact(span, BinaryOperator.ADD, dividend, lacking, Unit.NUMBER)
    quotient_up = _exact(span, BinaryOperator.DIV, dividend, right, meaning.unit)
    # The divisor stands in the dividend too: the interval is that of the rounded quotient, not of the parts.
    return narrowed(quotient_up, interval)


def subtract(
    span: Span, left: model.Expression, right: model.Expression, known: Interval | None = None
) -> model.Expression:
    """`left - right`; `known` is what conditions have shown of the difference, beyond the ranges of the two."""
    unit = common_unit(span, "-", left, right)
    interval = ranges.subtract(left.interval, right.interval)
    interval = interval.meet(known or interval) or interval
    if interval.low < 0:
        raise CompileError(wording.below_zero(span, f"{shown(left)} less {shown(right)}"))
    return _fold(model.Arithmetic(span, NumberType(unit), interval, BinaryOperator.SUB, left, right))


def saturated_difference(
    span: Span, left: model.Expression, right: model.Expression, known: Interval | None = None
) -> model.Expression:
    """`left - right`, but 0 where that would be below 0; `known` as for `subtract`."""
    unit = common_unit(span, "-", left, right)
    interval = ranges.subtract(left.interval, right.interval)
    if (interval.meet(known or interval) or interval).low >= 0:
        return subtract(span, left, right, known)
    top = _make(span, BinaryOperator.MAX, left, right, unit)
    interval = Interval(0, max(left.interval.high - right.interval.low, 0))
    return _fold(model.Arithmetic(span, NumberType(unit), interval, BinaryOperator.SUB, top, right))


def extreme(span: Span, largest: bool, left: model.Expression, right: model.Expression) -> model.Expression:
    """`max(left, right)` or `min(left, right)`."""
    unit = common_unit(span, "max" if largest else "min", left, right)
    return _make(span, BinaryOperator.MAX if largest else BinaryOperator.MIN, left, right, unit)


def clamp(span: Span, value: model.Expression, low: model.Expression, high: model.Expression) -> model.Expression:
    """`value`, but at least `low` and at most `high`; `high` where both are crossed."""
    common_unit(span, "clamp", value, low)
    common_unit(span, "clamp", value, high)
    if low.interval.low > high.interval.high:
        raise CompileError(wording.empty_range(low.span.to(high.span), shown(low), shown(high)))
    return extreme(span, False, extreme(span, True, value, low), high)


def complement(span: Span, operand: model.Expression) -> model.Expression:
    """`~operand` within the width that the operand was declared with."""
    bits = number_type(operand).bits
    if bits == 0:
        raise CompileError(wording.no_width(operand.span))
    mask = literal(span, (1 << bits) - 1)
    interval = ranges.subtract(mask.interval, operand.interval)
    return _fold(model.Arithmetic(span, NumberType(Unit.NUMBER, bits), interval, BinaryOperator.XOR, operand, mask))


def compare(span: Span, symbol: str, left: model.Expression, right: model.Expression) -> model.Expression:
    """A comparison of two numbers, two values of one enumeration, two conditions, or two byte strings."""
    comparison = COMPARISONS[symbol]
    match left.type, right.type:
        case BytesType(), BytesType():
            return _compare_bytes(span, comparison, left, right)
        case EnumType(), EnumType() if left.type == right.type:
            pass
        case BoolType(), BoolType() if comparison in (Comparison.EQ, Comparison.NE):
            pass
        case NumberType(), NumberType():
            common_unit(span, symbol, left, right)
        case _:
            raise CompileError(wording.wrong_type(right.span, str(right.type), str(left.type)))
    known = _always(comparison, left.interval, right.interval)
    if known is not None:
        return model.Literal(span, BOOL, int(known))
    return model.Compare(span, BOOL, comparison, left, right)


def common_unit(span: Span, symbol: str, left: model.Expression, right: model.Expression) -> Unit:
    unit = same(number_type(left).unit, number_type(right).unit)
    if unit is None:
        raise CompileError(_mixed(span, symbol, left, right))
    return unit


def literal(span: Span, value: int, unit: Unit = Unit.NUMBER) -> model.Literal:
    return model.Literal(span, NumberType(unit), value)


def of_type(value: model.Expression, kind: Type) -> model.Expression:
    """A value that fits a type, under that type: of its width, and a size as a segment size or the other way round."""
    if value.type == kind or isinstance(value, model.WideLiteral):
        return value
    retyped: model.Expression = replace(value, type=kind)
    return retyped


# ------------------------------------------------------------------------------------------------- details


def _product(span: Span, left: model.Expression, right: model.Expression) -> model.Expression:
    meaning = product(number_type(left).unit, number_type(right).unit)
    if meaning is None:
        raise CompileError(_mixed(span, "*", left, right))
    whole = _exact(span, BinaryOperator.MUL, left, right, meaning.unit)
    if meaning.divide == 1:
        return whole
    return _make(span, BinaryOperator.DIV, whole, literal(span, meaning.divide), meaning.unit)


def _scaled(span: Span, value: model.Expression, factor: int) -> model.Expression:
    return value if factor == 1 else _exact(span, BinaryOperator.MUL, value, literal(span, factor), Unit.NUMBER)


def _exact(
    span: Span, operator: BinaryOperator, left: model.Expression, right: model.Expression, unit: Unit
) -> model.Expression:
    """The operation, proven to fit 64 bits."""
    interval = _RANGE_OF[operator](left.interval, right.interval)
    if interval.high > FULL.high:
        raise CompileError(wording.overflow(span, f"{shown(left)} {operator.value} {shown(right)}"))
    return _make(span, operator, left, right, unit)


def _make(
    span: Span, operator: BinaryOperator, left: model.Expression, right: model.Expression, unit: Unit
) -> model.Expression:
    interval = _RANGE_OF[operator](left.interval, right.interval)
    kind = NumberType(unit, _bits(operator, left, right, interval))
    return _fold(model.Arithmetic(span, kind, interval, operator, left, right))


def _bits(operator: BinaryOperator, left: model.Expression, right: model.Expression, interval: Interval) -> int:
    """The declared width survives the bit operators, so that `~(a & b)` means something; 0 if it is exceeded."""
    if operator not in (BinaryOperator.AND, BinaryOperator.OR, BinaryOperator.XOR):
        return 0
    bits = max(each.type.bits for each in (left, right) if isinstance(each.type, NumberType))
    return bits if interval.high < 1 << bits else 0


def _fold(value: model.Arithmetic) -> model.Expression:
    """Constants, and scale factors that cancel: (raw * 1000000) / 1000 is raw * 1000."""
    if value.interval.is_constant:
        return model.Literal(value.span, value.type, value.interval.low)
    match value.operator, value.left, value.right:
        case ((BinaryOperator.MUL | BinaryOperator.DIV), _, model.Literal(value=1)):
            return of_type(value.left, value.type)
        case BinaryOperator.MUL, model.Literal(value=1), _:
            return of_type(value.right, value.type)
        case BinaryOperator.DIV, model.Arithmetic(operator=BinaryOperator.MUL) as scaled, model.Literal(value=divisor):
            factor = scaled.right
            if isinstance(factor, model.Literal) and factor.value % divisor == 0:
                kind = value.type.unit if isinstance(value.type, NumberType) else Unit.NUMBER
                return _make(
                    value.span, BinaryOperator.MUL, scaled.left, literal(value.span, factor.value // divisor), kind
                )
        case BinaryOperator.MIN, left, right if left.interval.high <= right.interval.low:
            return of_type(left, value.type)
        case BinaryOperator.MIN, left, right if right.interval.high <= left.interval.low:
            return of_type(right, value.type)
        case BinaryOperator.MAX, left, right if left.interval.low >= right.interval.high:
            return of_type(left, value.type)
        case BinaryOperator.MAX, left, right if right.interval.low >= left.interval.high:
            return of_type(right, value.type)
    return value


def narrowed(value: model.Expression, interval: Interval) -> model.Expression:
    """The value where it is known to stay in an interval as well; a constant where that leaves one."""
    if not isinstance(value, model.Arithmetic | model.Element | model.Choose):
        return value
    met = value.interval.meet(interval)
    if met is None or met == value.interval:
        return value
    return model.Literal(value.span, value.type, met.low) if met.is_constant else replace(value, interval=met)


def _check_divisor(divisor: model.Expression) -> None:
    if divisor.interval.low == 0:
        least = None if divisor.interval.high == 0 else show(1, number_type(divisor).unit)
        raise CompileError(wording.division_by_zero(divisor.span, shown(divisor), least))


def _plain(symbol: str, left: model.Expression, right: model.Expression) -> None:
    for operand in (left, right):
        if number_type(operand).unit is not Unit.NUMBER:
            raise CompileError(wording.wrong_type(operand.span, str(operand.type), f"a plain number for `{symbol}`"))


def _mixed(span: Span, symbol: str, left: model.Expression, right: model.Expression) -> Diagnostic:
    return wording.mixed_units(span, symbol, (left.span, str(left.type)), (right.span, str(right.type)))


def _always(comparison: Comparison, left: Interval, right: Interval) -> bool | None:
    """What the ranges alone decide."""
    match comparison:
        case Comparison.LT:
            return True if left.high < right.low else False if left.low >= right.high else None
        case Comparison.LE:
            return True if left.high <= right.low else False if left.low > right.high else None
        case Comparison.GT:
            return _always(Comparison.LT, right, left)
        case Comparison.GE:
            return _always(Comparison.LE, right, left)
        case Comparison.EQ:
            if left.is_constant and left == right:
                return True
            return False if left.meet(right) is None else None
        case Comparison.NE:
            equal = _always(Comparison.EQ, left, right)
            return None if equal is None else not equal


def _compare_bytes(
    span: Span, comparison: Comparison, left: model.Expression, right: model.Expression
) -> model.Expression:
    assert isinstance(left.type, BytesType)
    assert isinstance(right.type, BytesType)
    if left.type.length != right.type.length:
        raise CompileError(wording.wrong_type(right.span, str(right.type), str(left.type)))
    if comparison not in (Comparison.EQ, Comparison.NE):
        raise CompileError(wording.wrong_type(left.span, str(left.type), "a number"))
    equal = model.WideEqual(span, BOOL, left, right)
    return equal if comparison is Comparison.EQ else model.Negation(span, BOOL, equal)
