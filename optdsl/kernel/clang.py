"""Compiling C to BPF objects with clang: what the generated C is for, and how tests build their own programs."""

import sysconfig
from pathlib import Path

from optdsl.kernel import tools
from optdsl.kernel.errors import KernelError


def compile_bpf(source: Path, output: Path, *options: str) -> Path:
    """Compiles one C file to an object with BTF for the BPF cpu v3, and returns `output`.

    Extra `options` go to clang as they are. Raises KernelError with what clang printed.
    """
    fixed = ["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror", *_multiarch_include()]
    done = tools.run(["clang", *fixed, *options, "-c", str(source), "-o", str(output)])
    if done.returncode:
        raise KernelError(f"clang cannot compile {source.name}", message=done.stderr)
    return output


def _multiarch_include() -> list[str]:
    """Where Debian keeps asm/types.h, which clang does not search for a target other than the machine's own."""
    multiarch = sysconfig.get_config_var("MULTIARCH")
    return [f"-I/usr/include/{multiarch}"] if multiarch else []
