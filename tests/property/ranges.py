"""The evaluator on all blocks of a program: no value leaves the range that the checker has inferred."""

from __future__ import annotations

import contextlib
from random import Random
from typing import Final

from optdsl.semantics import model
from property.evaluator import Machine, RejectedError

_RUNS: Final = 12
"""Times that each block is run, on other values each time."""


def check_ranges(program: model.CheckedProgram, seed: int) -> None:
    """Runs every block of a program on values inside the declared ranges. Raises AssertionError."""
    for option in program.options:
        for number in range(_RUNS):
            chance = Random(seed * _RUNS + number)
            for send in option.sends:
                machine = Machine.receiving(option, chance)
                if send.guard is None or machine.value(send.guard):
                    machine.run(send.body)
                    check_sent(option.layout, send, machine)
            blocks: list[model.Receive | model.Handler] = [*option.receives, *option.handlers]
            for block in blocks:
                machine = Machine.receiving(option, chance)
                with contextlib.suppress(RejectedError):
                    if block.guard is None or machine.value(block.guard):
                        machine.run(block.body)


def check_sent(layout: model.Layout, send: model.Send, machine: Machine) -> None:
    """The values given make a whole option, not longer than the checker says."""
    given_names = {each.name for each in machine.assigned}
    assert send.always <= given_names
    bits = 8 * len(layout.header)
    for each in layout.fields:
        together = {other.name for other in layout.guarded_by(each.flag)} if each.flag else {each.name}
        assert each.name not in given_names or together <= given_names
        if each.repeat is not None:
            assert len(machine.assigned.get(each, ())) in each.repeat
            bits += each.bits * len(machine.assigned.get(each, ()))
            continue
        computed = each.is_reserved or bool(layout.guarded_by(each.name))
        assert computed or each.presence is not model.Presence.ALWAYS or each.name in given_names
        bits += each.bits if each.presence is model.Presence.ALWAYS or each.name in given_names else 0
    trailing = [each.name in given_names for each in layout.fields if each.presence is model.Presence.LENGTH]
    assert trailing == sorted(trailing, reverse=True)
    assert bits // 8 <= send.largest
