"""What a kernel without the patches answers to the program of test_suboptions.py."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.suboptions import OURS, PARSE, Suboptions, option, with_subtype
from optdsl.lab.capture import capture
from optdsl.lab.path_sockets import Sockets, exchange
from optdsl.lab.paths import MultipathLab

KERNEL = "vanilla"
_PATCHED = "mptcp_bpf_setsockopt"
"""A function that only patched kernels have."""


@pytest.fixture(autouse=True)
def unpatched() -> None:
    """One kernel for all modules, as the environment can have it, is not always the right one here."""
    if _PATCHED in Path("/proc/kallsyms").read_text():
        pytest.skip("this kernel has the patches")


def test_nothing_is_written_beside_the_kernels_options(
    paths: MultipathLab, sockets: Sockets, program: LoadProgram, results: Path
) -> None:
    client, server = (Suboptions(program("suboptions", host)) for host in paths.hosts)
    client.write(option(OURS, b"\1"))
    with capture(paths.client, results / "x.pcap") as seen:
        ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
        exchange(*ends, sent=50_000)
        packets = seen.packets()
    assert len(client.stored()) > 10
    assert set(client.stored()) == {-errno.EEXIST}
    assert all(with_subtype(packet, OURS) is None for packet in packets)
    assert {each.answers[0] for each in server.told(PARSE)} == {-errno.EINVAL}, "no search by subtype"
