"""Unrolls loops: over a range of numbers, the keys of a table, the elements of a repeated field, or `repeat n`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import values as wording
from optdsl.ir.ops_values import Comparison
from optdsl.semantics import arithmetic, declarations, model, references
from optdsl.semantics.facts import assume
from optdsl.semantics.scope import Scope, Typed
from optdsl.semantics.types import BOOL, EnumType, NumberType, Type
from optdsl.syntax import tree

if TYPE_CHECKING:
    from optdsl.semantics.statements import BlockChecker

LONGEST_LOOP = 64
MOST_ROUNDS = 1024
"""Of all loops of one block together, those inside others counted each time."""

Round = tuple[model.Expression | None, Typed | None]
"""One round: the condition on which it runs, if any, and the value of the variable, if there is one."""


def for_each(checker: BlockChecker, node: tree.For, scope: Scope) -> list[model.Statement]:
    """`for x in ... { }`."""
    if isinstance(node.container, tree.Range):
        return _unrolled(checker, node, _numbers(checker, node, node.container, scope), scope)
    expressions = checker.expressions(scope)
    symbol = references.symbol_of(expressions, node.container)
    if isinstance(symbol, model.Table):
        return _unrolled(checker, node, _keys(node, symbol), scope)
    if not isinstance(symbol, model.Field) or symbol.repeat is None:
        raise CompileError(wording.wrong_thing(node.container.span, "a range, a table or a repeated field"))
    return _unrolled(checker, node, _elements(checker, node, scope), scope)


def repeat(checker: BlockChecker, node: tree.Repeat, scope: Scope) -> list[model.Statement]:
    """`repeat n { }`."""
    times = checker.expressions(scope).plain_number(node.count)
    if times.interval.high > LONGEST_LOOP:
        raise CompileError(wording.loop_too_long(node.count.span, arithmetic.shown(times), LONGEST_LOOP))
    rounds: list[Round] = []
    for index in range(times.interval.high):
        condition = None
        if index >= times.interval.low:
            condition = model.Compare(node.span, BOOL, Comparison.GT, times, arithmetic.literal(node.span, index))
        rounds.append((condition, None))
    return _unrolled(checker, node, rounds, scope)


def _constant(node: tree.For, kind: Type, value: int) -> Round:
    literal = model.Literal(node.name.span, kind, value)
    return None, Typed(model.LetSymbol(node.name.span, node.name.text), kind, literal.interval, literal)


def _numbers(checker: BlockChecker, node: tree.For, bounds: tree.Range, scope: Scope) -> list[Round]:
    number = NumberType()
    low = declarations.bound(checker.session, scope, bounds.low, number)
    high = declarations.bound(checker.session, scope, bounds.high, number)
    if low > high:
        raise CompileError(wording.empty_range(bounds.span, str(low), str(high)))
    if high - low >= LONGEST_LOOP:
        raise CompileError(wording.loop_too_long(bounds.span, str(high - low + 1), LONGEST_LOOP))
    return [_constant(node, number, value) for value in range(low, high + 1)]


def _keys(node: tree.For, table: model.Table) -> list[Round]:
    """The keys of the entries that stand in the source."""
    if len(table.entries) > LONGEST_LOOP:
        raise CompileError(wording.loop_too_long(node.container.span, str(len(table.entries)), LONGEST_LOOP))
    kind = table.key_type if isinstance(table.key_type, EnumType) else NumberType(bits=table.key_bits)
    return [_constant(node, kind, key) for key, _ in table.entries]


def _elements(checker: BlockChecker, node: tree.For, scope: Scope) -> list[Round]:
    assert not isinstance(node.container, tree.Range)
    expressions = checker.expressions(scope)
    field = references.repeated(expressions, node.container)
    count = references.count(expressions, field)
    rounds: list[Round] = []
    for index in range(count.high):
        element = model.Element(node.name.span, field.type, field.interval, field, index)
        symbol = model.LetSymbol(node.name.span, node.name.text)
        present = None
        if index >= count.low:
            counted = model.CountOf(node.span, NumberType(), count, field)
            present = model.Compare(node.span, BOOL, Comparison.GT, counted, arithmetic.literal(node.span, index))
        rounds.append((present, Typed(symbol, element.type, element.interval, element)))
    return rounds


def _unrolled(
    checker: BlockChecker, node: tree.For | tree.Repeat, rounds: list[Round], scope: Scope
) -> list[model.Statement]:
    """The body once for each round. What is wrong in one round is not told again for the next."""
    statements: list[model.Statement] = []
    failed, warns = checker.failed, checker.warns
    checker.failed, checker.warns = False, False
    try:
        for condition, variable in rounds:
            checker.rounds += 1
            if checker.rounds > MOST_ROUNDS:
                raise CompileError(wording.loops_too_long(node.span, MOST_ROUNDS))
            inner = Scope(scope)
            if variable is not None and isinstance(node, tree.For):
                inner.declare(node.name, variable, checker.session.diagnostics)
            statements.extend(_round(checker, node, condition, inner))
            if checker.failed:
                break
        if not rounds:
            checker.check_aside(node.body, scope)
    finally:
        checker.failed, checker.warns = checker.failed or failed, warns
    return statements


def _round(
    checker: BlockChecker, node: tree.For | tree.Repeat, condition: model.Expression | None, scope: Scope
) -> list[model.Statement]:
    if condition is None:
        return list(checker.block(node.body, scope))
    before, paths, layout = checker.facts, checker.paths, checker.place.layout
    start, skipped = assume(before, condition, True, layout), assume(before, condition, False, layout)
    checker.facts = start
    body = checker.block(node.body, scope)
    checker.facts = checker.facts.join(skipped).behind(start, skipped)
    checker.merge_paths(node.span, checker.paths | paths)
    return [model.If(node.span, condition, body, ())]
