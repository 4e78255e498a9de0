"""Checks one option: its parts, its values, its layout, what it sends and what it does on receipt."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from optdsl.diagnostics import CompileError, Diagnostic, Diagnostics
from optdsl.diagnostics import layouts as layout_wording
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import targets as target_wording
from optdsl.diagnostics import values as value_wording
from optdsl.record import field, record
from optdsl.semantics import declarations, model
from optdsl.semantics.functions import check_functions
from optdsl.semantics.identifiers import check_visible
from optdsl.semantics.kinds import CheckedKind, check_kind
from optdsl.semantics.layouts import check_layout
from optdsl.semantics.place import Place, Session
from optdsl.semantics.ranges import Interval, constant
from optdsl.semantics.scope import Broken, Scope
from optdsl.semantics.sending import check_role, check_send, warn_unreachable
from optdsl.semantics.statements import BlockChecker, Findings, Records
from optdsl.semantics.symbols import declare_values
from optdsl.semantics.types import BytesType, NumberType, PrefixesType
from optdsl.semantics.unused import unused_names
from optdsl.source import Span
from optdsl.syntax import tree

Part = TypeVar("Part")
Checked = TypeVar("Checked")
MOST_PARTS = 256
"""Params, states, and blocks, of one option."""
ROUNDS = 4
"""How often the ranges of states are inferred anew before they are taken to be anything their type holds."""
_LISTENING = "a listening socket belongs to no connection, so there is nothing kept for one"


@record
class CheckedOption:
    """An option, and what the program as a whole needs of it."""

    option: model.Option
    kind: CheckedKind
    records: Records


def check_option(session: Session, file_scope: Scope, node: tree.Option, records: Records) -> CheckedOption | None:
    """Checks an option. The ranges of states without `in` grow until nothing assigned to them is left out.

    `records` are the forms of records that options before this one emit.
    """
    if (mptcp := next((kind for kind in _members(node, tree.Kind) if kind.form == "mptcp"), None)) is not None:
        session.diagnostics.add(target_wording.mptcp_only(mptcp.span, "an MPTCP sub-option"))
        return None
    check_visible(node.name, session.diagnostics)
    if not _is_of_reasonable_size(node, session.diagnostics):
        return None
    inferred: dict[str, Interval] = {}
    outer, unused, refused = session.diagnostics, len(session.unused), dict(session.refused)
    statements = session.statements
    for round_number in range(ROUNDS + 1):
        session.diagnostics = Diagnostics()
        del session.unused[unused:]
        session.refused, session.statements = dict(refused), statements
        widen = round_number == ROUNDS
        findings = Findings(records=dict(records))
        checker = _OptionChecker(session, Scope(file_scope), node, findings, inferred, widen)
        checked = checker.check()
        grown = {
            name: interval.join(findings.assigned.get(name, interval)) for name, interval in checker.inferable.items()
        }
        if widen or grown == checker.inferable:
            break
        inferred = grown
    outer.extend(_believable(session.diagnostics.found, findings))
    session.diagnostics = outer
    return checked


def _believable(found: Sequence[Diagnostic], findings: Findings) -> list[Diagnostic]:
    """What was found, without conditions on states that may be always true only because an assignment is wrong: it
    adds nothing to the range of its state."""

    def doubtful(condition: Span) -> bool:
        return not findings.incomplete.isdisjoint(re.findall(r"\w+", condition.text))

    return [each for each in found if each.code != value_wording.ALWAYS or not (each.span and doubtful(each.span))]


def _members(node: tree.Option, kind: type[Part]) -> list[Part]:
    return [member for member in node.members if isinstance(member, kind)]


def _is_of_reasonable_size(node: tree.Option, diagnostics: Diagnostics) -> bool:
    """Whether an option has few enough parts: its states, for one, share 64 KiB that the kernel keeps for a socket."""
    found: list[tuple[str, list[Span]]] = [
        ("params", [each.name.span for each in _members(node, tree.Param)]),
        ("states", [each.name.span for each in _members(node, tree.State)]),
        ("blocks", [each.span for each in node.members if isinstance(each, tree.Send | tree.Receive | tree.Handler)]),
    ]
    too_many = [(what, spans) for what, spans in found if len(spans) > MOST_PARTS]
    for what, spans in too_many:
        diagnostics.add(value_wording.too_many(spans[MOST_PARTS], f"{what} in one option", len(spans), MOST_PARTS))
    return not too_many


@record(frozen=False)
class _OptionChecker:
    session: Session
    scope: Scope
    node: tree.Option
    findings: Findings
    inferred: dict[str, Interval]
    widen: bool
    inferable: dict[str, Interval] = field(default_factory=dict)

    def check(self) -> CheckedOption | None:
        node, session = self.node, self.session
        later = _members(node, tree.Param) + _members(node, tree.State)
        self.scope.pending.update({each.name.text: each.name.span for each in later})
        declare_values(session, self.scope, node.members)
        params = self._all(_members(node, tree.Param), self._param)
        states = self._all(_members(node, tree.State), self._state)
        self._check_visible()
        kind_node, layout_node = self._one(tree.Kind, "kind"), self._one(tree.Layout, "layout")
        kind = self._told(lambda: check_kind(session, self.scope, kind_node, node.name)) if kind_node else None
        header = kind.header if kind else b"\0\0"
        layout = None
        if layout_node is not None:
            layout = self._told(lambda: check_layout(session, self.scope, layout_node, node.name, header))
            check_functions(session, self.scope, layout)
        handlers = self._all(_members(node, tree.Handler), self._handler)
        if layout is None:
            return None
        sends = self._all(
            _members(node, tree.Send), lambda send: check_send(session, self.findings, self.scope, layout, send)
        )
        receives = self._all(_members(node, tree.Receive), lambda receive: self._receive(receive, layout))
        self._warn(sends)
        if kind is None:
            return None
        tables = tuple(table for table, _ in self.scope.symbols.values() if isinstance(table, model.Table))
        # Without the documentation before it: lines of code that belong to no statement are told to be the option's.
        span = Span(node.span.source, node.name.span.start, node.span.end)
        option = model.Option(
            span, node.name.text, node.doc, kind.kind, kind.exid, kind.exid_bytes, layout, tuple(params),
            tuple(states), tables, tuple(sends), tuple(receives), tuple(handlers), tuple(self.findings.reasons),
        )  # fmt: skip
        return CheckedOption(option, kind, self.findings.records)

    def _check_visible(self) -> None:
        for member in self.node.members:
            if isinstance(member, tree.Param | tree.State | tree.Table):
                check_visible(member.name, self.session.diagnostics)

    def _warn(self, sends: Sequence[model.Send]) -> None:
        if not any(isinstance(member, tree.Send | tree.Receive) for member in self.node.members):
            self.session.diagnostics.add(layout_wording.never_sent(self.node.name.span, self.node.name.text))
        warn_unreachable(sends, self.session.diagnostics)
        self.session.unused.extend(unused_names(self.scope))

    # ------------------------------------------------------------------------------------------------ parts

    def _told(self, check: Callable[[], Checked]) -> Checked | None:
        """Runs a check; what it raises is told, and None is returned."""
        try:
            return check()
        except CompileError as error:
            self.session.diagnostics.extend(error.diagnostics)
            return None

    def _all(self, nodes: list[Part], check: Callable[[Part], Checked]) -> list[Checked]:
        found = []
        for node in nodes:
            checked = self._told(lambda node=node: check(node))  # type: ignore[misc]
            if checked is not None:
                found.append(checked)
            if isinstance(node, tree.Param | tree.State):
                self.scope.pending.pop(node.name.text, None)
                if checked is None:
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
        if isinstance(kind, PrefixesType):
            raise CompileError(value_wording.type_not_here(node.type.span, str(kind), "the type of a state"))
        declared = declarations.declared_interval(self.session, self.scope, kind, node.within)
        initial: int | bytes = bytes(kind.length) if isinstance(kind, BytesType) else 0
        if node.initial is not None:
            what = f"`{node.name.text}`"
            initial = declarations.initial_value(self.session, self.scope, kind, declared, node.initial, what)
        elif isinstance(initial, int) and initial not in declared:
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
        role = check_role(node.place)
        guard = checker.guarded(node.guard, self.scope)
        return model.Receive(node.span, role, guard, checker.block(node.body, self.scope), node.doc)

    def _handler(self, node: tree.Handler) -> model.Handler:
        event = self.session.event(node.event.span, node.event.text)
        facts = frozenset({model.Fact.RECEIVED}) if event.roles else frozenset()
        place = Place(
            f"`on {event.name}`", full_socket=event.full_socket, why_not=_LISTENING, facts=facts,
            states=bool(event.roles),
        )  # fmt: skip
        role = check_role(node.place)
        if role is not None and role not in event.roles:
            assert node.place is not None
            raise CompileError(target_wording.wrong_side_of_event(node.place.span, role.value, event.name))
        checker = BlockChecker(self.session, self.findings, place)
        guard = checker.guarded(node.guard, self.scope)
        return model.Handler(node.span, event, role, guard, checker.block(node.body, self.scope), node.doc)
