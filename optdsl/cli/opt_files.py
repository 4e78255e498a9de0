"""Finds the `.opt` files that a command line names, in folders as well."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from optdsl.cli.errors import InputError
from optdsl.cli.sources import STANDARD_INPUT, shown_name


def opt_files(names: Sequence[str]) -> Iterator[str]:
    """The files that are named, and those with the ending `.opt` below folders that are named; each file once.

    Folders and files whose names begin with a dot are left out below a folder, and links to folders are not followed.
    Raises InputError for a folder that cannot be read.
    """
    seen: set[str] = set()
    for name in names:
        # Path.is_dir() would raise below a folder that is closed to us.
        is_folder = name != STANDARD_INPUT and os.path.isdir(name)  # noqa: PTH112
        for file in _below(name) if is_folder else (name,):
            place = file if file == STANDARD_INPUT else os.path.realpath(file)
            if place not in seen:
                seen.add(place)
                yield file


def _below(folder: str) -> Iterator[str]:
    for path, folders, files in os.walk(folder, onerror=_cannot_read):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for file in sorted(files):
            if file.endswith(".opt") and not file.startswith("."):
                yield str(Path(path, file))


def _cannot_read(error: OSError) -> None:
    name = shown_name(str(error.filename))
    raise InputError(f"cannot read {name}: {error.strerror}", file=name) from None
