"""Checked programs from `.opt` text, for the back ends that start from the checked layout."""

from __future__ import annotations

from optdsl import resources
from optdsl.compiler import Options, analyse
from optdsl.diagnostics import Diagnostics
from optdsl.semantics.model import CheckedProgram, Option
from optdsl.source import Source


def _load(name: str) -> Source | None:
    text = resources.module_text(name.removeprefix("std."))
    return None if text is None else Source(name, text)


def checked(text: str, name: str = "sample.opt") -> CheckedProgram:
    """The checked program of one text."""
    return analyse([Source(name, text)], Options("sample"), _load, Diagnostics())


def sample(name: str) -> CheckedProgram:
    """The checked program of a sample."""
    return checked((resources.folder("samples") / f"{name}.opt").read_text(encoding="utf-8"), f"{name}.opt")


def with_layout(fields: str, kind: str = "experimental 0x1234") -> Option:
    """An option with a layout, received and rejected."""
    text = f"option sample {{ kind {kind} layout {{ {fields} }} receive {{ reject unwanted }} }}"
    return checked(text).options[0]
