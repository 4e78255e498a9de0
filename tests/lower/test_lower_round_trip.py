"""Every form of layout: what is sent has the bytes that the declaration says, and is received as it was sent."""

from __future__ import annotations

import pytest

from lower.driver import HEADER, Socket, counted, lowered, padded
from lower.random_layouts import LayoutMaker
from optdsl.ir.machine import Machine
from optdsl.ir.memory import Decoded


def named(record: Decoded, wanted: dict[str, int | bytes]) -> Decoded:
    """A record without what it has beside the fields of the option."""
    assert isinstance(record, dict)
    return {name: value for name, value in record.items() if name in wanted}


@pytest.mark.parametrize("seed", range(60))
def test_layouts_at_random(seed: int) -> None:
    made = LayoutMaker(seed).make()
    machine = Machine(lowered(made.text()))
    for name, value in made.params().items():
        machine.set(f"probe.{name}", value)
    client = Socket(machine).connected()
    sent = client.send(payload=100)
    assert sent.options == padded(made.wire())
    emitted = client.receive(made.wire()).records
    records = [named(record, wanted) for record, wanted in zip(emitted, made.records(), strict=True)]
    assert records == made.records()
    assert counted(machine) == {"sent": 1, "received": 1}


@pytest.mark.parametrize("seed", range(60, 90))
def test_lengths_at_random(seed: int) -> None:
    """An option cut off anywhere, or followed by zeros, is refused unless a form of the layout is that long."""
    made = LayoutMaker(seed).make()
    machine = Machine(lowered(made.text()))
    server = Socket(machine).accepting()
    whole = made.wire()
    for length in range(len(HEADER), 41):
        before = counted(machine)
        server.receive(bytes((whole[0], length)) + whole[2:length].ljust(length - 2, b"\0"))
        reject = {} if length in made.lengths() else {"bad_length": before.get("bad_length", 0) + 1}
        assert counted(machine) == {**before, "received": before.get("received", 0) + 1, **reject}
