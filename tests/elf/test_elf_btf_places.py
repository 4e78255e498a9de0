"""Finding, reading and replacing the integers of a value."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optdsl.elf.btf_places import Place, locate, replaced
from optdsl.elf.btf_types import (
    Array,
    Btf,
    Composite,
    DataSection,
    Enum,
    Float,
    Int,
    Member,
    Placement,
    Pointer,
    Typedef,
    Variable,
    Void,
)
from optdsl.elf.btf_values import Value, decode
from optdsl.elf.errors import MemberError, MemberRangeError, MemberTypeError, ObjectError, UnknownMemberError

U8, U32, S16, PARAMS, VARIABLE, SECTION, TYPEDEF, ARRAY, BITS, UNION, OUTER, BOOLEAN, LEVEL, FLOAT, POINTER, OTHERS = (
    range(1, 17)
)

TYPES = Btf(
    (
        Void(),
        Int("u8", 1, 8, 0, False, False),
        Int("u32", 4, 32, 0, False, False),
        Int("s16", 2, 16, 0, True, False),
        Composite(
            "struct",
            "delayed_ack_params",
            8,
            (Member("divisor", U8, 0, 0), Member("offset", S16, 16, 0), Member("limit", TYPEDEF, 32, 0)),
        ),
        Variable("delayed_ack", PARAMS, "global"),
        DataSection(".data.params", 12, (Placement(VARIABLE, 4, 8),)),
        Typedef("rate_t", U32),
        Array(S16, 3),
        Composite("struct", "bits", 1, (Member("low", U8, 0, 3), Member("", U8, 3, 1), Member("high", S16, 4, 4))),
        Composite("union", "", 4, (Member("word", U32, 0, 0), Member("byte", U8, 0, 0))),
        Composite("struct", "outer", 12, (Member("values", ARRAY, 0, 0), Member("", UNION, 64, 0))),
        Int("_Bool", 1, 8, 0, False, True),
        Enum("level", 4, True, (("LOW", -1), ("HIGH", 9))),
        Float("float", 4),
        Pointer(U8),
        Composite(
            "struct",
            "others",
            24,
            (
                Member("level", LEVEL, 0, 0),
                Member("ratio", FLOAT, 32, 0),
                Member("next", POINTER, 64, 0),
                Member("ready", BOOLEAN, 128, 0),
                Member("armed", BOOLEAN, 136, 1),
            ),
        ),
    ),
    b"",
)
PARAMETERS = bytes(4) + struct.pack("<BxhI", 2, -5, 4_000_000)


def test_a_data_section_is_decoded_by_its_variables() -> None:
    expected = {"delayed_ack": {"divisor": 2, "offset": -5, "limit": 4_000_000}}
    assert decode(TYPES, SECTION, PARAMETERS) == expected
    assert TYPES.size_of(SECTION) == 12


def test_members_of_anonymous_unions_belong_to_the_outer_struct() -> None:
    data = struct.pack("<hhhxxI", 1, -2, 3, 99)
    assert decode(TYPES, OUTER, data) == {"values": [1, -2, 3], "word": 99, "byte": 99}
    assert locate(TYPES, OUTER, "byte") == Place(64, 8, False)
    assert decode(TYPES, OUTER, replaced(TYPES, OUTER, data, "byte", 7)) == {"values": [1, -2, 3], "word": 7, "byte": 7}


def test_one_member_is_replaced() -> None:
    changed = replaced(TYPES, SECTION, PARAMETERS, "delayed_ack.offset", -300)
    assert changed == bytes(4) + struct.pack("<BxhI", 2, -300, 4_000_000)


def test_bit_fields_leave_their_neighbours_alone() -> None:
    changed = replaced(TYPES, BITS, replaced(TYPES, BITS, b"\x08", "low", 5), "high", -8)
    assert changed == b"\x8d"
    assert decode(TYPES, BITS, changed) == {"low": 5, "high": -8}


def test_enumerations_pointers_and_booleans_are_set_as_integers() -> None:
    data = struct.pack("<ifQ??6x", 9, 0.5, 1 << 40, True, True)
    before: Value = {"level": 9, "ratio": 0.5, "next": 1 << 40, "ready": True, "armed": True}
    assert decode(TYPES, OTHERS, data) == before
    for path, value in {"level": -1, "next": 3, "ready": False, "armed": False}.items():
        data = replaced(TYPES, OTHERS, data, path, value)
    after: Value = {"level": -1, "ratio": 0.5, "next": 3, "ready": False, "armed": False}
    assert decode(TYPES, OTHERS, data) == after


@pytest.mark.parametrize(
    ("path", "value", "kind", "what", "hint"),
    [
        (
            "delayed_ack.divisr",
            1,
            UnknownMemberError,
            "no member 'divisr' in delayed_ack",
            "it has: divisor, limit, offset",
        ),
        ("delayed", 1, UnknownMemberError, "no member 'delayed' in the value", "it has: delayed_ack"),
        ("", 1, UnknownMemberError, "no member '' in the value", "it has: delayed_ack"),
        ("delayed_ack.divisor.x", 1, UnknownMemberError, "no member 'x' in delayed_ack.divisor", "it has: nothing"),
        ("delayed_ack", 1, MemberTypeError, "delayed_ack is not an integer", ""),
        ("delayed_ack.divisor", 256, MemberRangeError, "256 does not fit delayed_ack.divisor", "it holds 0..=255"),
        (
            "delayed_ack.offset",
            -32769,
            MemberRangeError,
            "-32769 does not fit delayed_ack.offset",
            "it holds -32768..=32767",
        ),
    ],
)
def test_what_cannot_be_replaced(path: str, value: int, kind: type[MemberError], what: str, hint: str) -> None:
    with pytest.raises(MemberError) as caught:
        replaced(TYPES, SECTION, PARAMETERS, path, value)
    assert type(caught.value) is kind
    assert (caught.value.what, caught.value.hint) == (what, hint)
    assert str(caught.value) == (f"{what}; {hint}" if hint else what)


def test_what_is_no_integer_has_no_place() -> None:
    for number, path in ((OUTER, "values"), (OTHERS, "ratio")):
        with pytest.raises(MemberTypeError, match=f"{path} is not an integer"):
            locate(TYPES, number, path)


def test_a_value_that_ends_too_early_is_refused() -> None:
    for action in (
        lambda: decode(TYPES, SECTION, PARAMETERS[:-1]),
        lambda: replaced(TYPES, SECTION, PARAMETERS[:-1], "delayed_ack.limit", 1),
        lambda: decode(TYPES, FLOAT, bytes(3)),
    ):
        with pytest.raises(ObjectError, match="smaller than its type"):
            action()


def test_types_are_found_by_class_and_name() -> None:
    assert TYPES.find(DataSection, ".data.params") == SECTION
    assert TYPES.find(Composite, ".data.params") is None
    assert TYPES.find(Composite, "outer") == OUTER


def test_anonymous_structs_without_end_are_refused() -> None:
    own = Btf((Void(), Composite("struct", "", 4, (Member("", 1, 0, 0),))), b"")
    wide = Btf((Void(), Composite("struct", "", 4, (Member("", 1, 0, 0),) * 1000)), b"")
    for types in (own, wide):
        with pytest.raises(ObjectError, match="contain themselves"):
            locate(types, 1, "x")


def test_large_arrays_are_decoded() -> None:
    length = 300_000
    types = Btf((Void(), Int("u8", 1, 8, 0, False, False), Array(1, length)), b"")
    assert decode(types, 2, bytes(length)) == [0] * length


@given(st.data())
def test_a_place_reads_what_was_written(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 64))
    offset = data.draw(st.integers(0, 128 - width))
    before = data.draw(st.binary(min_size=16, max_size=16))
    place = Place(offset, width, data.draw(st.booleans()))
    value = data.draw(st.integers(place.range.start, place.range.stop - 1))
    after = place.write(before, value)
    assert place.read(after) == value
    assert place.write(after, place.read(before)) == before
