"""A system call that stays in the kernel, with the lock of a connection, for as long as a test needs.

The memory it copies to or from is missing (userfaultfd(2)) and comes with the end of a `with` block. For x86-64.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import mmap
import os
import select
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Final

_USERFAULTFD: Final = 323
"""arch/x86/entry/syscalls/syscall_64.tbl."""
_API, _REGISTER, _ZEROPAGE = 0xC018AA3F, 0xC020AA00, 0xC020AA04
"""UFFDIO_... of include/uapi/linux/userfaultfd.h."""
_API_VERSION, _MODE_MISSING = 0xAA, 1


@contextlib.contextmanager
def held(connection: socket.socket) -> Iterator[None]:
    """Has a thread in send(2), of one page on a connection with room for it; it has been sent when the block ends."""
    with contextlib.ExitStack() as cleanup:
        page = cleanup.enter_context(mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        faults = _faults()
        cleanup.callback(os.close, faults)
        start = _address(page)
        fcntl.ioctl(faults, _REGISTER, struct.pack("=QQQQ", start, len(page), _MODE_MISSING, 0))
        sending = threading.Thread(target=_send, args=(connection, page))
        sending.start()
        try:
            assert select.select([faults], [], [], 10)[0], "send(2) has not come to the page"
            yield
        finally:
            fcntl.ioctl(faults, _ZEROPAGE, struct.pack("=QQQq", start, len(page), 0, 0))
            sending.join()


def _send(connection: socket.socket, page: mmap.mmap) -> None:
    # with a SIGCHLD to deliver, user-mode Linux tries the page again and again, and simulated time stands still
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    connection.send(page)


def _faults() -> int:
    """A descriptor of userfaultfd(2)."""
    number: int = ctypes.CDLL(None, use_errno=True).syscall(_USERFAULTFD, os.O_CLOEXEC | os.O_NONBLOCK)
    if number < 0:
        raise OSError(ctypes.get_errno(), "userfaultfd")
    fcntl.ioctl(number, _API, struct.pack("=QQQ", _API_VERSION, 0, 0))
    return number


def _address(page: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(page))
