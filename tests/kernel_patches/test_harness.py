"""The harness of this folder itself, in the lab."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from kernel_patches.conftest import Dmesg, LoadProgram
from optdsl.lab.capture import capture
from optdsl.lab.paths import MultipathLab, Shape
from optdsl.lab.paths.counters import counters
from optdsl.lab.paths.manager import endpoints, use_all_paths
from optdsl.lab.paths.sockets import Sockets, exchange, mptcp_info

ESTABLISHED_CALLBACKS = (4, 5)
"""BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB and BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB."""


def test_this_is_a_kernel_of_the_lab(dmesg: Dmesg) -> None:
    assert platform.release().startswith("6.12.")
    Path("/dev/kmsg").write_text("a line of this test\n")
    assert [line.split("] ")[-1] for line in dmesg()] == ["a line of this test"]


@pytest.mark.shapes(Shape(delay=0.010, rate=20_000_000), Shape(delay=0.020, rate=20_000_000))
@pytest.mark.parametrize("ipv6", [False, True])
def test_a_transfer_takes_both_paths(paths: MultipathLab, sockets: Sockets, results: Path, ipv6: bool) -> None:
    first, second = paths.paths
    use_all_paths(paths.client, paths.server, [second.client], ipv6=ipv6)
    listener = sockets.listen(paths.server, ipv6=ipv6)
    with (
        capture(first.server, results / "first.pcap") as on_first,
        capture(second.server, results / "second.pcap") as on_second,
    ):
        client, server = sockets.connect(paths.client, first.server.address(ipv6=ipv6), listener)
        moved = exchange(client, server, sent=5_000_000, received=1000)
        assert mptcp_info(client).subflows == 1
        sockets.close()
    assert [each.address for each in endpoints(paths.client)] == [second.client.address(ipv6=ipv6)]
    assert counters(paths.server)["MPTcpExtMPJoinAckRx"] == 1
    sizes = [sum(p.payload_length for p in seen.packets()) for seen in (on_first, on_second)]
    assert min(sizes) > 1_000_000
    assert 5_000_000 <= sum(sizes) < 5_500_000
    assert 1.0 < moved.seconds < 2.0, "40 Mbit/s together"


def test_a_program_counts_callbacks(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    counting = program("count_callbacks", paths.client)
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    listener = sockets.listen(paths.server)
    client, server = sockets.connect(paths.client, paths.server.ipv4, listener)
    exchange(client, server, sent=100_000)
    active, passive = ESTABLISHED_CALLBACKS
    calls = counting.value("calls")
    assert isinstance(calls, list)
    assert calls[active] == 2, "both subflows of the client"
    assert calls[passive] == 0, "the server has no program"
    assert (counting.value("established"), counting.value("multipath")) == (2, 2)
    counting.set("established", 7)
    assert counting.value("established") == 7
