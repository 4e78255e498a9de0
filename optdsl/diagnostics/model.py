"""Diagnostics as values: what is wrong, where, why, and what to write instead.

The stages build them through the wording functions beside this file and never print; `render` turns them into text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum

from optdsl.record import field, record
from optdsl.source import Span


class Severity(Enum):
    """An error stops the compile; a warning is shown and the compile goes on."""

    ERROR = "error"
    WARNING = "warning"


@record
class Label:
    """A remark under a piece of the source."""

    span: Span
    text: str = ""


@record
class Suggestion:
    """A replacement of `span` that would mend the program."""

    text: str
    span: Span | None = None
    replacement: str | None = None


@record
class Diagnostic:
    """One finding. `code` is stable (`OPT0203`), `message` one sentence without a full stop, `label` under the span."""

    code: str
    message: str
    span: Span | None
    label: str = ""
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    suggestion: Suggestion | None = None
    severity: Severity = Severity.ERROR
    file: str | None = None
    """The file that a finding without a span is about, if it is about one."""

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR


@record(frozen=False)
class Diagnostics:
    """Collects the findings of one compile, in order, each once."""

    found: list[Diagnostic] = field(default_factory=list)
    _known: set[Diagnostic] = field(default_factory=set, shown=False)

    def add(self, diagnostic: Diagnostic) -> None:
        if diagnostic not in self._known:
            self._known.add(diagnostic)
            self.found.append(diagnostic)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        for diagnostic in diagnostics:
            self.add(diagnostic)

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Keeps what a CompileError inside the `with` block carries, and goes on behind the block."""
        try:
            yield
        except CompileError as error:
            self.extend(error.diagnostics)

    @property
    def has_errors(self) -> bool:
        return any(diagnostic.is_error for diagnostic in self.found)


class CompileError(Exception):
    """Ends a stage that cannot go on; carries the diagnostics. Never reaches the user as a traceback."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("; ".join(diagnostic.message for diagnostic in diagnostics))
        self.diagnostics = diagnostics
