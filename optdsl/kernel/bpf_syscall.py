"""The bpf(2) system call itself, for the questions that must be answered without libbpf.

Source: include/uapi/linux/bpf.h (union bpf_attr, struct bpf_insn) and the architectures' system call tables.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from optdsl.kernel.cgroups import Cgroup
from optdsl.kernel.errors import KernelError

_SYSCALL_NUMBERS: Final = {
    "aarch64": 280,
    "armv7l": 386,
    "i386": 357,
    "i686": 357,
    "loongarch64": 280,
    "ppc64le": 361,
    "riscv64": 280,
    "s390x": 351,
    "x86_64": 321,
}
_PROG_LOAD: Final = 5
_PROG_ATTACH: Final = 8
_PROG_DETACH: Final = 9
_SOCK_OPS: Final = 13  # enum bpf_prog_type
_CGROUP_SOCK_OPS: Final = 3  # enum bpf_attach_type
_ALLOW_MULTI: Final = 2  # BPF_F_ALLOW_MULTI
_LOG_SIZE: Final = 1 << 16
"""Bytes; the log of a few instructions takes less than a tenth of it."""
_LICENSE: Final = ctypes.create_string_buffer(b"GPL")


def instruction(opcode: int, destination: int = 0, source: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    """One `struct bpf_insn` of 8 bytes."""
    registers = source << 4 | destination if struct.pack("=H", 1) == b"\1\0" else destination << 4 | source
    return struct.pack("=BBhi", opcode, registers, offset, immediate)


@contextmanager
def loaded_sock_ops(instructions: bytes) -> Iterator[int]:
    """Loads a sock_ops program for the length of a `with` block and gives its file descriptor.

    Raises KernelError, with the verifier's log if it is the verifier that refuses.
    """
    log = ctypes.create_string_buffer(_LOG_SIZE)
    try:
        descriptor = _load(instructions, log)
    except KernelError as error:
        raise KernelError(error.what, error.errno, error.message, log.value.decode(errors="replace")) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _load(instructions: bytes, log: ctypes.Array[ctypes.c_char]) -> int:
    code = ctypes.create_string_buffer(instructions, len(instructions))
    attributes = struct.pack(
        "=IIQQIIQII16sII",
        _SOCK_OPS,
        len(instructions) // 8,
        ctypes.addressof(code),
        ctypes.addressof(_LICENSE),
        *(1, len(log), ctypes.addressof(log), 0, 0),
        b"optdsl_probe",
        0,
        _CGROUP_SOCK_OPS,
    )
    return _bpf(_PROG_LOAD, attributes, "cannot load a sock_ops program")


@contextmanager
def attached_sock_ops(program: int, cgroup: Cgroup) -> Iterator[None]:
    """Attaches a loaded program to a cgroup, beside others, for the length of a `with` block. Raises KernelError."""
    directory = os.open(cgroup.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        pair = struct.pack("=III", directory, program, _CGROUP_SOCK_OPS)
        _bpf(_PROG_ATTACH, pair + struct.pack("=I", _ALLOW_MULTI), f"cannot attach to {cgroup.path}")
        try:
            yield
        finally:
            _bpf(_PROG_DETACH, pair, f"cannot detach from {cgroup.path}")
    finally:
        os.close(directory)


def _bpf(command: int, attributes: bytes, what: str) -> int:
    number = _SYSCALL_NUMBERS.get(platform.machine())
    if number is None:
        raise KernelError(what, errno.ENOSYS, f"the number of bpf(2) on {platform.machine()} is not known")
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result: int = libc.syscall(ctypes.c_long(number), ctypes.c_int(command), buffer, ctypes.c_uint(len(attributes)))
    if result < 0:
        raise KernelError(what, ctypes.get_errno())
    return result
