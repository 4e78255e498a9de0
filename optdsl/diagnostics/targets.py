"""Wording of what kernels lack and of clashes: OPT06xx sending and receiving, OPT07xx targets, OPT08xx kinds."""

from __future__ import annotations

from optdsl.diagnostics.model import Diagnostic, Label, Severity, Suggestion
from optdsl.source import Span

# --------------------------------------------------------------------------------- sending and receiving


def wrong_side(span: Span, side: str, packet: str) -> Diagnostic:
    return Diagnostic("OPT0601", f"a {side} never sends a {packet} packet", span)


def wrong_side_of_event(span: Span, side: str, event: str) -> Diagnostic:
    return Diagnostic("OPT0601", f"a {side} never sees the event `{event}`", span)


def policy_amount(span: Span, what: str) -> Diagnostic:
    return Diagnostic("OPT0602", what, span)


def no_full_socket(span: Span, what: str, place: str, why: str) -> Diagnostic:
    return Diagnostic("OPT0603", f"{what} is not available in {place}", span, notes=(why,))


def not_in_this_block(span: Span, what: str, place: str, hint: str = "") -> Diagnostic:
    return Diagnostic("OPT0604", f"{what} cannot stand in {place}", span, hint)


def unreachable_send(span: Span, packet: str, first: Span) -> Diagnostic:
    return Diagnostic("OPT0605", f"never reached on {packet} packets", span, "an earlier `send` always matches",
                      (Label(first, "this one"),), severity=Severity.WARNING)  # fmt: skip


def not_assignable(span: Span, what: str) -> Diagnostic:
    return Diagnostic("OPT0606", f"{what} cannot be assigned", span)


def never_runs(span: Span, leaves: Span) -> Diagnostic:
    return Diagnostic("OPT0607", "this never runs", span, "", (Label(leaves, "the block is left here"),),
                      severity=Severity.WARNING)  # fmt: skip


def policy_without_effect(span: Span) -> Diagnostic:
    return Diagnostic("OPT0608", "a policy has no effect on SYN-ACKs", span, severity=Severity.WARNING, notes=(
        "while the kernel answers a SYN nothing is kept of the connection, so each SYN-ACK is decided on its own",
        ))  # fmt: skip


# ----------------------------------------------------------------------------------------------- targets


def needs_kernel(span: Span, what: str, needed: str, kernel: str) -> Diagnostic:
    return Diagnostic("OPT0701", f"{what} needs Linux {needed}", span, f"this compile is for {kernel}", suggestion=
                      Suggestion(f"compile with `--kernel {needed}`"))  # fmt: skip


def needs_patches(span: Span, what: str) -> Diagnostic:
    return Diagnostic("OPT0702", f"{what} needs a kernel with the series in kernel-patches/", span, notes=(
        "the target `mainline` is for stock kernels; guard it with `if target has ...` to keep one file for both",
        ))  # fmt: skip


def not_readable(span: Span, path: str) -> Diagnostic:
    return Diagnostic("OPT0703", f"`{path}` can only be assigned", span, notes=(
        "the kernel offers no way to read it",))  # fmt: skip


def not_writable(span: Span, path: str) -> Diagnostic:
    return Diagnostic("OPT0704", f"`{path}` can only be read", span)


def mptcp_only(span: Span, what: str) -> Diagnostic:
    return Diagnostic("OPT0705", f"{what} is part of MPTCP, which the target `mainline` does not serve yet", span)


# -------------------------------------------------------------------------------------------------- kinds


def same_kind(span: Span, what: str, first: Span) -> Diagnostic:
    return Diagnostic("OPT0801", f"two options share {what}", span, "again", (Label(first, "first"),))


def assigned_kind(span: Span, what: str, status: str, reference: str, name: str | None, exid: bool) -> Diagnostic:
    """`status` tells whose it is: `is assigned to X`, `is in use without an assignment`. `name` is that of an option
    that is the assigned one."""
    other = "an experiment of yours has an ExID of its own" if exid else "experiments use `kind experimental`"
    notes = [f"{other} (RFC 6994)"]
    if name:
        notes.append(f"if this is the assigned option, name it so: `option {name}`")
    return Diagnostic("OPT0802", f"{what} {status}", span, f"see {reference}" if reference else "",
                      severity=Severity.WARNING, notes=tuple(notes))  # fmt: skip


def kernel_kind(span: Span, kind: int, name: str) -> Diagnostic:
    return Diagnostic("OPT0803", f"kind {kind} ({name}) belongs to the kernel's own TCP", span, notes=(
        "the kernel writes and reads it itself and refuses a second one",))  # fmt: skip


def bad_kind(span: Span, what: str) -> Diagnostic:
    return Diagnostic("OPT0804", what, span)
