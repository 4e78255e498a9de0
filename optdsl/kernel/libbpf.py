"""BPF objects through libbpf: open from memory, load, attach to a cgroup, follow a ring buffer.

    with Object(data, "delayed_ack") as opened:
        opened.map(".data.params").set_initial("delayed_ack.divisor", 4)
        opened.load()
        opened.attach_sock_ops("opt_main", group)
        print(opened.map("counters").read())

Everything an `Object` attached is detached when it is closed. Functions raise KernelError.
"""

import ctypes
import errno
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from optdsl.kernel import libbpf_binding as c
from optdsl.kernel.btf import Btf, read_raw
from optdsl.kernel.cgroups import Cgroup
from optdsl.kernel.errors import KernelError
from optdsl.kernel.maps import Map
from optdsl.kernel.ring_buffer import RingBuffer

_CGROUP_SOCK_OPS: Final = 3
"""BPF_CGROUP_SOCK_OPS of enum bpf_attach_type."""
_ALLOW_MULTI: Final = 2
"""BPF_F_ALLOW_MULTI."""
_LOG_SIZE: Final = (1 << 24) - 1
"""Kernels before 5.2 refuse a larger log buffer. Pages that are never written cost nothing."""


class AttachMode(Enum):
    """How a program is put on a cgroup; programs of both modes run side by side, in the order of attachment."""

    LINK = auto()
    """A bpf_link: goes away with this process unless it is pinned."""
    MULTI = auto()
    """BPF_F_ALLOW_MULTI: stays after this process until it is detached or the cgroup is removed."""


class Attachment:
    """A program on a cgroup, until `detach`."""

    def __init__(self, program: str, cgroup: Cgroup, program_fd: int, link: int | None) -> None:
        self.program = program
        self.cgroup = cgroup
        self._program_fd = program_fd
        self._link = link
        self._attached = True

    @property
    def mode(self) -> AttachMode:
        """How it is attached."""
        return AttachMode.MULTI if self._link is None else AttachMode.LINK

    def pin(self, path: Path) -> None:
        """Makes a link outlive this process, at a path on bpffs without a dot in it. MULTI needs no pin: EINVAL."""
        if self._link is None:
            raise KernelError("only a link can be pinned", errno.EINVAL)
        c.call("bpf_link__pin", f"cannot pin the link at {path}", self._link, os.fsencode(path))

    def detach(self) -> None:
        """Takes the program off the cgroup (a pinned link stays until it is unpinned); once is enough."""
        if not self._attached:
            return
        self._attached = False
        what = f"cannot detach {self.program} from {self.cgroup.path}"
        if self._link is not None:
            c.call("bpf_link__destroy", what, self._link)
        elif self.cgroup.exists():  # a removed cgroup has dropped its programs
            with _open_directory(self.cgroup) as directory:
                c.call("bpf_prog_detach2", what, self._program_fd, directory, _CGROUP_SOCK_OPS)


class Object:
    """One BPF object file, from opening to closing."""

    def __init__(self, data: bytes, name: str = "optdsl", log_level: int = 0) -> None:
        """Opens an ELF object that is in memory; the kernel is not involved yet.

        `log_level` 1 keeps the verifier log of a successful load too, 2 with more detail; 4 keeps the figures, and of a
        failed load the bare reason. After a failed load there is always a log.
        """
        self._data = data  # libbpf reads it until the object is loaded
        self._log = mmap.mmap(-1, _LOG_SIZE)
        # Only the address is used: the pages stay mapped for as long as the object lives.
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._log))
        options = c.OpenOptions(sz=ctypes.sizeof(c.OpenOptions), object_name=name.encode())
        options.kernel_log_buf, options.kernel_log_size, options.kernel_log_level = address, _LOG_SIZE, log_level
        self._opened = c.pointer(
            "bpf_object__open_mem", f"cannot open the object {name}", data, len(data), ctypes.byref(options)
        )
        self._name = name
        self._attachments: list[Attachment] = []
        self._ring_buffers: list[RingBuffer] = []

    def load(self) -> None:
        """Creates the maps and hands the programs to the verifier. The KernelError carries the verifier log."""
        try:
            c.call("bpf_object__load", f"cannot load the object {self._name}", self._handle)
        except KernelError as error:
            log = error.verifier_log or self.verifier_log
            raise KernelError(error.what, error.errno, error.message, log) from None

    @property
    def verifier_log(self) -> str:
        """What the verifier wrote about the program loaded last; empty after a success with log level 0."""
        end = self._log.find(b"\0")
        # libbpf gives the buffer to the kernel's check of the types as well, which comes first.
        return "" if self._log[:6] == b"magic:" else self._log[:end].decode(errors="replace")

    @cached_property
    def btf(self) -> Btf | None:
        """The types of the object; None if it was compiled without."""
        handle = c.libbpf().bpf_object__btf(self._handle)
        if not handle:
            return None
        size = ctypes.c_uint32()
        address = c.pointer("btf__raw_data", "cannot read the BTF", handle, ctypes.byref(size))
        return read_raw(ctypes.string_at(address, size.value))

    @property
    def maps(self) -> dict[str, Map]:
        """All maps by name, data sections included (`.data.params`)."""
        return {made.name: made for made in (Map(handle, self.btf) for handle in self._each("bpf_object__next_map"))}

    def map(self, name: str) -> Map:
        """The map of that name; KernelError (ENOENT) names those there are."""
        maps = self.maps
        if name not in maps:
            raise KernelError(f"no map {name!r} in {self._name}", errno.ENOENT, f"it has: {', '.join(maps)}")
        return maps[name]

    @property
    def programs(self) -> list[str]:
        """The names of the programs."""
        library = c.libbpf()
        return [os.fsdecode(library.bpf_program__name(handle)) for handle in self._each("bpf_object__next_program")]

    def load_only(self, program: str) -> None:
        """Leaves the other programs out of `load`."""
        for name in self.programs:
            what = f"cannot choose the programs of {self._name}"
            c.call("bpf_program__set_autoload", what, self._program(name), name == program)

    def program_sizes(self, program: str) -> tuple[int, int]:
        """Bytes of a loaded program: as the verifier left it, and as machine code (0 where there is no JIT)."""
        descriptor = c.call("bpf_program__fd", f"program {program} is not loaded", self._program(program))
        info = c.ProgramInfo()
        size = ctypes.c_uint32(ctypes.sizeof(info))
        what = f"cannot ask for the size of {program}"
        c.call("bpf_obj_get_info_by_fd", what, descriptor, ctypes.byref(info), ctypes.byref(size))
        return info.xlated_prog_len, info.jited_prog_len

    def attach_sock_ops(self, program: str, cgroup: Cgroup, mode: AttachMode = AttachMode.LINK) -> Attachment:
        """Puts a loaded sock_ops program on a cgroup, for the sockets of its processes and of those in groups below.

        EPERM means that someone else attached a program there exclusively, without BPF_F_ALLOW_MULTI.
        """
        handle = self._program(program)
        program_fd = c.call("bpf_program__fd", f"program {program} is not loaded", handle)
        what = f"cannot attach {program} to {cgroup.path}"
        link = None
        with _open_directory(cgroup) as directory:
            if mode is AttachMode.LINK:
                link = c.pointer("bpf_program__attach_cgroup", what, handle, directory)
            else:
                c.call("bpf_prog_attach", what, program_fd, directory, _CGROUP_SOCK_OPS, _ALLOW_MULTI)
        attachment = Attachment(program, cgroup, program_fd, link)
        self._attachments.append(attachment)
        return attachment

    def ring_buffer(self, name: str = "events") -> RingBuffer:
        """Follows the records that programs submit to a ring buffer map; closed with the object."""
        opened = RingBuffer(self.map(name).fd, name)
        self._ring_buffers.append(opened)
        return opened

    def close(self) -> None:
        """Detaches what was attached through this object and frees it; once is enough."""
        if not self._opened:
            return
        handle, self._opened = self._opened, 0
        try:
            for opened in self._ring_buffers:
                opened.close()
            for attachment in self._attachments:
                attachment.detach()
        finally:
            c.libbpf().bpf_object__close(handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _handle(self) -> int:
        if not self._opened:
            raise ValueError(f"the object {self._name} is closed")
        return self._opened

    def _each(self, next_function: str) -> list[int]:
        """The handles that one of libbpf's iterators yields."""
        following = getattr(c.libbpf(), next_function)
        handles: list[int] = []
        while handle := following(self._handle, handles[-1] if handles else None):
            handles.append(handle)
        return handles

    def _program(self, name: str) -> int:
        known = self.programs
        if name not in known:
            raise KernelError(f"no program {name!r} in {self._name}", errno.ENOENT, f"it has: {', '.join(known)}")
        what = f"no program {name!r} in {self._name}"
        return c.pointer("bpf_object__find_program_by_name", what, self._handle, os.fsencode(name))


@contextmanager
def _open_directory(cgroup: Cgroup) -> Iterator[int]:
    """The file descriptor of a cgroup's directory, by which bpf(2) names the cgroup."""
    try:
        descriptor = os.open(cgroup.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise KernelError(f"cannot open the control group {cgroup.path}", error.errno) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
