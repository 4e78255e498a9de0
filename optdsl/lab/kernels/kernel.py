"""A kernel that has been built: where it is, and what it is made of."""

from __future__ import annotations

from pathlib import Path

from optdsl.record import record


@record
class Kernel:
    """A user-mode kernel of the cache. It lies in a folder of its own, which is complete or not there at all."""

    folder: Path
    release: str
    """What `uname -r` says, such as `6.12.117`."""
    patches: bool = False
    """Whether the series was asked for; an empty series makes the same kernel as none."""
    debug: bool = False

    @property
    def binary(self) -> Path:
        """The program that is the kernel."""
        return self.folder / "linux"

    @property
    def config(self) -> Path:
        """The configuration, as `make savedefconfig` would read it."""
        return self.folder / "config"
