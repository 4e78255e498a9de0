"""Wording of what the parser finds: OPT01xx."""

from __future__ import annotations

from collections.abc import Sequence

from optdsl.diagnostics.model import Diagnostic, Suggestion
from optdsl.source import Source, Span

ENDS_EARLY = "OPT0102"
"""The code of a text that ends inside a construct."""


def unexpected(span: Span, found: str, expected: Sequence[str], suggestion: Suggestion | None = None) -> Diagnostic:
    """A token where the grammar has no place for it."""
    label = f"expected {_either(expected)}" if expected else "not expected here"
    return Diagnostic("OPT0101", f"unexpected {found}", span, label, suggestion=suggestion)


def misplaced_doc(span: Span, before: str = "") -> Diagnostic:
    """A documentation comment that nothing follows which it could document; `before` is what it stands before."""
    why = f"`///` documents a declaration, not a `{before}`" if before else "nothing is declared behind it"
    slashes = Span(span.source, span.start, span.start + len("///"))
    return Diagnostic("OPT0101", "unexpected `///` comment", span, why,
                      suggestion=Suggestion("write an ordinary comment", slashes, "//"))  # fmt: skip


def unexpected_end(span: Span, expected: Sequence[str], opened: Span | None) -> Diagnostic:
    """The text ends inside a construct."""
    from optdsl.diagnostics.model import Label

    labels = (Label(opened, "this is never closed"),) if opened else ()
    return Diagnostic(ENDS_EARLY, "the file ends too early", span, f"expected {_either(expected)}", labels)


def bad_character(span: Span, suggestion: Suggestion | None = None) -> Diagnostic:
    """A character that starts no token."""
    return Diagnostic("OPT0103", f"no token starts with {span.text!r}", span, suggestion=suggestion)


def unclosed_text(span: Span) -> Diagnostic:
    return Diagnostic("OPT0104", "text without a closing quotation mark", span, 'add `"` on the same line')


def bad_number(span: Span) -> Diagnostic:
    return Diagnostic("OPT0105", "not a number of at most 64 bits", span)


def bad_prefix(span: Span, network: str | None) -> Diagnostic:
    suggestion = Suggestion("the network it is in", span, network) if network else None
    return Diagnostic("OPT0106", "not an address prefix", span, "has bits set after its length" if network else "",
                      suggestion=suggestion)  # fmt: skip


def bad_address(span: Span) -> Diagnostic:
    return Diagnostic("OPT0107", "not an IP address", span)


def no_members(span: Span) -> Diagnostic:
    return Diagnostic("OPT0108", "only a name has members", span)


def not_a_function(span: Span) -> Diagnostic:
    return Diagnostic("OPT0108", "only a name can be called", span)


def empty_file(source: Source) -> Diagnostic:
    return Diagnostic("OPT0109", "nothing is declared here", Span(source, 0, 0), "expected `option NAME { ... }`")


def too_deep(span: Span) -> Diagnostic:
    return Diagnostic("OPT0110", "nested too deeply", span, "split it with `let`")


def not_text(source: Source, reason: str) -> Diagnostic:
    return Diagnostic("OPT0111", f"{source.name} is not a text file", None, notes=(reason,), file=source.name)


def _either(expected: Sequence[str]) -> str:
    if len(expected) == 1:
        return expected[0]
    return ", ".join(expected[:-1]) + " or " + expected[-1]
