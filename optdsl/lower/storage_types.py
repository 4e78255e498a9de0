"""How values of the language are kept in memory."""

from __future__ import annotations

from optdsl.ir.types import U8, Array, ByteArray, Member, Scalar, Struct, Type
from optdsl.semantics import types as language
from optdsl.semantics.units import ALIASES, Unit

PREFIX = Struct(
    "prefix",
    (
        Member("address", ByteArray(16, aligned=True), "IPv6, or IPv4 as ::ffff:a.b.c.d"),
        Member("length", U8, "0: this entry is free"),
    ),
    "An address prefix.",
)


def scalar_of(kind: language.Type) -> Type:
    """How a value of a type is kept in memory. Byte strings of a word or more are aligned, to be read by words."""
    match kind:
        case language.NumberType(unit=Unit.NUMBER, bits=bits):
            return Scalar(_room(bits or 64))
        case language.NumberType(unit=Unit.SEGMENTS | Unit.RATIO as unit):
            return Scalar(32, ALIASES[unit])
        case language.NumberType(unit=unit):
            return Scalar(64, ALIASES[unit])
        case language.BoolType():
            return Scalar(8, "boolean")
        case language.EnumType(bits=bits):
            return Scalar(_room(bits))
        case language.BytesType(length=length, form=form):
            return ByteArray(length, text=form == "text", aligned=length >= 8)
        case language.PrefixesType(length=length):
            return Array(PREFIX, length)
        case language.TableType():
            raise TypeError("a table is no value")


def _room(bits: int) -> int:
    return next(size for size in (8, 16, 32, 64) if size >= bits)
