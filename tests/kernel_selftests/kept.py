"""The kept list of results, a Markdown file: a table of the runs, and below it what each subtest came to.

The blocks with a line for each subtest are read back by the tests; all else is for readers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, cast

from kernel_selftests import runs
from kernel_selftests.outcomes import RESULTS, Result, Results

FILE: Final = Path(__file__).parents[2] / "kernel-patches" / "6.12" / "selftests.md"
VANILLA, PATCHED = "vanilla", "patched"
Both = tuple[Results, Results]
"""Results of the same run on the vanilla and on the patched kernel."""

_HEAD: Final = """\
# The kernel's own MPTCP selftests

`tools/testing/selftests/net/mptcp` of {release}, run in the lab on the kernel
without the series and on the one with it. Each script has a boot of its own, in simulated time, and tests that are
marked as flaky count as any other. A part of them runs in CI and is compared with this list.

```sh
make kernel-selftests       # runs all of it on both kernels, and writes this file
```

"""
_TABLE: Final = """\
| script | subtests | vanilla | patched | that differ |
|---|---|---|---|---|
"""
_ROW: Final = re.compile(r"(?P<vanilla>\w+) +(?P<patched>\w+) +(?P<name>\S.*)")


def text(found: Mapping[str, Both], release: str) -> str:
    """The file's text, from the results of each run by its name."""
    rows = "".join(_summary(name, both) for name, both in found.items())
    return _HEAD.format(release=release) + _TABLE + rows + "".join(_section(name, both) for name, both in found.items())


def _summary(name: str, both: Both) -> str:
    vanilla, patched = both
    names = _names(both)
    differing = sum(vanilla.get(each) != patched.get(each) for each in names)
    return f"| `{name}` | {len(names)} | {_counted(vanilla)} | {_counted(patched)} | {differing} |\n"


def _counted(results: Results) -> str:
    count = Counter(results.values())
    return ", ".join(f"{count[each]} {each}" for each in RESULTS if count[each]) or "not run"


def _names(both: Both) -> list[str]:
    vanilla, patched = both
    return [*vanilla, *(each for each in patched if each not in vanilla)]


def _section(name: str, both: Both) -> str:
    vanilla, patched = both
    lines = [f"\n## {name}\n", "```text", "vanilla patched"]
    remarks = []
    for each in _names(both):
        results = (vanilla.get(each, "none"), patched.get(each, "none"))
        lines.append(f"{results[0]:7} {results[1]:7} {each}")
        if results != ("ok", "ok"):
            remarks.append(runs.note(name, each) or f"`{each}`: no reason is known")
    lines.append("```\n")
    if remarks:
        lines.append("".join(f"- {each}\n" for each in dict.fromkeys(remarks)))
    return "\n".join(lines)


def read(path: Path = FILE) -> dict[str, Both]:
    """The results of each run by its name. Raises OSError, and ValueError for a line that is none of the form."""
    found: dict[str, Both] = {}
    name, is_block = "", False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            name = line[3:]
            found[name] = ({}, {})
        elif line.startswith("```"):
            is_block = line == "```text"
        elif is_block and line != "vanilla patched":
            _take(found[name], line)
    return found


def _take(both: Both, line: str) -> None:
    match = _ROW.fullmatch(line)
    if match is None:
        raise ValueError(f"no result of a selftest: {line}")
    for results, which in zip(both, (VANILLA, PATCHED), strict=True):
        if match[which] not in RESULTS:
            raise ValueError(f"no result of a selftest: {line}")
        results[match["name"]] = cast(Result, match[which])


def unexplained(found: Mapping[str, Both]) -> Iterator[str]:
    """What a reviewer must see: subtests that the two kernels do not agree on, and those not `ok` without a reason."""
    for name, (vanilla, patched) in found.items():
        for each in _names((vanilla, patched)):
            results = (vanilla.get(each, "none"), patched.get(each, "none"))
            if results[0] != results[1] or (results != ("ok", "ok") and runs.note(name, each) is None):
                yield f"{name}: {each}: vanilla {results[0]}, patched {results[1]}"
