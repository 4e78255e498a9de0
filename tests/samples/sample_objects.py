"""Compiles the samples through both back ends, for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

from optdsl import resources
from optdsl.backends.c import emit_c
from optdsl.backends.llvm import emit_object
from optdsl.compiler import Options, analyse, lower_program
from optdsl.diagnostics import Diagnostics
from optdsl.ir.program import Program
from optdsl.kernel.clang import compile_bpf
from optdsl.source import Source

BACKENDS = ("llvm", "c")
TOO_MANY = "OPT0504"
"""Not all options fit on a packet that reports loss."""


def load_module(name: str) -> Source | None:
    """The text of a module of the standard library."""
    text = resources.module_text(name.removeprefix("std."))
    return Source(name, text) if text is not None else None


def compile_sample(name: str, backend: str, folder: Path) -> Path:
    """The object of `samples/NAME.opt`, made by a back end."""
    return compile_samples((name,), backend, folder)


def compile_samples(names: Sequence[str], backend: str, folder: Path) -> Path:
    """One object of one or several samples, made by a back end. One sample causes no warning, several the expected."""
    sources = [_source(name) for name in names]
    diagnostics = Diagnostics()
    options = Options("_".join(names)[:15])
    program = lower_program(analyse(sources, options, load_module, diagnostics))
    assert {each.code for each in diagnostics.found} <= ({TOO_MANY} if len(names) > 1 else set())
    if backend == "llvm":
        output = folder / f"{program.name}.bpf.o"
        output.write_bytes(emit_object(program))
        return output
    return _compile_c(program, folder)


def _source(name: str) -> Source:
    path = resources.folder("samples") / f"{name}.opt"
    return Source(path.name, path.read_text(encoding="utf-8"))


def _compile_c(program: Program, folder: Path) -> Path:
    """Compiles beside the sources, as the C file asks for, and without the folder's name in the object."""
    source = Path(f"{program.name}.bpf.c")
    for each in program.sources:
        (folder / each.base_name).write_text(each.text, encoding="utf-8")
    (folder / source).write_text(emit_c(program), encoding="utf-8")
    with chdir(folder):
        made = compile_bpf(source, source.with_suffix(".o"), "-Wextra", "-fdebug-compilation-dir=.")
    return folder / made
