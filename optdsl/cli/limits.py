"""What only code generation finds: limits of the kernel and of this machine, as errors of the input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from optdsl.cli.errors import InputError

if TYPE_CHECKING:
    from optdsl.backends.llvm import BackendError
    from optdsl.source import Source, Span


@contextmanager
def told_limits(sources: Sequence[Source]) -> Iterator[None]:
    """Around a back end: its BackendError becomes a CompileError or an InputError.

    Errors that are neither a limit of the kernel nor of this machine are defects, and go on up as they are.
    """
    from optdsl.backends.llvm import BackendError
    from optdsl.diagnostics import CompileError, Diagnostic

    try:
        yield
    except BackendError as error:
        if error.stage == "resources":
            raise InputError(error.message, ("help", "give the compiler more memory, or free some")) from None
        span = _span(error, sources)
        if span is not None:
            found = Diagnostic("", "no kernel would accept this program", span, notes=(error.message,))
            raise CompileError(found) from None
        if error.stage == "generate":
            raise InputError(f"no kernel would accept this program: {error.message}") from None
        raise


def _span(error: BackendError, sources: Sequence[Source]) -> Span | None:
    """The line that an error is about, without the blanks around it."""
    from optdsl.source import Span

    source = next((each for each in sources if each.base_name == error.file), None)
    if source is None or error.line is None:
        return None
    text = source.line_text(error.line)
    start = sum(len(line) + 1 for line in source.text.split("\n")[: error.line - 1])
    return Span(source, start + len(text) - len(text.lstrip()), start + len(text.rstrip()))
