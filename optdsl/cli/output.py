"""Writes outputs whole or not at all.

A file is written beside its place and then moved there, so that a reader never sees half of it, and a compile that
fails leaves what was there before.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
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
            write_file(Path(destination), data)
    except BrokenPipeError:
        raise
    except OSError as error:
        name = "to the standard output" if destination == STANDARD_OUTPUT else destination
        raise InputError(f"cannot write {name}: {error.strerror}") from None


def write_file(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all; a link stays a link, a device stays a device. Raises OSError."""
    if path.exists() and not path.is_file():
        # A device or a pipe cannot be replaced, only written to; a folder fails here.
        with path.open("wb") as special:
            special.write(data)
        return
    _replace(Path(os.path.realpath(path)), data)


def write_new_file(destination: str, data: bytes) -> None:
    """Writes a file that is not there yet. Raises InputError if it is, whatever it is, or if writing fails."""
    path = Path(destination)
    try:
        _link_or_create(path, data)
    except FileExistsError:
        raise InputError(f"{destination} is there already", ("help", "name another file with `-o`")) from None
    except OSError as error:
        raise InputError(f"cannot write {destination}: {error.strerror}") from None


def replace_file(name: str, data: bytes) -> None:
    """Gives a file new contents: whole or not at all, with the mode and the owner that it has; a link stays a link.

    Raises InputError if that fails, or if it is no file that could be replaced.
    """
    path = Path(os.path.realpath(name))
    shown = name.encode("utf-8", "replace").decode()
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"cannot write {shown}: not a regular file", file=shown)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        _replace(path, data, status)
    except OSError as error:
        raise InputError(f"cannot write {shown}: {error.strerror}", file=shown) from None


def _link_or_create(path: Path, data: bytes) -> None:
    temporary = _beside(path)
    _create(temporary, data)
    try:
        # Unlike a move, a link never takes the place of another file.
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # file systems without links, such as FAT
        _create(path, data)
    finally:
        temporary.unlink()


def _replace(path: Path, data: bytes, status: os.stat_result | None = None) -> None:
    """Moves a new file to its place, with the owner and the mode of `status` if that is given."""
    temporary = _beside(path)
    _create(temporary, data)
    try:
        if status is not None:
            with contextlib.suppress(PermissionError):  # only root gives files away
                os.chown(temporary, status.st_uid, status.st_gid)
            temporary.chmod(stat.S_IMODE(status.st_mode))
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _beside(path: Path) -> Path:
    """A name in the same folder that nobody else has."""
    return path.with_name(f".optdsl-{os.urandom(8).hex()}")


def _create(path: Path, data: bytes) -> None:
    """Writes a file that is not there yet; it is not there either if that fails."""
    with path.open("xb") as file:
        try:
            file.write(data)
            file.flush()
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
