"""Modules of a kernel that has not been installed: which ones another one needs, without depmod's tables."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from optdsl.lab.kernels.errors import LabKernelError

_DEPENDS: Final = re.compile(rb"\0depends=([^\0]*)\0")


def loading_order(folder: Path, wanted: Iterable[str]) -> dict[str, bytes]:
    """Modules below `folder` and what they need, by name, in the order in which they can be loaded.

    What is built into the kernel (`modules.builtin`) is left out. Raises LabKernelError for a module that is nowhere.
    """
    files = {_name(path.name): path for path in folder.rglob("*.ko*")}
    built_in = {_name(line.rpartition("/")[2]) for line in (folder / "modules.builtin").read_text().splitlines()}
    found: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in found or (name in built_in and name not in files):
            return
        if name not in files:
            raise LabKernelError(f"the kernel {folder.name} has no module {name}")
        data = _contents(files[name])
        for needed in needs(data):
            add(needed)
        found[name] = data

    for each in wanted:
        add(each)
    return found


def needs(module: bytes) -> list[str]:
    """The modules that one names in its section .modinfo, which modpost writes (scripts/mod/modpost.c: add_depends)."""
    found = _DEPENDS.search(module)
    return [_name(each) for each in found[1].decode().split(",") if each] if found else []


def _name(file: str) -> str:
    """A module's name by that of its file: dash and underscore are the same."""
    return file.partition(".ko")[0].replace("-", "_")


def _contents(path: Path) -> bytes:
    data = path.read_bytes()
    match path.suffix:
        case ".ko":
            return data
        case ".xz":
            return lzma.decompress(data)
        case other:
            raise LabKernelError(f"{path.name}: modules compressed as {other} cannot be read")
