"""The BPF file system, where pinned programs, maps and links live on after their loader has gone."""

import errno
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optdsl.kernel.errors import KernelError
from optdsl.kernel.mounts import mounts_of

STANDARD_MOUNT_POINT = Path("/sys/fs/bpf")


def bpffs_mounts() -> list[Path]:
    """The mount points of bpffs, the standard one first; empty where there is none."""
    targets = [mount.target for mount in mounts_of("bpf")]
    return sorted(targets, key=lambda target: target != STANDARD_MOUNT_POINT)


def ensure_bpffs() -> Path:
    """The mount point of bpffs, which is mounted where every tool looks for it if it is not mounted at all.

    The mount is left in place, as init systems do: others may have pinned objects there by the time we finish.
    Raises KernelError if it cannot be mounted.
    """
    if mounts := bpffs_mounts():
        return mounts[0]
    try:
        with locked(STANDARD_MOUNT_POINT):
            # A second process may have waited for the lock while the first one mounted.
            if not bpffs_mounts():
                command = ["mount", "-t", "bpf", "bpf", str(STANDARD_MOUNT_POINT)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise KernelError(f"cannot mount bpffs on {STANDARD_MOUNT_POINT}", message=done.stderr)
    except OSError as error:
        raise KernelError(f"cannot mount bpffs on {STANDARD_MOUNT_POINT}", error.errno) from error
    return STANDARD_MOUNT_POINT


def pin_name(name: str) -> str:
    """The name under which libbpf pins a map or program: bpffs refuses a dot, libbpf writes an underscore instead."""
    return name.replace(".", "_")


def make_pin_directory(name: str) -> Path:
    """Makes a directory for pins below the bpffs mount. Raises KernelError, with EEXIST if the name is taken."""
    path = ensure_bpffs() / pin_name(name)
    try:
        path.mkdir()
    except OSError as error:
        raise KernelError(f"cannot make the pin directory {path}", error.errno) from error
    return path


def unpin(path: Path) -> None:
    """Removes a pin, or a directory of pins; nothing happens if it is gone. Refuses paths outside of bpffs (EINVAL)."""
    path = path.resolve()
    if not any(mount in path.parents for mount in bpffs_mounts()):
        raise KernelError(f"{path} is not on a BPF file system, so it is left alone", errno.EINVAL)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Holds an advisory lock on a directory, against other processes that do the same."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
