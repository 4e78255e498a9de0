"""Debian's kernels, taken from their packages into the user's cache: nothing is installed, no root is needed.

    image = ensure_image("debian-6.1")
    image.vmlinuz, image.release       ~/.cache/optdsl/kernels/debian-6.1/6.1.192-2/vmlinuz, "6.1.0-56-amd64"

Kept are the kernel, the modules that the lab loads, and a busybox that is linked statically, from the package
busybox-static. The newest version that apt knows is taken; when apt cannot be asked, the newest of the cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from optdsl.lab.kernels import source
from optdsl.lab.kernels.build import Progress, Tell, silent
from optdsl.lab.kernels.debian_modules import loading_order
from optdsl.lab.kernels.errors import LabKernelError
from optdsl.record import record

KERNELS: Final = ("debian-6.1", "debian-6.12")
"""What `ensure_image` can get."""
MODULES: Final = (
    # the host's files, and what is written over them
    "virtio_pci", "9pnet_virtio", "9p", "overlay",
    # the streams of the command
    "virtio_console",
)  # fmt: skip
_DESCRIPTION: Final = "image.json"
_DOWNLOAD_TIMEOUT: Final = 600
_QUERY_TIMEOUT: Final = 60


@record
class Image:
    """A kernel in the cache, in a folder that is complete or not there at all."""

    folder: Path
    release: str
    """What `uname -r` says."""
    version: str
    """Of the Debian package."""
    modules: tuple[str, ...]
    """Files below `folder`, in the order in which they are loaded."""

    @property
    def vmlinuz(self) -> Path:
        """The kernel, as a boot loader takes it."""
        return self.folder / "vmlinuz"

    @property
    def busybox(self) -> Path:
        """A shell and the usual commands in one static program, for the time before the host's files are there."""
        return self.folder / "busybox"


class Package(NamedTuple):
    """A package that apt offers."""

    name: str
    version: str


def ensure_image(kernel: str, tell: Tell = silent) -> Image:
    """The newest Debian kernel of a series, downloaded if it is not in the cache.

    Raises LabKernelError if the series is unknown, or if apt does not offer it and none is in the cache.
    """
    if kernel not in KERNELS:
        raise LabKernelError(f"there is no kernel `{kernel}`, only {' and '.join(KERNELS)}")
    place = source.cache_folder() / kernel
    try:
        package = _offered(kernel)
    except LabKernelError:
        if (kept := _newest(place)) is not None:
            return kept
        raise
    folder = place / package.version.replace(":", "_")
    if (image := read_image(folder)) is not None:
        return image
    with _locked(place):
        if (image := read_image(folder)) is not None:  # another process may have made it meanwhile
            return image
        try:
            return _made(package, folder, tell)
        except LabKernelError:
            if (kept := _newest(place)) is not None:
                return kept
            raise


def read_image(folder: Path) -> Image | None:
    """What an earlier download has left, if all of it is there."""
    try:
        told = json.loads((folder / _DESCRIPTION).read_bytes())
        image = Image(folder, str(told["release"]), str(told["version"]), tuple(told["modules"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    files = (image.vmlinuz, image.busybox, *(folder / each for each in image.modules))
    return image if all(each.is_file() for each in files) else None


def _newest(place: Path) -> Image | None:
    """The image that was made last."""
    folders = sorted(place.glob("*/"), key=lambda each: each.stat().st_mtime, reverse=True)
    return next((image for each in folders if (image := read_image(each)) is not None), None)


# --------------------------------------------------------------------------------------------- what apt offers


def _offered(kernel: str) -> Package:
    """The package that the newest meta package of a series leads to. Raises LabKernelError."""
    series = kernel.removeprefix("debian-")
    # A release's own series has no meta package of its own before Debian 13, only `linux-image-amd64`.
    metas = (f"linux-image-{series}-amd64", "linux-image-amd64")
    shown = _apt(["apt-cache", "show", "--no-all-versions", *metas], _QUERY_TIMEOUT, may_fail=True)
    if (package := leads_to(shown, series)) is not None:
        return package
    raise LabKernelError(
        f"apt offers no kernel {series} for amd64 (neither {' nor '.join(metas)} leads to one)",
        ("help", "apt-get update"),
        ("note", "such kernels come from Debian's main and security archives"),
    )


def leads_to(shown: str, series: str) -> Package | None:
    """The kernel of a series that one of some meta packages depends on, by what `apt-cache show` says of them."""
    for described in shown.split("\n\n"):
        depends = re.search(r"^Depends: (.*)$", described, re.MULTILINE)
        version = re.search(r"^Version: (.*)$", described, re.MULTILINE)
        if depends is None or version is None:
            continue
        found = re.search(rf"\b(linux-image-{re.escape(series)}\.\d[^ ,]*-amd64)(?: \(= ([^)]*)\))?", depends[1])
        if found is not None:
            return Package(found[1], found[2] or version[1])
    return None


def _apt(command: Sequence[str], timeout: float, cwd: Path | None = None, *, may_fail: bool = False) -> str:
    """Runs a program of Debian's. Raises LabKernelError if it is missing or, unless it may, fails."""
    try:
        done = subprocess.run(
            command, cwd=cwd, timeout=timeout, capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"}, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise LabKernelError(
            f"`{command[0]}` is missing",
            ("note", "Debian's kernels are taken from its packages, by Debian's own tools"),
        ) from None
    except subprocess.TimeoutExpired:
        raise LabKernelError(f"`{' '.join(command)}` has not ended in {timeout:g} s") from None
    if done.returncode and not may_fail:
        lines = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()[-3:]
        raise LabKernelError(f"`{' '.join(command)}` failed", *(("note", line) for line in lines))
    return done.stdout


# --------------------------------------------------------------------------------------------- taking it over


def _made(package: Package, folder: Path, tell: Tell) -> Image:
    """Downloads a kernel and keeps what the lab needs of it. Raises LabKernelError, and then leaves nothing behind."""
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as name:
        place = Path(name)
        tell(Progress(f"downloading {package.name} {package.version}"))
        unpacked = _unpacked(f"{package.name}={package.version}", place / "kernel")
        tools = _unpacked("busybox-static", place / "tools")
        tell(Progress("keeping the kernel", 1.0))
        ready = place / "ready"
        try:
            _keep(package, unpacked, tools, ready)
            shutil.rmtree(folder, ignore_errors=True)  # of an image that is damaged
            ready.rename(folder)
        except OSError as error:
            raise LabKernelError(f"{package.name} {package.version} cannot be kept in {folder}: {error}") from None
    image = read_image(folder)
    if image is None:
        raise LabKernelError(f"{package.name} {package.version} is not complete in {folder}")
    return image


def _unpacked(package: str, place: Path) -> Path:
    """Downloads a package and unpacks its files below `place`."""
    place.mkdir()
    # As root, apt would want to download as the user _apt, who may not write here.
    user = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    try:
        _apt(["apt-get", *user, "download", package], _DOWNLOAD_TIMEOUT, place)
    except LabKernelError as error:
        raise LabKernelError(error.message, *error.remarks, ("help", "apt-get update")) from None
    archive = _only(place, "*.deb")
    _apt(["dpkg-deb", "--extract", str(archive), str(place / "files")], _DOWNLOAD_TIMEOUT)
    archive.unlink()
    return place / "files"


def _keep(package: Package, unpacked: Path, tools: Path, ready: Path) -> None:
    """The few files of a package that are needed, below `ready`."""
    vmlinuz = _only(unpacked, "boot/vmlinuz-*")
    release = vmlinuz.name.removeprefix("vmlinuz-")
    # Since Debian 13 /lib is a link to /usr/lib in every installation, and packages say where files truly are.
    tables = [*unpacked.glob(f"lib/modules/{release}"), *unpacked.glob(f"usr/lib/modules/{release}")]
    modules = loading_order(tables[0] if tables else unpacked, MODULES)
    (ready / "modules").mkdir(parents=True)
    names = []
    for name, data in modules.items():
        names.append(f"modules/{name}.ko")
        (ready / names[-1]).write_bytes(data)
    shutil.copyfile(vmlinuz, ready / "vmlinuz")
    shutil.copyfile(_only(tools, "**/bin/busybox"), ready / "busybox")
    told = {"release": release, "version": package.version, "package": package.name, "modules": names}
    (ready / _DESCRIPTION).write_text(json.dumps(told, indent=4) + "\n")


def _only(folder: Path, pattern: str) -> Path:
    for each in folder.glob(pattern):
        return each
    raise LabKernelError(f"the package has no file {pattern}")


@contextlib.contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Lets one process at a time download into a folder."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        file = (place / ".lock").open("w")
    except OSError as error:
        raise LabKernelError(f"{place} cannot be written: {error.strerror}") from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
