"""Layouts, initial values and what bytes in memory mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_delack import COUNTERS, GRANT, PARAMS, SOCKET, STATE, delack
from ir_gallery import gallery

from optdsl.ir.memory import InterpreterError, Region, decode, undefined_members
from optdsl.ir.structs import all_structs
from optdsl.ir.types import U8, U16, U32, Array, ByteArray, Initial, Member, Struct, encode
from optdsl.ir.walk import statements
from optdsl.record import replace

POINT = Struct("point", (Member("x", U8), Member("y", U32)))
SHAPE = Struct("shape", (Member("points", Array(POINT, 2)), Member("name", ByteArray(6, text=True)), Member("id", U16)))


@given(
    st.tuples(
        st.tuples(*[st.tuples(st.integers(0, 255), st.integers(0, 2**32 - 1))] * 2),
        st.from_regex(r"[a-z]{0,6}", fullmatch=True).map(str.encode),
        st.integers(0, 65535),
    )
)
def test_decode_is_the_inverse_of_encode(value: tuple[tuple[tuple[int, int], ...], bytes, int]) -> None:
    points, name, number = value
    initial: Initial = value
    assert decode(SHAPE, encode(SHAPE, initial)) == {
        "points": [{"x": x, "y": y} for x, y in points],
        "name": name.decode(),
        "id": number,
    }


def test_undefined_members_ignore_padding() -> None:
    assert SHAPE.size == 24
    written = bytearray(b"\1" * 24)
    written[1:4] = bytes(3)
    assert undefined_members(SHAPE, bytes(written)) == []
    written[11] = written[15] = written[21] = 0
    assert undefined_members(SHAPE, bytes(written)) == ["points[1].y", "name"]


def test_a_region_has_an_end() -> None:
    region = Region("r", U32)
    region.write(2, b"ab")
    assert region.read(0, 4) == b"\0\0ab"
    for offset, size in ((3, 2), (-1, 1), (4, 1)):
        with pytest.raises(InterpreterError, match="of r, which has 4"):
            region.read(offset, size)


def test_structs_are_listed_once_and_inner_ones_first() -> None:
    inner = COUNTERS.member("delayed_ack").type
    assert all_structs(delack()) == (PARAMS, STATE, SOCKET, inner, COUNTERS, GRANT)
    names = [struct.name for struct in all_structs(replace(gallery(), records=()))]
    assert names == ["fixed", "row", "scratch_state", "counters", "sample"]


def test_statements_are_walked_in_the_order_of_the_text() -> None:
    body = gallery().function("loops").body
    kinds = [type(statement).__name__ for statement in statements(body)]
    assert kinds == ["Let", "Repeat", "LookupMap", "If", "Break", "If", "Assign"]
    assert len(list(statements(gallery().function("entry").body))) == 13
