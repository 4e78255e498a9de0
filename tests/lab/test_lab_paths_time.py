"""Simulated time, seen from the host: minutes pass in seconds, and what happened once happens again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kernel_patches.host_side import NotRunError, chosen_kernel
from optdsl.lab.pcap import read_packets

if TYPE_CHECKING:
    from optdsl.lab.kernels import Kernel

pytestmark = pytest.mark.timeout(0)

_TRANSFER = Path(__file__).with_name("traced_transfer.py")


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    try:
        return chosen_kernel(patches=True)
    except NotRunError as error:
        if error.is_skip:
            pytest.skip(error.reason)
        raise


def test_four_minutes_take_seconds(kernel: Kernel) -> None:
    from optdsl.lab.kernels import boot

    done = boot(kernel, ["sh", "-c", "date +%s; sleep 240; date +%s"], timeout=200)
    assert done.status == 0, done.log
    began, ended = map(int, done.stdout.split())
    assert ended - began == 240
    assert done.seconds < 60


def traces(kernel: Kernel, folder: Path, *options: str, seed: int = 1) -> list[bytes]:
    """The captures of one boot, a path each."""
    from optdsl.lab.kernels import boot

    command = [sys.executable, "-B", str(_TRANSFER), str(folder), *options]
    done = boot(kernel, command, results=folder, timeout=200, seed=seed)
    assert done.status == 0, done.stderr.decode()
    files = sorted(folder.glob("*.pcap"))
    assert len(files) == 2
    return [file.read_bytes() for file in files]


@pytest.mark.parametrize("options", [(), ("--loss",)])
def test_two_runs_give_the_same_trace(kernel: Kernel, tmp_path: Path, options: tuple[str, ...]) -> None:
    """To the byte: ports, sequence numbers, keys, tokens and lost packets included."""
    first, second = (traces(kernel, tmp_path / name, *options) for name in ("first", "second"))
    assert sum(packet.payload_length for capture in first for packet in read_packets(capture)) >= 600_000
    assert first == second


def test_another_seed_gives_another_trace(kernel: Kernel, tmp_path: Path) -> None:
    first, second = (traces(kernel, tmp_path / str(seed), seed=seed) for seed in (1, 2))
    assert first != second
