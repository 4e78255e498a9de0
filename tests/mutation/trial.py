"""One mutant against the tests: noticed, survived, or no use because the tests cannot even begin."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mutation.mutant import Mutant
from mutation.workplace import Workplace

EVERYTHING: Final = ("tests", "-m", "not kernel", "-k", "not golden", "--ignore=tests/docs", "--ignore=tests/mutation")
"""What a mutant meets that its own tests let pass.

Golden files and documents only tell that something has changed, and so does the check of the list of mutants.
"""

_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+::\S.*?)(?: - .*)?$", re.MULTILINE)


class Verdict(StrEnum):
    """How it went."""

    NOTICED = "noticed"
    SURVIVED = "survived"
    BROKEN = "broken"
    """The tests ended in another way than by failing: nothing was judged."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mutant."""

    mutant: Mutant
    verdict: Verdict
    by: str
    """The first test that failed; where none did, the end of what pytest has printed."""
    as_expected: bool
    """Whether that was one of the mutant's own tests."""
    seconds: float


def try_mutant(workplace: Workplace, mutant: Mutant, everything: Sequence[str] = EVERYTHING) -> Outcome:
    """Runs the mutant's own tests, then everything. Raises `StaleMutantError`."""
    start = time.monotonic()
    with workplace.with_mutant(mutant):
        verdict, by = judged(workplace, mutant.tests)
        as_expected = verdict is Verdict.NOTICED
        if verdict is Verdict.SURVIVED and everything:
            verdict, by = judged(workplace, everything)
    return Outcome(mutant, verdict, by, as_expected, round(time.monotonic() - start, 1))


def judged(workplace: Workplace, tests: Sequence[str]) -> tuple[Verdict, str]:
    """Runs tests: which verdict, and by which test or why."""
    done = workplace.pytest(tests)
    output = done.stdout + done.stderr
    if done.returncode == 0:
        return Verdict.SURVIVED, output.strip()[-500:]
    if done.returncode == 1 and (found := _FAILED.search(output)):
        return Verdict.NOTICED, found[1]
    return Verdict.BROKEN, output.strip()[-2000:]
