"""The examples of docs/diagnostics.md are what the commands print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from docs.doc_examples import ROOT, fences
from optdsl.cli.errors import Status

TEXT = (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")
BLOCKS = [(info, body) for _, info, body in fences(TEXT)]
PROGRAM = next(body for info, body in BLOCKS if info.startswith("opt"))


@pytest.mark.parametrize(
    ("form", "start"), [("text", "error[OPT0203]"), ("json", '{"code"'), ("github", "::error file")]
)
def test_the_examples_are_what_is_printed(form: str, start: str, tmp_path: Path) -> None:
    (tmp_path / "small.opt").write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "optdsl", "check", "small.opt", "--message-format", form], cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    (example,) = [body for _, body in BLOCKS if body.startswith(start)]
    assert done.returncode == 1
    assert done.stderr.partition("\n\n1 error")[0].rstrip("\n") == example.rstrip("\n")


def test_every_exit_status_is_listed() -> None:
    table = TEXT.partition("## Exit status")[2]
    for status in Status:
        assert f"| {int(status)} |" in table
