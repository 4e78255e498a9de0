"""The BPF programs of the tests: compiled on the host, because clang is slow in the lab, and loaded in there."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kernel_patches import lab_side
from optdsl.kernel import libbpf_binding as c
from optdsl.kernel import tools
from optdsl.kernel.btf import Value
from optdsl.kernel.clang import compile_bpf
from optdsl.kernel.errors import KernelError
from optdsl.kernel.libbpf import Object
from optdsl.kernel.maps import Map
from optdsl.kernel.ring_buffer import RingBuffer
from optdsl.lab.hosts import Host
from optdsl.record import record

SOURCES: Final = Path(__file__).parent / "programs"
PATCHES: Final = Path(__file__).parents[2] / "kernel-patches"
"""Where `mptcp_bpf.h` is, which says what the patches add."""
_DATA_SECTIONS: Final = (".data", ".bss", ".rodata")
_FOR_CGROUPS: Final = ("sockops", "cgroup")
"""How the sections of programs begin that are attached to a control group."""
_FOR_NOBODY: Final = ("tc", "classifier", "action", "?", ".text")
"""Those that somebody else attaches, or nobody."""


@record
class LoadedProgram:
    """An object that is loaded and attached until its test ends."""

    object: Object

    def value(self, variable: str) -> Value:
        """The value of a global variable."""
        for data in self._data():
            held = data.read()
            if isinstance(held, dict) and variable in held:
                return held[variable]
        raise KernelError(f"no global variable {variable!r}; there are: {', '.join(self._variables())}")

    def set(self, path: str, value: int) -> None:
        """Sets a global variable, or a member of one, by its path, while programs go on running."""
        for data in self._data():
            held = data.read()
            if isinstance(held, dict) and re.split(r"[.\[]", path)[0] in held:
                data.set_member(path, value)
                return
        raise KernelError(f"no global variable {path!r}; there are: {', '.join(self._variables())}")

    def map(self, name: str) -> Map:
        """A map by its name."""
        return self.object.map(name)

    def records(self, name: str = "events") -> RingBuffer:
        """Follows a ring buffer: `poll()` gives the records since the last call."""
        return self.object.ring_buffer(name)

    def _data(self) -> list[Map]:
        # libbpf puts the name of the object before those of the standard sections.
        return [each for name, each in self.object.maps.items() if any(end in name for end in _DATA_SECTIONS)]

    def _variables(self) -> list[str]:
        held = [data.read() for data in self._data()]
        return [name for each in held if isinstance(each, dict) for name in each]


@contextmanager
def load(name: str, *hosts: Host) -> Iterator[LoadedProgram]:
    """Loads an object that the host has compiled and attaches its programs. Raises KernelError with the verifier's log.

    Programs in `SEC("sockops")` and `SEC("cgroup/...")` see the sockets of `hosts`; those of `tc` are left alone; all
    others are attached to what their section names (fentry, kprobe, struct_ops, ...).
    """
    folder = lab_side.results_folder()
    assert folder is not None
    with Object(object_path(folder, name).read_bytes(), re.sub(r"\W", "_", name)) as opened:
        opened.load()
        links = []
        try:
            for program, section in _sections(opened).items():
                if section.startswith(_FOR_CGROUPS):
                    for host in hosts:
                        opened.attach_sock_ops(program, host.cgroup)
                elif not section.startswith(_FOR_NOBODY):
                    links.append(_attach(opened, program))
            yield LoadedProgram(opened)
        finally:
            for link in links:
                c.call("bpf_link__destroy", "cannot detach", link)


def object_path(folder: Path, name: str) -> Path:
    """Where the compiled form of a program is below the results of a run."""
    return folder / f"{name}.bpf.o"


def named_in(module: Path) -> list[Path]:
    """The sources of the programs whose names stand in quotes in a test module."""
    text = module.read_text()
    return [source for source in sorted(SOURCES.glob("*.bpf.c")) if f'"{source.name.removesuffix(".bpf.c")}"' in text]


def compile_all(sources: list[Path], folder: Path, kernel: Path) -> None:
    """Compiles programs into `folder`, with a `vmlinux.h` of the kernel for those that include it.

    Raises KernelError with what clang or bpftool printed.
    """
    if any('"vmlinux.h"' in source.read_text() for source in sources):
        done = tools.run(["bpftool", "btf", "dump", "file", str(kernel), "format", "c"])
        if done.returncode:
            raise KernelError(f"{kernel} does not tell its types", message=done.stderr)
        (folder / "vmlinux.h").write_text(done.stdout)
    for source in sources:
        output = object_path(folder, source.name.removesuffix(".bpf.c"))
        compile_bpf(source, output, "-D__TARGET_ARCH_x86", f"-I{folder}", f"-I{SOURCES}", f"-I{PATCHES}")


def _sections(opened: Object) -> dict[str, str]:
    """The ELF section of each program."""
    library = c.libbpf()
    library.bpf_program__section_name.restype = ctypes.c_char_p
    library.bpf_program__section_name.argtypes = (ctypes.c_void_p,)
    return {name: library.bpf_program__section_name(opened._program(name)).decode() for name in opened.programs}


def _attach(opened: Object, program: str) -> int:
    """Attaches a program to what its section names, and returns the link."""
    function = c.libbpf().bpf_program__attach
    function.restype, function.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
    return c.pointer("bpf_program__attach", f"cannot attach {program}", opened._program(program))
