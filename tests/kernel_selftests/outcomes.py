"""What a selftest script has printed, read: the result of each subtest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias, get_args

Result: TypeAlias = Literal["ok", "FAIL", "skip", "none"]
"""`none`: the script did not come to this subtest."""
Results: TypeAlias = dict[str, Result]
"""By name, in the order of the script."""

RESULTS: Final[tuple[Result, ...]] = get_args(Result)
WHOLE: Final = "(the script)"
"""Stands for all of a script where it told of no subtests, or did not come to its end."""
LOG: Final = "(the kernel's log)"
_LINE: Final = re.compile(r"(?P<failed>not )?ok \d+ - (?P<script>[\w.]+): (?P<name>.*?)\s*(?:# (?P<remark>.*))?")
_SKIPPED: Final = 4
"""Exit status of a script that cannot run here (KSFT_SKIP)."""


def read(stdout: str, status: int, problems: Iterable[str] = ()) -> Results:
    """Results from the TAP lines at the end of the output; `status` is the exit status of the script.

    Beside the subtests there is WHOLE if the script ended before its end or in another way than its subtests say, and
    LOG if the kernel had anything to complain of.
    """
    found = _subtests(stdout)
    told = 1 if "FAIL" in found.values() else 0
    if not found or not _is_complete(stdout, len(found)) or status != told:
        found[WHOLE] = "skip" if status == _SKIPPED else "FAIL"
    if any(problems):
        found[LOG] = "FAIL"
    return found


def _subtests(stdout: str) -> Results:
    found: Results = {}
    for line in stdout.splitlines():
        if match := _LINE.fullmatch(line):
            name, again = match["name"].strip(), 2
            while name in found:
                name, again = f"{match['name'].strip()} ({again})", again + 1
            found[name] = _result(match)
    return found


def _result(match: re.Match[str]) -> Result:
    if match["failed"]:
        return "FAIL"
    return "skip" if (match["remark"] or "").upper().startswith("SKIP") else "ok"


def _is_complete(stdout: str, number: int) -> bool:
    """Whether there are as many as the plan says."""
    plan = re.search(r"^1\.\.(\d+)$", stdout, re.MULTILINE)
    return plan is not None and int(plan[1]) == number
