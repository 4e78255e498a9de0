"""A program on the hosts: what it writes is on the wire, and its counters and parameters are at hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from optdsl.kernel import bpffs, bpftool
from optdsl.kernel.clang import compile_bpf
from optdsl.lab.attach import attached
from optdsl.lab.capture import capture, tshark_fields
from optdsl.lab.hosts import Lab, two_hosts
from optdsl.lab.transfer import download, http_transfer, start_web_server

pytestmark = pytest.mark.kernel

SOURCE = Path(__file__).parents[1] / "kernel" / "delayed_ack.bpf.c"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with two_hosts() as made:
        yield made


@pytest.fixture(scope="module")
def object_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_bpf(SOURCE, tmp_path_factory.mktemp("object") / "delayed_ack.bpf.o")


@pytest.mark.parametrize("ipv6", [False, True])
def test_the_option_is_on_every_data_segment(lab: Lab, object_file: Path, tmp_path: Path, ipv6: bool) -> None:
    lab.server.set_segments_per_packet(1)
    with (
        attached(object_file, *lab.hosts) as program,
        capture(lab.client, tmp_path / "x.pcap") as seen,
    ):
        assert http_transfer(lab, 50_000, ipv6=ipv6).received == 50_000
        counters = program.counters()["delayed_ack"]
    data = [packet for packet in seen.packets() if packet.payload_length]
    assert len(data) > 30
    assert {packet.option(253, 0x4441) for packet in data} == {b"\2\4"}
    assert {packet.option(253) for packet in seen.packets() if not packet.payload_length} == {None}
    assert counters == {"sent": len(data), "received": len(data), "failed": 0}
    # Room for the option was made when the MSS was computed: the longest segment still fits the MTU.
    assert max(packet.payload_length for packet in data) == (1420 if ipv6 else 1440)
    rows = tshark_fields(seen.path, ["tcp.options.experimental.exid"], "tcp.len > 0")
    assert {row["tcp.options.experimental.exid"] for row in rows} == {"0x4441"}


def test_parameters_change_what_is_written(lab: Lab, object_file: Path, tmp_path: Path) -> None:
    web = start_web_server(lab.server)
    with attached(object_file, lab.client) as program, capture(lab.client, tmp_path / "x.pcap") as seen:
        assert program.params() == {"delayed_ack": {"divisor": 2, "threshold": 4}}
        for divisor in (2, 7, 255):
            program.set_param("delayed_ack.divisor", divisor)
            download(lab.client, web, 10)
    written = {packet.option(253, 0x4441) for packet in seen.packets() if packet.dport == web.port}
    assert written == {None, b"\2\4", b"\7\4", b"\xff\4"}
    assert {packet.option(253) for packet in seen.packets() if packet.sport == web.port} == {None}


def test_each_host_may_have_its_own(lab: Lab, object_file: Path) -> None:
    with attached(object_file, lab.client) as client, attached(object_file, lab.server) as server:
        http_transfer(lab, 10)
        sent = client.counters()["delayed_ack"]["sent"]
        assert sent > 0
        assert server.counters()["delayed_ack"]["received"] == sent


def test_nothing_is_left_when_the_block_fails(lab: Lab, object_file: Path) -> None:
    directories: list[Path] = []

    def fail() -> None:
        with attached(object_file, *lab.hosts) as program:
            directories.append(program.pinned.directory)
            assert program.pinned.directory.exists()
            assert len(bpftool.attached(lab.server.cgroup)) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not directories[0].exists()
    assert bpftool.attached(lab.client.cgroup) == []
    assert bpftool.attached(lab.server.cgroup) == []


def test_a_lab_may_end_first(object_file: Path) -> None:
    with two_hosts() as short:
        attachment = attached(object_file, short.client)
        program = attachment.__enter__()
    attachment.__exit__(None, None, None)
    assert not program.pinned.directory.exists()
    assert program.pinned.directory.parent in bpffs.bpffs_mounts()
