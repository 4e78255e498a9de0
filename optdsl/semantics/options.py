"""Checks one option: its parts, its values, its layout, what it sends and what it does on receipt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.diagnostics import layouts as layout_wording
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import targets as target_wording
from optdsl.diagnostics import values as value_wording
from optdsl.semantics import declarations, model
from optdsl.semantics.facts import assume
from optdsl.semantics.kinds import CheckedKind, check_kind
from optdsl.semantics.layouts import check_layout
from optdsl.semantics.place import Place, Session
from optdsl.semantics.ranges import Interval, constant
from optdsl.semantics.scope import Broken, Scope
from optdsl.semantics.sending import check_role, check_send
from optdsl.semantics.statements import BlockChecker, Findings
from optdsl.semantics.symbols import declare_value
from optdsl.semantics.types import BytesType, NumberType, PrefixesType
from optdsl.syntax import tree

Part = TypeVar("Part")
Checked = TypeVar("Checked")
ROUNDS = 4
"""How often the ranges of states are inferred anew before they are taken to be anything their type holds."""


@dataclass(frozen=True, slots=True)
class CheckedOption:
    """An option, and what the program as a whole needs of it."""

    option: model.Option
    kind: CheckedKind
    records: dict[str, model.Record]


def check_option(session: Session, file_scope: Scope, node: tree.Option) -> CheckedOption | None:
    """Checks an option. The ranges of states without `in` grow until nothing assigned to them is left out."""
    inferred: dict[str, Interval] = {}
    outer = session.diagnostics
    for round_number in range(ROUNDS + 1):
        session.diagnostics = Diagnostics()
        widen = round_number == ROUNDS
        checker = _OptionChecker(session, Scope(file_scope), node, Findings(), inferred, widen)
        checked = checker.check()
        grown = {
            name: interval.join(checker.findings.assigned.get(name, interval))
            for name, interval in checker.inferable.items()
        }
        if widen or grown == checker.inferable:
            break
        inferred = grown
    for diagnostic in session.diagnostics.found:
        outer.add(diagnostic)
    session.diagnostics = outer
    return checked


def _members(node: tree.Option, kind: type[Part]) -> list[Part]:
    return [member for member in node.members if isinstance(member, kind)]


@dataclass(slots=True)
class _OptionChecker:
    session: Session
    scope: Scope
    node: tree.Option
    findings: Findings
    inferred: dict[str, Interval]
    widen: bool
    inferable: dict[str, Interval] = field(default_factory=dict)

    def check(self) -> CheckedOption | None:
        failed = len(self.session.diagnostics.found)
        node = self.node
        for member in node.members:
            if isinstance(member, tree.Const | tree.Enum | tree.Function | tree.Table):
                self._told(lambda member=member: declare_value(self.session, self.scope, member))  # type: ignore[misc]
        params = self._all(_members(node, tree.Param), self._param)
        states = self._all(_members(node, tree.State), self._state)
        kind_node, layout_node = self._one(tree.Kind, "kind"), self._one(tree.Layout, "layout")
        kind = self._told(lambda: check_kind(self.session, self.scope, kind_node, node.name)) if kind_node else None
        header = kind.header if kind else b"\0\0"
        layout = None
        if layout_node is not None:
            layout = self._told(lambda: check_layout(self.session, self.scope, layout_node, node.name, header))
        if layout is None:
            return None
        sends = self._all(
            _members(node, tree.Send), lambda send: check_send(self.session, self.findings, self.scope, layout, send)
        )
        receives = self._all(_members(node, tree.Receive), lambda receive: self._receive(receive, layout))
        handlers = self._all(_members(node, tree.Handler), self._handler)
        if not sends and not receives and len(self.session.diagnostics.found) == failed:
            self.session.diagnostics.add(layout_wording.never_sent(node.name.span, node.name.text))
        if kind is None:
            return None
        tables = tuple(table for table, _ in self.scope.symbols.values() if isinstance(table, model.Table))
        option = model.Option(
            node.span, node.name.text, node.doc, kind.kind, kind.exid, kind.exid_bytes, layout, tuple(params),
            tuple(states), tables, tuple(sends), tuple(receives), tuple(handlers), tuple(self.findings.reasons),
        )  # fmt: skip
        return CheckedOption(option, kind, self.findings.records)

    # ------------------------------------------------------------------------------------------------ parts

    def _told(self, check: Callable[[], Checked]) -> Checked | None:
        """Runs a check; what it raises is told, and None is returned."""
        try:
            return check()
        except CompileError as error:
            for diagnostic in error.diagnostics:
                self.session.diagnostics.add(diagnostic)
            return None

    def _all(self, nodes: list[Part], check: Callable[[Part], Checked]) -> list[Checked]:
        found = []
        for node in nodes:
            checked = self._told(lambda node=node: check(node))  # type: ignore[misc]
            if checked is not None:
                found.append(checked)
            elif isinstance(node, tree.Param | tree.State):
                self.scope.declare(node.name, Broken(), Diagnostics())
        return found

    def _one(self, kind: type[Part], what: str) -> Part | None:
        found = _members(self.node, kind)
        if not found:
            self.session.diagnostics.add(name_wording.missing_part(self.node.name.span, self.node.name.text, what))
            return None
        for extra in found[1:]:
            self.session.diagnostics.add(name_wording.duplicate_part(extra.span, what, found[0].span))  # type: ignore[attr-defined]
        return found[0]

    def _param(self, node: tree.Param) -> model.Param:
        param = declarations.check_param(self.session, self.scope, node)
        self.scope.declare(node.name, param, self.session.diagnostics)
        return param

    def _state(self, node: tree.State) -> model.State:
        if node.connection:
            raise CompileError(target_wording.mptcp_only(node.span, "a `connection state`"))
        kind = declarations.value_type(self.scope, node.type)
        declared = declarations.declared_interval(self.session, self.scope, kind, node.within)
        initial: int | bytes = bytes(kind.length) if isinstance(kind, BytesType) else 0
        if node.initial is not None:
            initial = declarations.initial_value(self.session, self.scope, kind, declared, node.initial, "the state")
        elif isinstance(kind, PrefixesType) or (isinstance(initial, int) and initial not in declared):
            raise CompileError(value_wording.initial_missing(node.name.span, f"state `{node.name.text}`"))
        name, interval = node.name.text, declared
        if isinstance(kind, NumberType) and node.within is None and not self.widen and isinstance(initial, int):
            interval = self.inferred.get(name, constant(initial))
            self.inferable[name] = interval
        self.findings.declared[name] = declared
        state = model.State(node.span, name, kind, interval, initial, node.doc)
        self.scope.declare(node.name, state, self.session.diagnostics)
        return state

    # ---------------------------------------------------------------------------------------------- handlers

    def _receive(self, node: tree.Receive, layout: model.Layout) -> model.Receive:
        place = Place("a `receive` block", layout=layout, reads_fields=True)
        checker = BlockChecker(self.session, self.findings, place)
        guard = self._guard(checker, node.guard, layout)
        return model.Receive(node.span, check_role(node.place), guard, checker.block(node.body, self.scope), node.doc)

    def _handler(self, node: tree.Handler) -> model.Handler:
        event = self.session.event(node.event.span, node.event.text)
        facts = frozenset({model.Fact.RECEIVED}) if event.roles else frozenset()
        place = Place(f"`on {event.name}`", full_socket=event.full_socket, facts=facts, states=bool(event.roles))
        role = check_role(node.place)
        if role is not None and role not in event.roles:
            assert node.place is not None
            raise CompileError(target_wording.wrong_side(node.place.span, role.value, event.name))
        checker = BlockChecker(self.session, self.findings, place)
        guard = self._guard(checker, node.guard, None)
        return model.Handler(node.span, event, role, guard, checker.block(node.body, self.scope), node.doc)

    def _guard(
        self, checker: BlockChecker, node: tree.Expression | None, layout: model.Layout | None
    ) -> model.Expression | None:
        if node is None:
            return None
        guard = checker.expressions(self.scope).condition(node)
        checker.facts = assume(checker.facts, guard, True, layout)
        return guard
