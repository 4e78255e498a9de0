"""Types, ranges and values of the checked program as JSON."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from optdsl.semantics import model
from optdsl.semantics.ranges import Interval
from optdsl.semantics.types import BoolType, BytesType, EnumType, NumberType, PrefixesType, Type
from optdsl.semantics.units import ALIASES

Json = dict[str, "Json"] | list["Json"] | str | int | bool | None

_IPV4_MAPPED = 0xFFFF << 32
_IPV4_MAPPED_BITS = 96


def type_json(kind: Type) -> dict[str, Json]:
    """`type`, and what belongs to it: `unit` and `base_unit`, `values` of an enumeration, `bytes`, `most`."""
    match kind:
        case NumberType(unit=unit):
            return {"type": "number", "unit": unit.value, "base_unit": ALIASES.get(unit)}
        case BoolType():
            return {"type": "bool"}
        case EnumType(name=name, members=members):
            values: dict[str, Json] = dict(members)
            return {"type": "enum", "enum": name, "values": values}
        case BytesType(form=form, length=length):
            return {"type": form, "bytes": length}
        case PrefixesType(length=length):
            return {"type": "prefixes", "most": length}
        case _:
            return {"type": "table"}


def range_json(interval: Interval) -> Json:
    """`{"low": ..., "high": ...}`, both inside."""
    return {"low": interval.low, "high": interval.high}


def has_range(kind: Type) -> bool:
    """Whether values of a type are numbers."""
    return isinstance(kind, NumberType | BoolType | EnumType)


def value_json(value: int | bytes | tuple[model.Prefix, ...], kind: Type) -> Json:
    """A value: a number in its base unit, a text, an address, hexadecimal digits, or a list of prefixes."""
    match value, kind:
        case int(), EnumType(members=members):
            return next((name for name, number in members if number == value), value)
        case int(), BoolType():
            return bool(value)
        case int(), _:
            return value
        case bytes(), BytesType(form="text"):
            return value.rstrip(b"\0").decode("ascii", "replace")
        case bytes(), BytesType(form="ip4"):
            return str(IPv4Address(value))
        case bytes(), BytesType(form="address"):
            return _address(int.from_bytes(value, "big"))
        case bytes(), _:
            return value.hex()
        case _:
            return [prefix_text(prefix) for prefix in value if isinstance(prefix, model.Prefix)]


def prefix_text(prefix: model.Prefix) -> str:
    """A prefix as it is written in the source: `10.0.0.0/8`, `fd00::/8`."""
    if prefix.length >= _IPV4_MAPPED_BITS and prefix.address >> 32 == _IPV4_MAPPED >> 32:
        return f"{IPv4Address(prefix.address & 0xFFFFFFFF)}/{prefix.length - _IPV4_MAPPED_BITS}"
    return f"{IPv6Address(prefix.address)}/{prefix.length}"


def _address(number: int) -> str:
    mapped = IPv6Address(number).ipv4_mapped
    return str(mapped or IPv6Address(number))
