"""Every construct in its one form: cases/*.opt hold an input, a line `#### output`, and what is expected of it.

A case without that line is in its form already. `--update-golden` writes what the formatter gives.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from optdsl.source import Source
from optdsl.syntax.format import formatted
from optdsl.syntax.format.printer import LINE_LIMIT

DELIMITER = "#### output\n"
CASES = sorted((Path(__file__).parent / "cases").glob("*.case"))


def form(text: str) -> str:
    return formatted(Source("case.opt", text))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, request: pytest.FixtureRequest) -> None:
    text = path.read_text(encoding="utf-8")
    given, delimiter, wanted = text.partition(DELIMITER)
    found = form(given)
    if request.config.getoption("--update-golden"):
        path.write_text(given + (delimiter + found if delimiter else ""), encoding="utf-8")
    else:
        assert found == (wanted if delimiter else given)
    assert form(found) == found
    assert all(len(line) <= LINE_LIMIT for line in found.splitlines() if "//" not in line)


def test_there_are_cases() -> None:
    assert len(CASES) > 10
    assert any(DELIMITER not in path.read_text(encoding="utf-8") for path in CASES)
