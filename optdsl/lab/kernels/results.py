"""The folders that a command in the lab gets of the host: where it runs, and the one whose files it may change."""

from __future__ import annotations

from pathlib import Path

from optdsl.lab.kernels.errors import LabKernelError


def current() -> Path:
    """The folder that this process is in. Raises LabKernelError if that has been removed."""
    try:
        return Path.cwd()
    except OSError as error:
        raise LabKernelError(f"the current folder is gone: {error.strerror}") from None


def made(results: Path | None) -> Path | None:
    """The folder, made if need be, by its real path. Raises LabKernelError if it cannot be made."""
    if results is None:
        return None
    try:
        results.mkdir(parents=True, exist_ok=True)
        return results.resolve(strict=True)
    except OSError as error:
        raise LabKernelError(f"the folder for results, {results}, cannot be made: {error.strerror}") from None
