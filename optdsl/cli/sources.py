"""Reads `.opt` files and the modules that they use, and gives programs their names."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from optdsl import resources
from optdsl.cli.errors import InputError
from optdsl.diagnostics import CompileError, Diagnostic
from optdsl.diagnostics import syntax as wording
from optdsl.source import Source

MOST_BYTES = 1 << 20
"""An .opt file is written by a person; more than this is some other file."""

LONGEST_NAME = 15
"""Characters of a program's name (`BPF_OBJ_NAME_LEN` - 1)."""


def read_bytes(path: Path, most: int) -> bytes:
    """The bytes of a file. Raises InputError if it cannot be read, or is larger than `most` bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # a NUL in the name
        raise InputError(f"cannot read {str(path)!r}: {error}") from None
    if len(data) > most:
        raise InputError(f"cannot read {path}: larger than {most >> 20} MiB")
    return data


def read_source(path: Path) -> Source:
    """A source under the name that the user gave it. Raises InputError, or CompileError for what is not text."""
    name = str(path).encode("utf-8", "replace").decode()  # names of files need not be UTF-8
    return Source(name, _text(name, read_bytes(path, MOST_BYTES)))


def module_loader(folder: Path) -> Callable[[str], Source | None]:
    """Finds modules: `std.x` in the standard library, `a.b` as `a/b.opt` in a folder."""

    def load(name: str) -> Source | None:
        if name == "std" or name.startswith("std."):
            text = resources.module_text(name.removeprefix("std."))
            return None if text is None else Source(name, text)
        path = folder.joinpath(*name.split(".")).with_suffix(".opt")
        return read_source(path) if path.exists() else None

    return load


def program_name(path: str) -> str:
    """The name of the program that a file holds, or is to hold: a C identifier of at most 15 characters."""
    stem = Path(path).name
    for suffix in (".opt", ".bpf.o", ".bpf.c"):
        if stem.endswith(suffix) and stem != suffix:
            stem = stem.removesuffix(suffix)
            break
    else:
        stem = Path(stem).stem
    name = re.sub(r"[^A-Za-z0-9_]+", "_", stem).strip("_")
    if name[:1].isdigit():
        name = f"_{name}"
    return name[:LONGEST_NAME].rstrip("_") or "option"


def _text(name: str, data: bytes) -> str:
    if b"\0" in data:
        raise CompileError(_not_text(name, f"byte {data.index(0) + 1} is NUL"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CompileError(_not_text(name, f"byte {error.start + 1} is not UTF-8")) from None


def _not_text(name: str, reason: str) -> Diagnostic:
    return wording.not_text(Source(name, ""), reason)
