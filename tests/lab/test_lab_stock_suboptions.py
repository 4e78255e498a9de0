"""What a stock kernel, that of this machine, answers to the program of tests/kernel_patches/test_suboptions.py."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kernel_patches.programs import SOURCES, LoadedProgram
from kernel_patches.suboptions import OURS, PARSE, Suboptions, option, with_subtype
from optdsl.kernel.clang import compile_bpf
from optdsl.kernel.libbpf import Object
from optdsl.lab.capture import capture
from optdsl.lab.hosts import Host
from optdsl.lab.paths import two_paths
from optdsl.lab.paths.sockets import Sockets, exchange

pytestmark = pytest.mark.kernel


@contextmanager
def attached(path: Path, host: Host) -> Iterator[Suboptions]:
    """The program on the sockets of a host."""
    with Object(path.read_bytes(), "suboptions") as opened:
        opened.load()
        for program in opened.programs:
            opened.attach_sock_ops(program, host.cgroup)
        yield Suboptions(LoadedProgram(opened))


def test_nothing_is_written_beside_the_kernels_options(tmp_path: Path) -> None:
    path = tmp_path / "suboptions.bpf.o"
    compile_bpf(SOURCES / "suboptions.bpf.c", path, f"-I{SOURCES.parents[2] / 'kernel-patches'}", f"-I{SOURCES}")
    with (
        two_paths() as paths,
        Sockets() as sockets,
        attached(path, paths.client) as client,
        attached(path, paths.server) as server,
    ):
        client.write(option(OURS, b"\1"))
        with capture(paths.client, tmp_path / "x.pcap") as seen:
            ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
            exchange(*ends, sent=50_000)
            packets = seen.packets()
        assert len(client.stored()) > 10
        assert set(client.stored()) == {-errno.EEXIST}
        assert all(with_subtype(packet, OURS) is None for packet in packets)
        assert {each.answers[0] for each in server.told(PARSE)} == {-errno.EINVAL}, "no search by subtype"
