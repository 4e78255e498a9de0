"""Names that tell whose they are, and removing what a process that was killed could not clean up.

A network namespace, a control group and a pin outlive the process that made them. Their names hold its pid, so that
labs run side by side, and what belongs to no living process can be found.
"""

import itertools
import os
import re
from pathlib import Path
from typing import Final

from optdsl.kernel import bpffs, cgroups, tools

NAMESPACES: Final = Path("/run/netns")
"""Where ip-netns(8) keeps its named namespaces."""

_counter = itertools.count(1)
_NAME: Final = re.compile(r"optdsl-(\d+)-")


def unique_name() -> str:
    """A name that no other process uses, and this one only once; short enough for every kind of object."""
    return f"optdsl-{os.getpid()}-{next(_counter)}"


def leftovers() -> list[Path]:
    """What labs of processes that are gone have left: pins, control groups and namespaces, in the order to remove them.

    Only processes that this one can see count as alive: do not ask from within a pid namespace that shares the file
    systems with others.
    """
    places = [*bpffs.bpffs_mounts(), *cgroups.cgroup2_mounts()[:1], NAMESPACES]
    return [path for place in places if place.is_dir() for path in sorted(place.iterdir()) if _is_orphan(path.name)]


def remove_leftovers() -> list[Path]:
    """Removes what `leftovers` finds and returns it. Raises KernelError if something cannot be removed."""
    found = leftovers()
    for path in found:
        if path.parent == NAMESPACES:
            tools.run(["ip", "netns", "delete", path.name])
        elif path.parent in bpffs.bpffs_mounts():
            bpffs.unpin(path)
        else:
            cgroups.Cgroup(path).remove(kill=True)
    return found


def _is_orphan(name: str) -> bool:
    match = _NAME.match(name)
    return match is not None and not Path(f"/proc/{match[1]}").exists()
