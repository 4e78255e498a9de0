"""Compiling the C of the C back end, for its tests."""

from __future__ import annotations

import os
import shutil
from contextlib import chdir
from pathlib import Path

import pytest

from optdsl.backends.c import emit_c
from optdsl.ir.program import Program
from optdsl.kernel.clang import compile_bpf

needs_clang = pytest.mark.skipif(shutil.which("clang") is None, reason="needs clang")
needs_bpftool = pytest.mark.skipif(shutil.which("bpftool") is None, reason="needs bpftool")


def compile_c(program: Program, folder: Path, *options: str, lines: bool = True, with_sources: bool = True) -> Path:
    """Compiles a program's C in a folder, next to its sources; every warning of -Wall and -Wextra is an error."""
    file = folder / f"{program.name}.bpf.c"
    file.write_text(emit_c(program, lines=lines), encoding="utf-8")
    if with_sources:
        for source in program.sources:
            (folder / source.base_name).write_text(source.text, encoding="utf-8")
    with chdir(folder):
        made = compile_bpf(Path(file.name), Path(f"{program.name}.bpf.o"), "-Wextra", *options)
    return folder / made


def unique(name: str) -> str:
    """A name for a cgroup or a pin that parallel test runs do not share."""
    return f"optdsl_c_{os.getpid()}_{name}"
