"""What a command writes is passed on; a place that takes no more is told of once."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from optdsl.lab.kernels.errors import LabKernelError
from optdsl.lab.kernels.stream import Stream


def test_a_place_that_is_full_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "stderr"
    file.write_bytes(b"one")
    with Path("/dev/full").open("wb", buffering=0) as full:
        stream = Stream(file, full)
        with pytest.raises(LabKernelError, match="cannot write to the standard error output: No space left on device"):
            stream.look()
        with file.open("ab") as more:
            more.write(b"two")
        stream.look()
    stream.file.close()
    assert stream.seen == b"onetwo"


def test_everything_is_passed_on(tmp_path: Path) -> None:
    file = tmp_path / "stdout"
    file.write_bytes(b"one")
    sink = io.BytesIO()
    stream = Stream(file, sink)
    stream.look()
    with file.open("ab") as more:
        more.write(b"two")
    stream.look()
    stream.file.close()
    assert sink.getvalue() == stream.seen == b"onetwo"
