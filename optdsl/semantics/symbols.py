"""Declares consts, enums, tables and functions: of a file, of an option, or of a module that `use` names."""

from __future__ import annotations

from collections.abc import Callable

from optdsl.diagnostics import CompileError
from optdsl.diagnostics import names as wording
from optdsl.semantics import declarations
from optdsl.semantics.place import Session
from optdsl.semantics.scope import Broken, ConstSymbol, EnumSymbol, FunctionSymbol, Namespace, PrefixesSymbol, Scope
from optdsl.source import Source
from optdsl.syntax import tree

Loader = Callable[[str], Source | None]
"""Finds the text of a module by its dotted name; None where there is none. The only way out of the pure core."""


def declare_value(session: Session, scope: Scope, node: tree.Const | tree.Enum | tree.Table | tree.Function) -> None:
    """Declares one item. What is wrong with it is told, and its name is broken afterwards."""
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
        for diagnostic in error.diagnostics:
            session.diagnostics.add(diagnostic)
        scope.declare(node.name, Broken(), session.diagnostics)


def _const(session: Session, scope: Scope, node: tree.Const) -> ConstSymbol | PrefixesSymbol:
    if isinstance(node.value, tree.Braces):
        return PrefixesSymbol(declarations.prefix_list(scope, node.value))
    return ConstSymbol(declarations.check_const(session, scope, node))


def declare_modules(
    session: Session, scope: Scope, file: tree.File, load: Loader, open_modules: tuple[str, ...]
) -> None:
    """Brings the modules that a file uses into its scope, each under the last part of its name."""
    for use in file.uses:
        name = use.path.text
        try:
            namespace = _module(session, use, load, open_modules)
        except CompileError as error:
            for diagnostic in error.diagnostics:
                session.diagnostics.add(diagnostic)
            scope.symbols[use.path.parts[-1]] = (Broken(), use.span)
            continue
        known = scope.symbols.get(use.path.parts[-1])
        if known is not None and known[0] != namespace:
            session.diagnostics.add(wording.duplicate(use.span, name, known[1]))
        scope.symbols[use.path.parts[-1]] = (namespace, use.span)


def _module(session: Session, use: tree.Use, load: Loader, open_modules: tuple[str, ...]) -> Namespace:
    name = use.path.text
    if name in open_modules:
        raise CompileError(wording.import_cycle(use.span, (*open_modules, name)))
    known = session.modules.get(name)
    if isinstance(known, Namespace):
        return known
    source = load(name)
    if source is None:
        from optdsl.resources import module_names

        raise CompileError(wording.unknown_module(use.span, name, [f"std.{each}" for each in module_names()]))
    from optdsl.syntax.parser import parse

    file = parse(source)
    scope = Scope()
    declare_modules(session, scope, file, load, (*open_modules, name))
    for item in file.items:
        if isinstance(item, tree.Option | tree.PathManager):
            session.diagnostics.add(wording.module_items(item.name.span, "an option"))
        else:
            declare_value(session, scope, item)
    namespace = Namespace(scope)
    session.modules[name] = namespace
    return namespace
