"""Checks the blocks of `send`, `receive` and `on`: statements in, checked statements out, with what they imply.

Assignments are in `assignments`, loops in `loops`.
"""

from __future__ import annotations

from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.diagnostics import layouts as layout_wording
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import targets as target_wording
from optdsl.diagnostics import values as wording
from optdsl.diagnostics.syntax import too_deep
from optdsl.record import field, record, replace
from optdsl.semantics import assignments, conversions, loops, model
from optdsl.semantics.expressions import ExpressionChecker
from optdsl.semantics.facts import Facts, assume
from optdsl.semantics.identifiers import MEMBERS_OF_RECORDS, check_reason, check_visible
from optdsl.semantics.place import Place, Session
from optdsl.semantics.ranges import Interval
from optdsl.semantics.scope import Broken, Scope, Typed
from optdsl.semantics.types import Type
from optdsl.semantics.unused import mark, unused_names
from optdsl.source import Span
from optdsl.syntax import tree
from optdsl.syntax.walk import asks_target

MOST_PATHS = 64
MOST_STATEMENTS = 2000
"""Statements of a program with its loops unrolled: jumps in the BPF code of a function have 16 bits."""

Path = frozenset[str]
"""The fields that have a value on one way through a `send` block."""
Records = dict[str, tuple[model.Record, Span]]
"""The forms of emitted records, each with the place of its first `emit`."""


@record(frozen=False)
class Findings:
    """What the blocks of an option add up to."""

    reasons: list[str] = field(default_factory=list)
    records: Records = field(default_factory=dict)
    declared: dict[str, Interval] = field(default_factory=dict)
    """What may be assigned to each state."""
    assigned: dict[str, Interval] = field(default_factory=dict)
    """What is assigned to each state somewhere."""
    incomplete: set[str] = field(default_factory=set)
    """States with an assignment that had an error: `assigned` lacks it."""


@record(frozen=False)
class BlockChecker:
    """Walks a block; `facts` and `paths` are what holds behind the last statement seen."""

    session: Session
    findings: Findings
    place: Place
    facts: Facts = field(default_factory=Facts)
    paths: frozenset[Path] = frozenset({frozenset()})
    failed: bool = False
    """A statement had an error, so the paths tell nothing."""
    warns: bool = True
    """Off in loops, whose bodies are checked once for each round."""
    rounds: int = 0
    """Rounds of loops unrolled so far."""

    def guarded(self, guard: tree.Expression | None, scope: Scope) -> model.Expression | None:
        """The condition of the whole block, which holds inside it; None where there is none, or it always holds."""
        if guard is None:
            return None
        checker = self.expressions(scope)
        condition = checker.condition(guard)
        holds = checker.decided(guard, condition)
        self.facts = assume(self.facts, condition, True, self.place.layout)
        return None if holds else condition

    def block(self, node: tree.Block, scope: Scope) -> model.Block:
        """The statements of a block, each error told once and on its own."""
        lets = [each.name for each in node.statements if isinstance(each, tree.Let)]
        inner = Scope(scope, pending={name.text: name.span for name in lets})
        checked: list[model.Statement] = []
        reached, before = self.facts.reachable, node.span
        for statement in node.statements:
            if self.session.statements >= MOST_STATEMENTS:
                self.failed = True
                self.session.diagnostics.add(wording.too_many_statements(statement.span, MOST_STATEMENTS))
                break
            if reached and not self.facts.reachable:
                reached = False
                if self.warns:
                    self.session.diagnostics.add(target_wording.never_runs(statement.span, before))
            before = statement.span
            self.session.inlined = 0
            self.session.statements += 1
            try:
                checked.extend(self._statement(statement, inner))
            except CompileError as error:
                self.failed = True
                self.session.diagnostics.extend(error.diagnostics)
                if isinstance(statement, tree.Let):
                    inner.declare(statement.name, Broken(), self.session.diagnostics)
            except RecursionError:
                self.failed = True
                self.session.diagnostics.add(too_deep(statement.span))
            if isinstance(statement, tree.Let):
                inner.pending.pop(statement.name.text, None)
        self.session.unused.extend(unused_names(inner))
        return tuple(checked)

    def expressions(self, scope: Scope) -> ExpressionChecker:
        return ExpressionChecker(self.session, scope, self.place, self.facts, warns=self.warns)

    def otherwise(self, node: tree.Expression, value: model.Expression, reason: tree.Name | None) -> str | None:
        """The reason counted where a lookup finds nothing."""
        if isinstance(value, model.Lookup):
            if reason is None:
                raise CompileError(wording.lookup_without_else(node.span))
            if not self.place.reads_fields:
                raise CompileError(target_wording.not_in_this_block(reason.span, "`else reject`", self.place.name))
            return self._reason(reason)
        if reason is not None:
            raise CompileError(wording.else_without_lookup(reason.span))
        return None

    def _statement(self, node: tree.Statement, scope: Scope) -> list[model.Statement]:
        match node:
            case tree.Let():
                return [self._let(node, scope)]
            case tree.Assign():
                return assignments.assign(self, node, scope)
            case tree.If():
                return self._if(node, scope)
            case tree.For():
                return loops.for_each(self, node, scope)
            case tree.Repeat():
                return loops.repeat(self, node, scope)
            case tree.Reject(span=span, reason=reason):
                return [self._reject(span, reason)]
            case tree.Emit():
                return [self._emit(node, scope)]
            case tree.Action(name=name):
                raise CompileError(target_wording.mptcp_only(name.span, f"`{name.text}`"))
            case tree.Timed(span=span, repeated=repeated):
                raise CompileError(target_wording.mptcp_only(span, "`every`" if repeated else "`after`"))
            case tree.OncePerConnection(span=span):
                raise CompileError(target_wording.mptcp_only(span, "`once per connection`"))

    # ---------------------------------------------------------------------------------------- lets, reasons

    def _let(self, node: tree.Let, scope: Scope) -> model.Statement:
        value = self.expressions(scope).value_or_lookup(node.value)
        reason = self.otherwise(node.value, value, node.otherwise)
        symbol = model.LetSymbol(node.name.span, node.name.text)
        replacement = value if isinstance(value, model.Literal | model.WideLiteral) else None
        scope.declare(node.name, Typed(symbol, value.type, value.interval, replacement), self.session.diagnostics)
        return model.Let(node.span, symbol, value, reason)

    def _reject(self, span: Span, reason: tree.Name) -> model.Statement:
        if not self.place.reads_fields:
            raise CompileError(target_wording.not_in_this_block(span, "`reject`", self.place.name))
        counted = self._reason(reason)
        self.facts = self.facts.unreachable()
        return model.Reject(span, counted)

    def _reason(self, name: tree.Name) -> str:
        check_reason(name, self.place.layout)
        check_visible(name, self.session.diagnostics)
        if name.text not in self.findings.reasons:
            self.findings.reasons.append(name.text)
        return name.text

    # ------------------------------------------------------------------------------------------- conditions

    def _if(self, node: tree.If, scope: Scope) -> list[model.Statement]:
        checker = self.expressions(scope)
        condition = checker.condition(node.condition)
        holds = checker.decided(node.condition, condition)
        if holds is not None:
            return self._decided(node, holds, scope)
        before, paths, layout = self.facts, self.paths, self.place.layout
        start_yes, start_no = assume(before, condition, True, layout), assume(before, condition, False, layout)
        self.facts = start_yes
        yes = self.block(node.yes, scope)
        after_yes, paths_yes = self.facts, self.paths
        self.facts, self.paths = start_no, paths
        no = self.block(node.no, scope) if node.no is not None else ()
        self.merge_paths(node.span, _reached(after_yes, paths_yes) | _reached(self.facts, self.paths))
        self.facts = after_yes.join(self.facts).behind(start_yes, start_no)
        return [model.If(node.span, condition, yes, no)]

    def merge_paths(self, span: Span, paths: frozenset[Path]) -> None:
        """The ways on which fields may have got values so far. Raises if they are too many to follow."""
        if len(paths) > MOST_PATHS:
            raise CompileError(layout_wording.too_many_paths(span))
        self.paths = paths

    def _decided(self, node: tree.If, holds: bool, scope: Scope) -> list[model.Statement]:
        """A condition known at compile time: the other branch is left out, and for `target has` not even checked."""
        taken, other = (node.yes, node.no) if holds else (node.no, node.yes)
        if other is not None:
            # A condition on the variable of a loop is decided otherwise in another round.
            if asks_target(node.condition) or not self.warns:
                mark(scope, other)
            else:
                self.check_aside(other, scope)
        return list(self.block(taken, scope)) if taken is not None else []

    def check_aside(self, block: tree.Block, scope: Scope) -> None:
        """Checks a block that will not be part of the program: only its errors matter.

        Not those of ranges: what is known here contradicts the condition under which the block would run.
        """
        requirements, diagnostics = list(self.session.requirements), self.session.diagnostics
        findings = replace(self.findings, reasons=list(self.findings.reasons), records=dict(self.findings.records))
        self.session.diagnostics = Diagnostics()
        replace(self, findings=findings, warns=False).block(block, scope)
        told = self.session.diagnostics.found
        diagnostics.extend(each for each in told if not each.code.startswith(wording.OF_RANGES))
        self.session.requirements[:], self.session.diagnostics = requirements, diagnostics

    # --------------------------------------------------------------------------------------------- records

    def _emit(self, node: tree.Emit, scope: Scope) -> model.Statement:
        if self.place.writes_fields:
            raise CompileError(target_wording.not_in_this_block(node.span, "`emit`", self.place.name))
        check_visible(node.name, self.session.diagnostics)
        checker = self.expressions(scope)
        first, first_span = self.findings.records.get(node.name.text, (None, node.name.span))
        kinds = dict(first.members) if first is not None else {}
        values: list[model.Expression] = []
        members: list[tuple[str, Type]] = []
        for each in node.fields:
            self._check_member(each.name, members)
            value = checker.value(each.value, kinds.get(each.name.text))
            values.append(value)
            members.append((each.name.text, value.type))
        record = first or model.Record(node.name.text, tuple(members))
        if [name for name, _ in record.members] != [name for name, _ in members]:
            wanted = ", ".join(name for name, _ in record.members)
            raise CompileError(name_wording.record_differs(node.name.span, record.name, first_span, wanted))
        for each, value, (name, kind) in zip(node.fields, values, record.members, strict=True):
            is_name = each.name.span.end == each.value.span.end
            conversions.check_recorded(value, name, kind, is_name=is_name)
        self.findings.records.setdefault(record.name, (record, node.name.span))
        return model.Emit(node.span, record, tuple(values))

    def _check_member(self, name: tree.Name, earlier: list[tuple[str, Type]]) -> None:
        check_visible(name, self.session.diagnostics)
        if name.text in MEMBERS_OF_RECORDS:
            raise CompileError(name_wording.generated_name(name.span, name.text, "every record has it"))
        if any(name.text == known for known, _ in earlier):
            raise CompileError(name_wording.duplicate(name.span, name.text, None))


def _reached(facts: Facts, paths: frozenset[Path]) -> frozenset[Path]:
    return paths if facts.reachable else frozenset()
