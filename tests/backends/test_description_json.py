"""The JSON description: its keys are a promise, its values come from the checked program."""

from __future__ import annotations

import json
from typing import Any

import pytest
from checked_programs import checked, sample

from optdsl.backends.description import description_text

EVERYTHING = """
table names : u8 -> text[8] { 1: "one", 2: "two" }

/// All forms.
option all {
    kind experimental 0x1234
    layout {
        has_extra : u1
        mode      : u2 { off, slow, fast, wild }
        _         : u5 = 0b10101
        timeout   : u16 of 10ms in 20ms..=10s
        server    : ip4
        extra     : u8 when has_extra
        values    : u16[0..=2]
    }
    /// How long.
    param wait : duration = 100ms in 20ms..=10s
    param trusted : prefixes[4] = { 10.0.0.0/8, fd00::/8 }
    state seen : u8 = 3
    send from client on ack, data every 5s when seen > 1 {
        mode = fast
        timeout = 100ms
        server = 192.0.2.1
    }
    receive at server { seen = 1 }
    on established { seen = 2 }
}
"""


def describe(text: str) -> Any:
    return json.loads(description_text(checked(text)))


def test_the_keys_of_a_program() -> None:
    found = describe(EVERYTHING)
    assert list(found) == [
        "format", "name", "sources", "target", "kernel", "requirements", "options", "tables", "records", "budget",
    ]  # fmt: skip
    assert (found["format"], found["name"], found["sources"]) == (1, "sample", ["sample.opt"])
    assert (found["target"], found["kernel"]) == ("mainline", "5.10")
    assert list(found["options"][0]) == [
        "name", "doc", "kind", "exid", "sizes", "header", "fields", "params", "states", "sends", "receives", "events",
        "reject_reasons",
    ]  # fmt: skip


def test_an_option() -> None:
    option = describe(EVERYTHING)["options"][0]
    assert (option["name"], option["doc"], option["kind"]) == ("all", "All forms.", 253)
    assert option["exid"] == {"value": 0x1234, "bits": 16}
    assert option["header"] == "fd001234"
    assert option["sizes"] == [11, 12, 13, 14, 15, 16]
    fields = option["fields"]
    assert [(each["name"], each["offset"], each["bits"], each["offset_varies"]) for each in fields] == [
        ("has_extra", 32, 1, False), ("mode", 33, 2, False), (None, 35, 5, False), ("timeout", 40, 16, False),
        ("server", 56, 32, False), ("extra", 88, 8, False), ("values", 96, 16, True),
    ]  # fmt: skip
    assert (fields[1]["type"], fields[1]["values"]) == ("enum", {"off": 0, "slow": 1, "fast": 2, "wild": 3})
    assert (fields[2]["reserved"], fields[2]["fixed"]) == (True, 0b10101)
    assert (fields[3]["unit"], fields[3]["base_unit"], fields[3]["step"]) == ("duration", "microseconds", 10_000)
    assert fields[3]["raw"] == {"low": 2, "high": 1000}
    assert fields[3]["range"] == {"low": 20_000, "high": 10_000_000}
    assert (fields[4]["type"], fields[4]["raw"]) == ("ip4", None)
    assert (fields[5]["presence"], fields[5]["flag"]) == ("flag", "has_extra")
    assert fields[6]["repeat"] == {"low": 0, "high": 2}


def test_variables_handlers_and_tables() -> None:
    found = describe(EVERYTHING)
    option = found["options"][0]
    wait, trusted = option["params"]
    assert (wait["doc"], wait["initial"]) == ("How long.", 100_000)
    assert wait["range"] == {"low": 20_000, "high": 10_000_000}
    assert (trusted["type"], trusted["most"]) == ("prefixes", 4)
    assert trusted["initial"] == ["10.0.0.0/8", "fd00::/8"]
    assert [(each["name"], each["initial"]) for each in option["states"]] == [("seen", 3)]
    (send,) = option["sends"]
    assert (send["from"], send["packets"], send["guarded"], send["largest"]) == ("client", ["ack", "data"], True, 11)
    assert send["policy"] == {"form": "every duration", "amount": 5_000_000, "unit": "microseconds"}
    assert option["receives"] == [{"doc": "", "at": "server", "guarded": False}]
    assert option["events"] == [{"doc": "", "event": "established", "at": None, "guarded": False}]
    (table,) = found["tables"]
    assert table["entries"] == [{"key": 1, "value": "one"}, {"key": 2, "value": "two"}]


def test_the_budget_has_a_row_for_each_class_of_packet() -> None:
    rows = {row["packet"]: row for row in describe(EVERYTHING)["budget"]}
    assert list(rows) == ["syn", "synack", "third_ack", "ack", "data", "fin"]
    assert (rows["ack"]["used"], rows["ack"]["left"], rows["ack"]["left_beside_sack"]) == (12, 28, 16)
    assert (rows["syn"]["used"], rows["syn"]["left"], rows["syn"]["left_beside_sack"]) == (0, 20, None)


@pytest.mark.parametrize("name", ["cc", "delack", "iw", "uto", "selftest"])
def test_every_sample_has_a_description_without_paths_and_always_the_same(name: str) -> None:
    text = description_text(sample(name))
    assert text == description_text(sample(name))
    assert json.loads(text)["sources"] == [f"{name}.opt"]
