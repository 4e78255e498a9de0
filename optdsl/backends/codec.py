"""Reads captured options by their declaration: bytes in, named values out, or the reason for which a receiver rejects.

    decode(delayed_ack, bytes.fromhex("fd0644410204"))  ->  rtt_divisor=2, segments=4

The reasons are the names of the counters that the generated program keeps: `bad_length`, `bad_segments`.
"""

from __future__ import annotations

from optdsl.record import record
from optdsl.semantics import model
from optdsl.semantics.types import BoolType, BytesType, EnumType, NumberType
from optdsl.semantics.units import Unit, show


@record
class DecodedField:
    """One field: the number on the wire, and the value as the language writes it."""

    name: str
    raw: int
    text: str

    def __str__(self) -> str:
        return f"{self.name}={self.text}"


@record
class Rejected:
    """The option is not as its declaration says."""

    reason: str


def is_option(option: model.Option, data: bytes) -> bool:
    """Whether whole option bytes (kind, length, ...) are of an option's kind and ExID."""
    header = option.layout.header
    return len(data) >= len(header) and data[0] == header[0] and data[2 : len(header)] == header[2:]


def decode(option: model.Option, data: bytes) -> tuple[DecodedField, ...] | Rejected:
    """The fields of an option's bytes, kind and length included, in wire order. Absent fields are left out.

    The reason is the first that a receiver finds: the length, then reserved bits, then the fields in wire order.
    """
    if len(data) not in option.layout.sizes or data[1] != len(data):
        return Rejected("bad_length")
    reader = _Bits(data[len(option.layout.header) :])
    found: list[DecodedField] = []
    wrong: list[str] = []
    for field in option.layout.fields:
        times = _times(field, found, reader)
        if reader.left < times * field.bits or (field.repeat is not None and times not in field.repeat):
            return Rejected("bad_length")
        for index in range(times):
            raw = reader.take(field.bits)
            reason = _why_not(field, raw)
            if reason is not None:
                wrong.append(reason)
            elif not field.is_reserved:
                name = f"{field.name}[{index}]" if field.repeat else field.name
                found.append(DecodedField(name, raw, _text(field, raw)))
    if reader.left:
        return Rejected("bad_length")
    if wrong:
        return Rejected("bad_reserved" if "bad_reserved" in wrong else wrong[0])
    return tuple(found)


@record(frozen=False)
class _Bits:
    """Takes bits from the front of bytes."""

    data: bytes
    position: int = 0

    @property
    def left(self) -> int:
        return 8 * len(self.data) - self.position

    def take(self, count: int) -> int:
        self.position += count
        return (int.from_bytes(self.data, "big") >> self.left) & ((1 << count) - 1)


def _times(field: model.Field, found: list[DecodedField], reader: _Bits) -> int:
    """How often a field is there: optional ones not at all or once, repeated ones up to the end."""
    if field.repeat is not None:
        return reader.left // field.bits
    match field.presence:
        case model.Presence.FLAG:
            return next(each.raw for each in found if each.name == field.flag)
        case model.Presence.LENGTH:
            return int(reader.left > 0)
        case model.Presence.ALWAYS:
            return 1


def _why_not(field: model.Field, raw: int) -> str | None:
    if field.fixed is not None:
        return None if raw == field.fixed else "bad_reserved"
    if field.is_reserved or isinstance(field.type, BytesType):
        return None
    if isinstance(field.type, EnumType):
        return None if raw in dict(map(reversed, field.type.members)) else f"bad_{field.name}"  # type: ignore[arg-type]
    return None if raw in field.raw else f"bad_{field.name}"


def _text(field: model.Field, raw: int) -> str:
    match field.type:
        case EnumType(members=members):
            return next(name for name, value in members if value == raw)
        case BoolType():
            return "true" if raw else "false"
        case BytesType(form="bytes", length=length):
            return raw.to_bytes(length, "big").hex()
        case BytesType(length=length):
            from ipaddress import ip_address

            return str(ip_address(raw.to_bytes(length, "big")))
        case NumberType(unit=unit):
            return show(raw * field.step, unit)
        case _:
            return show(raw, Unit.NUMBER)
