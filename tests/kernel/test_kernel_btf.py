"""Decoding and changing values by BTF, without a kernel."""

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optdsl.kernel.btf import Btf, Kind, Place, total
from optdsl.kernel.btf_reader import read_bpftool, read_raw
from optdsl.kernel.errors import KernelError

U8, U32, S16 = 1, 2, 3
PARAMS, VARIABLE, SECTION, TYPEDEF, ARRAY, BITS, UNION, OUTER = range(4, 12)

DOCUMENT = {
    "types": [
        {"id": U8, "kind": "INT", "name": "u8", "size": 1, "bits_offset": 0, "nr_bits": 8, "encoding": "(none)"},
        {"id": U32, "kind": "INT", "name": "u32", "size": 4, "bits_offset": 0, "nr_bits": 32, "encoding": "(none)"},
        {"id": S16, "kind": "INT", "name": "s16", "size": 2, "bits_offset": 0, "nr_bits": 16, "encoding": "SIGNED"},
        {
            "id": PARAMS,
            "kind": "STRUCT",
            "name": "delayed_ack_params",
            "size": 8,
            "members": [
                {"name": "divisor", "type_id": U8, "bits_offset": 0},
                {"name": "offset", "type_id": S16, "bits_offset": 16},
                {"name": "limit", "type_id": TYPEDEF, "bits_offset": 32},
            ],
        },
        {"id": VARIABLE, "kind": "VAR", "name": "delayed_ack", "type_id": PARAMS, "linkage": "global"},
        {
            "id": SECTION,
            "kind": "DATASEC",
            "name": ".data.params",
            "size": 8,
            "vars": [{"type_id": VARIABLE, "offset": 4, "size": 8}],
        },
        {"id": TYPEDEF, "kind": "TYPEDEF", "name": "rate_t", "type_id": U32},
        {"id": ARRAY, "kind": "ARRAY", "name": "(anon)", "type_id": S16, "index_type_id": U32, "nr_elems": 3},
        {
            "id": BITS,
            "kind": "STRUCT",
            "name": "bits",
            "size": 1,
            "members": [
                {"name": "low", "type_id": U8, "bits_offset": 0, "bitfield_size": 3},
                {"name": "high", "type_id": U8, "bits_offset": 3, "bitfield_size": 5},
            ],
        },
        {
            "id": UNION,
            "kind": "UNION",
            "name": "(anon)",
            "size": 4,
            "members": [{"name": "word", "type_id": U32, "bits_offset": 0}],
        },
        {
            "id": OUTER,
            "kind": "STRUCT",
            "name": "outer",
            "size": 12,
            "members": [
                {"name": "values", "type_id": ARRAY, "bits_offset": 0},
                {"name": "(anon)", "type_id": UNION, "bits_offset": 64},
            ],
        },
    ]
}


@pytest.fixture
def btf() -> Btf:
    return read_bpftool(DOCUMENT)


def test_structure_within_a_data_section(btf: Btf) -> None:
    data = bytes(4) + struct.pack("=BxhI", 2, -5, 4_000_000)
    expected = {"delayed_ack": {"divisor": 2, "offset": -5, "limit": 4_000_000}}
    assert btf.decode(SECTION, data) == expected


def test_array_and_anonymous_union(btf: Btf) -> None:
    data = struct.pack("=hhhxxI", 1, -2, 3, 99)
    assert btf.decode(OUTER, data) == {"values": [1, -2, 3], "word": 99}
    assert btf.size_of(ARRAY) == 6


def test_one_member_is_replaced(btf: Btf) -> None:
    data = bytes(4) + struct.pack("=BxhI", 2, -5, 4_000_000)
    changed = btf.replaced(SECTION, data, "delayed_ack.offset", -300)
    assert changed == bytes(4) + struct.pack("=BxhI", 2, -300, 4_000_000)


def test_bit_fields_leave_their_neighbours_alone(btf: Btf) -> None:
    changed = btf.replaced(BITS, btf.replaced(BITS, b"\0", "low", 5), "high", 30)
    assert btf.decode(BITS, changed) == {"low": 5, "high": 30}


@pytest.mark.parametrize(
    ("path", "value", "number", "hint"),
    [
        ("delayed_ack.divisr", 1, errno.ENOENT, "it has: divisor, limit, offset"),
        ("delayed", 1, errno.ENOENT, "it has: delayed_ack"),
        ("delayed_ack.divisor.x", 1, errno.ENOENT, "it has: nothing"),
        ("delayed_ack", 1, errno.EINVAL, ""),
        ("delayed_ack.divisor", 256, errno.ERANGE, "it holds 0..=255"),
        ("delayed_ack.offset", -32769, errno.ERANGE, "it holds -32768..=32767"),
    ],
)
def test_what_cannot_be_replaced(btf: Btf, path: str, value: int, number: int, hint: str) -> None:
    with pytest.raises(KernelError) as caught:
        btf.replaced(SECTION, bytes(12), path, value)
    assert caught.value.errno == number
    assert caught.value.message == hint


def test_types_are_found_by_kind_and_name(btf: Btf) -> None:
    assert btf.find(Kind.DATASEC, ".data.params") == SECTION
    assert btf.find(Kind.STRUCT, ".data.params") is None
    assert btf[PARAMS].members[1].bit_offset == 16


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


def test_total_adds_integer_by_integer() -> None:
    assert total([{"a": {"b": 1}, "c": [1, 2]}, {"a": {"b": 10}, "c": [3, 4]}]) == {"a": {"b": 11}, "c": [4, 6]}


@pytest.mark.parametrize("data", [b"", b"junk" * 10, struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, 12, 12, 0)])
def test_malformed_btf(data: bytes) -> None:
    with pytest.raises(KernelError) as caught:
        read_raw(data)
    assert caught.value.errno == errno.EINVAL
