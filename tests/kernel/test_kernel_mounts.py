"""Finding file systems in /proc/mounts."""

from pathlib import Path

import pytest

from optdsl.kernel import cgroups, mounts
from optdsl.kernel.errors import KernelError

HYBRID = """\
sysfs /sys sysfs rw,relatime 0 0
tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
bpf /mnt/with\\040space\\134 bpf rw 0 0
"""


@pytest.fixture
def hybrid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mounts"
    table.write_text(HYBRID)
    monkeypatch.setattr(mounts, "PROC_MOUNTS", table)


@pytest.mark.usefixtures("hybrid")
def test_cgroup2_of_a_hybrid_system() -> None:
    assert cgroups.cgroup2_mounts() == [Path("/sys/fs/cgroup/unified")]
    assert cgroups.root().path == Path("/sys/fs/cgroup/unified")


@pytest.mark.usefixtures("hybrid")
def test_escapes_are_undone() -> None:
    (mount,) = mounts.mounts_of("bpf")
    assert mount.target == Path("/mnt/with space\\")
    assert mount.options == {"rw"}


def test_nothing_is_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "PROC_MOUNTS", tmp_path / "absent")
    assert mounts.mounts_of("cgroup2") == []
    with pytest.raises(KernelError, match="no cgroup v2 mount"):
        cgroups.root()
