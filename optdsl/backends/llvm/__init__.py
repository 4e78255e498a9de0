"""The default back end: IR program to BPF object, through textual LLVM IR and llvmlite, in process.

    emit_llvm(program)      -> str    pure: the LLVM IR, debug information included
    emit_assembly(program)  -> str    BPF assembly of the optimised program
    emit_object(program)    -> bytes  the object that libbpf and bpftool load

Rooms: `module` puts the text together; `debuginfo` over `metadata` describes types and lines; `statements`, `calls`,
`values` and `memory` translate function bodies with a `frame` that knows the function's variables; `writer` numbers
values and labels; `driver` runs LLVM in a `child`; `assembly` makes its listing readable. The kernel's numbers are in
`targets/sockops.py`. Importing this package imports neither LLVM nor those rooms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optdsl.backends.llvm.errors import BackendError

if TYPE_CHECKING:
    from optdsl.backends.llvm.child import Child
    from optdsl.ir.program import Program

__all__ = ["BackendError", "emit_assembly", "emit_llvm", "emit_object"]


def emit_llvm(program: Program) -> str:
    """The program as LLVM IR text (LLVM 20 and later).

    Raises `BackendError` for what no kernel would accept, such as a variable offset into the stack.
    """
    from optdsl.backends.llvm.module import module_text

    return module_text(program)


def emit_object(program: Program, child: Child | None = None) -> bytes:
    """The program as an ELF object for cpu v3: code, maps, data, licence, BTF and source lines; no DWARF.

    Equal programs give equal bytes. Raises `BackendError` where LLVM cannot generate code, for example for more than
    512 bytes of stack. `child` is one that `driver.start` gave, for whoever has other work while LLVM loads.
    """
    from optdsl.backends.llvm.driver import Output, generate
    from optdsl.elf.strip import strip

    return strip(generate(emit_llvm(program), Output.OBJECT, child))


def emit_assembly(program: Program, child: Child | None = None) -> str:
    """The optimised program as BPF assembly, with the source lines as comments. Raises like `emit_object`."""
    from optdsl.backends.llvm.assembly import readable
    from optdsl.backends.llvm.driver import Output, generate

    return readable(generate(emit_llvm(program), Output.ASSEMBLY, child).decode(), program.sources)
