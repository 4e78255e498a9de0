"""Reads `.opt` files and the modules that they use, and gives programs their names."""

from __future__ import annotations

import errno
import sys
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


STANDARD_INPUT = "-"


def read_bytes(name: str, most: int) -> bytes:
    """The bytes of a file, or of the standard input for `-`.

    Raises InputError if it cannot be read, or is larger than `most` bytes.
    """
    shown = shown_name(name)
    try:
        data = _read(name, most + 1)
    except OSError as error:
        raise InputError(f"cannot read {shown}: {error.strerror}", file=shown) from None
    except ValueError as error:  # a NUL in the name
        raise InputError(f"cannot read {name!r}: {error}", file=shown) from None
    if len(data) > most:
        raise InputError(f"cannot read {shown}: larger than {most >> 20} MiB", file=shown)
    return data


def read_source(name: str) -> Source:
    """A source under the name that the user gave it. Raises InputError, or CompileError for what is not text."""
    shown = shown_name(name)
    return Source(shown, _text(shown, read_bytes(name, MOST_BYTES)))


def shown_name(name: str) -> str:
    """The name of an input in messages. Names of files need not be UTF-8."""
    return "<stdin>" if name == STANDARD_INPUT else name.encode("utf-8", "replace").decode()


def module_loader(folder: Path) -> Callable[[str], Source | None]:
    """Finds modules: `std.x` in the standard library, `a.b` as `a/b.opt` in a folder."""

    def load(name: str) -> Source | None:
        if name == "std" or name.startswith("std."):
            text = resources.module_text(name.removeprefix("std."))
            return None if text is None else Source(name, text)
        path = folder.joinpath(*name.split(".")).with_suffix(".opt")
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            pass  # something is there, and reading tells why it cannot be had
        return read_source(str(path))

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
    letters = "".join(each if each.isascii() and each.isalnum() else " " for each in stem)
    name = "_".join(letters.split())
    if name[:1].isdigit():
        name = f"_{name}"
    return name[:LONGEST_NAME].rstrip("_") or "option"


def _read(name: str, most: int) -> bytes:
    if name != STANDARD_INPUT:
        with Path(name).open("rb") as file:
            return file.read(most)
    if sys.stdin is None:  # a shell's `<&-`
        raise OSError(errno.EBADF, "it is closed")
    return sys.stdin.buffer.read(most)


def _text(name: str, data: bytes) -> str:
    if b"\0" in data:
        raise CompileError(_not_text(name, f"byte {data.index(0) + 1} is NUL"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CompileError(_not_text(name, f"byte {error.start + 1} is not UTF-8")) from None


def _not_text(name: str, reason: str) -> Diagnostic:
    return wording.not_text(Source(name, ""), reason)
