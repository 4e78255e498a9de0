"""Programs that failed once; each came from `make soak` or from the tests beside this file.

A case with the comment `still open` is known to fail, and must be freed of it when it does no longer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from property.batch import Job, Worker

CASES: Final = sorted((Path(__file__).parent / "regressions").glob("*.opt"))
pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with ExitStack() as cleanup:
        yield Worker(cleanup)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_program_that_failed_once(case: Path, worker: Worker, request: pytest.FixtureRequest) -> None:
    text = case.read_text(encoding="utf-8")
    if "// still open\n" in text:
        request.applymarker(pytest.mark.xfail(strict=True, reason="known and not mended yet"))
    seed = re.search(r"^// seed (\d+)$", text, re.MULTILINE)
    for number in (int(seed[1]) if seed else 0, 1, 2):
        result = worker.run(Job(number, text))
        assert (result.what, result.detail) == ("", "")
        assert result.accepted
