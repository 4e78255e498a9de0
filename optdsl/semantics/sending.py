"""Checks `send`: which packets, from which side, how often, and that every path gives every field a value."""

from __future__ import annotations

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import layouts as layout_wording
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import targets as wording
from optdsl.semantics import model
from optdsl.semantics.expressions import quantity
from optdsl.semantics.facts import assume
from optdsl.semantics.place import Place, Session
from optdsl.semantics.scope import Scope
from optdsl.semantics.statements import BlockChecker, Findings, Path
from optdsl.semantics.types import NumberType
from optdsl.semantics.units import Unit
from optdsl.syntax import tree
from optdsl.targets import PacketClass, Role

_CLASSES = {packet.value: packet for packet in PacketClass}
_ONLY_FROM = {
    PacketClass.SYN: Role.CLIENT,
    PacketClass.THIRD_ACK: Role.CLIENT,
    PacketClass.SYNACK: Role.SERVER,
}
LONGEST_INTERVAL = 24 * 3_600_000_000
MOST_BYTES = 1 << 30
"""Bytes are counted by TCP sequence numbers, which must stay within half of their space."""


def check_role(name: tree.Name | None) -> Role | None:
    """The side that `from` or `at` names."""
    if name is None:
        return None
    roles = {role.value: role for role in Role}
    if name.text not in roles:
        raise CompileError(name_wording.unknown(name.span, "side", name.text, roles))
    return roles[name.text]


def check_send(session: Session, findings: Findings, scope: Scope, layout: model.Layout, node: tree.Send) -> model.Send:
    """One `send` statement."""
    sender = check_role(node.sender)
    packets = _packets(node, sender)
    policy = _policy(node.policy)
    on_synack = PacketClass.SYNACK in packets
    facts = {model.Fact.RECEIVED, model.Fact.SYN_COOKIE} if on_synack else {model.Fact.RECEIVED}
    place = Place(
        "on a SYN-ACK" if on_synack else "a `send` block", full_socket=not on_synack, layout=layout, writes_fields=True,
        facts=frozenset(facts), states=not on_synack,
    )  # fmt: skip
    checker = BlockChecker(session, findings, place)
    guard = None
    if node.guard is not None:
        guard = checker.expressions(scope).condition(node.guard)
        checker.facts = assume(checker.facts, guard, True, layout)
    body = checker.block(node.body, scope)
    if not checker.failed:
        _check_paths(node, layout, checker.paths)
    sizes = {_size(layout, path) + _elements(body, layout) for path in checker.paths} or {layout.largest}
    optional = frozenset(each.name for each in layout.fields if each.presence is not model.Presence.ALWAYS)
    always = frozenset.intersection(*checker.paths) & optional if checker.paths else frozenset()
    dynamic = any(path & optional != always for path in checker.paths)
    if guard is not None and isinstance(guard, model.Literal):
        guard = None if guard.value else guard
    return model.Send(node.span, sender, packets, policy, guard, body, max(sizes), dynamic, always, node.doc)


def _packets(node: tree.Send, sender: Role | None) -> frozenset[PacketClass]:
    found: set[PacketClass] = set()
    for name in node.packets:
        if name.text == "any":
            found |= {each for each in PacketClass if sender in (None, _ONLY_FROM.get(each, sender))}
            continue
        packet = _CLASSES.get(name.text)
        if packet is None:
            raise CompileError(name_wording.unknown(name.span, "packet class", name.text, [*_CLASSES, "any"]))
        only = _ONLY_FROM.get(packet)
        if only is not None and sender not in (None, only):
            assert sender is not None
            raise CompileError(wording.wrong_side(name.span, sender.value, packet.value))
        found.add(packet)
    return frozenset(found)


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


# ---------------------------------------------------------------------------------------------------- paths


def _check_paths(node: tree.Send, layout: model.Layout, paths: frozenset[Path]) -> None:
    for path in sorted(paths, key=sorted):
        missing = [each for each in layout.fields if _must_have(each, layout) and each.name not in path]
        if missing:
            names = [each.name for each in missing]
            raise CompileError(layout_wording.not_assigned(node.body.span, names, missing[0].span))
        _check_flags(node, layout, path)
        _check_trailing(node, layout, path)


def _must_have(field: model.Field, layout: model.Layout) -> bool:
    """Fields that are always on the wire and that the compiler does not fill itself."""
    if field.is_reserved or field.presence is not model.Presence.ALWAYS:
        return False
    if field.repeat is not None:
        return field.repeat.low > 0
    return not layout.guarded_by(field.name)


def _check_flags(node: tree.Send, layout: model.Layout, path: Path) -> None:
    for flag in sorted({each.flag for each in layout.fields if each.flag}):
        guarded = layout.guarded_by(flag)
        given = [each.name for each in guarded if each.name in path]
        missing = [each.name for each in guarded if each.name not in path]
        if given and missing:
            why = f"flag `{flag}` tells that all of its fields follow"
            raise CompileError(layout_wording.together(node.body.span, given[0], missing[0], why))


def _check_trailing(node: tree.Send, layout: model.Layout, path: Path) -> None:
    absent: str | None = None
    for each in layout.fields:
        if each.presence is not model.Presence.LENGTH:
            continue
        if each.name not in path:
            absent = each.name
        elif absent is not None:
            why = "only the length tells which fields are there, so they are left out from the last"
            raise CompileError(layout_wording.together(node.body.span, each.name, absent, why))


def _size(layout: model.Layout, path: Path) -> int:
    """Bytes of the option with the optional fields of a path, without repeated fields."""
    bits = 0
    for each in layout.fields:
        if each.repeat is None and (each.presence is model.Presence.ALWAYS or each.name in path):
            bits += each.bits
    return len(layout.header) + bits // 8


def _elements(body: model.Block, layout: model.Layout) -> int:
    """Bytes of repeated fields, at most, over all paths of a body."""
    most = 0
    for statement in body:
        match statement:
            case model.SetElements(field=field, elements=elements):
                most = max(most, len(elements) * field.bits // 8)
            case model.If(yes=yes, no=no):
                most = max(most, _elements(yes, layout), _elements(no, layout))
    return most
