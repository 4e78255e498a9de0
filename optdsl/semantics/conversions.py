"""What may be assigned to what: fields in their steps, attributes and states in their ranges."""

from __future__ import annotations

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import values as wording
from optdsl.ir.ops_values import BinaryOperator
from optdsl.record import replace
from optdsl.semantics import arithmetic, model
from optdsl.semantics.attributes import attribute_type
from optdsl.semantics.calls import is_quotient
from optdsl.semantics.expressions import Destination, ExpressionChecker
from optdsl.semantics.fitting import check_range, check_type
from optdsl.semantics.ranges import Interval, of_bits
from optdsl.semantics.types import BOOL, NUMBER, BoolType, BytesType, NumberType, Type
from optdsl.semantics.units import Unit, show
from optdsl.source import Span
from optdsl.syntax import tree
from optdsl.targets import Attribute

# --------------------------------------------------------------------------------------------------- fields


def field_value(checker: ExpressionChecker, field: model.Field, node: tree.Expression) -> model.Expression:
    """The raw value that a field gets: in its range, in whole steps."""
    kind = field.type
    if not isinstance(kind, NumberType):
        return _of_type(checker, node, kind)
    checker = replace(checker, destination=Destination(field.interval, kind.unit, field.raw))
    rounding, inner = _rounding(node)
    # A rounded quotient is rounded as such first, and to the steps of the field afterwards.
    value = checker.value(node if rounding and is_quotient(inner) else inner, kind)
    if isinstance(value.type, BoolType) and field.bits == 1:
        return value
    if not isinstance(value.type, NumberType):
        check_type(node.span, value, kind)
    unit = arithmetic.number_type(value).unit
    what = f"`{field.name}`"
    if unit is Unit.NUMBER and kind.unit is not Unit.NUMBER:
        _check_rounded(node.span, rounding, inner)
        check_range(node.span, value, field.raw, NUMBER, f"{what} (in steps)")
        return value
    check_type(node.span, value, kind)
    if field.step == 1:
        _check_rounded(node.span, rounding, inner)
        check_range(node.span, value, field.raw, kind, what)
        return value
    raw = _in_steps(node, value, field.step, kind.unit, rounding)
    if not raw.interval.within(field.raw):
        check_range(inner.span, value, field.interval, kind, what)
    return raw


def _rounding(node: tree.Expression) -> tuple[str, tree.Expression]:
    """`floor(x)` and `ceil(x)`: the function and what it rounds; an empty name for anything else."""
    match node:
        case tree.Call(function=tree.Name(text="floor" | "ceil" as name), arguments=(inner,)):
            return name, inner
    return "", node


def _check_rounded(span: Span, rounding: str, inner: tree.Expression) -> None:
    """Raises for a rounding that would round nothing."""
    if rounding and not is_quotient(inner):
        raise CompileError(wording.nothing_to_round(span, rounding))


def _in_steps(node: tree.Expression, value: model.Expression, step: int, unit: Unit, rounding: str) -> model.Expression:
    if not rounding and not _is_multiple(value, step):
        raise CompileError(wording.not_a_multiple(node.span, show(step, unit)))
    divisor = arithmetic.literal(node.span, step, unit)
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
        case model.Read(symbol=model.Field(step=other)) | model.Element(field=model.Field(step=other)):
            return other % step == 0
        case _:
            return False


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
        and found.form == wanted.form
    )


# ------------------------------------------------------------------------------------- states and attributes


def state_value(
    checker: ExpressionChecker, state: model.State, declared: Interval, node: tree.Expression
) -> model.Expression:
    """The value that a state gets, inside its declared range. May be a table lookup."""
    if not isinstance(state.type, NumberType) and not isinstance(node, tree.Index):
        return _of_type(checker, node, state.type)
    unit = state.type.unit if isinstance(state.type, NumberType) else Unit.NUMBER
    value = replace(checker, destination=Destination(declared, unit)).value_or_lookup(node, state.type)
    check_type(node.span, value, state.type)
    check_range(node.span, value, declared, state.type, f"`{state.name}`")
    return value


def check_recorded(value: model.Expression, name: str, kind: Type, *, is_name: bool) -> None:
    """A value of an emitted record: of the type that the first `emit` of the record gave the member, and not longer.

    Where the name of the member `is_name` of the value as well, another value needs it before it.
    """
    check_type(value.span, value, kind)
    if isinstance(kind, NumberType):
        allowed = of_bits(32 if kind.unit in (Unit.SEGMENTS, Unit.RATIO) else kind.bits or 64)
        check_range(value.span, value, allowed, kind, f"`{name}` of the record", f"{name}: " if is_name else "")


def attribute_value(checker: ExpressionChecker, attribute: Attribute, node: tree.Expression) -> model.Expression:
    """The value that an attribute gets, inside what the kernel accepts. May be a table lookup."""
    assert attribute.write is not None
    bounds = Interval(attribute.write.bounds.minimum, attribute.write.bounds.maximum)
    kind = attribute_type(attribute)
    if isinstance(kind, BytesType):
        return _attribute_text(checker, attribute, bounds, kind, node)
    if kind == BOOL and not isinstance(node, tree.Index):
        return checker.condition(node)
    unit = kind.unit if isinstance(kind, NumberType) else Unit.NUMBER
    value = replace(checker, destination=Destination(bounds, unit)).value_or_lookup(node, kind)
    check_type(node.span, value, kind)
    check_range(node.span, value, bounds, kind, f"`{attribute.path}`")
    return value


def _attribute_text(
    checker: ExpressionChecker, attribute: Attribute, bounds: Interval, kind: BytesType, node: tree.Expression
) -> model.Expression:
    """Text for the kernel; what is longer than it takes would be cut off without a word."""
    value = checker.value_or_lookup(node, kind)
    if not isinstance(value.type, BytesType) or value.type.form != "text" or value.type.length > kind.length:
        raise CompileError(wording.wrong_type(node.span, str(value.type), str(kind)))
    if isinstance(value, model.WideLiteral):
        length = len(value.data.rstrip(b"\0"))
        if length not in bounds:
            shown = f"{bounds.low}..={bounds.high} characters"
            raise CompileError(wording.may_not_fit(node.span, f"`{attribute.path}`", str(length), shown, None))
    return value
