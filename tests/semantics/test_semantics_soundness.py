"""What the checker has proven holds: generated blocks are run on values inside the declared ranges."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from semantics_generator import accepted, accepted_send, blocks, sends

from optdsl.semantics import ranges
from optdsl.semantics.ranges import Interval
from property.evaluator import Machine, RejectedError
from property.ranges import check_sent

RUNS = 25
SLOW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@SLOW
@given(blocks(), st.integers(0, 1 << 30))
def test_no_value_leaves_its_interval(block: tuple[bool, list[str]], seed: int) -> None:
    program, text = accepted(*block)
    (option,) = program.options
    for number in range(RUNS):
        machine = Machine.receiving(option, Random(seed + number))
        try:
            for receive in option.receives:
                with contextlib.suppress(RejectedError):
                    machine.run(receive.body)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{text}") from None


@SLOW
@given(sends(), st.integers(0, 1 << 30))
def test_a_send_gives_every_field_a_value_that_fits(lines: tuple[bool, list[tuple[str, str]]], seed: int) -> None:
    program, text = accepted_send(*lines)
    (option,) = program.options
    (send,) = option.sends
    for number in range(RUNS):
        machine = Machine.receiving(option, Random(seed + number))
        try:
            if send.guard is None or machine.value(send.guard):
                machine.run(send.body)
                check_sent(option.layout, send, machine)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{text}") from None


_INTERVALS = st.tuples(st.integers(0, 70), st.integers(0, 70)).map(lambda pair: Interval(min(pair), max(pair)))
_OPERATIONS: dict[str, tuple[Callable[[Interval, Interval], Interval], Callable[[int, int], int]]] = {
    "add": (ranges.add, int.__add__), "subtract": (ranges.subtract, int.__sub__),
    "multiply": (ranges.multiply, int.__mul__), "bit_and": (ranges.bit_and, int.__and__),
    "bit_or": (ranges.bit_or, int.__or__), "bit_xor": (ranges.bit_xor, int.__xor__),
    "minimum": (ranges.minimum, min), "maximum": (ranges.maximum, max),
    "divide": (ranges.divide, int.__floordiv__), "modulo": (ranges.modulo, int.__mod__),
    "shift_left": (ranges.shift_left, int.__lshift__), "shift_right": (ranges.shift_right, int.__rshift__),
}  # fmt: skip
_EXACT = ["add", "subtract", "multiply", "minimum", "maximum", "divide", "shift_left", "shift_right"]


@pytest.mark.parametrize("name", _OPERATIONS)
@given(left=_INTERVALS, right=_INTERVALS)
@settings(max_examples=60, deadline=None)
def test_intervals_hold_all_results_and_are_exact_at_the_edges(name: str, left: Interval, right: Interval) -> None:
    interval_of, result_of = _OPERATIONS[name]
    if name in ("divide", "modulo"):
        right = Interval(right.low + 1, right.high + 1)
    found = interval_of(left, right)
    pairs = [(a, b) for a in range(left.low, left.high + 1) for b in range(right.low, right.high + 1)]
    results = {result_of(a, b) for a, b in pairs}
    assert found.low <= min(results)
    assert max(results) <= found.high
    if name in _EXACT:
        assert found == Interval(min(results), max(results))
