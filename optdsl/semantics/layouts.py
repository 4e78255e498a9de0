"""Checks kinds and layouts: widths, whole bytes, optional parts, and the sizes that result."""

from __future__ import annotations

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import layouts as wording
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import values as value_wording
from optdsl.record import field, record
from optdsl.semantics import declarations, model
from optdsl.semantics.fitting import check_range, check_type, show_interval
from optdsl.semantics.identifiers import check_visible
from optdsl.semantics.literals import quantity
from optdsl.semantics.place import Session
from optdsl.semantics.ranges import Interval, constant, of_bits
from optdsl.semantics.scope import Broken, EnumSymbol, Scope
from optdsl.semantics.types import ADDRESS, BOOL, IP4, BoolType, BytesType, EnumType, NumberType, Type
from optdsl.semantics.units import Unit, show
from optdsl.source import Span
from optdsl.syntax import tree
from optdsl.targets.space import MAX_TCP_OPTION_SPACE


@record(frozen=False)
class _Builder:
    """Walks the fields in wire order."""

    session: Session
    scope: Scope
    fields: list[model.Field] = field(default_factory=list)
    bits: int = 0
    """Of the part that is always there, and of optional parts, since the start or the last whole-byte mark."""

    def add(self, node: tree.Field) -> None:
        checked = self._field(node)
        self._check_order(node, checked)
        optional = checked.presence is not model.Presence.ALWAYS or checked.repeat is not None
        if optional:
            self._check_optional(node, checked)
        else:
            if self.bits % 8 and isinstance(checked.type, BytesType):
                raise CompileError(wording.not_on_byte(node.name.span, checked.name, self.bits))
            self.bits += checked.bits
        self.fields.append(checked)

    def _check_optional(self, node: tree.Field, checked: model.Field) -> None:
        """Parts that may be absent are whole bytes, and so is what stands before them."""
        if self.bits % 8:
            bits, self.bits = self.bits, 0
            raise CompileError(wording.not_whole_bytes(node.name.span, bits, "what stands before this field"))
        if checked.bits % 8:
            what = f"an element of `{checked.name}`" if checked.repeat else f"the optional `{checked.name}`"
            raise CompileError(wording.not_whole_bytes(node.type.span, checked.bits, what))
        if checked.repeat is not None and checked.bits > 64:
            raise CompileError(wording.too_wide(node.type.span, checked.bits))

    def _check_order(self, node: tree.Field, checked: model.Field) -> None:
        if not self.fields:
            return
        last = self.fields[-1]
        if last.repeat is not None:
            raise CompileError(wording.order(node.name.span, "nothing can follow a repeated field"))
        if last.presence is not model.Presence.LENGTH:
            return
        if checked.repeat is not None:
            raise CompileError(
                wording.order(node.name.span, "the length cannot tell both optional and repeated fields")
            )
        if checked.presence is not model.Presence.LENGTH:
            raise CompileError(wording.order(node.name.span, "only `optional` fields can follow an `optional` field"))

    def _field(self, node: tree.Field) -> model.Field:
        name = node.name.text
        if name == "_":
            return _reserved(self.session, self.scope, node)
        check_visible(node.name, self.session.diagnostics)
        kind, bits = self._type(node)
        step = quantity(node.type.step).value if node.type.step is not None else 1
        raw = self._raw(node, kind, bits, step)
        repeat = self._repeat(node.type.count) if node.type.count is not None else None
        if repeat is not None and (node.optional or node.when is not None):
            raise CompileError(wording.order(node.name.span, "a repeated field cannot be optional as well"))
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
        bits = declarations.width(name)
        if bits is None:
            return self._named_type(written)
        if not 1 <= bits <= 64:
            raise CompileError(wording.bad_width(written.name.span, name))
        return self._number(node, bits), bits

    def _named_type(self, written: tree.TypeNode) -> tuple[Type, int]:
        """A type that says its own width."""
        name = written.name.text
        kinds: dict[str, tuple[Type, int]] = {"ip4": (IP4, 32), "ip6": (ADDRESS, 128), "bool": (BOOL, 1)}
        if isinstance(symbol := self.scope.find_dotted(name), EnumSymbol):
            kinds[name] = symbol.type, symbol.type.bits
        if isinstance(symbol, Broken):
            raise CompileError
        if name in kinds and (written.step is not None or written.enumerators):
            hint = "only u1 to u64 have steps or names for their values"
            raise CompileError(
                value_wording.type_not_here(written.span, written.span.text, "the type of a field", hint)
            )
        if name in kinds:
            return kinds[name]
        hints = dict.fromkeys(declarations.UNIT_TYPES, "give it a width: `u16 of 1ms`")
        hints |= {
            "address": "an `ip4` or an `ip6`",
            "text": "write `bytes[8]`",
            "prefixes": "",
            "bytes": "write `bytes[8]`",
        }
        if name in hints:
            raise CompileError(value_wording.type_not_here(written.name.span, name, "the type of a field", hints[name]))
        raise CompileError(declarations.unknown_type(self.scope, written.name))

    def _number(self, node: tree.Field, bits: int) -> Type:
        if node.type.enumerators:
            names = node.type.enumerators
            if len(names) > 1 << bits:
                raise CompileError(wording.many_enumerators(node.type.span, len(names), bits))
            declarations.check_enumerators(names)
            return EnumType(node.name.text, bits, tuple((each.text, value) for value, each in enumerate(names)))
        if node.type.step is None:
            return NumberType(Unit.NUMBER, bits)
        step = quantity(node.type.step)
        if step.value == 0:
            raise CompileError(value_wording.may_not_fit(step.span, "the step", "0", "1 or more", None))
        assert isinstance(step.type, NumberType)
        return NumberType(step.type.unit)

    def _raw(self, node: tree.Field, kind: Type, bits: int, step: int) -> Interval:
        """The values allowed on the wire."""
        if node.within is not None and not isinstance(kind, NumberType):
            what = f"the range of {kind}"
            raise CompileError(value_wording.type_not_here(node.within.span, node.within.span.text, what))
        if isinstance(kind, EnumType):
            return declarations.natural_interval(kind)
        if isinstance(kind, BoolType):
            return Interval(0, 1)
        if not isinstance(kind, NumberType):
            return of_bits(min(bits, 64))
        whole = of_bits(bits)
        if node.within is None:
            if whole.high * step >= 1 << 64:
                raise CompileError(value_wording.overflow(node.type.span, f"{whole.high} steps"))
            return whole
        low = declarations.bound(self.session, self.scope, node.within.low, NumberType(kind.unit))
        high = declarations.bound(self.session, self.scope, node.within.high, NumberType(kind.unit))
        natural = NumberType(kind.unit)
        if low > high:
            raise CompileError(value_wording.empty_range(node.within.span, show(low, kind.unit), show(high, kind.unit)))
        raw = Interval(-(-low // step), high // step)
        if raw.low > raw.high:
            bounds = show(low, kind.unit), show(high, kind.unit)
            raise CompileError(value_wording.range_without_values(node.within.span, bounds, show(step, kind.unit)))
        if not raw.within(whole):
            found = show_interval(Interval(low, high), natural)
            allowed = show_interval(whole.scaled(step), natural)
            raise CompileError(value_wording.range_too_wide(node.within.span, found, allowed))
        return raw

    def _repeat(self, count: tree.Range) -> Interval:
        number = NumberType()
        low = declarations.bound(self.session, self.scope, count.low, number)
        high = declarations.bound(self.session, self.scope, count.high, number)
        if high > MAX_TCP_OPTION_SPACE:
            raise CompileError(value_wording.too_many(count.high.span, "elements", high, MAX_TCP_OPTION_SPACE))
        if low > high or high == 0:
            raise CompileError(value_wording.empty_range(count.span, str(low), str(high)))
        return Interval(low, high)

    def _presence(self, node: tree.Field) -> tuple[model.Presence, str]:
        if node.optional:
            return model.Presence.LENGTH, ""
        if node.when is None:
            return model.Presence.ALWAYS, ""
        if isinstance(self.scope.symbols.get(node.when.text, (None,))[0], Broken):
            raise CompileError
        known = [each.name for each in self.fields if _is_flag(each)]
        if node.when.text not in known:
            suggestion = name_wording.did_you_mean(node.when.text, known, node.when.span)
            raise CompileError(wording.flag_unknown(node.when.span, node.when.text, suggestion))
        return model.Presence.FLAG, node.when.text


def _is_flag(field: model.Field) -> bool:
    whole = field.raw == of_bits(1) and not field.is_reserved
    return whole and field.presence is model.Presence.ALWAYS and not isinstance(field.type, EnumType)


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
        check_type(node.value.span, value, NumberType(bits=bits))
        check_range(node.value.span, value, of_bits(bits), NumberType(bits=bits), f"u{bits}")
        fixed = value.interval.low
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
            session.diagnostics.extend(error.diagnostics)
            _declare_broken(session, scope, written)
            continue
        checked = builder.fields[-1]
        if not checked.is_reserved:
            scope.declare(written.name, checked, session.diagnostics)
            if isinstance(checked.type, EnumType) and written.type.enumerators:
                scope.declare_enumerators(checked.type)
    if broken:
        raise CompileError
    where = Span(node.span.source, node.span.end - 1, node.span.end)
    if builder.bits % 8:
        raise CompileError(wording.not_whole_bytes(where, builder.bits, "the layout"))
    sizes = _sizes(tuple(builder.fields), len(header))
    if sizes[-1] > MAX_TCP_OPTION_SPACE:
        raise CompileError(wording.too_long(where, option.text, sizes[-1]))
    return model.Layout(node.span, tuple(builder.fields), header, sizes[0], sizes[-1], sizes)


def _declare_broken(session: Session, scope: Scope, written: tree.Field) -> None:
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
