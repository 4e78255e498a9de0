"""The pipeline: text in, IR out. The one function to read first is `analyse` and, behind it, `lower_program`.

Pure: no files, no kernel, no terminal. The command line, tests and notebooks call the same functions; a `load`
callback finds the modules that `use` names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.record import field, record
from optdsl.source import Source
from optdsl.targets import Target, mainline

if TYPE_CHECKING:
    from optdsl.ir.program import Program
    from optdsl.semantics.model import CheckedProgram
    from optdsl.semantics.symbols import Loader
    from optdsl.syntax import tree


@record
class Options:
    """How to compile. `name` is that of the BPF program: a C identifier of at most 15 characters."""

    name: str = "option"
    target: Target = field(default_factory=mainline)
    timestamps: bool = True
    """Whether the kernel's timestamps count against the option space."""


def analyse(sources: Sequence[Source], options: Options, load: Loader, diagnostics: Diagnostics) -> CheckedProgram:
    """Parses and checks the files of one program.

    Everything found goes to `diagnostics`. Raises CompileError (empty) if there is an error among it.
    """
    from optdsl.semantics.check import check

    files = [file for source in sources if (file := _parsed(source, diagnostics)) is not None]
    if len(files) < len(sources):
        raise CompileError
    return check(tuple(files), options.name, options.target, load, diagnostics, timestamps=options.timestamps)


def lower_program(program: CheckedProgram) -> Program:
    """The IR of a checked program."""
    from optdsl.lower.program import lower_program as lower

    return lower(program)


def _parsed(source: Source, diagnostics: Diagnostics) -> tree.File | None:
    from optdsl.syntax.parser import parse

    try:
        return parse(source)
    except CompileError as error:
        for diagnostic in error.diagnostics:
            diagnostics.add(diagnostic)
        return None
