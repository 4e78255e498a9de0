"""Following the records that BPF programs submit to a ring buffer map (BPF_MAP_TYPE_RINGBUF)."""

import ctypes
import errno

from optdsl.kernel import libbpf_binding as c


class RingBuffer:
    """The consumer's end of a ring buffer map."""

    def __init__(self, map_fd: int, name: str) -> None:
        self._records: list[bytes] = []
        self._name = name
        # ctypes does not keep the callback alive: libbpf holds a bare pointer to it.
        self._callback = c.RingCallback(self._keep)
        callback = ctypes.cast(self._callback, ctypes.c_void_p)
        self._handle = c.pointer("ring_buffer__new", f"cannot follow ring buffer {name}", map_fd, callback, None, None)

    def poll(self, timeout: float = 0.0) -> list[bytes]:
        """The records since the last call, in order; waits up to `timeout` seconds for the first one."""
        milliseconds = int(timeout * 1000)
        what = f"cannot poll ring buffer {self._name}"
        c.call("ring_buffer__poll", what, self._handle, milliseconds, accept=(errno.EINTR,))
        records, self._records = self._records, []
        return records

    def close(self) -> None:
        """Stops following; once is enough."""
        handle, self._handle = self._handle, 0
        if handle:
            c.libbpf().ring_buffer__free(handle)

    def _keep(self, _context: int, record: int, size: int) -> int:
        self._records.append(ctypes.string_at(record, size))
        return 0
