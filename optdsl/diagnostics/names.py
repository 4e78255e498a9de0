"""Wording of what name resolution finds: OPT03xx."""

from __future__ import annotations

from collections.abc import Iterable

from optdsl.diagnostics.model import Diagnostic, Label, Severity, Suggestion
from optdsl.source import Span


def did_you_mean(name: str, known: Iterable[str], span: Span) -> Suggestion | None:
    """The nearest known name as a replacement, if one is near."""
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(set(known)), n=1, cutoff=0.6)
    return Suggestion(f"did you mean `{near[0]}`?", span, near[0]) if near else None


def unknown(span: Span, what: str, name: str, known: Iterable[str], notes: tuple[str, ...] = ()) -> Diagnostic:
    """A name that nothing declares. `what` is the kind of thing that was looked for: `name`, `event`, `type`."""
    return Diagnostic("OPT0301", f"unknown {what} `{name}`", span, "not declared", notes=notes,
                      suggestion=did_you_mean(name, known, span))  # fmt: skip


def duplicate(span: Span, name: str, first: Span | None) -> Diagnostic:
    labels = (Label(first, "first declared here"),) if first else ()
    return Diagnostic("OPT0302", f"`{name}` is declared twice", span, "declared again", labels)


def used_before(span: Span, name: str, declared: Span) -> Diagnostic:
    return Diagnostic("OPT0303", f"`{name}` is used before its definition", span, "used here",
                      (Label(declared, "defined here"),))  # fmt: skip


def unknown_module(span: Span, name: str, known: Iterable[str]) -> Diagnostic:
    modules = sorted(known)
    return Diagnostic("OPT0304", f"there is no module `{name}`", span,
                      notes=(f"the standard library has {', '.join(modules)}",),
                      suggestion=did_you_mean(name, modules, span))  # fmt: skip


def import_cycle(span: Span, names: tuple[str, ...]) -> Diagnostic:
    return Diagnostic("OPT0305", "modules use each other in a circle", span, notes=(" -> ".join(names),))


def recursion(span: Span, name: str) -> Diagnostic:
    return Diagnostic("OPT0306", f"`{name}` calls itself", span, "recursion", notes=(
        "a `fn` is inlined where it is used, so it cannot call itself, directly or through another",))  # fmt: skip


def not_a_value(span: Span, what: str) -> Diagnostic:
    return Diagnostic("OPT0307", f"{what} is not a value", span)


def ambiguous(span: Span, name: str, owners: Iterable[str]) -> Diagnostic:
    listed = sorted(owners)
    return Diagnostic("OPT0308", f"`{name}` is a value of several enumerations", span, "which one?",
                      notes=("of " + " and ".join(f"`{owner}`" for owner in listed),))  # fmt: skip


def module_items(span: Span, what: str) -> Diagnostic:
    return Diagnostic("OPT0309", f"a module cannot declare {what}", span,
                      notes=("modules hold const, enum, table and fn",))  # fmt: skip


def wrong_arguments(span: Span, name: str, found: int, expected: str) -> Diagnostic:
    return Diagnostic("OPT0310", f"`{name}` takes {expected}, not {found}", span)


def reserved_word(span: Span, name: str) -> Diagnostic:
    return Diagnostic("OPT0311", f"`{name}` is a word of the language and cannot name anything", span)


def duplicate_part(span: Span, what: str, first: Span) -> Diagnostic:
    return Diagnostic("OPT0312", f"an option has one `{what}`", span, "second",
                      (Label(first, "first"),))  # fmt: skip


def missing_part(span: Span, name: str, what: str) -> Diagnostic:
    return Diagnostic("OPT0313", f"option `{name}` has no `{what}`", span, f"add `{what} ...`")


def unused(span: Span, what: str, name: str) -> Diagnostic:
    """A declaration that nothing reads; a name that starts with `_` says that this is meant."""
    return Diagnostic("OPT0314", f"{what} `{name}` is never used", span, severity=Severity.WARNING)


def word_of_c(span: Span, name: str) -> Diagnostic:
    """A name that appears in objects and in generated C, where it means something else."""
    return Diagnostic("OPT0315", f"`{name}` is a word of C and cannot name this", span, notes=(
        "names of options, fields, params, states, tables, records and reasons appear in C and in `bpftool`",
        ))  # fmt: skip


def generated_name(span: Span, name: str, of: str) -> Diagnostic:
    """A name that the compiler gives to something of its own."""
    return Diagnostic("OPT0316", f"`{name}` is the name of something that the compiler generates", span, of)


def counted_already(span: Span, name: str, counts: str) -> Diagnostic:
    """A reason to reject that would share a counter of the compiler's own."""
    return Diagnostic("OPT0317", f"`{name}` is a counter of its own", span, f"it counts {counts}")


def record_differs(span: Span, name: str, first: Span, why: str) -> Diagnostic:
    """An `emit` whose record has another form than the first one of that name."""
    return Diagnostic("OPT0318", f"record `{name}` has another form here", span, why,
                      (Label(first, "first emitted here"),))  # fmt: skip
