"""Wording of what range and type analysis find: OPT02xx ranges, OPT04xx types and units."""

from __future__ import annotations

from optdsl.diagnostics.model import Diagnostic, Label, Severity, Suggestion
from optdsl.source import Span

OF_RANGES = "OPT02"
"""What the codes of ranges begin with."""
ALWAYS = "OPT0211"
"""The code of conditions that are always true or false."""

# -------------------------------------------------------------------------------------------------- ranges


def division_by_zero(divisor: Span, found: str, least: str | None) -> Diagnostic:
    """`least` is the smallest value to suggest as the divisor; None where the divisor is always zero."""
    if least is None:
        return Diagnostic("OPT0201", "division by zero", divisor, f"{found} here")
    return Diagnostic("OPT0201", "possible division by zero", divisor, f"{found} here",
                      notes=("a range that leaves out zero, or a condition that does, proves the division",),
                      suggestion=Suggestion(f"divide by at least {least}", divisor,
                                            f"max({divisor.text}, {least})"))  # fmt: skip


def overflow(span: Span, found: str) -> Diagnostic:
    return Diagnostic("OPT0202", "the result may not fit 64 bits", span, f"{found} here",
                      notes=("narrow the operands with `in` or `clamp(...)`",))  # fmt: skip


def may_not_fit(
    span: Span, what: str, found: str, allowed: str, clamp: tuple[str, str] | None, before: str = ""
) -> Diagnostic:
    """A value outside what its destination holds. `clamp` are the bounds to suggest; of a constant only the nearer.

    `before` must stand before any other value in this place.
    """
    suggestion = None
    if clamp is not None and clamp[0] == clamp[1]:
        suggestion = Suggestion("the nearest value that fits", span, before + clamp[0])
    elif clamp is not None:
        held = f"{before}clamp({span.text}, {clamp[0]}, {clamp[1]})"
        suggestion = Suggestion("hold it inside the range", span, held)
    return Diagnostic("OPT0203", "value may not fit", span, f"{found} here, {what} holds {allowed}",
                      suggestion=suggestion)  # fmt: skip


def below_zero(span: Span, found: str) -> Diagnostic:
    return Diagnostic("OPT0204", "the difference may be below zero", span, f"{found} here",
                      suggestion=Suggestion("stop at zero", span, f"saturate({span.text})"))  # fmt: skip


def not_a_multiple(span: Span, step: str) -> Diagnostic:
    return Diagnostic("OPT0205", f"may not be a whole number of {step} steps", span,
                      f"the field counts steps of {step}",
                      suggestion=Suggestion("round down (or `ceil` up)", span, f"floor({span.text})"))  # fmt: skip


def empty_range(span: Span, low: str, high: str) -> Diagnostic:
    return Diagnostic("OPT0206", "a range with nothing in it", span, f"{low} is above {high}")


def range_too_wide(span: Span, found: str, allowed: str) -> Diagnostic:
    return Diagnostic("OPT0207", "the range is wider than the type", span, f"{found} here, the type holds {allowed}")


def range_without_values(span: Span, bounds: tuple[str, str], step: str) -> Diagnostic:
    return Diagnostic("OPT0206", "a range with nothing in it", span,
                      f"no whole number of {step} steps from {bounds[0]} to {bounds[1]}")  # fmt: skip


def shift_too_far(span: Span, found: str) -> Diagnostic:
    return Diagnostic("OPT0208", "shift by 64 bits or more", span, f"{found} here",
                      notes=("a shift count is at most 63",))  # fmt: skip


def index_out_of_range(span: Span, found: str, allowed: str, field: str) -> Diagnostic:
    return Diagnostic("OPT0209", "the element may not be there", span, f"{found} here, there are {allowed}",
                      notes=(f"elements are numbered from 0; test `count({field}) > {found}` first",))  # fmt: skip


def not_whole(span: Span, base: str) -> Diagnostic:
    return Diagnostic("OPT0210", "finer than the language computes", span, f"not a whole number of {base}")


def condition_constant(span: Span, holds: bool) -> Diagnostic:
    return Diagnostic(ALWAYS, f"this is always {'true' if holds else 'false'}", span, severity=Severity.WARNING)


# --------------------------------------------------------------------------------------------------- types


def mixed_units(span: Span, operator: str, left: tuple[Span, str], right: tuple[Span, str]) -> Diagnostic:
    return Diagnostic("OPT0401", f"`{operator}` mixes units", span, "",
                      (Label(left[0], f"{left[1]}"), Label(right[0], f"{right[1]}")))  # fmt: skip


def wrong_type(span: Span, found: str, wanted: str) -> Diagnostic:
    return Diagnostic("OPT0402", f"expected {wanted}", span, f"this is {found}")


def wrong_thing(span: Span, wanted: str) -> Diagnostic:
    """Something that is no value of another type, but not a value of the wanted kind at all."""
    return Diagnostic("OPT0402", f"expected {wanted}", span)


def no_width(span: Span) -> Diagnostic:
    return Diagnostic("OPT0403", "`~` needs a number of a declared width", span,
                      notes=("a field, param or state of type u1 to u64 has one",))  # fmt: skip


def unknown_type(span: Span, name: str, suggestion: Suggestion | None) -> Diagnostic:
    return Diagnostic("OPT0404", f"unknown type `{name}`", span, suggestion=suggestion, notes=(
        "types are u1 to u64, bool, duration, rate, size, segments, ratio, ip4, ip6, address, bytes[n], text[n], "
        "prefixes[n], and enums",))  # fmt: skip


def type_not_here(span: Span, name: str, where: str, hint: str = "") -> Diagnostic:
    return Diagnostic("OPT0405", f"`{name}` cannot be {where}", span, hint)


def nothing_to_round(span: Span, function: str) -> Diagnostic:
    return Diagnostic("OPT0406", f"nothing to round for `{function}`", span,
                      "give it a quotient, or assign it to a field with `of`")  # fmt: skip


def not_constant(span: Span) -> Diagnostic:
    return Diagnostic("OPT0407", "expected a constant", span, "this is known only when the program runs")


def lookup_without_else(span: Span) -> Diagnostic:
    return Diagnostic("OPT0408", "a table may not have this entry", span, "add `else reject REASON`", notes=(
        "a lookup is the whole value of a `let` or an assignment, with `else reject` behind it",))  # fmt: skip


def else_without_lookup(span: Span) -> Diagnostic:
    return Diagnostic("OPT0409", "`else reject` belongs to a table lookup", span)


def text_too_long(span: Span, length: int, most: int) -> Diagnostic:
    return Diagnostic("OPT0410", "the text is too long", span, f"{length} characters, {most} fit")


def not_ascii(span: Span) -> Diagnostic:
    return Diagnostic("OPT0411", "text that the kernel compares is printable ASCII", span)


def too_many(span: Span, what: str, found: int, most: int) -> Diagnostic:
    return Diagnostic("OPT0412", f"too many {what}", span, f"{found} here, at most {most}")


def too_many_together(span: Span, what: str, most: int) -> Diagnostic:
    """A program that outgrows the kernel; `span` is where."""
    return Diagnostic("OPT0412", f"too many {what} in one program", span, f"with this, more than {most}",
                      notes=("divide the options among several programs, each attached by itself",))  # fmt: skip


def too_many_statements(span: Span, most: int) -> Diagnostic:
    """Statements of a whole program, as many as there are once loops are unrolled."""
    return Diagnostic("OPT0412", "too many statements in one program", span, f"the first beyond {most}", notes=(
        "a statement inside a loop counts once for each round",))  # fmt: skip


def too_many_options(span: Span, most: int) -> Diagnostic:
    return Diagnostic("OPT0412", "too many options in one program", span, f"the first beyond {most}")


def duplicate_key(span: Span, key: str, first: Span) -> Diagnostic:
    return Diagnostic("OPT0413", f"the table has {key} twice", span, "again", (Label(first, "first"),))


def initial_missing(span: Span, what: str) -> Diagnostic:
    return Diagnostic("OPT0414", f"{what} needs a value to start with", span, "add `= ...`")


def loop_too_long(span: Span, found: str, most: int) -> Diagnostic:
    return Diagnostic("OPT0415", "a loop is unrolled and may run too often", span,
                      f"{found} rounds here, at most {most}")  # fmt: skip


def loops_too_long(span: Span, most: int) -> Diagnostic:
    """Loops inside loops, each short enough, whose rounds multiply."""
    return Diagnostic("OPT0415", "a loop is unrolled and may run too often", span,
                      f"with the loops around it, more than {most} rounds in one block")  # fmt: skip


def too_large(span: Span, most: int, what: str) -> Diagnostic:
    """An expression that inlining has let grow beyond reason."""
    return Diagnostic("OPT0416", "too much once every `fn` is inlined", span, f"more than {most} {what}", notes=(
        "a `fn` stands again at each place where it is called, and its arguments at each place where it uses them; "
        "`let` keeps a value",))  # fmt: skip


def value_twice(span: Span, value: int, first: str) -> Diagnostic:
    return Diagnostic("OPT0417", f"two names for the value {value}", span, f"`{first}` has it already")
