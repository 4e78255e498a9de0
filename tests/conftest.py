"""What all tests share: golden files that `--update-golden` rewrites, and kernel tests that skip or fail with a reason.

Tests marked `kernel` need root, BPF and network namespaces. Where those are missing they are skipped with the reason,
and with `OPTDSL_REQUIRE_KERNEL=1` (as in CI) they fail instead.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator

import pytest


def pytest_configure() -> None:
    # A shell starts background jobs with SIGINT ignored, and children would inherit that: tests interrupt theirs.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files with what the code gives now")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip is a failure where everything must run: for any reason, not only for that of the kernel tests."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("OPTDSL_REQUIRE_KERNEL") == "1":
        report.outcome = "failed"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    kernel_items = [item for item in items if item.get_closest_marker("kernel")]
    if not kernel_items:
        return
    from optdsl.kernel.probe import why_not_kernel_tests

    reason = why_not_kernel_tests()
    if reason is None:
        return
    if os.environ.get("OPTDSL_REQUIRE_KERNEL") == "1":
        raise pytest.UsageError(f"kernel tests are required but cannot run: {reason}")
    for item in kernel_items:
        item.add_marker(pytest.mark.skip(reason=reason))
