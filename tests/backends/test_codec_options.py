"""Captured options as people read them: the values of each type, and the reason for which a receiver rejects."""

from __future__ import annotations

import random

import pytest
from checked_programs import with_layout

from lower.driver import HEADER, Socket, counted, lowered, on_wire, option
from optdsl.backends.codec import Rejected, decode, is_option
from optdsl.ir.machine import Machine

LAYOUTS = [
    "a : u8 in 1..=64  b : u16 in 10..=1000",
    "_ : u4 = 0b1010  mode : u2 { low, high, off }  _ : u2  b : u8 of 10ms in 20ms..=1s",
    "a : u8 in 1..=9  _ : u3  _ : u5 = 7",
    "f : bool  g : u1  _ : u6  a : u8 in 1..=200 when f  b : u16 in 5..=60000 when g  c : u8",
    "a : u8 in 0..=250  b : u16 optional  c : u8 in 3..=255 optional",
    "a : u8  e : u24[1..=3]",
    "f : u1  _ : u7  a : u16 when f  e : u8[1..=2]",
    "e : u8[0..=4] in 1..=100",
    "peer : ip4  other : bytes[3]",
]


def wires(fields: str) -> list[bytes]:
    """Options of every length, with contents at random and at the edges."""
    chance = random.Random(fields)
    contents = [bytes(length) for length in range(12)] + [b"\xff" * length for length in range(12)]
    contents += [chance.randbytes(length) for length in range(12) for _ in range(40)]
    small = [bytes(chance.choice([0, 1, 2, 7, 0x80, 0xA1, 0xC0]) for _ in each) for each in contents]
    return [on_wire(content) for content in [*contents, *small]]


@pytest.mark.parametrize("fields", LAYOUTS)
def test_the_reason_is_that_of_the_receiver(fields: str) -> None:
    machine = Machine(lowered(option(f"layout {{ {fields} }} receive {{ }}")))
    declared, server = with_layout(fields, "experimental 0x4242"), Socket(machine).accepting()
    accepted, reasons = 0, set()
    for wire in wires(fields):
        before = counted(machine)
        server.receive(wire)
        counts = {name: count - before.get(name, 0) for name, count in counted(machine).items() if name != "received"}
        found = decode(declared, wire)
        told = [found.reason] if isinstance(found, Rejected) else []
        assert [name for name, count in counts.items() if count] == told, wire.hex(" ")
        accepted += not told
        reasons |= set(told)
    assert accepted
    assert "bad_length" in reasons


@pytest.mark.parametrize(
    ("fields", "content", "shown"),
    [
        ("a : u4  b : u12", "1fff", ["a=1", "b=4095"]),
        ("f : bool  g : u1  _ : u6", "80", ["f=true", "g=0"]),
        ("mode : u8 { low, high }", "01", ["mode=high"]),
        ("t : u8 of 10ms  r : u8 of 100kbps", "640a", ["t=1s", "r=1mbps"]),
        ("peer : ip4", "c0000201", ["peer=192.0.2.1"]),
        ("peer : ip6", "20010db8000000000000000000000001", ["peer=2001:db8::1"]),
        ("tag : bytes[3]", "0a0b0c", ["tag=0a0b0c"]),
        ("a : u8  e : u16[1..=3]", "0500010002", ["a=5", "e[0]=1", "e[1]=2"]),
        ("a : u8  b : u8 optional", "05", ["a=5"]),
        ("f : u1  _ : u7  b : u8 when f  c : u8", "0009", ["f=0", "c=9"]),
    ],
)
def test_values_are_written_as_in_programs(fields: str, content: str, shown: list[str]) -> None:
    found = decode(with_layout(fields, "experimental 0x4242"), on_wire(content))
    assert not isinstance(found, Rejected)
    assert [str(each) for each in found] == shown


def test_options_are_told_by_kind_and_exid() -> None:
    declared = with_layout("a : u8", "experimental 0x1234")
    assert is_option(declared, bytes.fromhex("fd05123407"))
    assert not is_option(declared, on_wire("07", HEADER))
    assert not is_option(declared, bytes.fromhex("fe05123407"))
    assert not is_option(declared, bytes.fromhex("fd03"))


def test_a_length_byte_that_lies_is_refused() -> None:
    assert decode(with_layout("a : u8"), bytes.fromhex("fd06123407")) == Rejected("bad_length")
