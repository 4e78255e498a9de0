"""What runs inside the lab: tells the host, line by line, which test begins and what comes of it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Final

import pytest

RESULTS: Final = "OPTDSL_LAB_RESULTS"
"""Names the folder of the host in which a lab may write; where it is not set this is no lab."""
REPORTS: Final = "reports.jsonl"
_LEAKS: Final = Path("/sys/kernel/debug/kmemleak")
_LEAK_AGE: Final = 6.0
"""Seconds; kmemleak tells nothing of objects below five (MSECS_MIN_AGE of mm/kmemleak.c)."""


def results_folder() -> Path | None:
    """The folder for results; None on the host."""
    folder = os.environ.get(RESULTS)
    return Path(folder) if folder else None


class Reporter:
    """Writes a line when a test begins, and one for each report; at once, for the kernel may not survive the test."""

    def __init__(self, config: pytest.Config) -> None:
        folder = results_folder()
        assert folder is not None
        self._config = config
        self._output = (folder / REPORTS).open("a", buffering=1)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._tell({"begins": nodeid})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._tell({"nodeid": report.nodeid, "report": data})

    def pytest_sessionfinish(self) -> None:
        """On the kernel for debugging, has what was lost of its memory told in its log."""
        if not _LEAKS.exists():
            return
        with Path("/dev/kmsg").open("w", buffering=1) as log:
            try:
                # Younger objects may still be on their way into a list; the second pass tells what stayed lost.
                for _ in range(2):
                    time.sleep(_LEAK_AGE)
                    _LEAKS.write_text("scan")
                found = _LEAKS.read_text()
            except OSError as error:
                found = f"BUG: kmemleak does not work: {error}"
            for line in found.splitlines():
                log.write(f"{line}\n")

    def _tell(self, line: dict[str, object]) -> None:
        self._output.write(json.dumps(line, default=str) + "\n")
