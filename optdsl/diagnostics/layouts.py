"""Wording of what layout analysis and the option-space budget find: OPT05xx."""

from __future__ import annotations

from optdsl.diagnostics.model import Diagnostic, Label, Severity, Suggestion
from optdsl.source import Span


def not_whole_bytes(span: Span, bits: int, where: str) -> Diagnostic:
    missing = -bits % 8
    return Diagnostic("OPT0501", f"{where} is not a whole number of bytes", span,
                      f"{bits} bits, {missing} short of {(bits + missing) // 8} bytes", suggestion=Suggestion(
                          f"add `_ : u{missing}`"))  # fmt: skip


def too_long(span: Span, name: str, size: int) -> Diagnostic:
    return Diagnostic("OPT0502", f"option `{name}` does not fit a TCP header", span,
                      f"{size} bytes at most, the header has 40 for all options")  # fmt: skip


def no_space(span: Span, packet: str, used: int, left: int, why: tuple[str, ...]) -> Diagnostic:
    return Diagnostic("OPT0503", f"no room on {packet} packets", span, f"{used} bytes here, {left} are left",
                      notes=why)  # fmt: skip


def no_space_beside_sack(span: Span, packet: str, used: int, left: int, why: tuple[str, ...]) -> Diagnostic:
    return Diagnostic("OPT0504", f"no room on {packet} packets that report loss", span,
                      f"{used} bytes here, {left} are left beside one SACK block", severity=Severity.WARNING,
                      notes=("such packets go out without the option and count as `no_space`", *why))  # fmt: skip


def bad_width(span: Span, name: str) -> Diagnostic:
    return Diagnostic("OPT0505", f"`{name}` is not a width", span, "u1 to u64")


def flag_unknown(span: Span, name: str, suggestion: Suggestion | None) -> Diagnostic:
    return Diagnostic("OPT0506", f"no flag `{name}` before this field", span,
                      notes=("a flag is a u1 or bool field without a range, declared earlier and always there",),
                      suggestion=suggestion)  # fmt: skip


def not_on_byte(span: Span, name: str, bits: int) -> Diagnostic:
    """A byte string or address that does not begin with a byte of the wire."""
    return Diagnostic("OPT0501", f"`{name}` does not begin on a whole byte", span, f"{bits % 8} bits into a byte",
                      suggestion=Suggestion(f"add `_ : u{-bits % 8}` before it"))  # fmt: skip


def order(span: Span, what: str) -> Diagnostic:
    return Diagnostic("OPT0507", what, span)


def bad_reserved(span: Span, what: str) -> Diagnostic:
    return Diagnostic("OPT0508", f"reserved space {what}", span)


def read_without_test(span: Span, name: str, declared: Span, test: str) -> Diagnostic:
    return Diagnostic("OPT0509", f"`{name}` may be absent here", span, f"test `{test}` first",
                      (Label(declared, "an optional field"),))  # fmt: skip


def not_assigned(span: Span, names: list[str], field: Span, *, never: bool) -> Diagnostic:
    """`never` if no path gives any of them a value."""
    listed = ", ".join(f"`{name}`" for name in names)
    left = ("is" if len(names) == 1 else "are") if never else "may be"
    where = "on no path" if never else "not on every path"
    return Diagnostic("OPT0510", f"{listed} {left} left without a value", span, where,
                      (Label(field, "always on the wire"),))  # fmt: skip


def assigned_twice(span: Span, name: str) -> Diagnostic:
    return Diagnostic("OPT0511", f"`{name}` already has a value here", span)


def flag_assigned(span: Span, name: str, fields: list[str]) -> Diagnostic:
    return Diagnostic("OPT0512", f"`{name}` is set by the compiler", span,
                      f"it tells whether {' and '.join(fields)} follow{'s' if len(fields) == 1 else ''}")  # fmt: skip


def together(span: Span, given: str, missing: str, why: str) -> Diagnostic:
    return Diagnostic("OPT0513", f"`{given}` has a value on a path where `{missing}` has none", span, notes=(why,))


def many_enumerators(span: Span, found: int, bits: int) -> Diagnostic:
    return Diagnostic("OPT0514", "more names than values", span, f"{found} names, u{bits} has {1 << bits} values")


def no_fields_here(span: Span, name: str, where: str) -> Diagnostic:
    return Diagnostic("OPT0515", f"field `{name}` has no value in {where}", span)


def read_only_field(span: Span, name: str, where: str) -> Diagnostic:
    return Diagnostic("OPT0516", f"field `{name}` cannot be assigned in {where}", span, notes=(
        "fields are assigned in `send` and read in `receive`",))  # fmt: skip


def too_many_paths(span: Span) -> Diagnostic:
    return Diagnostic("OPT0517", "too many ways to leave optional fields out", span, "more than 64 combinations")


def never_sent(span: Span, name: str) -> Diagnostic:
    return Diagnostic("OPT0518", f"option `{name}` is neither sent nor received", span,
                      "no `send`, no `receive`", severity=Severity.WARNING)  # fmt: skip


def too_wide(span: Span, bits: int) -> Diagnostic:
    return Diagnostic("OPT0519", "an element of a repeated field is too wide", span, f"{bits} bits, at most 64")
