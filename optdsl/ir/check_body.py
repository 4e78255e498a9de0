"""Checks one function along every path: what each statement needs, that pointers are tested and records submitted."""

from __future__ import annotations

from optdsl.ir import ops
from optdsl.ir.check_scope import LIVE, NOWHERE, Flow, NumberName, Origin, PointerName, PointerState, Scope
from optdsl.ir.check_statements import check_statement
from optdsl.ir.check_values import check_condition, check_value
from optdsl.source import Span

_MOST_REPETITIONS = 64


def check_body(scope: Scope) -> None:
    """Reports what is wrong with the function of a scope."""
    _BodyChecker(scope).check()


class _BodyChecker:
    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        # The flows of the `break`s of the innermost loop; None outside of loops.
        self._breaks: list[Flow] | None = None

    def check(self) -> None:
        function, flow = self._scope.function, Flow()
        for parameter in function.parameters:
            if parameter.points_to is None:
                self._scope.declare(function.span, parameter.name, NumberName(assignable=True))
            else:
                pointer = PointerName(parameter.points_to, Origin.PARAMETER)
                self._scope.declare(function.span, parameter.name, pointer)
                flow = flow.set(parameter.name, LIVE)
        flow = self._block(function.body, flow)
        self._check_records(function.span, flow)
        if flow.reachable and function.returns:
            self._scope.report(function.span, "ends without returning a number on some path")

    def _block(self, block: ops.Block, flow: Flow) -> Flow:
        """Checks a block; returns the flow behind it, where the names declared in it are out of scope."""
        outer = dict(self._scope.visible)
        for statement in block:
            flow = self._statement(statement, flow)
        self._scope.visible = outer
        return flow

    def _statement(self, statement: ops.Statement, flow: Flow) -> Flow:
        match statement:
            case ops.If():
                yes, no = check_condition(self._scope, flow, statement.condition)
                return self._block(statement.yes, yes).join(self._block(statement.no, no))
            case ops.Repeat():
                return self._repeat(statement, flow)
            case ops.Switch():
                return self._switch(statement, flow)
            case ops.Break():
                if self._breaks is None:
                    self._scope.report(statement.span, "break outside of a loop")
                else:
                    self._breaks.append(flow)
                return NOWHERE
            case ops.Return():
                return self._return(statement, flow)
            case _:
                return check_statement(self._scope, flow, statement)

    def _repeat(self, statement: ops.Repeat, flow: Flow) -> Flow:
        """Walks the body until what may hold at its start is stable: a record submitted in it is dead the next time."""
        if not 1 <= statement.count <= _MOST_REPETITIONS:
            self._scope.report(statement.span, f"{statement.count} repetitions; 1 to {_MOST_REPETITIONS} are allowed")
        self._scope.declare(statement.span, statement.name, NumberName())
        outer_breaks, outer_again = self._breaks, self._scope.again
        while True:
            self._breaks = []
            end = self._block(statement.body, flow)
            merged = flow.join(end)
            if merged == flow:
                break
            flow, self._scope.again = merged, True
        for leaving in self._breaks:
            end = end.join(leaving)
        self._breaks, self._scope.again = outer_breaks, outer_again
        del self._scope.visible[statement.name]
        return end

    def _switch(self, statement: ops.Switch, flow: Flow) -> Flow:
        check_value(self._scope, flow, statement.value)
        numbers = [number for case in statement.cases for number, _ in case.values]
        for number in sorted({number for number in numbers if numbers.count(number) > 1}):
            self._scope.report(statement.span, f"two cases for {number}")
        after = flow
        for case in statement.cases:
            after = after.join(self._block(case.body, flow))
        return after

    def _return(self, statement: ops.Return, flow: Flow) -> Flow:
        if statement.value is not None:
            check_value(self._scope, flow, statement.value)
        if self._scope.function.returns and statement.value is None:
            self._scope.report(statement.span, "returns no number where the function returns one")
        if not self._scope.function.returns and statement.value is not None:
            self._scope.report(statement.span, "returns a number where the function returns none")
        self._check_records(statement.span, flow)
        return NOWHERE

    def _check_records(self, span: Span, flow: Flow) -> None:
        """Reports records that may still be reserved where the function returns."""
        for name, states in flow.pointers.items():
            if flow.reachable and PointerState.LIVE in states and name in self._scope.records:
                self._scope.report(span, f"record {name} may not have been submitted")
