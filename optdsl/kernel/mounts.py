"""Where the kernel's file systems are mounted, as /proc/mounts tells it."""

import re
from pathlib import Path

from optdsl.record import record

PROC_MOUNTS = Path("/proc/mounts")


@record
class Mount:
    """One line of /proc/mounts: fstab(5) fields, with octal escapes undone."""

    target: Path
    fstype: str
    options: frozenset[str]


def parse_mounts(text: str) -> list[Mount]:
    """Reads the text of /proc/mounts, in mount order."""
    mounts = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 4:
            mounts.append(Mount(Path(_unescape(fields[1])), fields[2], frozenset(fields[3].split(","))))
    return mounts


def mounts_of(fstype: str) -> list[Mount]:
    """Every mount of one file system type that this process sees; empty without /proc."""
    try:
        text = PROC_MOUNTS.read_text()
    except OSError:
        return []
    return [mount for mount in parse_mounts(text) if mount.fstype == fstype]


def _unescape(field: str) -> str:
    """Undoes the escapes of seq_file's mangle(): space, tab, newline, backslash as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
