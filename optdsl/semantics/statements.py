"""Checks the blocks of `send`, `receive` and `on`: statements in, checked statements out, with what they imply."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import layouts as layout_wording
from optdsl.diagnostics import names as name_wording
from optdsl.diagnostics import targets as target_wording
from optdsl.diagnostics import values as wording
from optdsl.ir.ops import Comparison
from optdsl.semantics import arithmetic, conversions, declarations, model
from optdsl.semantics.expressions import OBJECTS, ExpressionChecker
from optdsl.semantics.facts import Facts, assume
from optdsl.semantics.place import Place, Session
from optdsl.semantics.ranges import Interval
from optdsl.semantics.scope import Broken, Scope, Typed
from optdsl.semantics.types import BOOL, NumberType
from optdsl.syntax import tree
from optdsl.targets import Direction

LONGEST_LOOP = 64
MOST_PATHS = 64

Path = frozenset[str]
"""The fields that have a value on one way through a `send` block."""


@dataclass(slots=True)
class Findings:
    """What the blocks of an option add up to."""

    reasons: list[str] = field(default_factory=list)
    records: dict[str, model.Record] = field(default_factory=dict)
    declared: dict[str, Interval] = field(default_factory=dict)
    """What may be assigned to each state."""
    assigned: dict[str, Interval] = field(default_factory=dict)
    """What is assigned to each state somewhere."""

    def reason(self, name: str) -> str:
        if name not in self.reasons:
            self.reasons.append(name)
        return name


@dataclass(slots=True)
class BlockChecker:
    """Walks a block; `facts` and `paths` are what holds behind the last statement seen."""

    session: Session
    findings: Findings
    place: Place
    facts: Facts = field(default_factory=Facts)
    paths: frozenset[Path] = frozenset({frozenset()})
    failed: bool = False
    """A statement had an error, so the paths tell nothing."""

    def block(self, node: tree.Block, scope: Scope) -> model.Block:
        """The statements of a block, each error told once and on its own."""
        inner = Scope(
            scope, pending={each.name.text: each.name.span for each in node.statements if isinstance(each, tree.Let)}
        )
        checked: list[model.Statement] = []
        for statement in node.statements:
            try:
                checked.extend(self._statement(statement, inner))
            except CompileError as error:
                self.failed = True
                for diagnostic in error.diagnostics:
                    self.session.diagnostics.add(diagnostic)
                if isinstance(statement, tree.Let):
                    inner.declare(statement.name, Broken(), self.session.diagnostics)
            if isinstance(statement, tree.Let):
                inner.pending.pop(statement.name.text, None)
        return tuple(checked)

    def expressions(self, scope: Scope) -> ExpressionChecker:
        return ExpressionChecker(self.session, scope, self.place, self.facts)

    def _statement(self, node: tree.Statement, scope: Scope) -> list[model.Statement]:
        match node:
            case tree.Let():
                return [self._let(node, scope)]
            case tree.Assign():
                return [self._assign(node, scope)]
            case tree.If():
                return self._if(node, scope)
            case tree.For():
                return self._for(node, scope)
            case tree.Repeat():
                return self._repeat(node, scope)
            case tree.Reject(span=span, reason=reason):
                if not self.place.reads_fields:
                    raise CompileError(target_wording.not_in_this_block(span, "`reject`", self.place.name))
                self.facts = self.facts.unreachable()
                return [model.Reject(span, self.findings.reason(reason.text))]
            case tree.Emit():
                return [self._emit(node, scope)]
            case tree.Action(span=span, name=name):
                raise CompileError(target_wording.mptcp_only(span, f"`{name.text}`"))
            case tree.Timed(span=span) | tree.OncePerConnection(span=span):
                raise CompileError(
                    target_wording.not_in_this_block(span, "a timer", self.place.name, "path managers only")
                )

    # ------------------------------------------------------------------------------------ lets, assignments

    def _let(self, node: tree.Let, scope: Scope) -> model.Statement:
        value = self.expressions(scope).value_or_lookup(node.value)
        reason = self._otherwise(node.value, value, node.otherwise)
        symbol = model.LetSymbol(node.name.span, node.name.text)
        replacement = value if isinstance(value, model.Literal | model.WideLiteral) else None
        scope.declare(node.name, Typed(symbol, value.type, value.interval, replacement), self.session.diagnostics)
        return model.Let(node.span, symbol, value, reason)

    def _otherwise(self, node: tree.Expression, value: model.Expression, reason: tree.Name | None) -> str | None:
        """The reason counted where a lookup finds nothing."""
        if isinstance(value, model.Lookup):
            if reason is None:
                raise CompileError(wording.lookup_without_else(node.span))
            if not self.place.reads_fields:
                raise CompileError(target_wording.not_in_this_block(reason.span, "`else reject`", self.place.name))
            return self.findings.reason(reason.text)
        if reason is not None:
            raise CompileError(wording.else_without_lookup(reason.span))
        return None

    def _assign(self, node: tree.Assign, scope: Scope) -> model.Statement:
        target = node.target
        if not isinstance(target, tree.NameExpression):
            raise CompileError(target_wording.not_assignable(target.span, f"`{target.span.text}`"))
        value = tree.Binary(node.span, node.operator, target, node.value) if node.operator else node.value
        if target.parts[0] in OBJECTS:
            return self._assign_attribute(node, target, value, scope)
        symbol = scope.resolve(target)
        if node.otherwise is not None and not isinstance(symbol, Broken):
            raise CompileError(wording.else_without_lookup(node.otherwise.span))
        match symbol:
            case model.Field():
                return self._assign_field(node, symbol, value, scope)
            case model.State():
                return self._assign_state(node, symbol, value, scope)
            case Broken():
                raise CompileError
            case None:
                raise CompileError(name_wording.unknown(target.span, "name", target.text, scope.names()))
            case _:
                raise CompileError(target_wording.not_assignable(target.span, f"`{target.text}`"))

    def _assign_attribute(
        self, node: tree.Assign, target: tree.NameExpression, value: tree.Expression, scope: Scope
    ) -> model.Statement:
        if self.place.writes_fields:
            raise CompileError(target_wording.not_in_this_block(node.span, f"setting `{target.text}`", self.place.name,
                                                                "a `send` block only gives the fields"))  # fmt: skip
        attribute = self.session.attribute(target.span, target.text, Direction.WRITE)
        if not self.place.full_socket:
            raise CompileError(target_wording.no_full_socket(node.span, f"setting `{target.text}`", self.place.name))
        checked = conversions.attribute_value(self.expressions(scope), attribute, value)
        return model.SetAttribute(node.span, attribute, checked, self._otherwise(value, checked, node.otherwise))

    def _assign_state(
        self, node: tree.Assign, state: model.State, value: tree.Expression, scope: Scope
    ) -> model.Statement:
        if self.place.writes_fields:
            raise CompileError(target_wording.not_in_this_block(node.span, f"setting `{state.name}`", self.place.name,
                                                                "a `send` block only gives the fields"))  # fmt: skip
        if not self.place.states:
            raise CompileError(target_wording.no_full_socket(node.span, f"state `{state.name}`", self.place.name))
        declared = self.findings.declared[state.name]
        checked = conversions.state_value(self.expressions(scope), state, declared, value)
        seen = self.findings.assigned.get(state.name, checked.interval)
        self.findings.assigned[state.name] = seen.join(checked.interval)
        # An inferred range holds this value only after the next round: until then it must not be exceeded.
        self.facts = self.facts.with_range(state, checked.interval)
        return model.SetState(node.span, state, checked)

    def _assign_field(
        self, node: tree.Assign, target: model.Field, value: tree.Expression, scope: Scope
    ) -> model.Statement:
        if not self.place.writes_fields:
            raise CompileError(layout_wording.read_only_field(node.target.span, target.name, self.place.name))
        assert self.place.layout is not None
        if announced := self.place.layout.guarded_by(target.name):
            names = [f"`{each.name}`" for each in announced]
            raise CompileError(layout_wording.flag_assigned(node.target.span, target.name, names))
        if self.facts.reachable and any(target.name in path for path in self.paths):
            raise CompileError(layout_wording.assigned_twice(node.target.span, target.name))
        self.paths = frozenset(path | {target.name} for path in self.paths)
        if target.repeat is not None:
            return self._assign_elements(node, target, target.repeat, value, scope)
        return model.SetField(node.span, target, conversions.field_value(self.expressions(scope), target, value))

    def _assign_elements(
        self, node: tree.Assign, target: model.Field, repeat: Interval, value: tree.Expression, scope: Scope
    ) -> model.Statement:
        if not isinstance(value, tree.ListExpression):
            raise CompileError(wording.wrong_type(value.span, "one value", "a list such as `[a, b]`"))
        if len(value.elements) not in repeat:
            shown = f"{repeat.low}..={repeat.high} elements"
            raise CompileError(
                wording.may_not_fit(value.span, f"`{target.name}`", str(len(value.elements)), shown, None)
            )
        checker = self.expressions(scope)
        elements = tuple(conversions.field_value(checker, target, element) for element in value.elements)
        return model.SetElements(node.span, target, elements)

    # ----------------------------------------------------------------------------------------------- control

    def _if(self, node: tree.If, scope: Scope) -> list[model.Statement]:
        condition = self.expressions(scope).condition(node.condition)
        if isinstance(condition, model.Literal):
            return self._decided(node, bool(condition.value), scope)
        before, paths = self.facts, self.paths
        layout = self.place.layout
        self.facts = assume(before, condition, True, layout)
        yes = self.block(node.yes, scope)
        after_yes, paths_yes = self.facts, self.paths
        self.facts, self.paths = assume(before, condition, False, layout), paths
        no = self.block(node.no, scope) if node.no is not None else ()
        self.paths = _reached(after_yes, paths_yes) | _reached(self.facts, self.paths)
        self.facts = after_yes.join(self.facts)
        if len(self.paths) > MOST_PATHS:
            raise CompileError(layout_wording.too_many_paths(node.span))
        return [model.If(node.span, condition, yes, no)]

    def _decided(self, node: tree.If, holds: bool, scope: Scope) -> list[model.Statement]:
        """A condition known at compile time: the other branch is left out, and for `target has` not even checked."""
        taken, other = (node.yes, node.no) if holds else (node.no, node.yes)
        if not _asks_target(node.condition):
            self.session.diagnostics.add(wording.condition_constant(node.condition.span, holds))
            if other is not None:
                aside = replace(self, findings=replace(self.findings, reasons=list(self.findings.reasons)))
                aside.block(other, scope)
        return list(self.block(taken, scope)) if taken is not None else []

    def _for(self, node: tree.For, scope: Scope) -> list[model.Statement]:
        if isinstance(node.container, tree.Range):
            return self._for_range(node, node.container, scope)
        symbol = scope.resolve(node.container) if isinstance(node.container, tree.NameExpression) else None
        if isinstance(symbol, model.Table):
            kind = NumberType(bits=symbol.key_bits)
            values = [model.Literal(node.name.span, kind, key) for key, _ in symbol.entries]
            return self._rounds(node, [(None, value) for value in values], scope)
        repeated = self.expressions(scope).repeated(node.container)
        return self._for_elements(node, repeated, scope)

    def _for_range(self, node: tree.For, bounds: tree.Range, scope: Scope) -> list[model.Statement]:
        number = NumberType()
        low = declarations.bound(self.session, scope, bounds.low, number)
        high = declarations.bound(self.session, scope, bounds.high, number)
        if high - low >= LONGEST_LOOP:
            raise CompileError(wording.loop_too_long(bounds.span, str(high - low + 1), LONGEST_LOOP))
        values = [model.Literal(node.name.span, number, value) for value in range(low, high + 1)]
        return self._rounds(node, [(None, value) for value in values], scope)

    def _for_elements(self, node: tree.For, repeated: model.Field, scope: Scope) -> list[model.Statement]:
        count = self.expressions(scope).count(repeated)
        rounds: list[tuple[model.Expression | None, model.Expression]] = []
        for index in range(count.high):
            element = model.Element(node.name.span, repeated.type, repeated.interval, repeated, index)
            present = None
            if index >= count.low:
                counted = model.CountOf(node.span, NumberType(), count, repeated)
                present = model.Compare(node.span, BOOL, Comparison.GT, counted, arithmetic.literal(node.span, index))
            rounds.append((present, element))
        return self._rounds(node, rounds, scope)

    def _rounds(
        self, node: tree.For, rounds: list[tuple[model.Expression | None, model.Expression]], scope: Scope
    ) -> list[model.Statement]:
        """The body once for each value of the variable; a round with a condition runs only where it holds."""
        unrolled: list[model.Statement] = []
        for condition, value in rounds:
            inner = Scope(scope)
            symbol = model.LetSymbol(node.name.span, node.name.text)
            inner.declare(node.name, Typed(symbol, value.type, value.interval, value), self.session.diagnostics)
            unrolled.extend(self._round(node, condition, node.body, inner))
        return unrolled

    def _round(
        self, node: tree.For | tree.Repeat, condition: model.Expression | None, body: tree.Block, scope: Scope
    ) -> list[model.Statement]:
        if condition is None:
            return list(self.block(body, scope))
        before, paths = self.facts, self.paths
        self.facts = assume(before, condition, True, self.place.layout)
        checked = self.block(body, scope)
        self.facts = self.facts.join(assume(before, condition, False, self.place.layout))
        self.paths |= paths
        return [model.If(node.span, condition, checked, ())]

    def _repeat(self, node: tree.Repeat, scope: Scope) -> list[model.Statement]:
        times = self.expressions(scope).number(node.count)
        if times.interval.high > LONGEST_LOOP:
            raise CompileError(wording.loop_too_long(node.count.span, arithmetic.shown(times), LONGEST_LOOP))
        unrolled: list[model.Statement] = []
        for index in range(times.interval.high):
            condition = None
            if index >= times.interval.low:
                condition = model.Compare(node.span, BOOL, Comparison.GT, times, arithmetic.literal(node.span, index))
            unrolled.extend(self._round(node, condition, node.body, Scope(scope)))
        return unrolled

    def _emit(self, node: tree.Emit, scope: Scope) -> model.Statement:
        if self.place.writes_fields:
            raise CompileError(target_wording.not_in_this_block(node.span, "`emit`", self.place.name))
        checker = self.expressions(scope)
        values = tuple(checker.value(each.value) for each in node.fields)
        members = tuple((each.name.text, value.type) for each, value in zip(node.fields, values, strict=True))
        record = model.Record(node.name.text, members)
        known = self.findings.records.setdefault(record.name, record)
        if [name for name, _ in known.members] != [name for name, _ in members] or len({*dict(members)}) < len(members):
            raise CompileError(name_wording.duplicate(node.name.span, node.name.text, None))
        for value, (name, kind) in zip(values, known.members, strict=True):
            conversions.check_recorded(value, name, kind)
        return model.Emit(node.span, known, values)


def _reached(facts: Facts, paths: frozenset[Path]) -> frozenset[Path]:
    return paths if facts.reachable else frozenset()


def _asks_target(node: tree.Expression) -> bool:
    match node:
        case tree.TargetHas():
            return True
        case tree.Binary(left=left, right=right):
            return _asks_target(left) or _asks_target(right)
        case tree.Unary(operand=operand):
            return _asks_target(operand)
        case _:
            return False
