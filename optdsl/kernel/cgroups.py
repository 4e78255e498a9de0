"""Control groups, version 2: where sock_ops programs are attached and which processes they see.

On hybrid systems cgroup v2 is not mounted at /sys/fs/cgroup but beside the v1 controllers, so the mount is looked up.
A program sees the sockets of the processes that were in the group, or in one below it, when they created the socket.
"""

import contextlib
import errno
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optdsl.kernel.errors import KernelError
from optdsl.kernel.mounts import mounts_of
from optdsl.record import record

_REMOVE_TIMEOUT = 5.0
_POLL_INTERVAL = 0.01


def cgroup2_mounts() -> list[Path]:
    """The mount points of cgroup v2, those mounted first come first; empty where there is none."""
    return [mount.target for mount in mounts_of("cgroup2")]


def root() -> "Cgroup":
    """The root of the cgroup v2 hierarchy. Raises KernelError when it is not mounted."""
    mounts = cgroup2_mounts()
    if not mounts:
        raise KernelError(
            "no cgroup v2 mount in /proc/mounts",
            errno.ENOENT,
            "mount one: mount -t cgroup2 none /sys/fs/cgroup/unified",
        )
    return Cgroup(mounts[0])


@record
class Cgroup:
    """One control group, named by its directory."""

    path: Path

    @property
    def procs(self) -> Path:
        """The file that lists the member processes; writing a pid to it moves that process here."""
        return self.path / "cgroup.procs"

    def exists(self) -> bool:
        """True while the directory is there and is a control group."""
        return self.procs.exists()

    def child(self, name: str) -> "Cgroup":
        """The group of that name below this one, which need not exist."""
        return Cgroup(self.path / name)

    def children(self) -> list["Cgroup"]:
        """The groups directly below, by name."""
        return [Cgroup(path) for path in sorted(self.path.iterdir()) if path.is_dir()]

    def create(self, name: str) -> "Cgroup":
        """Makes a group below this one. Raises KernelError, with EEXIST if it is there already."""
        child = self.child(name)
        try:
            child.path.mkdir()
        except OSError as error:
            raise KernelError(f"cannot create the control group {child.path}", error.errno) from error
        return child

    def pids(self) -> list[int]:
        """The member processes, those of groups below not included."""
        return [int(line) for line in self.procs.read_text().split()]

    def join(self, pid: int = 0) -> None:
        """Moves a process into this group, by default the calling one. Sockets it has already stay where they are."""
        try:
            self.procs.write_text(str(pid))
        except OSError as error:
            raise KernelError(f"cannot move process {pid} into {self.path}", error.errno) from error

    def remove(self, *, kill: bool = False) -> None:
        """Removes this group and those below it; nothing happens if it is gone already.

        With `kill` the member processes are killed first, and get five seconds to be gone. Raises KernelError: EBUSY if
        there are members.
        """
        if not self.exists():
            return
        for child in self.children():
            child.remove(kill=kill)
        deadline = time.monotonic() + _REMOVE_TIMEOUT
        while True:
            if kill:
                self._kill_members()
            try:
                self.path.rmdir()
            except FileNotFoundError:
                return
            except OSError as error:
                if error.errno != errno.EBUSY or not kill or time.monotonic() > deadline:
                    raise KernelError(f"cannot remove the control group {self.path}", error.errno) from error
                time.sleep(_POLL_INTERVAL)
            else:
                return

    def _kill_members(self) -> None:
        """Kills by pid, not through cgroup.kill, which Linux has only since 5.14."""
        with contextlib.suppress(FileNotFoundError):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@contextmanager
def temporary(name: str, parent: Cgroup | None = None) -> Iterator[Cgroup]:
    """A group for the length of a `with` block, below `parent` or the root; removed with all its members."""
    group = (parent or root()).create(name)
    try:
        yield group
    finally:
        group.remove(kill=True)
