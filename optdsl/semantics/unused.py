"""Finds declarations that nothing uses, and marks the names of code that is left out of this compile."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.diagnostics import Diagnostic
from optdsl.diagnostics import names as wording
from optdsl.semantics import model
from optdsl.semantics.scope import (
    ConstSymbol,
    EnumSymbol,
    FunctionSymbol,
    Namespace,
    PrefixesSymbol,
    Scope,
    Symbol,
    Typed,
)
from optdsl.syntax import walk


def mark(scope: Scope, node: object) -> None:
    """Counts what a piece of tree mentions as used: it is not checked, but for another target it would be."""
    for name in walk.mentioned(node):
        scope.find(name)
        scope.find_enumerator(name)


def unused_names(scope: Scope) -> Iterator[Diagnostic]:
    """A warning for each declaration of a scope that nothing has looked up."""
    for name, (symbol, span) in scope.symbols.items():
        what = _described(symbol)
        if what and name not in scope.used and not name.startswith("_"):
            yield wording.unused(span, what, name)


def _described(symbol: Symbol) -> str:
    match symbol:
        case Typed():
            return "let"
        case model.Param():
            return "param"
        case model.State():
            return "state"
        case ConstSymbol() | PrefixesSymbol():
            return "const"
        case model.Table():
            return "table"
        case FunctionSymbol():
            return "fn"
        case EnumSymbol():
            return "enum"
        case Namespace():
            return "module"
        case _:
            return ""
