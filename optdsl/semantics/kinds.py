"""Checks option kinds: which the kernel keeps for itself, which IANA has assigned, which clash."""

from __future__ import annotations

import re

from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.diagnostics import targets as wording
from optdsl.diagnostics import values as value_wording
from optdsl.record import record
from optdsl.semantics import declarations, model
from optdsl.semantics.place import Session
from optdsl.semantics.scope import Scope
from optdsl.semantics.types import NumberType
from optdsl.semantics.units import Unit
from optdsl.source import Span
from optdsl.syntax import tree
from optdsl.targets import registry

_FILLING = ("option", "order", "tcp")
"""Words of assigned names that say nothing of what the option is."""

KERNEL_KINDS = frozenset({0, 1, 2, 3, 4, 5, 8, 19, 29, 30, 34})
"""Kinds that Linux writes or reads itself (`net/ipv4/tcp_output.c`, `tcp_input.c`)."""


@record
class CheckedKind:
    """A kind with its ExID, and the bytes that every option of it starts with (the length still zero)."""

    span: Span
    kind: int
    exid: int | None
    exid_bytes: int

    @property
    def header(self) -> bytes:
        return bytes((self.kind, 0)) + (self.exid or 0).to_bytes(self.exid_bytes, "big")

    def __str__(self) -> str:
        return f"kind {self.kind}" if self.exid is None else f"ExID 0x{self.exid:0{2 * self.exid_bytes}X}"


def check_kind(session: Session, scope: Scope, node: tree.Kind, option: tree.Name) -> CheckedKind:
    """The kind of an option. A kind that is assigned to something else is a warning."""
    kind = _number(session, scope, node.number) if node.number is not None else registry.EXPERIMENTAL_KINDS[0]
    where = node.number.span if node.number is not None else node.span
    if kind > 255:
        raise CompileError(wording.bad_kind(where, "a kind is a number from 0 to 255"))
    if kind in KERNEL_KINDS:
        raise CompileError(wording.kernel_kind(where, kind, registry.OPTION_KINDS[kind].name))
    if node.exid is not None:
        exid = _number(session, scope, node.exid)
        if kind not in registry.EXPERIMENTAL_KINDS:
            raise CompileError(wording.bad_kind(where, "only kinds 253 and 254 carry an ExID (RFC 6994)"))
        return _experimental(node, kind, exid, node.exid.span, option, session.diagnostics)
    if kind in registry.EXPERIMENTAL_KINDS:
        raise CompileError(wording.bad_kind(where, f"kind {kind} needs an ExID (RFC 6994): `kind experimental 0x...`"))
    _warn_if_assigned(where, f"kind {kind}", registry.OPTION_KINDS.get(kind), option, session.diagnostics)
    return CheckedKind(node.span, kind, None, 0)


def _number(session: Session, scope: Scope, node: tree.Integer | tree.NameExpression) -> int:
    """A kind or an ExID: a number, or a const such as `kinds.user_timeout`."""
    value = declarations.constant_value(session, scope, node)
    if not isinstance(value.type, NumberType) or value.type.unit is not Unit.NUMBER:
        raise CompileError(value_wording.wrong_type(node.span, str(value.type), "a number"))
    return value.interval.low


def _experimental(
    node: tree.Kind, kind: int, exid: int, where: Span, option: tree.Name, diagnostics: Diagnostics
) -> CheckedKind:
    if exid >= 1 << 32:
        raise CompileError(wording.bad_kind(where, "an ExID has 16 or 32 bits (RFC 6994)"))
    # Written with more than four hexadecimal digits, 0x0000ABCD is an ExID of 32 bits as well.
    digits = re.sub(r"^0[xX]|_", "", where.text)
    size = 4 if exid >= 1 << 16 or (where.text[:2].lower() == "0x" and len(digits) > 4) else 2
    checked = CheckedKind(node.span, kind, exid, size)
    _warn_if_assigned(where, str(checked), registry.exid_owner(exid, size), option, diagnostics)
    return checked


def _warn_if_assigned(
    where: Span, what: str, assigned: registry.Assignment | None, option: tree.Name, diagnostics: Diagnostics
) -> None:
    """Tells whose a number is, unless the option's name says that it is the assigned one."""
    if assigned is None or _is_about(option.text, assigned.name):
        return
    match assigned.status:
        case registry.Status.SQUATTED:
            status = "is in use on the Internet without an assignment"
        case registry.Status.OBSOLETE:
            status = f"was assigned to {assigned.name}"
        case _:
            status = f"is assigned to {assigned.name}"
    named = assigned.status is not registry.Status.SQUATTED and not assigned.name.startswith("Unassigned")
    name = _names_of(assigned.name)[-1] if named else None
    diagnostics.add(wording.assigned_kind(where, what, status, assigned.reference, name, what.startswith("ExID")))


def _names_of(assigned: str) -> list[str]:
    """Names that say of an option that it is the assigned one: of "Encryption Negotiation (TCP-ENO)" they are
    `encryption_negotiation` and `eno`."""
    parts = [re.split(r"[^a-z0-9]+", part) for part in assigned.lower().split("(")]
    return ["_".join(word for word in words if word and word not in _FILLING) for words in parts]


def _is_about(option: str, assigned: str) -> bool:
    """Whether an option's name says that it is the assigned one: `user_timeout` is the "User Timeout Option"."""
    if option.lower() in _names_of(assigned):
        return True
    words = {word for word in re.split(r"[^a-z0-9]+", assigned.lower()) if len(word) > 1} - {"option", "tcp"}
    mine = {word for word in re.split(r"[^a-z0-9]+", option.lower()) if word}
    initials = "".join(word[0] for word in re.split(r"[^a-z0-9]+", assigned.lower()) if word)
    return bool(words) and (len(words & mine) * 2 > len(words) or option.lower() in words or option.lower() == initials)


def check_clashes(options: list[model.Option], kinds: list[CheckedKind], diagnostics: Diagnostics) -> None:
    """Two options of one program must not look alike to the kernel: it compares the kind and two bytes of ExID."""
    seen: dict[tuple[int, bytes], CheckedKind] = {}
    for option, kind in zip(options, kinds, strict=True):
        key = (option.kind, kind.header[2:4])
        first = seen.setdefault(key, kind)
        if first is not kind:
            same = "the first two bytes of an ExID" if str(first) != str(kind) else str(kind)
            diagnostics.add(wording.same_kind(kind.span, same, first.span))
