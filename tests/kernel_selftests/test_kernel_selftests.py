"""A part of the kernel's own MPTCP selftests on the patched kernel, compared with the kept list; and that list itself.

`make kernel-selftests` runs all of them, on both kernels.
"""

from __future__ import annotations

import pytest

from kernel_patches.host_side import NotRunError, chosen_kernel
from kernel_selftests import kept, outcomes
from kernel_selftests.running import run
from kernel_selftests.runs import RUNS, SHORT, Run
from optdsl.lab.kernels import Kernel


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    try:
        return chosen_kernel(patches=True)
    except NotRunError as reason:
        if reason.is_skip:
            pytest.skip(str(reason))
        raise


@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", SHORT, ids=lambda what: what.file_name)
def test_patched_kernel_gives_the_kept_results(kernel: Kernel, what: Run) -> None:
    told = run(kernel, what)

    _, patched = kept.read()[what.name]
    assert told.results == {name: patched.get(name, "none") for name in told.results}, told.output
    assert len(told.results) == (what.parts or len(patched)), told.output


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (Run("hangs", ("sh", "-c", "while :; do :; done"), limit=3), "FAIL"),
        (Run("no such test", ("./mptcp_join.sh", "-f", "no such test")), "FAIL"),
        (Run("lacks a program", ("sh", "-c", "mount --bind /bin/false $(which ss); exec ./diag.sh")), "skip"),
    ],
    ids=lambda what: what.file_name if isinstance(what, Run) else "",
)
def test_run_that_comes_to_nothing_is_not_taken_for_a_good_one(kernel: Kernel, what: Run, expected: str) -> None:
    assert run(kernel, what).results == {outcomes.WHOLE: expected}


def test_list_has_every_run() -> None:
    assert list(kept.read()) == [each.name for each in RUNS]


def test_list_has_the_same_for_both_kernels_and_a_reason_for_what_is_not_ok() -> None:
    assert list(kept.unexplained(kept.read())) == []
