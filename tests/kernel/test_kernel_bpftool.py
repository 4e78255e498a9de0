"""Objects through bpftool, for real."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from kernel_objects import broken, compiled, exchange, group_name

from optdsl.kernel import bpffs, bpftool, cgroups
from optdsl.kernel.bpftool import Pinned
from optdsl.kernel.cgroups import Cgroup
from optdsl.kernel.errors import KernelError

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def object_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("object"))


@pytest.fixture
def pinned(object_file: Path) -> Iterator[Pinned]:
    loaded = bpftool.load(object_file, group_name("v1.0"))
    try:
        yield loaded
    finally:
        loaded.remove()


@pytest.fixture
def group() -> Iterator[Cgroup]:
    with cgroups.temporary(group_name("bpftool")) as made:
        yield made


def test_pins_have_no_dots(pinned: Pinned) -> None:
    assert pinned.directory.name == group_name("v1_0")
    assert pinned.programs() == [pinned.program("opt_main")]
    assert {path.name for path in pinned.maps()} >= {"_data_params", "counters", "events", "ops", "sockets"}
    assert pinned.map(".data.params") in pinned.maps()


def test_parameters_change_while_attached(pinned: Pinned, group: Cgroup) -> None:
    params = pinned.map(".data.params")
    bpftool.attach_cgroup(pinned.program("opt_main"), group)
    assert bpftool.read(params) == {"delayed_ack": {"divisor": 2, "threshold": 4}}
    bpftool.set_member(params, "delayed_ack.threshold", 200)
    assert bpftool.read(params) == {"delayed_ack": {"divisor": 2, "threshold": 200}}


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
def test_counters_of_a_connection(pinned: Pinned, group: Cgroup, family: str) -> None:
    program = pinned.program("opt_main")
    bpftool.attach_cgroup(program, group)
    (entry,) = bpftool.attached(group)
    assert (entry["name"], entry["attach_flags"]) == ("opt_main", "multi")
    exchange(group, family)
    assert bpftool.read(pinned.map("counters")) == {"delayed_ack": {"sent": 5, "received": 5, "failed": 0}}
    assert {value.value for value in bpftool.map_dump(pinned.map("ops"))} == {1}
    bpftool.detach_cgroup(program, group)
    assert bpftool.attached(group) == []
    with pytest.raises(KernelError, match="cannot detach opt_main"):
        bpftool.detach_cgroup(program, group)


def test_an_exclusive_attachment_is_named(pinned: Pinned, group: Cgroup) -> None:
    program = pinned.program("opt_main")
    bpftool.attach_cgroup(program, group, multi=False)
    with pytest.raises(KernelError) as caught:
        bpftool.attach_cgroup(program, group.create("inner"))
    assert caught.value.errno == errno.EPERM
    assert f"is attached to {group.path} exclusively" in caught.value.message


def test_members_that_cannot_be_set(pinned: Pinned) -> None:
    params = pinned.map(".data.params")
    with pytest.raises(KernelError, match="it has: divisor, threshold"):
        bpftool.set_member(params, "delayed_ack.divisr", 1)
    with pytest.raises(KernelError, match=r"it holds 0\.\.=255"):
        bpftool.set_member(params, "delayed_ack.divisor", -1)
    with pytest.raises(KernelError, match="not a data section"):
        bpftool.set_member(pinned.map("counters"), "delayed_ack.sent", 1)
    assert bpftool.read(params) == {"delayed_ack": {"divisor": 2, "threshold": 4}}


def test_socket_storage_cannot_be_listed(pinned: Pinned) -> None:
    assert bpftool.map_info(pinned.map("sockets"))["type"] == "sk_storage"
    with pytest.raises(KernelError, match="cannot dump map sockets"):
        bpftool.map_dump(pinned.map("sockets"))


def test_a_rejected_program_leaves_no_pins(tmp_path: Path) -> None:
    with pytest.raises(KernelError) as caught:
        bpftool.load(broken(tmp_path), group_name("broken"))
    assert caught.value.errno == errno.EACCES
    assert "invalid access to map value" in caught.value.verifier_log
    assert not (bpffs.ensure_bpffs() / group_name("broken")).exists()


def test_a_name_is_taken_once(pinned: Pinned, object_file: Path) -> None:
    with pytest.raises(KernelError) as caught:
        bpftool.load(object_file, pinned.directory.name)
    assert caught.value.errno == errno.EEXIST
    assert pinned.program("opt_main").exists()


def test_only_bpffs_is_unpinned(tmp_path: Path) -> None:
    with pytest.raises(KernelError) as caught:
        bpffs.unpin(tmp_path)
    assert caught.value.errno == errno.EINVAL
    assert tmp_path.exists()


def test_the_version() -> None:
    assert bpftool.version()[0].isdigit()
