"""Diagrams of options: every layout form, abbreviations, and the table of fields."""

from __future__ import annotations

import pytest
from checked_programs import sample, with_layout

from optdsl.backends.diagram import diagram, field_rows, kind_text, sizes_text
from optdsl.semantics.model import Option


def rows(option: Option) -> list[str]:
    """The rows of a diagram with content, without header and lines."""
    return [line for line in diagram(option).lines if line[:1] in "|:"]


def test_user_timeout_as_in_rfc_5482() -> None:
    option = sample("uto").options[0]
    assert rows(option) == ["|    Kind=28    |   Length=4    |G|           timeout           |"]
    drawn = diagram(option)
    assert drawn.marks == {"granularity": "G"}
    assert field_rows(option, drawn.marks) == [
        ("G", "granularity", "1 bit", "0 = seconds, 1 = minutes"),
        ("", "timeout", "15 bits", "0..=32767"),
    ]
    assert (kind_text(option), sizes_text(option.layout)) == ("kind 28", "4 bytes")


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("experimental 0x1234", ["|   Kind=253    |   Length=5    |          ExID=0x1234          |"]),
        ("254 exid 0x1234", ["|   Kind=254    |   Length=5    |          ExID=0x1234          |"]),
        ("200", ["|   Kind=200    |   Length=3    |     value     |"]),
        (
            "experimental 0xABCD1234",
            [
                "|   Kind=253    |   Length=7    |        ExID=0xABCD1234        |",
                "|            (cont.)            |     value     |",
            ],
        ),
    ],
)
def test_kinds(kind: str, header: list[str]) -> None:
    assert rows(with_layout("value : u8", kind))[: len(header)] == header


@pytest.mark.parametrize(
    ("fields", "row"),
    [
        ("_ : u4  a : u4", "|  rsv  |   a   |"),
        ("_ : u1  a : u7", "|0|      a      |"),
        ("_ : u4 = 0b1010  a : u4", "|1 0 1 0|   a   |"),
        ("_ : u32 = 0xdead  a : u32", "|                            =0xdead                            |"),
        ("has_it : u1  _ : u7  it : u8 when has_it", "|H|     rsv     |     [it]      |"),
        ("a : u8  b : u8 optional", "|       a       |      [b]      |"),
        ("a : u8[1..=2]", "|      a 1      |     [a 2]     |"),
        ("alpha : u1 beta : u1 able : u1 a : u1 b : u1 ab : u1 ba : u1 _ : u1", "|A|B|L|a|b|C|D|0|"),
        ("a_very_long_name_indeed : u8", "|     AVLNI     |"),
        ("server : ip4", "|                            server                             |"),
    ],
)
def test_layout_forms(fields: str, row: str) -> None:
    assert rows(with_layout(fields))[1] == row


def test_many_elements_are_one_part_and_lengths_are_told() -> None:
    option = with_layout("head : u8  values : u24[1..=9]")
    assert rows(option)[1:] == [
        "|     head      |",
        ":                  values, 1..=9 times 24 bits                  :",
    ]
    assert rows(option)[0].startswith("|   Kind=253    |    Length     |")
    assert sizes_text(option.layout) == "8 to 32 bytes"
    assert sizes_text(with_layout("a : u8  b : u8 optional").layout) == "5 or 6 bytes"
    assert sizes_text(with_layout("f : u1  _ : u7  g : u16 when f").layout) == "5 or 7 bytes"


@pytest.mark.parametrize(
    ("fields", "meaning"),
    [
        ("f : u8 in 1..=64", "1..=64"),
        ("f : u64", "any number"),
        ("f : u8 of 10ms", "0us..=2550ms in steps of 10ms"),
        ("f : u16 of 1mss in 1mss..=64mss", "1mss..=64mss in steps of 1mss"),
        ("f : ip4", "an IPv4 address"),
        ("f : bytes[8]", "bytes[8]"),
        ("f : bool  _ : u7", "0 or 1"),
        ("f : u8 optional", "0..=255, if the length has room for it"),
        ("f : u8[2..=3]", "0..=255, 2 to 3 times"),
        ("f : u1  _ : u7  g : u8 when f", "set when g follows"),
        ("f : u1  _ : u7  g : u8 when f  h : u8 when f", "set when g and h follow"),
    ],
)
def test_what_fields_hold(fields: str, meaning: str) -> None:
    name, _, text = field_rows(with_layout(fields), {})[0][1:]
    assert (name, text) == ("f", meaning)


@pytest.mark.parametrize("name", ["cc", "delack", "iw", "uto", "selftest"])
def test_every_sample_is_drawn(name: str) -> None:
    for option in sample(name).options:
        drawn = diagram(option)
        assert all(line == line.rstrip() and len(line) <= 65 for line in drawn.lines)
        assert all(line.isascii() for line in drawn.lines)
