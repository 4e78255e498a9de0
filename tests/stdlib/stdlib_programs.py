"""Compiles programs that use the standard library, and runs its functions on the interpreter."""

from __future__ import annotations

from functools import cache

from optdsl import resources
from optdsl.compiler import Options, analyse, lower_program
from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.ir.check import check_program
from optdsl.ir.invocation import SockOpsContext
from optdsl.ir.machine import Machine
from optdsl.ir.memory import Decoded
from optdsl.ir.program import Program
from optdsl.ir.types import Initial
from optdsl.semantics.place import Session
from optdsl.semantics.scope import ConstSymbol, PrefixesSymbol, Scope, Symbol
from optdsl.semantics.symbols import declare_modules
from optdsl.source import Source
from optdsl.syntax.parser import parse
from optdsl.targets import mainline
from optdsl.targets.sockops import SockOp


def load(name: str) -> Source | None:
    """The text of a module of the standard library."""
    text = resources.module_text(name.removeprefix("std."))
    return None if text is None else Source(name, text)


def compiled(text: str) -> Program:
    """The IR of a program without errors or warnings, checked."""
    diagnostics = Diagnostics()
    try:
        checked = analyse([Source("test.opt", text)], Options("test"), load, diagnostics)
    except CompileError:
        raise AssertionError([(each.code, each.message, each.label) for each in diagnostics.found]) from None
    assert [each.code for each in diagnostics.found] == []
    program = lower_program(checked)
    assert check_program(program) == []
    return program


@cache
def module(name: str) -> dict[str, Symbol]:
    """What a module of the standard library declares, by name."""
    diagnostics = Diagnostics()
    scope = Scope()
    file = parse(Source("test.opt", f"use std.{name}\nconst unused = 0\n"))
    declare_modules(Session(mainline(), diagnostics), scope, file, load, ())
    assert [(each.code, str(each.span)) for each in diagnostics.found] == []
    namespace = scope.find(name)
    return {known: symbol for known, (symbol, _) in getattr(namespace, "scope").symbols.items()}  # noqa: B009


def numbers(name: str) -> dict[str, int]:
    """The numeric consts of a module."""
    return {
        known: symbol.value.interval.low for known, symbol in module(name).items() if isinstance(symbol, ConstSymbol)
    }


def prefixes(name: str) -> dict[str, frozenset[tuple[int, int]]]:
    """The lists of prefixes of a module: address in IPv6 form and length."""
    return {
        known: frozenset((each.address, each.length) for each in symbol.prefixes)
        for known, symbol in module(name).items()
        if isinstance(symbol, PrefixesSymbol)
    }


class Probe:
    """A program that evaluates one expression over params: `Probe("a * 2", {"a": "u8 = 0"})(a=4)`."""

    def __init__(self, expression: str, params: dict[str, str], uses: str = "") -> None:
        declared = "\n".join(f"    param {name} : {kind}" for name, kind in params.items())
        text = f"""
            use std.{uses or "rates"}
            option probe {{
                kind experimental 0x5052
                layout {{ value : u8 }}
            {declared}
                on rtt {{ emit result {{ value: {expression} }} }}
                receive {{ }}
            }}
        """
        self.machine = Machine(compiled(text))
        self.machine.run(SockOpsContext(SockOp.TCP_CONNECT_CB, socket=1))

    def __call__(self, **params: Initial) -> Decoded:
        for name, value in params.items():
            self.machine.set(f"probe.{name}", value)
        (record,) = self.machine.run(SockOpsContext(SockOp.RTT_CB, socket=1)).records
        assert isinstance(record, dict)
        return record["value"]
