"""Literals: the values of quantities, text and addresses."""

from __future__ import annotations

from ipaddress import IPv4Address

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import values as wording
from optdsl.semantics import model
from optdsl.semantics.types import ADDRESS, IP4, NUMBER, BytesType, NumberType, Type
from optdsl.semantics.units import SUFFIXES, Unit
from optdsl.semantics.units import literal as exact
from optdsl.source import Span
from optdsl.syntax import tree

_BASE_UNIT = {
    Unit.DURATION: "microseconds", Unit.RATE: "bits per second", Unit.SIZE: "bytes", Unit.RATIO: "millionths",
}  # fmt: skip


def integer(span: Span, value: int, expected: Type | None) -> model.Expression:
    """A number, or where bytes are expected, bytes."""
    if isinstance(expected, BytesType) and expected.form == "bytes":
        if value >= 1 << (8 * expected.length):
            raise CompileError(wording.may_not_fit(span, str(expected), span.text, f"{expected.length} bytes", None))
        return model.WideLiteral(span, expected, value.to_bytes(expected.length, "big"))
    if value >= 1 << 64:
        raise CompileError(wording.overflow(span, span.text))
    return model.Literal(span, NUMBER, value)


def quantity(node: tree.Quantity) -> model.Literal:
    """The value of `100ms` in its base unit."""
    unit = SUFFIXES[node.suffix].unit
    value = exact(node.digits, node.suffix)
    if value is None:
        raise CompileError(wording.not_whole(node.span, _BASE_UNIT.get(unit, unit.value)))
    if value >= 1 << 64:
        raise CompileError(wording.overflow(node.span, f"{node.digits}{node.suffix}"))
    return model.Literal(node.span, NumberType(unit), value)


def text(node: tree.Text, expected: Type | None) -> model.Expression:
    """Text, padded with NUL to the length that is expected."""
    if not (node.value.isascii() and node.value.isprintable()):
        raise CompileError(wording.not_ascii(node.span))
    length = expected.length if isinstance(expected, BytesType) and expected.form == "text" else 16
    data = node.value.encode()
    if len(data) >= length:
        raise CompileError(wording.text_too_long(node.span, len(data), length - 1))
    return model.WideLiteral(node.span, BytesType(length, "text"), data.ljust(length, b"\0"))


def address(node: tree.AddressLiteral, expected: Type | None) -> model.Expression:
    """An address; IPv4 as ::ffff:a.b.c.d but where `ip4` is expected."""
    if isinstance(node.value, IPv4Address):
        if expected == IP4:
            return model.WideLiteral(node.span, IP4, node.value.packed)
        return model.WideLiteral(node.span, ADDRESS, bytes(10) + b"\xff\xff" + node.value.packed)
    return model.WideLiteral(node.span, ADDRESS, node.value.packed)
