"""Random programs through everything: both back ends, the verifier, conversations on the kernel, the interpreter."""

from __future__ import annotations

import os
from collections import Counter
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings

from optdsl.compiler import lower_program
from optdsl.ir.check import check_program
from optdsl.semantics.model import CheckedProgram
from property.batch import Job, run
from property.features import EXPECTED
from property.oracle import check_meaning
from property.programs import programs
from property.ranges import check_ranges

PROGRAMS: Final = 300
LEAST: Final = 0.03
"""The share of programs that every feature must be in."""


@pytest.mark.kernel
@pytest.mark.timeout(900)
def test_accepted_programs_do_the_same_everywhere() -> None:
    found: Counter[str] = Counter()
    failures = []
    accepted = 0
    for result in run((Job(seed) for seed in range(PROGRAMS)), os.cpu_count() or 1):
        accepted += result.accepted
        found.update(result.features)
        if result.what:
            failures.append(f"seed {result.job.seed}: {result.what}: {result.detail[:500]}")
    hint = "make soak SOAK='--from SEED --programs 1' makes the program small"
    assert failures == [], f"{hint}\n" + "\n".join(failures)
    assert accepted > 0.9 * PROGRAMS
    assert {name: found[name] for name in EXPECTED if found[name] < LEAST * accepted} == {}


@settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)  # fmt: skip
@given(programs())
def test_accepted_programs_keep_their_ranges(made: tuple[str, CheckedProgram | None]) -> None:
    text, program = made
    if program is None:
        return
    try:
        check_ranges(program, seed=1)
        lowered = lower_program(program)
        assert check_program(lowered) == []
        check_meaning(program, lowered, seed=1)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{text}") from None
