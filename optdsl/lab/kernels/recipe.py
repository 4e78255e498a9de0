"""What a kernel is made of, and the name in the cache that follows from it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from optdsl import resources
from optdsl.lab.kernels import source
from optdsl.lab.kernels.errors import LabKernelError
from optdsl.record import record

_METHOD: Final = "1"
"""To be counted up when this package builds in another way what comes out differently."""


@record
class Recipe:
    """Everything that decides what a kernel is."""

    tarball: Path
    tarball_digest: str
    patches: tuple[Path, ...]
    config: str
    toolchain: str
    debug: bool = False

    @property
    def key(self) -> str:
        """A name for this and no other kernel: the same contents have the same name, wherever they lie."""
        total = hashlib.sha256()
        for part in (_METHOD, self.tarball_digest, self.config, self.toolchain, *map(_content, self.patches)):
            total.update(f"{len(part)}:{part}".encode())
        return total.hexdigest()[:20]


def recipe(patches: bool, debug: bool, cache: Path) -> Recipe:
    """The recipe for a kernel with or without the series and the checks. Raises LabKernelError if a part is missing."""
    tarball = source.tarball()
    return Recipe(
        tarball, source.digest(tarball, cache), series() if patches else (), config(debug), source.toolchain(), debug
    )


def config(debug: bool) -> str:
    """The options that are set, as text for Kconfig."""
    names = ("uml.config", "debug.config") if debug else ("uml.config",)
    return "\n".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in names)


def options(text: str) -> list[str]:
    """The lines of a configuration that set something."""
    return [line for line in text.splitlines() if line.startswith("CONFIG_")]


def series(folder: Path | None = None) -> tuple[Path, ...]:
    """The patches in the order of the file `series`, as quilt(1) has it: names, empty lines, comments behind `#`.

    No file is no patches. Raises LabKernelError for a name whose file is missing.
    """
    folder = folder or resources.folder("kernel-patches") / source.SERIES
    try:
        text = (folder / "series").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise LabKernelError(f"cannot read {folder / 'series'}: {error.strerror}") from None
    names = [name for line in text.splitlines() if (name := line.partition("#")[0].strip())]
    for name in names:
        if not (folder / name).is_file():
            raise LabKernelError(f"{folder / 'series'} names {name}, and there is no such file")
    return tuple(folder / name for name in names)


def _content(path: Path) -> str:
    try:
        return path.read_bytes().decode("latin-1")
    except OSError as error:
        raise LabKernelError(f"cannot read {path}: {error.strerror}") from None
