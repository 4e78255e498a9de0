"""Checks that the helpers for writing options are called only from the callbacks where the kernel allows them.

Callbacks are told apart by `switch ctx.op` and `if ctx.op == number`; calls are followed from the entry.
`bpf_reserve_hdr_opt()` outside HDR_OPT_LEN and `bpf_store_hdr_opt()` outside WRITE_HDR_OPT fail with -EPERM
(`net/core/filter.c`).
"""

from __future__ import annotations

from optdsl.ir import ops
from optdsl.ir.program import Program
from optdsl.targets.sockops import SockOp

# The callbacks that may be running; None before the entry has looked at `ctx.op`.
_Callbacks = frozenset[int] | None


def check_callbacks(program: Program) -> list[str]:
    """Problems of a program whose functions and calls are fine."""
    walk = _Walk(program)
    walk.function(program.entry, None)
    return list(walk.problems)


class _Walk:
    def __init__(self, program: Program) -> None:
        self.problems: dict[str, None] = {}
        self._functions = {function.name: function for function in program.functions}
        self._seen: set[tuple[str, _Callbacks]] = set()

    def function(self, name: str, callbacks: _Callbacks) -> None:
        if (name, callbacks) not in self._seen:
            self._seen.add((name, callbacks))
            self._block(name, self._functions[name].body, callbacks)

    def _block(self, name: str, block: ops.Block, callbacks: _Callbacks) -> None:
        for statement in block:
            match statement:
                case ops.ReserveOption():
                    self._require(name, statement, callbacks, SockOp.HDR_OPT_LEN_CB)
                case ops.StoreOption():
                    self._require(name, statement, callbacks, SockOp.WRITE_HDR_OPT_CB)
                case ops.Call():
                    self.function(statement.function, callbacks)
                case ops.If():
                    self._if(name, statement, callbacks)
                case ops.Repeat():
                    self._block(name, statement.body, callbacks)
                case ops.Switch():
                    self._switch(name, statement, callbacks)
                case _:
                    pass

    def _if(self, name: str, statement: ops.If, callbacks: _Callbacks) -> None:
        match statement.condition:
            case ops.Compare(_, ops.Comparison.EQ, ops.Context(field="op"), ops.Const(value=number)):
                self._only(name, statement.yes, callbacks, {number})
            case _:
                self._block(name, statement.yes, callbacks)
        self._block(name, statement.no, callbacks)

    def _switch(self, name: str, statement: ops.Switch, callbacks: _Callbacks) -> None:
        on_callback = isinstance(statement.value, ops.Context) and statement.value.field == "op"
        for case in statement.cases:
            if on_callback:
                self._only(name, case.body, callbacks, {number for number, _ in case.values})
            else:
                self._block(name, case.body, callbacks)

    def _only(self, name: str, block: ops.Block, callbacks: _Callbacks, chosen: set[int]) -> None:
        """A block that runs only for `chosen` callbacks; not at all if none of them can be running."""
        possible = frozenset(chosen) if callbacks is None else callbacks & chosen
        if possible:
            self._block(name, block, possible)

    def _require(
        self, name: str, statement: ops.ReserveOption | ops.StoreOption, callbacks: _Callbacks, allowed: SockOp
    ) -> None:
        if callbacks != frozenset({int(allowed)}):
            what = type(statement).__name__
            self.problems[f"{name}: {statement.span}: {what} is reached outside of {allowed.name}"] = None
