"""Wording of what the running kernel says of a program: OPT09xx."""

from __future__ import annotations

from optdsl.diagnostics.model import Diagnostic, Label, Suggestion
from optdsl.record import record
from optdsl.source import Span


@record
class Rejection:
    """What all of these diagnostics are made of: the line at fault with remarks, notes, and what to do."""

    program: str
    span: Span | None
    label: str
    labels: tuple[Label, ...]
    notes: tuple[str, ...]
    advice: str

    @property
    def suggestion(self) -> Suggestion | None:
        return Suggestion(self.advice) if self.advice else None


def rejected(found: Rejection) -> Diagnostic:
    return Diagnostic("OPT0901", f"the kernel's verifier rejects `{found.program}`", found.span, found.label,
                      found.labels, found.notes, found.suggestion)  # fmt: skip


def not_offered(found: Rejection) -> Diagnostic:
    return Diagnostic("OPT0902", f"this kernel lacks what `{found.program}` uses", found.span, found.label,
                      found.labels, found.notes, found.suggestion)  # fmt: skip


def beyond_limit(found: Rejection) -> Diagnostic:
    return Diagnostic("OPT0903", f"`{found.program}` exceeds a limit of the kernel's verifier", found.span, found.label,
                      found.labels, found.notes, found.suggestion)  # fmt: skip
