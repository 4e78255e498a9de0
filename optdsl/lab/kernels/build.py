"""Builds a kernel of the lab, or finds that it has been built.

Each kernel has a folder in the cache whose name follows from everything that it is made of. A build goes on in a folder
beside it, which takes that name when all is done: there is no such thing as half a kernel in the cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from optdsl.lab.kernels import recipe as recipes
from optdsl.lab.kernels import source
from optdsl.lab.kernels.errors import LabKernelError
from optdsl.lab.kernels.kernel import Kernel
from optdsl.lab.kernels.make import Make
from optdsl.lab.kernels.recipe import Recipe
from optdsl.record import record

STEPS: Final = {False: 1480, True: 1550}
"""How many lines `make` prints for a kernel, by whether it is one for debugging: what the progress is measured by."""
ROOM: Final = 3 << 30
"""Bytes that a build takes while it goes on."""
_TEMPORARY: Final = ".build-"


@record
class Progress:
    """How far a build is: what it does now, and which share of the compiling is done, from 0 to 1."""

    doing: str
    share: float = 0.0


Tell = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """Tells nobody."""


def find_built(patches: bool = True, debug: bool = False) -> Kernel | None:
    """A kernel of the cache, None if it has not been built. Raises LabKernelError if its source is missing."""
    cache = source.cache_folder()
    return _found(cache, recipes.recipe(patches, debug, cache), patches)


def ensure_built(patches: bool = True, debug: bool = False, *, jobs: int | None = None, tell: Tell = silent) -> Kernel:
    """A kernel of the cache, built if need be by `jobs` compilers at a time (one for each processor by default).

    Raises LabKernelError: a part is missing, a patch does not apply, the compiler refuses something.
    """
    cache = source.cache_folder()
    try:
        wanted = recipes.recipe(patches, debug, cache)
        kernel = _found(cache, wanted, patches)
        if kernel is not None:
            return kernel
        source.need_tools()
        with _only_build(cache, tell):
            return _found(cache, wanted, patches) or _build(cache, wanted, patches, jobs or os.cpu_count() or 1, tell)
    except OSError as error:
        raise LabKernelError(f"the kernel cannot be built in {cache}: {error}") from None


def _found(cache: Path, wanted: Recipe, patches: bool) -> Kernel | None:
    folder = cache / wanted.key
    with contextlib.suppress(FileNotFoundError):
        release = (folder / "release").read_text(encoding="utf-8").strip()
        return Kernel(folder, release, patches, wanted.debug)
    return None


@contextlib.contextmanager
def _only_build(cache: Path, tell: Tell) -> Iterator[None]:
    """One build at a time: two would only take turns, and what lies around of earlier ones belongs to nobody then."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(Progress("waiting for another build"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in cache.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def _build(cache: Path, wanted: Recipe, patches: bool, jobs: int, tell: Tell) -> Kernel:
    if (free := shutil.disk_usage(cache).free) < ROOM:
        raise LabKernelError(f"a build takes {ROOM >> 30} GiB in {cache}, where {free / 2**30:.1f} GiB are free")
    folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=cache))
    try:
        make = Make(folder / "tree", jobs)
        tell(Progress("unpacking the source"))
        make.unpack(wanted.tarball)
        for number, patch in enumerate(wanted.patches, 1):
            tell(Progress(f"applying patch {number} of {len(wanted.patches)}"))
            make.apply(patch)
        tell(Progress("configuring"))
        make.configure(wanted.config)
        steps = STEPS[wanted.debug]
        make.compile(lambda done: tell(Progress("compiling", min(done / steps, 0.99))))
        tell(Progress("keeping the kernel", 1.0))
        result = folder / "result"
        make.keep(result)
        (result / "patches").write_text("".join(f"{each.name}\n" for each in wanted.patches), encoding="utf-8")
        result.rename(cache / wanted.key)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    kernel = _found(cache, wanted, patches)
    assert kernel is not None
    return kernel
