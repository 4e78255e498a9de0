"""The checker: trees in, one checked program out, or the diagnostics that say why not."""

from __future__ import annotations

from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.diagnostics import names as wording
from optdsl.diagnostics import targets as target_wording
from optdsl.semantics import model
from optdsl.semantics.budget import check_budget
from optdsl.semantics.kinds import CheckedKind, check_clashes
from optdsl.semantics.options import check_option
from optdsl.semantics.place import Session
from optdsl.semantics.scope import Scope
from optdsl.semantics.symbols import Loader, declare_modules, declare_value
from optdsl.source import Span
from optdsl.syntax import tree
from optdsl.targets import Target
from optdsl.targets.version import BASELINE


def check(
    files: tuple[tree.File, ...],
    name: str,
    target: Target,
    load: Loader,
    diagnostics: Diagnostics,
    *,
    timestamps: bool = True,
) -> model.CheckedProgram:
    """The checked program of one or more files. Raises CompileError, with nothing in it, if any error was told."""
    session = Session(target, diagnostics)
    options: list[model.Option] = []
    kinds: list[CheckedKind] = []
    records: dict[str, model.Record] = {}
    names: dict[str, Span] = {}
    tables: dict[str, model.Table] = {}
    for file in files:
        scope = _file_scope(session, file, load)
        tables.update(_tables(scope))
        for item in file.items:
            if isinstance(item, tree.PathManager):
                diagnostics.add(target_wording.mptcp_only(item.name.span, "a path manager"))
            if not isinstance(item, tree.Option):
                continue
            first = names.setdefault(item.name.text, item.name.span)
            if first != item.name.span:
                diagnostics.add(wording.duplicate(item.name.span, item.name.text, first))
                continue
            checked = check_option(session, scope, item)
            if checked is not None:
                options.append(checked.option)
                kinds.append(checked.kind)
                records.update(checked.records)
    check_clashes(options, kinds, diagnostics)
    check_budget(tuple(options), diagnostics, timestamps=timestamps)
    if diagnostics.has_errors:
        raise CompileError
    needed = max((requirement.version for requirement in session.requirements), default=BASELINE)
    return model.CheckedProgram(
        name, tuple(file.source for file in files), tuple(options), tuple(tables.values()), tuple(records.values()),
        target, target.kernel or needed, tuple(session.requirements),
    )  # fmt: skip


def _file_scope(session: Session, file: tree.File, load: Loader) -> Scope:
    scope = Scope()
    declare_modules(session, scope, file, load, ())
    for item in file.items:
        if isinstance(item, tree.Const | tree.Enum | tree.Table | tree.Function):
            declare_value(session, scope, item)
    return scope


def _tables(scope: Scope) -> dict[str, model.Table]:
    """The tables of a file and of the modules it uses."""
    from optdsl.semantics.scope import Namespace

    found: dict[str, model.Table] = {}
    for name, (symbol, _) in scope.symbols.items():
        if isinstance(symbol, model.Table):
            found[name] = symbol
        elif isinstance(symbol, Namespace):
            found.update({f"{name}_{inner}": table for inner, table in _tables(symbol.scope).items()})
    return found
