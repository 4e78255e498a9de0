"""Checks kinds and layouts: widths, whole bytes, optional parts, and the sizes that result."""

from __future__ import annotations

from dataclasses import dataclass, field

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import layouts as wording
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import values as value_wording
from optdsl.semantics import declarations, model
from optdsl.semantics.place import Session
from optdsl.semantics.ranges import Interval, constant, of_bits
from optdsl.semantics.scope import EnumSymbol, Scope
from optdsl.semantics.types import ADDRESS, BOOL, IP4, BoolType, BytesType, EnumType, NumberType, Type
from optdsl.semantics.units import Unit
from optdsl.syntax import tree
from optdsl.targets.space import MAX_TCP_OPTION_SPACE


@dataclass(slots=True)
class _Builder:
    """Walks the fields in wire order."""

    session: Session
    scope: Scope
    fields: list[model.Field] = field(default_factory=list)
    bits: int = 0
    """Of the part that is always there, and of optional parts, since the start or the last whole-byte mark."""

    def add(self, node: tree.Field) -> None:
        checked = self._field(node)
        optional = checked.presence is not model.Presence.ALWAYS or checked.repeat is not None
        if optional:
            self._whole(node.name, "what stands before this field")
            if checked.bits % 8:
                raise CompileError(wording.not_whole_bytes(node.span, checked.bits, f"the optional `{checked.name}`"))
        else:
            self.bits += checked.bits
        self._check_order(node, checked)
        self.fields.append(checked)

    def _whole(self, name: tree.Name, what: str) -> None:
        if self.bits % 8:
            raise CompileError(wording.not_whole_bytes(name.span, self.bits, what))

    def _check_order(self, node: tree.Field, checked: model.Field) -> None:
        if not self.fields:
            return
        last = self.fields[-1]
        if last.repeat is not None:
            raise CompileError(wording.order(node.span, "nothing can follow a repeated field"))
        by_length = last.presence is model.Presence.LENGTH
        if by_length and checked.presence is not model.Presence.LENGTH:
            raise CompileError(wording.order(node.span, "only `optional` fields can follow an `optional` field"))
        if by_length and checked.repeat is not None:
            raise CompileError(wording.order(node.span, "the length cannot tell both optional and repeated fields"))

    def _field(self, node: tree.Field) -> model.Field:
        name = node.name.text
        if name == "_":
            return _reserved(self.session, self.scope, node)
        kind, bits = self._type(node)
        step = declarations.constant_value(self.session, self.scope, node.type.step).value if node.type.step else 1  # type: ignore[union-attr]
        raw = self._raw(node, kind, bits, step)
        repeat = self._repeat(node.type.count) if node.type.count is not None else None
        if repeat is not None and (node.optional or node.when is not None):
            raise CompileError(wording.order(node.span, "a repeated field cannot be optional as well"))
        if node.value is not None:
            hint = "only reserved space `_` has a fixed value"
            raise CompileError(value_wording.type_not_here(node.value.span, node.value.span.text, "given here", hint))
        presence, flag = self._presence(node)
        return model.Field(node.span, name, kind, bits, raw, step, node.doc, presence, flag, repeat)

    def _type(self, node: tree.Field) -> tuple[Type, int]:
        written, name = node.type, node.type.name.text
        if written.size is not None:
            kind = declarations.value_type(self.scope, written)
            if not isinstance(kind, BytesType) or kind.form != "bytes":
                raise CompileError(value_wording.type_not_here(written.span, written.span.text, "a field"))
            return kind, kind.length * 8
        if name in ("ip4", "ip6"):
            return (IP4, 32) if name == "ip4" else (ADDRESS, 128)
        if name == "bool":
            return BOOL, 1
        if isinstance(symbol := self.scope.find_dotted(name), EnumSymbol):
            return symbol.type, symbol.type.bits
        bits = declarations.width(name)
        if bits is None:
            hint = "give it a width: `u16 of 1ms`" if name in declarations.UNIT_TYPES else ""
            if hint:
                raise CompileError(value_wording.type_not_here(written.name.span, name, "the type of a field", hint))
            raise CompileError(declarations.unknown_type(self.scope, written.name))
        if not 1 <= bits <= 64:
            raise CompileError(wording.bad_width(written.name.span, name))
        return self._number(node, bits), bits

    def _number(self, node: tree.Field, bits: int) -> Type:
        if node.type.enumerators:
            names = node.type.enumerators
            if len(names) > 1 << bits:
                raise CompileError(wording.many_enumerators(node.type.span, len(names), bits))
            return EnumType(node.name.text, bits, tuple((each.text, value) for value, each in enumerate(names)))
        if node.type.step is None:
            return NumberType(Unit.NUMBER, bits)
        from optdsl.semantics.expressions import quantity

        step = quantity(node.type.step)
        if step.value == 0:
            raise CompileError(value_wording.may_not_fit(step.span, "the step", "0", "1 or more", None))
        assert isinstance(step.type, NumberType)
        return NumberType(step.type.unit)

    def _raw(self, node: tree.Field, kind: Type, bits: int, step: int) -> Interval:
        """The values allowed on the wire."""
        if isinstance(kind, EnumType):
            return declarations.natural_interval(kind)
        if isinstance(kind, BoolType):
            return Interval(0, 1)
        if not isinstance(kind, NumberType):
            return of_bits(min(bits, 64))
        whole = of_bits(bits)
        if whole.high * step >= 1 << 64:
            raise CompileError(value_wording.overflow(node.type.span, f"{whole.high} steps"))
        if node.within is None:
            return whole
        low = declarations.bound(self.session, self.scope, node.within.low, NumberType(kind.unit))
        high = declarations.bound(self.session, self.scope, node.within.high, NumberType(kind.unit))
        natural = NumberType(kind.unit)
        if low > high:
            shown = declarations.show_interval
            raise CompileError(value_wording.empty_range(
                node.within.span, shown(constant(low), natural), shown(constant(high), natural)))  # fmt: skip
        raw = Interval(-(-low // step), high // step)
        if raw.low > raw.high or not raw.within(whole):
            found = declarations.show_interval(Interval(low, high), natural)
            allowed = declarations.show_interval(whole.scaled(step), natural)
            raise CompileError(value_wording.range_too_wide(node.within.span, found, allowed))
        return raw

    def _repeat(self, count: tree.Range) -> Interval:
        number = NumberType()
        low = declarations.bound(self.session, self.scope, count.low, number)
        high = declarations.bound(self.session, self.scope, count.high, number)
        if high > MAX_TCP_OPTION_SPACE:
            raise CompileError(value_wording.may_not_fit(count.high.span, "an option", str(high), "at most 40", None))
        if low > high or high == 0:
            raise CompileError(value_wording.empty_range(count.span, str(low), str(high)))
        return Interval(low, high)

    def _presence(self, node: tree.Field) -> tuple[model.Presence, str]:
        if node.optional:
            return model.Presence.LENGTH, ""
        if node.when is None:
            return model.Presence.ALWAYS, ""
        flag = next((each for each in self.fields if each.name == node.when.text), None)
        if (
            flag is None
            or flag.bits != 1
            or flag.presence is not model.Presence.ALWAYS
            or isinstance(flag.type, EnumType)
        ):
            known = [each.name for each in self.fields if each.bits == 1]
            suggestion = name_wording.did_you_mean(node.when.text, known, node.when.span)
            raise CompileError(wording.flag_unknown(node.when.span, node.when.text, suggestion))
        return model.Presence.FLAG, node.when.text


def _is_flag(field: model.Field) -> bool:
    return field.bits == 1 and field.presence is model.Presence.ALWAYS and not isinstance(field.type, EnumType)


def _reserved(session: Session, scope: Scope, node: tree.Field) -> model.Field:
    bits = declarations.width(node.type.name.text)
    written = node.type
    if bits is None or not 1 <= bits <= 64 or written.step or written.enumerators or written.size or written.count:
        raise CompileError(wording.bad_reserved(node.span, "has a plain width, u1 to u64"))
    if node.when is not None or node.optional or node.within is not None:
        raise CompileError(wording.bad_reserved(node.span, "is always there and has no range"))
    fixed = None
    if node.value is not None:
        value = declarations.constant_value(session, scope, node.value)
        fixed = value.interval.low
        if fixed >= 1 << bits or not isinstance(value, model.Literal):
            shown = f"0..={(1 << bits) - 1}"
            raise CompileError(value_wording.may_not_fit(node.value.span, f"u{bits}", str(fixed), shown, None))
    raw = constant(fixed) if fixed is not None else of_bits(bits)
    return model.Field(node.span, "_", NumberType(Unit.NUMBER, bits), bits, raw, 1, node.doc, fixed=fixed)


def check_layout(session: Session, scope: Scope, node: tree.Layout, option: tree.Name, header: bytes) -> model.Layout:
    """The layout of an option; its fields are declared in `scope`. Every field's own error is told."""
    builder = _Builder(session, scope)
    broken = False
    for written in node.fields:
        try:
            builder.add(written)
        except CompileError as error:
            broken = True
            for diagnostic in error.diagnostics:
                session.diagnostics.add(diagnostic)
            _declare_broken(session, scope, written)
            continue
        checked = builder.fields[-1]
        if not checked.is_reserved:
            scope.declare(written.name, checked, session.diagnostics)
            if isinstance(checked.type, EnumType) and written.type.enumerators:
                scope.declare_enumerators(checked.type)
    if broken:
        raise CompileError
    if builder.bits % 8:
        raise CompileError(wording.not_whole_bytes(node.span, builder.bits, "the layout"))
    sizes = _sizes(tuple(builder.fields), len(header))
    if sizes[-1] > MAX_TCP_OPTION_SPACE:
        raise CompileError(wording.too_long(node.span, option.text, sizes[-1]))
    return model.Layout(node.span, tuple(builder.fields), header, sizes[0], sizes[-1], sizes)


def _declare_broken(session: Session, scope: Scope, written: tree.Field) -> None:
    from optdsl.semantics.scope import Broken

    if written.name.text != "_":
        scope.declare(written.name, Broken(), session.diagnostics)


def _sizes(fields: tuple[model.Field, ...], header: int) -> tuple[int, ...]:
    """Every length that the format allows."""
    always = (
        header + sum(each.bits for each in fields if each.presence is model.Presence.ALWAYS and not each.repeat) // 8
    )
    sizes = {always}
    flags = {each.flag for each in fields if each.flag}
    for flag in sorted(flags):
        extra = sum(each.bits for each in fields if each.flag == flag) // 8
        sizes |= {size + extra for size in sizes}
    grown = set(sizes)
    extra = 0
    for each in fields:
        if each.presence is model.Presence.LENGTH:
            extra += each.bits // 8
            grown |= {size + extra for size in sizes}
        elif each.repeat is not None:
            step = each.bits // 8
            grown = {size + step * count for size in sizes for count in range(each.repeat.low, each.repeat.high + 1)}
    return tuple(sorted(grown))
