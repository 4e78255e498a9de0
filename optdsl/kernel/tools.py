"""The programs of the system that this package and the lab call, and which Debian package has them."""

import errno
import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

from optdsl.kernel.errors import KernelError

PACKAGES: Final[dict[str, str]] = {
    "bpftool": "bpftool",
    "clang": "clang",
    "curl": "curl",
    "ip": "iproute2",
    "mount": "mount",
    "nsenter": "util-linux",
    "ss": "iproute2",
    "sysctl": "procps",
    "tc": "iproute2",
    "tcpdump": "tcpdump",
    "tshark": "tshark",
    "unshare": "util-linux",
}
"""Program to Debian package."""

_SYSTEM_FOLDERS: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where system programs are, which the PATH of a plain user lacks."""


def which(name: str) -> str | None:
    """The full path of a program; None if it is not installed."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_SYSTEM_FOLDERS))


def how_to_install(name: str) -> str:
    """A command that installs a program on Debian and its relatives."""
    return f"apt install {PACKAGES.get(name, name)}"


def find(name: str) -> str:
    """The full path of a program. Raises KernelError (ENOENT) that says how to install it."""
    path = which(name)
    if path is None:
        raise KernelError(f"{name} is not installed", errno.ENOENT, f"Debian: {how_to_install(name)}")
    return path


def run(command: Sequence[str], timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end, with its output kept; `timeout` in seconds. A failure is the caller's to judge."""
    return subprocess.run(
        [find(command[0]), *command[1:]], capture_output=True, text=True, errors="replace", check=False, timeout=timeout
    )
