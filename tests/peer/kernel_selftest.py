"""The kernel's own selftest programs for header options, out of Debian's kernel source package, compiled for a test.

The tarball is large: the few files are taken out once (about ten seconds) and kept in the user's cache folder under the
version of the package. They are under the GPL and never part of this repository.
"""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from optdsl.kernel import tools
from optdsl.kernel.clang import compile_bpf
from optdsl.kernel.errors import KernelError

ESTABLISHMENT: Final = "test_tcp_hdr_options"
"""Options on SYN, SYN-ACK and FIN, with SYN cookies and with Fast Open."""
EVERY_PACKET: Final = "test_misc_tcp_hdr_options"
"""Two options on every packet of the client, and all errors of the helpers on the way."""

_SOURCES: Final = Path("/usr/src")
_SELFTESTS: Final = "tools/testing/selftests/bpf"
_UAPI: Final = "tools/include/uapi/linux/bpf.h"
"""The programs use what their own kernel's header declares, which may be newer than the one of this machine."""
_HEADER: Final = "test_tcp_hdr_options.h"
_INSTALL: Final = "Debian: apt install linux-source clang libbpf-dev linux-libc-dev"
_EXTRACT_TIMEOUT: Final = 110.0


def compiled(folder: Path, program: str = ESTABLISHMENT) -> Path:
    """Compiles one of the programs into `folder` and returns the object file.

    Raises KernelError that says what to install if the kernel source package or a header is missing.
    """
    sources = selftest_folder()
    try:
        # The program compares pointers of different types, as the kernel's own build allows it to.
        options = ["-Wno-compare-distinct-pointer-types", f"-I{sources / 'include'}", f"-I{sources}"]
        return compile_bpf(sources / f"{program}.c", folder / f"{program}.bpf.o", *options)
    except KernelError as error:
        raise KernelError(error.what, error.errno, f"{error.message}\n{_INSTALL}") from error


def selftest_folder() -> Path:
    """The folder with the programs and their header, taken out of the tarball if that was not done before."""
    tarball = newest_tarball()
    target = _cache() / _package_version(tarball)
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        # Two test runs may do this at once: each works in a folder of its own, and the first to be done wins.
        with tempfile.TemporaryDirectory(prefix=f"{target.name}-", dir=target.parent) as scratch:
            ready = _extract(tarball, Path(scratch))
            try:
                ready.rename(target)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
    return target


def newest_tarball(folder: Path = _SOURCES) -> Path:
    """The kernel source tarball of the highest version that a package has installed. Raises KernelError (ENOENT)."""
    found = sorted(_tarballs(folder))
    if not found:
        raise KernelError(f"no kernel source package in {folder}", errno.ENOENT, _INSTALL)
    return found[-1][1]


def _tarballs(folder: Path) -> Iterator[tuple[tuple[int, ...], Path]]:
    for path in folder.glob("linux-source-*.tar.*"):
        if match := re.fullmatch(r"linux-source-(\d+(?:\.\d+)*)\.tar\.\w+", path.name):
            yield tuple(int(number) for number in match[1].split(".")), path


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "optdsl" / "kernel-selftests"


def _package_version(tarball: Path) -> str:
    """A folder name for what is taken out of the tarball, such as `linux-source-6.1_6.1.90-1_uapi`."""
    package = tarball.name.partition(".tar.")[0]
    done = tools.run(["dpkg-query", "-W", "-f", "${Version}", package])
    if done.returncode or not done.stdout:
        raise KernelError(f"{tarball} belongs to no Debian package", errno.ENOENT, done.stderr)
    return f"{package}_{done.stdout.strip().replace(':', '_')}_uapi"


def _extract(tarball: Path, scratch: Path) -> Path:
    """Takes out the programs and lays them beside their header, as their `#include` lines expect."""
    root = tarball.name.partition(".tar.")[0]
    members = [_HEADER, *(f"progs/{program}.c" for program in (ESTABLISHMENT, EVERY_PACKET))]
    names = [f"{root}/{_UAPI}", *(f"{root}/{_SELFTESTS}/{member}" for member in members)]
    # With --occurrence tar stops at the last of the names instead of reading to the end.
    done = tools.run(
        ["tar", "--extract", "--occurrence=1", f"--file={tarball}", f"--directory={scratch}", *names],
        timeout=_EXTRACT_TIMEOUT,
    )
    if done.returncode:
        raise KernelError(f"cannot extract the selftests from {tarball}", message=done.stderr)
    ready = scratch / "ready"
    header, *programs = names
    (ready / "include" / "linux").mkdir(parents=True)
    shutil.move(scratch / header, ready / "include" / "linux")
    for name in programs:
        shutil.move(scratch / name, ready)
    # glibc's headers take BPF for a 32-bit machine, whose list of missing functions is empty here as elsewhere.
    stubs = ready / "include" / "gnu" / "stubs-32.h"
    stubs.parent.mkdir(parents=True)
    stubs.touch()
    return ready
