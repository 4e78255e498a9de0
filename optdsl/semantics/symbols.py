"""Declares consts, enums, tables and functions: of a file, of an option, or of a module that `use` names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import names as wording
from optdsl.semantics import declarations
from optdsl.semantics.functions import check_functions
from optdsl.semantics.place import Session
from optdsl.semantics.scope import Broken, ConstSymbol, EnumSymbol, FunctionSymbol, Namespace, PrefixesSymbol, Scope
from optdsl.source import Source
from optdsl.syntax import tree

Loader = Callable[[str], Source | None]
"""Finds the text of a module by its dotted name; None where there is none. The only way out of the pure core."""

Value = tree.Const | tree.Enum | tree.Table | tree.Function


def declare_values(session: Session, scope: Scope, nodes: Sequence[object]) -> None:
    """Declares what is among some items or members: enums and functions first, which may stand behind their use.

    What is wrong with one is told, and its name is broken afterwards.
    """
    values = [node for node in nodes if isinstance(node, tree.Const | tree.Table)]
    for node in nodes:
        if isinstance(node, tree.Enum | tree.Function):
            _declare(session, scope, node)
    scope.pending.update({node.name.text: node.name.span for node in values})
    for node in values:
        _declare(session, scope, node)
        scope.pending.pop(node.name.text, None)


def _declare(session: Session, scope: Scope, node: Value) -> None:
    try:
        match node:
            case tree.Const():
                scope.declare(node.name, _const(session, scope, node), session.diagnostics)
            case tree.Enum():
                enum = declarations.check_enum(node)
                scope.declare(node.name, EnumSymbol(enum), session.diagnostics)
                scope.declare_enumerators(enum)
            case tree.Table():
                scope.declare(node.name, declarations.check_table(session, scope, node), session.diagnostics)
            case tree.Function():
                scope.declare(node.name, FunctionSymbol(node, scope), session.diagnostics)
    except CompileError as error:
        session.diagnostics.extend(error.diagnostics)
        scope.declare(node.name, Broken(), session.diagnostics)


def _const(session: Session, scope: Scope, node: tree.Const) -> ConstSymbol | PrefixesSymbol:
    if isinstance(node.value, tree.Braces):
        return PrefixesSymbol(declarations.check_prefixes(scope, node.type, node.value))
    return ConstSymbol(declarations.check_const(session, scope, node))


def declare_modules(
    session: Session, scope: Scope, file: tree.File, load: Loader, open_modules: tuple[str, ...]
) -> None:
    """Brings the modules that a file uses into its scope, each under the last part of its name."""
    for use in file.uses:
        short = use.path.parts[-1]
        try:
            module = _module(session, use, load, open_modules)
        except CompileError as error:
            session.diagnostics.extend(error.diagnostics)
            module = Broken()
        known = scope.symbols.get(short)
        if known is not None and known[0] is not module and not isinstance(module, Broken):
            session.diagnostics.add(wording.duplicate(use.span, short, known[1]))
        scope.symbols[short] = (module, use.path.span)


def _module(session: Session, use: tree.Use, load: Loader, open_modules: tuple[str, ...]) -> Namespace | Broken:
    name = use.path.text
    if name in open_modules:
        raise CompileError(wording.import_cycle(use.path.span, (*open_modules[open_modules.index(name) :], name)))
    known = session.modules.get(name)
    if known is not None:
        return known
    source = load(name)
    if source is None:
        from optdsl.resources import module_names

        raise CompileError(wording.unknown_module(use.path.span, name, [f"std.{each}" for each in module_names()]))
    from optdsl.syntax.parser import parse

    try:
        file = parse(source)
    except CompileError:
        session.modules[name] = Broken()
        raise
    scope = Scope()
    declare_modules(session, scope, file, load, (*open_modules, name))
    for item in file.items:
        if isinstance(item, tree.Option | tree.PathManager):
            what = "an option" if isinstance(item, tree.Option) else "a path manager"
            session.diagnostics.add(wording.module_items(item.name.span, what))
    declare_values(session, scope, file.items)
    check_functions(session, scope)
    namespace = Namespace(scope)
    session.modules[name] = namespace
    return namespace
