"""What may be assigned to what: fields in their steps, attributes and states in their ranges."""

from __future__ import annotations

from dataclasses import replace

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import values as wording
from optdsl.ir.ops import BinaryOperator
from optdsl.semantics import arithmetic, model
from optdsl.semantics.attributes import attribute_type
from optdsl.semantics.calls import compatible
from optdsl.semantics.declarations import show_interval
from optdsl.semantics.expressions import ExpressionChecker
from optdsl.semantics.ranges import Interval, of_bits
from optdsl.semantics.types import BOOL, NUMBER, BoolType, BytesType, EnumType, NumberType, Type
from optdsl.semantics.units import Unit, show
from optdsl.syntax import tree
from optdsl.targets import Attribute


def field_value(checker: ExpressionChecker, field: model.Field, node: tree.Expression) -> model.Expression:
    """The raw value that a field gets: in its range, in whole steps."""
    checker = replace(checker, destination=field.interval)
    kind = field.type
    if not isinstance(kind, NumberType):
        return _of_type(checker, node, kind)
    rounding, inner = _rounding(node)
    value = checker.value(inner, kind)
    if isinstance(value.type, BoolType) and field.bits == 1:
        return value
    unit = arithmetic.number_type(value).unit
    if unit is Unit.NUMBER and kind.unit is not Unit.NUMBER:
        return _fitting(node, value, field.raw, NUMBER, f"`{field.name}` (in steps)")
    if not compatible(value.type, kind):
        raise CompileError(wording.wrong_type(node.span, str(value.type), str(kind)))
    if field.step == 1:
        if rounding is not None:
            raise CompileError(wording.nothing_to_round(node.span, rounding))
        return _fitting(node, value, field.raw, kind, f"`{field.name}`")
    raw = _in_steps(node, value, field.step, kind.unit, rounding)
    _fitting_steps(node, value, raw, field, kind)
    return raw


def _rounding(node: tree.Expression) -> tuple[str | None, tree.Expression]:
    """`floor(x)` and `ceil(x)` around something that is no quotient: rounding to the steps of the field."""
    match node:
        case tree.Call(function=tree.Name(text="floor" | "ceil"), arguments=(inner,)):
            if not (isinstance(inner, tree.Binary) and inner.operator == "/"):
                return node.function.text, inner
    return None, node


def _in_steps(
    node: tree.Expression, value: model.Expression, step: int, unit: Unit, rounding: str | None
) -> model.Expression:
    divisor = arithmetic.literal(node.span, step, unit)
    if rounding is None and not _is_multiple(value, step):
        raise CompileError(wording.not_a_multiple(node.span, show(step, unit)))
    return arithmetic.divide(node.span, value, divisor, up=rounding == "ceil")


def _is_multiple(value: model.Expression, step: int) -> bool:
    """Whether a value is proven to be a whole number of steps."""
    match value:
        case model.Literal(value=number):
            return number % step == 0
        case model.Arithmetic(operator=BinaryOperator.MUL, left=left, right=right):
            return _is_multiple(left, step) or _is_multiple(right, step)
        case model.Arithmetic(operator=operator, left=left, right=right) if operator in (
            BinaryOperator.ADD, BinaryOperator.SUB, BinaryOperator.MIN, BinaryOperator.MAX,
        ):  # fmt: skip
            return _is_multiple(left, step) and _is_multiple(right, step)
        case model.Choose(yes=yes, no=no):
            return _is_multiple(yes, step) and _is_multiple(no, step)
        case model.Read(symbol=model.Field(step=other)):
            return other % step == 0
        case _:
            return False


def _fitting_steps(
    node: tree.Expression, value: model.Expression, raw: model.Expression, field: model.Field, kind: NumberType
) -> None:
    if not raw.interval.within(field.raw):
        allowed = show_interval(field.interval, kind)
        bounds = (show(field.interval.low, kind.unit), show(field.interval.high, kind.unit))
        inner = _rounding(node)[1]
        raise CompileError(wording.may_not_fit(inner.span, f"`{field.name}`", arithmetic.shown(value), allowed, bounds))


def _fitting(
    node: tree.Expression, value: model.Expression, allowed: Interval, kind: Type, what: str
) -> model.Expression:
    if value.interval.within(allowed):
        return value
    unit = kind.unit if isinstance(kind, NumberType) else Unit.NUMBER
    bounds = (show(allowed.low, unit), show(allowed.high, unit))
    raise CompileError(
        wording.may_not_fit(node.span, what, arithmetic.shown(value), show_interval(allowed, kind), bounds)
    )


def _of_type(checker: ExpressionChecker, node: tree.Expression, kind: Type) -> model.Expression:
    """A value of exactly one type that is no number."""
    if kind == BOOL:
        return checker.condition(node)
    value = checker.value(node, kind)
    if value.type == kind or _same_bytes(value.type, kind):
        return value
    raise CompileError(wording.wrong_type(node.span, str(value.type), str(kind)))


def _same_bytes(found: Type, wanted: Type) -> bool:
    return (
        isinstance(found, BytesType)
        and isinstance(wanted, BytesType)
        and found.length == wanted.length
        and (found.form == "bytes") == (wanted.form == "bytes")
    )


def state_value(
    checker: ExpressionChecker, state: model.State, declared: Interval, node: tree.Expression
) -> model.Expression:
    """The value that a state gets, inside its declared range."""
    checker = replace(checker, destination=declared)
    if not isinstance(state.type, NumberType):
        return _of_type(checker, node, state.type)
    value = checker.number(node)
    if not compatible(value.type, state.type):
        raise CompileError(wording.wrong_type(node.span, str(value.type), str(state.type)))
    return _fitting(node, value, declared, state.type, f"`{state.name}`")


def check_recorded(value: model.Expression, name: str, kind: Type) -> None:
    """A value of an emitted record: of the type that the first `emit` of the record gave the member, and not longer."""
    if not isinstance(kind, NumberType):
        if value.type != kind:
            raise CompileError(wording.wrong_type(value.span, str(value.type), str(kind)))
        return
    if not compatible(value.type, kind):
        raise CompileError(wording.wrong_type(value.span, str(value.type), str(kind)))
    allowed = of_bits(32 if kind.unit in (Unit.SEGMENTS, Unit.RATIO) else kind.bits or 64)
    if not value.interval.within(allowed):
        shown, held = arithmetic.shown(value), show_interval(allowed, kind)
        raise CompileError(wording.may_not_fit(value.span, f"`{name}` of the record", shown, held, None))


def attribute_value(checker: ExpressionChecker, attribute: Attribute, node: tree.Expression) -> model.Expression:
    """The value that an attribute gets, inside what the kernel accepts. May be a table lookup."""
    assert attribute.write is not None
    bounds = Interval(attribute.write.bounds.minimum, attribute.write.bounds.maximum)
    checker = replace(checker, destination=bounds)
    kind = attribute_type(attribute)
    value = checker.value_or_lookup(node, kind)
    if isinstance(kind, BytesType):
        if not isinstance(value.type, BytesType) or value.type.form != "text":
            raise CompileError(wording.wrong_type(node.span, str(value.type), str(kind)))
        return value
    if isinstance(kind, BoolType | EnumType):
        if isinstance(value.type, NumberType):
            return checker.condition(node)
        if value.type != kind:
            raise CompileError(wording.wrong_type(node.span, str(value.type), str(kind)))
        return value
    if not compatible(value.type, kind):
        raise CompileError(wording.wrong_type(node.span, str(value.type), str(kind)))
    return _fitting(node, value, bounds, kind, f"`{attribute.path}`")
