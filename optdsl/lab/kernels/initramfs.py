"""Archives that a kernel unpacks into its first root: cpio in its `newc` form.

    archive([File("init", b"#!/busybox sh\\n", executable=True), File("busybox", program, executable=True)])

Source: Documentation/driver-api/early-userspace/buffer-format.rst and init/initramfs.c of Linux.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from typing import Final

from optdsl.record import record

_MAGIC: Final = b"070701"
_END: Final = "TRAILER!!!"
_MOST: Final = 0xFFFF_FFFF


@record
class File:
    """A regular file of the archive, owned by root. `path` has no slash in front; its folders come of themselves."""

    path: str
    data: bytes
    executable: bool = False


def archive(files: Iterable[File]) -> bytes:
    """The archive of some files, ready to be followed by another one. Raises ValueError for what cpio cannot hold."""
    made: list[bytes] = []
    folders: set[str] = set()
    for file in files:
        parts = file.path.split("/")
        if not all(parts) or ".." in parts:
            raise ValueError(f"no path for an archive: {file.path!r}")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder not in folders:
                folders.add(folder)
                made.append(_member(folder, stat.S_IFDIR | 0o755, b""))
        made.append(_member(file.path, stat.S_IFREG | (0o755 if file.executable else 0o644), file.data))
    made.append(_member(_END, 0, b""))
    return b"".join(made)


def _member(path: str, mode: int, data: bytes) -> bytes:
    """Header, name and contents, each padded to four bytes."""
    if len(data) > _MOST:
        raise ValueError(f"{path} is larger than 4 GiB")
    name = path.encode(errors="surrogateescape") + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    # inode, mode, uid, gid, links, time, size, device (2), device of the file itself (2), length of the name, checksum
    numbers = (0, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name), 0)
    header = _MAGIC + b"".join(b"%08X" % number for number in numbers)
    return _padded(header + name) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
