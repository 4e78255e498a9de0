"""Compiles the samples through both back ends, for the end-to-end tests."""

from __future__ import annotations

from pathlib import Path

from optdsl import resources
from optdsl.backends.c import emit_c
from optdsl.backends.llvm import emit_object
from optdsl.compiler import Options, analyse, lower_program
from optdsl.diagnostics import Diagnostics
from optdsl.kernel.clang import compile_bpf
from optdsl.source import Source

BACKENDS = ("llvm", "c")


def load_module(name: str) -> Source | None:
    """The text of a module of the standard library."""
    text = resources.module_text(name.removeprefix("std."))
    return Source(name, text) if text is not None else None


def compile_sample(name: str, backend: str, folder: Path) -> Path:
    """The object of `samples/NAME.opt`, made by a back end."""
    text = (resources.folder("samples") / f"{name}.opt").read_text(encoding="utf-8")
    checked = analyse([Source(f"{name}.opt", text)], Options(name), load_module, Diagnostics())
    program = lower_program(checked)
    output = folder / f"{name}.bpf.o"
    if backend == "llvm":
        output.write_bytes(emit_object(program))
        return output
    source = folder / f"{name}.bpf.c"
    source.write_text(emit_c(program), encoding="utf-8")
    compile_bpf(source, output)
    return output
