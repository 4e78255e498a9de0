"""What all tests share: golden files that `--update-golden` rewrites, and kernel tests that skip or fail with a reason.

Tests marked `kernel` need root, BPF and network namespaces. Where those are missing they are skipped with the reason,
and with `OPTDSL_REQUIRE_KERNEL=1` (as in CI) they fail instead. Tests marked `lab` boot the kernel of `optdsl lab`;
they are skipped until it has been built, and with that variable it is built before the first test.
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
    if any(item.get_closest_marker("lab") for item in items):
        _skip_without_lab([item for item in items if item.get_closest_marker("lab")])
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


def _skip_without_lab(items: list[pytest.Item]) -> None:
    from optdsl.lab.errors import LabError
    from optdsl.lab.kernels import find_built

    if os.environ.get("OPTDSL_REQUIRE_KERNEL") == "1":
        return
    try:
        reason = None if find_built() else "the kernel of the lab has not been built: `optdsl lab build`"
    except LabError as error:
        reason = str(error)
    if reason is not None:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtestloop(session: pytest.Session) -> None:
    """Builds the kernel of the lab where it must be there, before a timeout of a test could count."""
    required = os.environ.get("OPTDSL_REQUIRE_KERNEL") == "1" and not session.config.getoption("collectonly")
    if required and any(item.get_closest_marker("lab") for item in session.items):
        from optdsl.lab.errors import LabError
        from optdsl.lab.kernels import ensure_built

        try:
            ensure_built()
        except LabError as error:
            raise pytest.UsageError(f"the kernel of the lab is required but cannot be built: {error}") from None
