"""What a received option must pass before an action sees it, and which counter tells that it did not."""

from __future__ import annotations

import pytest

from lower.driver import Socket, counted, lowered, on_wire, option, padded
from optdsl.ir.invocation import SocketOptionSet
from optdsl.ir.machine import Machine


def received(members: str, *contents: str) -> tuple[dict[str, int], list[object]]:
    """The counters and the records after a server has received options with these contents."""
    machine = Machine(lowered(option(members)))
    server = Socket(machine).accepting()
    records = [record for content in contents for record in server.receive(on_wire(content)).records]
    return counted(machine), [{k: v for k, v in r.items() if k in "abcdx"} for r in records if isinstance(r, dict)]


@pytest.mark.parametrize(
    ("content", "reject"),
    [("01 ff", None), ("40 00", None), ("00 00", "bad_a"), ("41 00", "bad_a"), ("ff 00", "bad_a")],
)
def test_a_range(content: str, reject: str | None) -> None:
    counters, records = received("layout { a : u8 in 1..=64  b : u8 } receive { emit seen { a, b } }", content)
    assert counters == {"received": 1, **({reject: 1} if reject else {})}
    assert bool(records) is (reject is None)


def test_a_range_in_steps_is_that_of_the_steps() -> None:
    """`u8 of 10ms in 25ms..=100ms` is 3 to 10 steps, and is read in microseconds."""
    members = "layout { a : u8 of 10ms in 25ms..=100ms } receive { emit seen { a } }"
    counters, records = received(members, "02", "03", "0a", "0b")
    assert counters == {"received": 4, "bad_a": 2}
    assert records == [{"a": 30_000}, {"a": 100_000}]


def test_ranges_of_full_width_are_not_asked_for() -> None:
    counters, records = received("layout { a : u8 in 0..=255  b : u64 } receive { emit seen { a, b } }", "ff" * 9)
    assert counters == {"received": 1}
    assert records == [{"a": 255, "b": 2**64 - 1}]


def test_the_largest_range_of_64_bits() -> None:
    members = f"layout {{ a : u64 in 2..={2**64 - 2} }} receive {{ emit seen {{ a }} }}"
    counters, records = received(members, "00" * 7 + "01", "ff" * 8, "ff" * 7 + "fe")
    assert counters == {"received": 3, "bad_a": 2}
    assert records == [{"a": 2**64 - 2}]


def test_reserved_bits_are_ignored_and_checked_ones_are_not() -> None:
    members = "layout { _ : u4  a : u4  _ : u3 = 0b101  b : u5 } receive { emit seen { a, b } }"
    counters, records = received(members, "f1 a2", "01 a2", "01 82", "01 e2")
    assert counters == {"received": 4, "bad_reserved": 2}
    assert records == [{"a": 1, "b": 2}] * 2


def test_reserved_bits_are_sent_as_zero_and_checked_ones_as_declared() -> None:
    sent = "layout { _ : u4  a : u4  _ : u3 = 0b101  b : u5 } send on data { a = 1  b = 2 }"
    client = Socket(Machine(lowered(option(sent)))).connected()
    assert client.send(payload=1).options == on_wire("01 a2") + b"\x01\x01"


def test_enumerations() -> None:
    dense = "layout { a : u4 { red, green, blue }  _ : u4 } receive { if a == blue { emit seen { x: 1 } } }"
    counters, records = received(dense, "20", "10", "30", "f0")
    assert counters == {"received": 4, "bad_a": 2}
    assert records == [{"x": 1}]
    sparse = "enum colour : u8 { red = 3, green = 7, blue = 9 } layout { a : colour } receive { emit seen { a } }"
    counters, records = received(sparse, "00", "03", "04", "05", "07", "08", "09", "0a")
    assert counters == {"received": 8, "bad_a": 5}
    assert records == [{"a": 3}, {"a": 7}, {"a": 9}]
    full = "layout { a : u1 { off, on }  _ : u7 } receive { emit seen { a } }"
    assert received(full, "80", "00")[0] == {"received": 2}


@pytest.mark.parametrize("members", [(0, 1, 2), (0, 2, 9), (1, 2, 3), (4,), (0, 15), (5, 6, 8), tuple(range(16))])
def test_every_value_of_an_enumeration_and_no_other(members: tuple[int, ...]) -> None:
    names = ", ".join(f"m{number} = {number}" for number in members)
    text = f"enum some : u4 {{ {names} }} layout {{ a : some  _ : u4 }} receive {{ emit seen {{ a }} }}"
    _, records = received(text, *(f"{number:x}0" for number in range(16)))
    assert records == [{"a": number} for number in members]


def test_an_enumeration_over_64_bits() -> None:
    members = "enum big : u64 { low = 1, high = 0xFFFFFFFFFFFFFFFF } layout { a : big } receive { emit seen { a } }"
    counters, records = received(members, "ff" * 8, "00" * 8, "00" * 7 + "01")
    assert counters == {"received": 3, "bad_a": 1}
    assert records == [{"a": 2**64 - 1}, {"a": 1}]


def test_an_optional_field_is_checked_only_where_it_is() -> None:
    members = """layout { flag : bool  _ : u7  a : u8 in 5..=9 when flag  b : u8 in 1..=2 optional }
                 receive { if flag { emit seen { a } } }"""
    legal = ["00", "80 05", "80 09 01", "00 02"]
    counters, records = received(members, *legal, "80 04", "80 0a 01", "80 05 03", "00 00")
    assert counters == {"received": 8, "bad_a": 2, "bad_b": 2}
    assert records == [{"a": 5}, {"a": 9}]


def test_elements_are_checked_as_far_as_they_are_there() -> None:
    members = "layout { a : u8[1..=3] in 1..=9 } receive { emit seen { x: count(a) } }"
    counters, records = received(members, "01", "01 09 05", "00", "01 0a", "01 02 00")
    assert counters == {"received": 5, "bad_a": 3}
    assert records == [{"x": 1}, {"x": 3}]


def test_the_length_goes_before_everything_else() -> None:
    members = "layout { _ : u8 = 7  a : u8 in 1..=2  b : u8 optional } receive { }"
    assert received(members, "00 00 00 00", "00")[0] == {"received": 2, "bad_length": 2}
    flags = "layout { flag : bool  _ : u7 = 1  a : u8 in 1..=2 when flag } receive { }"
    assert received(flags, "ff", "7f 00", "ff 00 00")[0] == {"received": 3, "bad_length": 3}


def test_options_longer_than_the_format_are_refused_not_lost() -> None:
    """The buffer is as long as the longest form; the kernel says ENOSPC for more."""
    counters, _ = received("layout { a : u8 } receive { }", "01 02", "00" * 30)
    assert counters == {"received": 2, "bad_length": 2}


def test_what_is_not_there_is_silent_and_a_malformed_list_is_counted() -> None:
    machine = Machine(lowered(option("layout { a : u8 } receive { }")))
    server = Socket(machine).accepting()
    server.receive()
    server.receive(bytes.fromhex("fd054343 01"))
    server.receive(bytes.fromhex("fd034242"))
    assert counted(machine) == {}
    server.receive(bytes.fromhex("1e01"))
    assert counted(machine) == {"load_failed": 1}


@pytest.mark.parametrize("exid", ["0xE2D4C3D9", str(0xE2D4C3D9)])
def test_an_exid_of_32_bits(exid: str) -> None:
    members = "layout { a : u8 } send on data { a = 5 } receive { emit seen { a } }"
    machine = Machine(lowered(f"option probe {{ kind experimental {exid} {members} }}"))
    client = Socket(machine).connected()
    wire = bytes.fromhex("fd07e2d4c3d905")
    assert client.send(payload=1).options == wire + b"\x01"
    assert len(client.receive(wire).records) == 1
    assert client.receive(bytes.fromhex("fd07e2d4c3d805")).records == []
    assert counted(machine) == {"sent": 1, "received": 1}


def test_an_exid_before_a_length_that_is_known_only_at_run_time() -> None:
    """Header and length cannot be stored as one constant; the ExID reads differently from either end."""
    members = """layout { a : u8[1..=2] } param both : bool = true
        send on data { if both { a = [1, 2] } else { a = [1] } } receive { emit seen { a: a[0] } }"""
    for exid, header in (("0x1234", "fd061234"), ("0xE2D4C3D9", "fd08e2d4c3d9")):
        client = Socket(Machine(lowered(f"option probe {{ kind experimental {exid} {members} }}"))).connected()
        wire = bytes.fromhex(header + "0102")
        assert client.send(payload=1).options == padded(wire)
        assert len(client.receive(wire).records) == 1


def test_a_kind_of_its_own_with_nothing_in_it() -> None:
    machine = Machine(lowered("option probe { kind 0xB9 layout { } send on data { } receive { emit seen { x: 1 } } }"))
    client = Socket(machine).connected()
    assert client.send(payload=1).options == bytes.fromhex("b9020101")
    assert len(client.receive(bytes.fromhex("b902")).records) == 1
    client.receive(bytes.fromhex("b90300"))
    assert counted(machine) == {"sent": 1, "received": 2, "bad_length": 1}


def test_an_optional_divisor_is_used_only_where_it_is() -> None:
    """The interpreter stops at a division by zero, so this shows that nothing is computed on the wrong path."""
    members = """layout { a : u8  b : u8 }
    receive {
        let safe = if b != 0 { a / b } else { 0 }
        if b != 0 and a / b > 2 { emit large { x: a / b } }
        if b == 0 or a % b == 0 { emit even { x: safe } }
        if a > 3 and (if b > 0 { a % b } else { 7 }) == 7 { emit seven { x: 1 } }
    }"""
    counters, records = received(members, "08 00", "08 02", "03 00")
    assert counters == {"received": 3}
    assert records == [{"x": 0}, {"x": 1}, {"x": 4}, {"x": 4}, {"x": 0}]


def test_reject_leaves_at_once() -> None:
    members = """layout { a : u8 } state last : u8
    receive { if a > 9 { reject too_much } last = a  socket.mark = a }"""
    machine = Machine(lowered(option(members)))
    server = Socket(machine).accepting()
    assert server.receive(on_wire("0a")).of(SocketOptionSet) == []
    assert server.receive(on_wire("05")).of(SocketOptionSet) != []
    assert counted(machine) == {"received": 2, "too_much": 1}


def test_what_the_kernel_refuses_is_counted() -> None:
    program = lowered(option("layout { a : u8 } receive { socket.mark = a }"))
    machine = Machine(program, setsockopt=lambda _level, _option, _value: -22)
    Socket(machine).accepting().receive(on_wire("05"))
    assert counted(machine) == {"received": 1, "set_failed": 1}
