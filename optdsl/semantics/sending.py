"""Checks `send`: which packets, from which side, how often, and that every path gives every field a value."""

from __future__ import annotations

from collections.abc import Sequence

from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import targets as wording
from optdsl.semantics import model
from optdsl.semantics.literals import quantity
from optdsl.semantics.paths import check_paths, sizes_written
from optdsl.semantics.place import Place, Session
from optdsl.semantics.scope import Scope
from optdsl.semantics.statements import BlockChecker, Findings
from optdsl.semantics.types import NumberType
from optdsl.semantics.units import Unit
from optdsl.source import Span
from optdsl.syntax import tree
from optdsl.targets import PacketClass, Role

_CLASSES = {packet.value: packet for packet in PacketClass}
_ONLY_FROM = {
    PacketClass.SYN: Role.CLIENT,
    PacketClass.THIRD_ACK: Role.CLIENT,
    PacketClass.SYNACK: Role.SERVER,
}
_NO_SOCKET = "while the kernel answers a SYN there is no full socket yet: only params, constants and the SYN are known"
LONGEST_INTERVAL = 24 * 3_600_000_000
MOST_BYTES = 1 << 30
"""Bytes are counted by TCP sequence numbers, which must stay within half of their space."""


def check_role(name: tree.Name | None) -> Role | None:
    """The side that `from` or `at` names."""
    if name is None:
        return None
    roles = {role.value: role for role in Role}
    if name.text not in roles:
        note = f"sides are {', '.join(roles)}"
        raise CompileError(name_wording.unknown(name.span, "side", name.text, roles, (note,)))
    return roles[name.text]


def check_send(session: Session, findings: Findings, scope: Scope, layout: model.Layout, node: tree.Send) -> model.Send:
    """One `send` statement."""
    sender = check_role(node.sender)
    packets = _packets(node, sender)
    policy = _policy(node.policy)
    if policy.form is not model.PolicyForm.EACH and set(packets) == {PacketClass.SYNACK}:
        session.diagnostics.add(wording.policy_without_effect(node.policy.span))
    checker = BlockChecker(session, findings, _place(layout, PacketClass.SYNACK in packets))
    guard = checker.guarded(node.guard, scope)
    body = checker.block(node.body, scope)
    if not checker.failed:
        check_paths(node, layout, checker.paths)
    optional = frozenset(each.name for each in layout.fields if each.presence is not model.Presence.ALWAYS)
    always = frozenset.intersection(*checker.paths) & optional if checker.paths else frozenset()
    dynamic = any(path & optional != always for path in checker.paths)
    sizes = sizes_written(layout, checker.paths, body)
    return model.Send(
        node.span, sender, frozenset(packets), policy, guard, body, *sizes, dynamic, always, node.doc, packets
    )


def _place(layout: model.Layout, on_synack: bool) -> Place:
    facts = {model.Fact.RECEIVED, model.Fact.SYN_COOKIE} if on_synack else {model.Fact.RECEIVED}
    return Place(
        "a `send` on SYN-ACKs" if on_synack else "a `send` block", full_socket=not on_synack, why_not=_NO_SOCKET,
        layout=layout, writes_fields=True, facts=frozenset(facts), states=not on_synack,
    )  # fmt: skip


def _packets(node: tree.Send, sender: Role | None) -> dict[PacketClass, Span]:
    """The classes of packets, each with the place where it is named."""
    found: dict[PacketClass, Span] = {}
    for name in node.packets:
        if name.text == "any":
            for packet in PacketClass:
                if sender in (None, _ONLY_FROM.get(packet, sender)):
                    found.setdefault(packet, name.span)
            continue
        known = _CLASSES.get(name.text)
        if known is None:
            classes = [*_CLASSES, "any"]
            note = f"packets are {', '.join(classes)}"
            raise CompileError(name_wording.unknown(name.span, "packet class", name.text, classes, (note,)))
        only = _ONLY_FROM.get(known)
        if sender is not None and only not in (None, sender):
            raise CompileError(wording.wrong_side(name.span, sender.value, known.value))
        if known in found:
            raise CompileError(name_wording.duplicate(name.span, name.text, found[known]))
        found[known] = name.span
    return found


def _policy(node: tree.Policy) -> model.Policy:
    match node:
        case tree.Policy(form="once"):
            return model.Policy(model.PolicyForm.ONCE)
        case tree.Policy(form="until_acked"):
            return model.Policy(model.PolicyForm.UNTIL_ACKED)
        case tree.Policy(form="packets", amount=tree.Integer(value=value, span=span)):
            if not 1 <= value <= 1 << 16:
                raise CompileError(wording.policy_amount(span, "every 1 to 65536 packets"))
            return model.Policy(model.PolicyForm.PACKETS, value)
        case tree.Policy(form="every", amount=tree.Quantity() as amount):
            return _every(amount)
        case _:
            return model.Policy(model.PolicyForm.EACH)


def _every(amount: tree.Quantity) -> model.Policy:
    checked = quantity(amount)
    unit = checked.type.unit if isinstance(checked.type, NumberType) else Unit.NUMBER
    if unit is Unit.DURATION:
        if not 1 <= checked.value <= LONGEST_INTERVAL:
            raise CompileError(wording.policy_amount(amount.span, "every 1us to 24h"))
        return model.Policy(model.PolicyForm.INTERVAL, checked.value)
    if unit is Unit.SIZE:
        if not 1 <= checked.value <= MOST_BYTES:
            raise CompileError(wording.policy_amount(amount.span, "every 1B to 1GiB"))
        return model.Policy(model.PolicyForm.BYTES, checked.value)
    raise CompileError(wording.policy_amount(amount.span, "every duration, every size, or every N packets"))


def warn_unreachable(sends: Sequence[model.Send], diagnostics: Diagnostics) -> None:
    """Tells of packets on which an earlier `send` always goes before a later one."""
    for index, send in enumerate(sends):
        for packet, span in send.written.items():
            first = next((each for each in sends[:index] if _always_before(each, send, packet)), None)
            if first is not None:
                diagnostics.add(wording.unreachable_send(span, packet.value, first.written[packet]))


def _always_before(earlier: model.Send, later: model.Send, packet: PacketClass) -> bool:
    return (
        packet in earlier.packets
        and earlier.guard is None
        and (earlier.policy.form is model.PolicyForm.EACH or packet is PacketClass.SYNACK)
        and earlier.sender in (None, later.sender, _ONLY_FROM.get(packet))
    )
