"""`optdsl doctor`: what this machine and its kernel allow, and how to mend what is missing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from optdsl.cli.errors import Status
from optdsl.cli.terminal import style_of, write

if TYPE_CHECKING:
    from optdsl.diagnostics.render_rows import Style
    from optdsl.kernel.finding import Finding

EXAMPLES = (("optdsl doctor", "one line a finding, each with its remedy"),)
_COMPILER = "LLVM"
_ONLY_FOR_THE_LAB = frozenset({"network namespaces", "libbpf"})
"""Findings that do not stop anybody from compiling, loading and attaching a program with bpftool."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""
    del parser


def run(arguments: argparse.Namespace) -> int:
    """Prints the findings. Succeeds if programs can be compiled and loaded here."""
    from optdsl.kernel.probe import findings

    del arguments
    found = [code_generation(), *findings()]
    write(doctor_text(found, style_of(sys.stdout)))
    return Status.OK if not obstacles(found) else Status.INPUT


def code_generation() -> Finding:
    """Whether objects can be made: LLVM comes with llvmlite."""
    from optdsl.kernel.finding import fail, ok

    try:
        from llvmlite import binding

        binding.initialize_all_targets()
        binding.Target.from_triple("bpfel")
        return ok(_COMPILER, f"{'.'.join(str(part) for part in binding.llvm_version_info)}, with the BPF target")
    except Exception as error:
        return fail(_COMPILER, str(error) or type(error).__name__, "pip install --force-reinstall llvmlite")


def obstacles(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that keep programs from being compiled or loaded."""
    from optdsl.kernel.finding import State

    return [each for each in findings if each.state is State.FAIL and each.name not in _ONLY_FOR_THE_LAB]


def doctor_text(findings: Sequence[Finding], style: Style) -> str:
    """The findings as a table, each with its remedy below, and a verdict."""
    from optdsl.diagnostics.render_rows import Role, painted
    from optdsl.kernel.finding import State

    roles = {State.OK: Role.ADDED, State.WARN: Role.WARNING, State.FAIL: Role.ERROR}
    width = max(len(each.name) for each in findings)
    margin = " " * (8 + width)
    lines = []
    for each in findings:
        first, *more = each.detail.splitlines() or [""]
        lines.append(f"{painted(f'{each.state:<4}', roles[each.state], style)}  {each.name:<{width}}  {first}".rstrip())
        lines += [margin + line for line in more]
        if each.fix:
            lines.append(f"{margin}{painted('fix', Role.HELP, style)}: {each.fix}")
    stopping = [each.name for each in obstacles(findings)]
    if stopping:
        what = "compiled" if _COMPILER in stopping else "loaded"
        verdict = f"Programs cannot be {what} here because of: {', '.join(stopping)}."
    else:
        verdict = "Programs can be compiled, loaded and attached here."
    return "\n".join([*lines, "", verdict]) + "\n"
