"""The checker: trees in, one checked program out, or the diagnostics that say why not."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.diagnostics import names as wording
from optdsl.diagnostics import targets as target_wording
from optdsl.diagnostics import values as value_wording
from optdsl.semantics import model
from optdsl.semantics.budget import check_budget
from optdsl.semantics.functions import check_functions
from optdsl.semantics.identifiers import check_collisions, check_visible
from optdsl.semantics.kinds import check_clashes
from optdsl.semantics.limits import check_limits
from optdsl.semantics.options import CheckedOption, check_option
from optdsl.semantics.place import Session
from optdsl.semantics.scope import Namespace, Scope
from optdsl.semantics.statements import Records
from optdsl.semantics.symbols import Loader, declare_modules, declare_values
from optdsl.semantics.unused import unused_names
from optdsl.source import Span
from optdsl.syntax import tree
from optdsl.targets import Target
from optdsl.targets.version import BASELINE

MOST_OPTIONS = 1024
"""Options that are looked at; `limits` has what the kernel makes of their number."""


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
    session = Session(target, diagnostics, quoted=[file.source for file in files])
    checked: list[CheckedOption] = []
    records: Records = {}
    names: dict[str, Span] = {}
    tables: list[model.Table] = []
    for file in files:
        scope = _file_scope(session, file, load)
        tables.extend(table for table in _tables(scope) if not any(table is known for known in tables))
        for node in _options(file, names, diagnostics):
            option = check_option(session, scope, node, records)
            if option is not None:
                checked.append(option)
                records.update(option.records)
        if any(isinstance(item, tree.Option) for item in file.items):
            session.unused.extend(unused_names(scope))
    options = tuple(each.option for each in checked)
    _check_together(files, checked, records, diagnostics)
    check_budget(options, diagnostics, timestamps=timestamps)
    check_limits(options, tuple(tables), diagnostics)
    if diagnostics.has_errors:
        raise CompileError
    diagnostics.extend(session.unused)
    needed = max((requirement.version for requirement in session.requirements), default=BASELINE)
    return model.CheckedProgram(
        name, tuple(session.quoted), options, tuple(tables), tuple(record for record, _ in records.values()),
        target, target.kernel or needed, tuple(session.requirements),
    )  # fmt: skip


def _file_scope(session: Session, file: tree.File, load: Loader) -> Scope:
    """The names that all options of a file see."""
    scope = Scope()
    if not all(_is_mptcp(item) for item in file.items):
        declare_modules(session, scope, file, load, ())
    declare_values(session, scope, file.items)
    check_functions(session, scope)
    return scope


def _is_mptcp(item: tree.Item) -> bool:
    """Whether an item is refused as a whole, so that what it needs does not matter."""
    if isinstance(item, tree.Option):
        return any(isinstance(member, tree.Kind) and member.form == "mptcp" for member in item.members)
    return isinstance(item, tree.PathManager)


def _options(file: tree.File, names: dict[str, Span], diagnostics: Diagnostics) -> Iterator[tree.Option]:
    """The options of a file, without those whose name another one has."""
    for item in file.items:
        if isinstance(item, tree.Table):
            check_visible(item.name, diagnostics)
        if isinstance(item, tree.PathManager):
            diagnostics.add(target_wording.mptcp_only(item.name.span, "a path manager"))
        if not isinstance(item, tree.Option):
            continue
        first = names.setdefault(item.name.text, item.name.span)
        if len(names) > MOST_OPTIONS:
            diagnostics.add(value_wording.too_many_options(item.name.span, MOST_OPTIONS))
            return
        if first == item.name.span:
            yield item
        else:
            diagnostics.add(wording.duplicate(item.name.span, item.name.text, first))


def _check_together(
    files: tuple[tree.File, ...], checked: list[CheckedOption], records: Records, diagnostics: Diagnostics
) -> None:
    """What concerns several options at once: kinds, and names that meet in the object."""
    check_clashes([each.option for each in checked], [each.kind for each in checked], diagnostics)
    options = [item for file in files for item in file.items if isinstance(item, tree.Option)]
    tables = [item.name for file in files for item in file.items if isinstance(item, tree.Table)]
    tables += [member.name for option in options for member in option.members if isinstance(member, tree.Table)]
    emitted = [tree.Name(span, record.name) for record, span in records.values()]
    check_collisions([option.name for option in options], tables, emitted, diagnostics)


def _tables(scope: Scope) -> Iterator[model.Table]:
    """The tables of a file and of the modules it uses."""
    for symbol, _ in scope.symbols.values():
        if isinstance(symbol, model.Table):
            yield symbol
        elif isinstance(symbol, Namespace):
            yield from _tables(symbol.scope)
