"""Writes outputs whole or not at all.

A file is written beside its place and then moved there, so that a reader never sees half of it, and a compile that
fails leaves what was there before.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from pathlib import Path

from optdsl.cli.errors import InputError

STANDARD_OUTPUT = "-"


def write_output(destination: str, data: bytes) -> None:
    """Writes to a file, or to the standard output for `-`. Raises InputError if that fails."""
    try:
        if destination == STANDARD_OUTPUT:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            _write_file(Path(destination), data)
    except BrokenPipeError:
        raise
    except OSError as error:
        name = "to the standard output" if destination == STANDARD_OUTPUT else destination
        raise InputError(f"cannot write {name}: {error.strerror}") from None


def _write_file(path: Path, data: bytes) -> None:
    path = Path(os.path.realpath(path))  # a symbolic link stays one
    if path.exists() and not path.is_file():
        # A device or a pipe cannot be replaced, only written to; a folder fails here.
        with path.open("wb") as special:
            special.write(data)
        return
    temporary = path.with_name(f".optdsl-{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
