"""The types of attributes, from the tables of the targets."""

from __future__ import annotations

from optdsl.semantics.types import ADDRESS, BOOL, IP4, BytesType, NumberType, Type
from optdsl.semantics.units import Unit
from optdsl.targets import Attribute
from optdsl.targets import Unit as TargetUnit

_NUMBERS = {
    TargetUnit.NUMBER: Unit.NUMBER,
    TargetUnit.DURATION: Unit.DURATION,
    TargetUnit.RATE: Unit.RATE,
    TargetUnit.SIZE: Unit.SIZE,
    TargetUnit.SEGMENTS: Unit.SEGMENTS,
    TargetUnit.SEGMENT_SIZE: Unit.SEGMENT_SIZE,
}


def attribute_type(attribute: Attribute) -> Type:
    """The type that an attribute has in the language."""
    match attribute.unit:
        case TargetUnit.BOOL:
            return BOOL
        case TargetUnit.ADDRESS | TargetUnit.IP6:
            return ADDRESS
        case TargetUnit.IP4:
            return IP4
        case TargetUnit.TEXT:
            return BytesType(16, "text")
        case unit:
            return NumberType(_NUMBERS[unit])
