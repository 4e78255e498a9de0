"""Objects through libbpf, for real."""

import errno
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from kernel_objects import broken, compiled, exchange, group_name

from optdsl.elf.btf_types import Composite
from optdsl.kernel import bpffs, bpftool, cgroups, libbpf_binding
from optdsl.kernel.cgroups import Cgroup
from optdsl.kernel.errors import KernelError
from optdsl.kernel.libbpf import AttachMode, Object

pytestmark = pytest.mark.kernel

ACTIVE_ESTABLISHED, PASSIVE_ESTABLISHED = 4, 5
PARSE_HDR_OPT, HDR_OPT_LEN, WRITE_HDR_OPT = 13, 14, 15


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compiled(tmp_path_factory.mktemp("object")).read_bytes()


@pytest.fixture
def opened(image: bytes) -> Iterator[Object]:
    with Object(image, "delayed_ack") as made:
        yield made


@pytest.fixture
def group() -> Iterator[Cgroup]:
    with cgroups.temporary(group_name("libbpf")) as made:
        yield made


def test_what_is_inside(opened: Object) -> None:
    assert opened.programs == ["opt_main"]
    assert set(opened.maps) >= {"counters", "sockets", "ops", "events", ".data.params"}
    assert opened.btf is not None
    assert opened.btf.find(Composite, "delayed_ack_params") is not None


def test_parameters_before_and_after_loading(opened: Object) -> None:
    params = opened.map(".data.params")
    assert params.initial_value == b"\2\4"
    params.set_initial("delayed_ack.divisor", 7)
    opened.load()
    assert params.read() == {"delayed_ack": {"divisor": 7, "threshold": 4}}
    params.set_member("delayed_ack.threshold", 9)
    assert params.read() == {"delayed_ack": {"divisor": 7, "threshold": 9}}
    with pytest.raises(KernelError, match="256 does not fit"):
        params.set_member("delayed_ack.threshold", 256)


@pytest.mark.parametrize("mode", AttachMode)
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
def test_a_connection_is_seen(opened: Object, group: Cgroup, mode: AttachMode, family: str) -> None:
    opened.load()
    events = opened.ring_buffer("events")
    attachment = opened.attach_sock_ops("opt_main", group, mode)
    assert attachment.mode is mode
    assert [program["name"] for program in bpftool.attached(group)] == ["opt_main"]

    exchange(group, family)

    counters = opened.map("counters").read()
    assert counters == {"delayed_ack": {"sent": 5, "received": 5, "failed": 0}}
    records = [struct.unpack("=II", record) for record in events.poll(1.0)]
    number = {"AF_INET": 2, "AF_INET6": 10}[family]
    assert sorted(records) == [(ACTIVE_ESTABLISHED, number), (PASSIVE_ESTABLISHED, number)]
    assert events.poll() == []

    attachment.detach()
    attachment.detach()
    assert bpftool.attached(group) == []
    exchange(group, family)
    assert opened.map("counters").read() == counters


def test_a_hash_map_is_iterated_and_changed(opened: Object, group: Cgroup) -> None:
    opened.load()
    opened.attach_sock_ops("opt_main", group)
    exchange(group)
    ops = opened.map("ops")
    seen = {struct.unpack("=I", key)[0]: struct.unpack("=Q", value)[0] for key, value in ops.items()}
    assert {ACTIVE_ESTABLISHED, PASSIVE_ESTABLISHED, PARSE_HDR_OPT, HDR_OPT_LEN, WRITE_HDR_OPT} <= seen.keys()
    assert set(seen.values()) == {1}

    key = struct.pack("=I", 99)
    assert ops.lookup(key) is None
    ops.update(key, struct.pack("=Q", 5))
    assert ops.lookup(key) == struct.pack("=Q", 5)
    assert ops.delete(key)
    assert not ops.delete(key)


def test_values_per_cpu(opened: Object) -> None:
    opened.load()
    counters = opened.map("counters")
    cpus = counters.lookup_per_cpu(bytes(4))
    assert len(cpus) == libbpf_binding.libbpf().libbpf_num_possible_cpus()
    counters.update(bytes(4), struct.pack("=QQQ", 1, 2, 3) * len(cpus))
    n = len(cpus)
    assert counters.read() == {"delayed_ack": {"sent": n, "received": 2 * n, "failed": 3 * n}}
    with pytest.raises(KernelError, match="has no entry 1"):
        counters.read(1)


def test_two_objects_share_a_group(image: bytes, group: Cgroup) -> None:
    with Object(image, "first") as first, Object(image, "second") as second:
        for loaded, mode in ((first, AttachMode.LINK), (second, AttachMode.MULTI)):
            loaded.load()
            loaded.attach_sock_ops("opt_main", group, mode)
        assert len(bpftool.attached(group)) == 2
        exchange(group)
        # The second to write finds the option there already.
        assert first.map("counters").read() == {"delayed_ack": {"sent": 5, "received": 5, "failed": 0}}
        assert second.map("counters").read() == {"delayed_ack": {"sent": 0, "received": 5, "failed": 5}}
    assert bpftool.attached(group) == []


def test_a_pinned_link_outlives_the_object(image: bytes, group: Cgroup) -> None:
    directory = bpffs.make_pin_directory(group_name("link"))
    try:
        with Object(image) as loaded:
            loaded.load()
            loaded.attach_sock_ops("opt_main", group).pin(directory / "link")
        assert len(bpftool.attached(group)) == 1
    finally:
        bpffs.unpin(directory)
    assert bpftool.attached(group) == []


def test_detaching_from_a_group_that_is_gone(image: bytes) -> None:
    with Object(image) as loaded:
        loaded.load()
        with cgroups.temporary(group_name("gone")) as group:
            loaded.attach_sock_ops("opt_main", group, AttachMode.MULTI)


def test_the_verifier_log_of_a_success(image: bytes) -> None:
    with Object(image, log_level=1) as loaded:
        loaded.load()
        assert "processed" in loaded.verifier_log


def test_the_verifier_log_of_a_rejection(tmp_path: Path) -> None:
    with Object(broken(tmp_path).read_bytes(), "broken") as opened, pytest.raises(KernelError) as caught:
        opened.load()
    assert caught.value.errno == errno.EACCES
    assert "processed" in caught.value.verifier_log
    assert "verifier: invalid access to map value" in str(caught.value)
    assert "BEGIN PROG LOAD LOG" not in str(caught.value)


def test_what_is_not_an_object() -> None:
    with pytest.raises(KernelError) as caught:
        Object(b"junk", "junk")
    assert caught.value.errno is None
    assert "not a proper ELF object" in caught.value.message


def test_names_that_are_not_there(opened: Object, group: Cgroup) -> None:
    with pytest.raises(KernelError, match=r"no map 'counter'.*\nit has: .*counters"):
        opened.map("counter")
    with pytest.raises(KernelError, match="no program 'main'"):
        opened.attach_sock_ops("main", group)
    with pytest.raises(KernelError, match="map counters is not loaded"):
        opened.map("counters").read()
    with pytest.raises(KernelError, match="has keys of 4 bytes, not 2"):
        opened.map("counters").lookup(b"ab")


def test_a_closed_object_says_so(image: bytes) -> None:
    made = Object(image, "delayed_ack")
    made.close()
    made.close()
    for ask in (lambda: made.maps, lambda: made.map("counters"), lambda: made.programs, made.load):
        with pytest.raises(ValueError, match="the object delayed_ack is closed"):
            ask()
