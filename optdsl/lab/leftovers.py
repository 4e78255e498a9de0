"""Names that tell whose they are, and removing what a process that was killed could not clean up.

A network namespace, a control group and a pin outlive the process that made them. Their names hold its pid, so that
labs run side by side, and what belongs to no living process can be found.
"""

import contextlib
import itertools
import os
import re
import signal
import time
from pathlib import Path
from typing import Final

from optdsl.kernel import bpffs, cgroups, tools
from optdsl.lab.errors import CommandError

NAMESPACES: Final = Path("/run/netns")
"""Where ip-netns(8) keeps its named namespaces."""

_END_TIMEOUT: Final = 5.0
_POLL_INTERVAL: Final = 0.01
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
            with contextlib.suppress(CommandError):  # another process has removed it
                delete_namespace(path.name)
        elif path.parent in bpffs.bpffs_mounts():
            bpffs.unpin(path)
        else:
            cgroups.Cgroup(path).remove(kill=True)
    return found


def delete_namespace(name: str) -> None:
    """Deletes a network namespace, and kills what runs in it, which would keep it without a name.

    Raises CommandError if there is none of that name.
    """
    deadline = time.monotonic() + _END_TIMEOUT
    while _kill_members(name) and time.monotonic() < deadline:
        time.sleep(_POLL_INTERVAL)
    command = ["ip", "netns", "delete", name]
    done = tools.run(command)
    if done.returncode:
        raise CommandError("this machine", command, done.returncode, done.stderr)


def _kill_members(namespace: str) -> bool:
    """Kills the processes of a network namespace; False if there were none."""
    pids = {int(pid) for pid in tools.run(["ip", "netns", "pids", namespace]).stdout.split()} - {os.getpid()}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(pids)


def _is_orphan(name: str) -> bool:
    match = _NAME.match(name)
    return match is not None and not Path(f"/proc/{match[1]}").exists()
