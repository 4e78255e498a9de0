"""The tables of docs/language.md say what the code says."""

from __future__ import annotations

import re

from docs.doc_examples import ROOT
from optdsl import resources
from optdsl.semantics.declarations import SIMPLE_TYPES, SIZED_TYPES, UNIT_TYPES
from optdsl.semantics.kinds import KERNEL_KINDS
from optdsl.semantics.scope import RESERVED
from optdsl.semantics.units import LARGEST, SUFFIXES, Unit
from optdsl.targets import PacketClass, space_left
from optdsl.targets.events import EVENTS

TEXT = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text of a chapter."""
    return TEXT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def rows(chapter: str, header: str) -> list[list[str]]:
    """The cells of the table with this first cell in its head."""
    table = section(chapter).split(f"| {header} |", 1)[1].split("\n\n", 1)[0]
    lines = [re.sub(r"\\\|", "/", line) for line in table.split("\n")[2:]]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def words(cell: str) -> list[str]:
    """What stands in code marks."""
    return re.findall(r"`([^`]+)`", cell)


def test_reserved_words() -> None:
    line = section("Files and modules").split("expressions use:\n\n", 1)[1].split("\n\n", 1)[0]
    assert set(words(line)) == RESERVED


def test_modules() -> None:
    assert [words(row[0])[0] for row in rows("Files and modules", "module")] == [
        f"std.{name}" for name in resources.module_names()
    ]


def test_kernel_kinds() -> None:
    listed = re.search(r"refused: 0 to 5, ([0-9, and]+)\.", section("Options and kinds"))
    assert listed is not None
    assert set(range(6)) | set(map(int, re.findall(r"\d+", listed[1]))) == KERNEL_KINDS


def test_units() -> None:
    units = rows("Types and units", "type")[1:]
    names = [words(row[0])[0] for row in units]
    assert set(names) == set(UNIT_TYPES)
    for name, row in zip(names, units, strict=True):
        if name != "segment_size":
            unit = UNIT_TYPES[name]
            assert set(words(row[1])) == {suffix for suffix, known in SUFFIXES.items() if known.unit is unit}


def test_ranges() -> None:
    shown = {words(row[0])[0]: row[3] for row in rows("Types and units", "type")[1:]}
    for name in ("duration", "rate", "size", "segments"):
        power = re.match(r"0 to 2\^(\d+) - 1 ", shown[name])
        assert power is not None
        assert LARGEST[UNIT_TYPES[name]] == 2 ** int(power[1]) - 1
    assert LARGEST[Unit.RATIO] == 100 * SUFFIXES["%"].factor
    assert f"0 to {LARGEST[Unit.SEGMENT_SIZE]} bytes" == shown["segment_size"]


def test_other_types() -> None:
    table = section("Types and units").split("| type | values |", 1)[1].split("\n\n", 1)[0]
    named = {word.split("[")[0] for word in words(table)}
    assert named >= {*SIMPLE_TYPES, *SIZED_TYPES}


def test_packet_classes() -> None:
    assert [words(row[0])[0] for row in rows("Sending", "packet")] == [*(each.value for each in PacketClass), "any"]


def test_events() -> None:
    assert [words(row[0])[0] for row in rows("Events", "event")] == [event.name for event in EVENTS]


def test_option_space() -> None:
    for row in rows("The budget", "packet"):
        blocks = re.search(r"with (\d) SACK", row[0])
        packets = [PacketClass(word) for word in words(row[0])] or [PacketClass.DATA]
        for packet in packets:
            number = int(blocks[1]) if blocks else 0
            left = [space_left(packet, timestamps=timestamps, sack_blocks=number) for timestamps in (True, False)]
            assert [int(row[1]), int(row[2])] == left
