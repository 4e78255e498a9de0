"""The source of the kernel, as a Debian package installs it, and the programs that building it takes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from optdsl.lab.kernels.errors import LabKernelError

SERIES: Final = "6.12"
"""The kernel that the series in `kernel-patches/` is for."""
TARBALL: Final = Path(f"/usr/src/linux-source-{SERIES}.tar.xz")
"""Where Debian's package puts it."""
_PROGRAMS: Final = {
    # program: Debian package
    "tar": "tar", "xz": "xz-utils", "patch": "patch", "make": "make", "gcc": "gcc", "ld": "binutils", "flex": "flex",
    "bison": "bison", "bc": "bc", "pahole": "pahole", "perl": "perl",
}  # fmt: skip
_HEADERS: Final = {"libelf.h": "libelf-dev", "zlib.h": "zlib1g-dev", "stdio.h": "libc6-dev"}
_UNUSED_DRIVERS: Final = (
    "accel comedi crypto gpu iio infiniband media mtd net/ethernet net/wireless nvme scsi staging target usb video"
)
UNPACK: Final = (
    "--exclude=*/arch/[!ux]*/*.[chS]",
    "--exclude=*/arch/[!ux]*/*.dts*",
    *(f"--exclude=*/drivers/{name}/*.[ch]" for name in _UNUSED_DRIVERS.split()),
    "--exclude=*/sound/*.[ch]",
    "--exclude=*/Documentation/[!n]*/*.[rtsjp]*",  # patches change what is in networking/
    "--exclude=*/tools/perf",
)
"""Arguments of tar: what user-mode Linux is never built of, two thirds of the source, stays in the tarball. The
Kconfig files of all folders are needed."""


def cache_folder() -> Path:
    """The user's cache for kernels: `optdsl/kernels` below XDG_CACHE_HOME or ~/.cache.

    A path that is not absolute is ignored, as the XDG Base Directory Specification wants it. Raises LabKernelError
    where there is neither that variable nor a home folder.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        try:
            base = Path("~/.cache").expanduser()
        except RuntimeError:
            what = "there is no place to keep kernels: this user has no home folder"
            raise LabKernelError(what, ("help", "set XDG_CACHE_HOME to a folder")) from None
    return base / "optdsl" / "kernels"


def tarball() -> Path:
    """The source. Raises LabKernelError that says how to get it."""
    if not TARBALL.is_file():
        install = f"apt install {_all_packages()}"
        raise LabKernelError(f"the source of the kernel is missing: {TARBALL}", ("help", install))
    return TARBALL


def _all_packages() -> str:
    return " ".join([f"linux-source-{SERIES}", *sorted({*_PROGRAMS.values(), *_HEADERS.values()}), "ccache"])


def need_tools() -> None:
    """Raises LabKernelError that names the Debian packages of what a build lacks here."""
    missing = {name: package for name, package in _PROGRAMS.items() if shutil.which(name) is None}
    if "gcc" not in missing:
        missing |= {name: package for name, package in _HEADERS.items() if not _has_header(name)}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise LabKernelError(f"building a kernel needs {', '.join(missing)}", ("help", f"apt install {packages}"))


def _has_header(name: str) -> bool:
    done = subprocess.run(["gcc", "-E", "-x", "c", "-"], input=f"#include <{name}>\n".encode(), capture_output=True,
                          check=False)  # fmt: skip
    return done.returncode == 0


def toolchain() -> str:
    """The versions of what shapes the kernel besides its source; empty where there is no compiler."""
    return "\n".join(_version(each) for each in (("gcc", "-dumpfullversion", "-dumpmachine"), ("pahole", "--version")))


def _version(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def digest(path: Path, cache: Path) -> str:
    """SHA-256 of a large file, remembered in the cache for as long as its size and its time stay the same."""
    memory = cache / "digests.json"
    try:
        known: dict[str, str] = json.loads(memory.read_text())
    except (OSError, ValueError):
        known = {}
    stat = path.stat()
    key = f"{path} {stat.st_size} {stat.st_mtime_ns}"
    if not isinstance(known, dict) or key not in known:
        with path.open("rb") as file:
            known = {key: hashlib.file_digest(file, "sha256").hexdigest()}
        temporary = memory.with_suffix(f".{os.getpid()}")
        cache.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(known))
        temporary.replace(memory)
    return known[key]
