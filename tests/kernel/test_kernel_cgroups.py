"""Control groups on this machine."""

import errno
import subprocess

import pytest
from kernel_objects import group_name

from optdsl.kernel import cgroups
from optdsl.kernel.errors import KernelError

pytestmark = pytest.mark.kernel


def test_a_temporary_group_comes_and_goes() -> None:
    with cgroups.temporary(group_name("temporary")) as group:
        inner = group.create("inner")
        assert group.exists()
        assert group in cgroups.root().children()
        assert group.children() == [inner]
    assert not group.exists()


def test_members_are_listed_and_killed_at_the_end() -> None:
    with subprocess.Popen(["sleep", "60"]) as process, cgroups.temporary(group_name("members")) as group:
        group.create("inner").join(process.pid)
        assert group.child("inner").pids() == [process.pid]
        assert group.pids() == []
        with pytest.raises(KernelError) as caught:
            group.remove()
        assert caught.value.errno == errno.EBUSY
    assert process.returncode == -9
    assert not group.exists()


def test_the_group_goes_when_the_block_fails() -> None:
    with pytest.raises(KeyboardInterrupt), cgroups.temporary(group_name("interrupted")) as group:
        raise KeyboardInterrupt
    assert not group.exists()


def test_names_are_taken_once() -> None:
    with cgroups.temporary(group_name("twice")) as group:
        with pytest.raises(KernelError) as caught:
            cgroups.root().create(group.path.name)
        assert caught.value.errno == errno.EEXIST


def test_joining_needs_a_process() -> None:
    with cgroups.temporary(group_name("nobody")) as group:
        with pytest.raises(KernelError) as caught:
            group.join(2**22 + 1)
        assert caught.value.errno == errno.ESRCH


def test_removing_twice_is_fine() -> None:
    with cgroups.temporary(group_name("removed")) as group:
        group.remove()
        group.remove()
