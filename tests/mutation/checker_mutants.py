"""Mistakes of the checker (ranges, units, layouts, kinds, the budget) and of the tables of what the kernel offers."""

from __future__ import annotations

from typing import Final

from mutation.mutant import Mutant

_CASES: Final = "tests/semantics/test_semantics_cases.py::test_the_checker_says_what_stands_in_the_program"
_INTERVALS: Final = (
    "tests/semantics/test_semantics_soundness.py::test_intervals_hold_all_results_and_are_exact_at_the_edges"
)
_BLOCKS: Final = "tests/semantics/test_semantics_soundness.py::test_no_value_leaves_its_interval"
_KERNEL: Final = "tests/targets/test_targets_kernel.py"

_RANGES: Final = (
    Mutant(
        "sum-range",
        "the range of a sum ends one too early",
        "optdsl/semantics/ranges.py",
        "return Interval(a.low + b.low, a.high + b.high)",
        "return Interval(a.low + b.low, a.high + b.high - 1)",
        (_INTERVALS,),
    ),
    Mutant(
        "quotient-range",
        "the range of a quotient takes the largest divisor for both ends",
        "optdsl/semantics/ranges.py",
        "return Interval(a.low // b.high, a.high // b.low)",
        "return Interval(a.low // b.high, a.high // b.high)",
        (_INTERVALS, _CASES),
    ),
    Mutant(
        "or-range",
        "the range of `a | b` ends at the larger operand",
        "optdsl/semantics/ranges.py",
        "return Interval(max(a.low, b.low), (1 << bits) - 1)",
        "return Interval(max(a.low, b.low), max(a.high, b.high))",
        (_INTERVALS,),
    ),
    Mutant(
        "overflow",
        "a result of 2^64 counts as one that fits 64 bits",
        "optdsl/semantics/arithmetic.py",
        "if interval.high > FULL.high:",
        "if interval.high > FULL.high + 1:",
        (_CASES,),
    ),
    Mutant(
        "zero-divisor",
        "a remainder by what may be zero is let through unless it always is",
        "optdsl/semantics/arithmetic.py",
        "if operator is BinaryOperator.MOD:",
        "if operator is BinaryOperator.MOD and right.interval.high == 0:",
        (_CASES,),
    ),
    Mutant(
        "below-zero",
        "a difference that may be below zero is let through unless it always is",
        "optdsl/semantics/arithmetic.py",
        "if interval.low < 0:",
        "if interval.high < 0:",
        (_CASES,),
    ),
    Mutant(
        "ceil",
        "`ceil` rounds down",
        "optdsl/semantics/arithmetic.py",
        "lacking = _make(span, BinaryOperator.SUB, right, literal(span, 1), Unit.NUMBER)",
        "lacking = literal(span, 0)",
        (_BLOCKS, "tests/semantics/test_semantics_soundness.py", "tests/lower/test_lower_values.py"),
    ),
    Mutant(
        "narrowing",
        "behind `x < 10` the range of x still holds 10",
        "optdsl/semantics/facts.py",
        "Interval(interval.low, bound.high - 1)",
        "Interval(interval.low, bound.high)",
        (_CASES, _BLOCKS),
    ),
    Mutant(
        "changing-param",
        "what a block has shown of a param that it read is believed behind it, where it is read anew",
        "optdsl/semantics/facts.py",
        "ranges = {key: value for key, value in self.ranges.items() if _changing(key) <= read}",
        "ranges = {key: value for key, value in self.ranges.items() if read is not None}",
        (_CASES,),
    ),
    Mutant(
        "assigned-state",
        "what was known of an expression with a state is believed after the state has changed",
        "optdsl/semantics/facts.py",
        "all(symbol is not state for symbol in _symbols(key))",
        "key is not state",
        (_CASES, _BLOCKS),
    ),
    Mutant(
        "too-small",
        "a value below the range of its destination is let through",
        "optdsl/semantics/fitting.py",
        "if not value.interval.within(allowed):",
        "if value.interval.high > allowed.high:",
        (_CASES,),
    ),
    Mutant(
        "suggested-unit",
        "the bounds that a message suggests have lost their unit",
        "optdsl/semantics/fitting.py",
        "low, high = show(allowed.low, unit), show(allowed.high, unit)",
        "low, high = str(allowed.low), str(allowed.high)",
        ("tests/semantics/test_semantics_cases.py::test_a_suggested_replacement_mends_what_it_is_told_for",),
    ),
    Mutant(
        "whole-steps",
        "a sum counts as whole steps if one part of it does",
        "optdsl/semantics/conversions.py",
        "return _is_multiple(left, step) and _is_multiple(right, step)",
        "return _is_multiple(left, step) or _is_multiple(right, step)",
        (_CASES,),
    ),
)

_FORMATS: Final = (
    Mutant(
        "unit",
        "a millisecond is a second",
        "optdsl/semantics/units.py",
        '"ms": Suffix(Unit.DURATION, 1_000),',
        '"ms": Suffix(Unit.DURATION, 1_000_000),',
        ("tests/lower/test_lower_values.py", _CASES),
    ),
    Mutant(
        "rate-times-time",
        "a rate times a duration counts bits instead of bytes",
        "optdsl/semantics/units.py",
        "return Conversion(Unit.SIZE, divide=BITS_PER_BYTE_AND_SECOND)",
        "return Conversion(Unit.SIZE, divide=BITS_PER_BYTE_AND_SECOND // 8)",
        ("tests/lower/test_lower_values.py", "tests/stdlib", _CASES),
    ),
    Mutant(
        "steps-inward",
        "a range between steps is widened to whole steps instead of narrowed",
        "optdsl/semantics/layouts.py",
        "raw = Interval(-(-low // step), high // step)",
        "raw = Interval(low // step, high // step)",
        ("tests/lower/test_lower_validation.py", _CASES),
    ),
    Mutant(
        "lengths",
        "an option without the fields of a flag is no length that the format allows",
        "optdsl/semantics/layouts.py",
        "sizes |= {size + extra for size in sizes}",
        "sizes = {size + extra for size in sizes}",
        ("tests/backends/test_diagram_options.py", "tests/backends/test_codec_options.py"),
    ),
    Mutant(
        "kind-clash",
        "two ExIDs that agree in the two bytes that the kernel compares are not told",
        "optdsl/semantics/kinds.py",
        "key = (option.kind, kind.header[2:4])",
        "key = (option.kind, kind.header[2:])",
        (_CASES,),
    ),
    Mutant(
        "kinds-apart",
        "two ExIDs that share a byte are told to be the same",
        "optdsl/semantics/kinds.py",
        "key = (option.kind, kind.header[2:4])",
        "key = (option.kind, kind.header[3:4])",
        (_CASES,),
    ),
    Mutant(
        "exid-width",
        "an ExID of more than 16 bits is written in two bytes unless it is hexadecimal",
        "optdsl/semantics/kinds.py",
        "size = 4 if exid >= 1 << 16 or (",
        "size = 4 if (",
        (_CASES, "tests/lower/test_lower_validation.py"),
    ),
    Mutant(
        "padding",
        "the budget forgets that options are filled up to four bytes",
        "optdsl/semantics/budget.py",
        "packet, used + -used % 4, space_left(",
        "packet, used, space_left(",
        ("tests/backends/test_description_json.py", _CASES),
    ),
    Mutant(
        "full-fin",
        "the budget forgets that a FIN may carry data, and with it the options of data",
        "optdsl/semantics/budget.py",
        "PacketClass.FIN: ({PacketClass.DATA},),",
        "PacketClass.FIN: (),",
        (_CASES, "tests/backends/test_description_json.py"),
    ),
)

_TARGETS: Final = (
    Mutant(
        "attribute-range",
        "the longest delay of an ACK is taken to be a second",
        "optdsl/targets/socket_options.py",
        "_TIMER = Bounds(2 * MILLISECOND, 200 * MILLISECOND)",
        "_TIMER = Bounds(2 * MILLISECOND, 1000 * MILLISECOND)",
        (f"{_KERNEL}::test_options_accept_their_bounds_and_nothing_beyond",),
    ),
    Mutant(
        "option-space",
        "timestamps are taken to need eight bytes",
        "optdsl/targets/space.py",
        "_TIMESTAMPS = 12",
        "_TIMESTAMPS = 8",
        (f"{_KERNEL}::test_option_space_is_what_the_kernel_offers",),
    ),
    Mutant(
        "event",
        "`closed` runs whenever a connection was closed before, not when it becomes so",
        "optdsl/targets/events.py",
        "ArgumentIs(1, TcpState.CLOSE)",
        "ArgumentIs(0, TcpState.CLOSE)",
        (f"{_KERNEL}::test_events_fire_as_the_table_says",),
    ),
    Mutant(
        "smoothed-rtt",
        "the kernel's eightfold of the smoothed RTT is taken for the RTT itself",
        "optdsl/targets/socket_state.py",
        'ContextField("srtt_us", shift=3)',
        'ContextField("srtt_us")',
        (f"{_KERNEL}::test_the_round_trip_time_is_that_of_tcp_info",),
    ),
    Mutant(
        "first-kernel",
        "the kernel that a program needs is that of the last attribute that it uses",
        "optdsl/targets/mainline.py",
        "needed = max(needed, _first_kernel(name, direction))",
        "needed = _first_kernel(name, direction)",
        ("tests/targets/test_targets_tables.py",),
    ),
    Mutant(
        "since",
        "an attribute is offered by a kernel that cannot set it yet",
        "optdsl/targets/buffer_options.py",
        "write=Write(V5_15, options.WINDOW_CLAMP, Bounds(1, _INT_MAX))",
        "write=Write(V5_10, options.WINDOW_CLAMP, Bounds(1, _INT_MAX))",
        ("tests/targets/test_targets_tables.py",),
    ),
    Mutant(
        "timeout-in-seconds",
        "the kernel is taken to count the user timeout in seconds",
        "optdsl/targets/options.py",
        '"TCP_USER_TIMEOUT", MILLISECOND)',
        '"TCP_USER_TIMEOUT", SECOND)',
        ("tests/samples/test_sample_uto.py::test_the_timeout_in_the_socket",),
    ),
)

MUTANTS: Final = (*_RANGES, *_FORMATS, *_TARGETS)
