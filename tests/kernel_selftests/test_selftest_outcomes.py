"""Reading what selftest scripts print, and the list in which the results are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernel_selftests import kept, outcomes
from kernel_selftests.kept import Both

_TAP = """\
01 one                      [ OK ]
TAP version 13
1..3
ok 1 - diag: one # time=3ms
ok 2 - diag: ....two, of them # SKIP time=0ms
not ok 3 - diag: three # time=1ms
"""


def test_results_of_subtests() -> None:
    assert outcomes.read(_TAP, 1) == {"one": "ok", "....two, of them": "skip", "three": "FAIL"}


def test_subtests_of_one_name_are_told_apart() -> None:
    assert outcomes.read("1..2\nok 1 - x: same # time=1ms\nok 2 - x: same # time=1ms\n", 0) == {
        "same": "ok",
        "same (2)": "ok",
    }


@pytest.mark.parametrize(
    ("stdout", "status", "expected"),
    [
        ("[SKIP] MPTCP support is not available\n", 4, "skip"),
        ("", 0, "FAIL"),
        ("01 one [ OK ]\n", 124, "FAIL"),
        ("1..2\nok 1 - x: one # time=1ms\n", 0, "FAIL"),
        ("1..1\nok 1 - x: one # time=1ms\n", 1, "FAIL"),
        ("1..1\nnot ok 1 - x: one # time=1ms\n", 0, "FAIL"),
    ],
    ids=["skipped", "nothing", "timeout", "cut-off", "status-without-failure", "failure-without-status"],
)
def test_script_that_does_not_end_as_it_tells(stdout: str, status: int, expected: str) -> None:
    assert outcomes.read(stdout, status)[outcomes.WHOLE] == expected


def test_complaints_of_the_kernel_are_a_failure() -> None:
    found = outcomes.read("1..1\nok 1 - x: one # time=1ms\n", 0, ["WARNING: CPU: 0 PID: 1 at net/mptcp/protocol.c"])
    assert found == {"one": "ok", outcomes.LOG: "FAIL"}


def test_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    found: dict[str, Both] = {
        "diag.sh": ({"one": "ok", "....chk last_ack_recv": "skip"}, {"one": "ok", "....chk last_ack_recv": "skip"}),
        "mptcp_join.sh -f": ({"a | b": "ok", "only before": "ok"}, {"a | b": "FAIL", "only before": "none"}),
    }
    file = tmp_path / "list.md"
    file.write_text(kept.text(found, "Linux 6.12"))

    assert kept.read(file) == found
    assert list(kept.unexplained(found)) == [
        "mptcp_join.sh -f: a | b: vanilla ok, patched FAIL",
        "mptcp_join.sh -f: only before: vanilla ok, patched none",
    ]
    assert "| `mptcp_join.sh -f` | 2 | 2 ok | 1 FAIL, 1 none | 2 |" in file.read_text()


def test_failure_on_both_kernels_needs_a_reason() -> None:
    both: Both = ({"one": "FAIL"}, {"one": "FAIL"})
    assert list(kept.unexplained({"diag.sh": both})) == ["diag.sh: one: vanilla FAIL, patched FAIL"]


@pytest.mark.parametrize("line", ["ok perhaps one", "ok", "ok ok"])
def test_line_of_another_form_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "list.md"
    file.write_text(f"## diag.sh\n\n```text\nvanilla patched\n{line}\n```\n")
    with pytest.raises(ValueError, match="no result of a selftest"):
        kept.read(file)
