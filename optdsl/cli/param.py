"""`optdsl param FILE PIN [NAME...]`: shows and sets the params of a loaded program in the language's units."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from optdsl.cli.errors import InputError, Status, UsageError
from optdsl.cli.front_end import told_diagnostics
from optdsl.cli.sources import module_loader, program_name, read_source
from optdsl.cli.target import add_target_arguments, chosen_target
from optdsl.cli.terminal import write

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from optdsl.diagnostics import Diagnostics
    from optdsl.ir.memory import Decoded
    from optdsl.ir.types import Initial
    from optdsl.kernel.params import ParamSection
    from optdsl.semantics.model import CheckedProgram, Param
    from optdsl.source import Source

    ParamPath = tuple[str, str]
    """Option and param."""

EXAMPLES = (
    ("optdsl param uto.opt /sys/fs/bpf/uto_maps", "all params"),
    ("optdsl param uto.opt /sys/fs/bpf/uto_maps user_timeout.lower=5s", "sets one"),
)
_SETTING = ("settings", "until_acked_packets")
_SETTING_DOC = "most repeats of `until acked` without data"
_MOST_PACKETS = (1 << 16) - 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of this command."""
    parser.add_argument("file", metavar="FILE", help="the .opt file that the program was compiled from")
    parser.add_argument("pin", metavar="PIN", help="the directory with its pinned maps, or the pin of its params")
    parser.add_argument("names", metavar="NAME", nargs="*", help="option.param to show, option.param=VALUE to set")
    add_target_arguments(parser)
    parser.set_defaults(message_format="text")


def run(arguments: argparse.Namespace) -> int:
    """Sets the params that have a value, then shows those that are named, or all."""
    from optdsl.kernel.errors import KernelError

    wanted = [_split(each) for each in arguments.names]
    values = {name: value for name, value in wanted if value is not None}
    with told_diagnostics(arguments) as diagnostics:
        source = read_source(arguments.file)
        program = _checked(source, arguments, diagnostics)
        changed = _checked(_tuned(source, values), arguments, diagnostics)
    try:
        section = _section(arguments, program)
        shown = _named(section, [name for name, _ in wanted])
        if values:
            section.write(_new_values(changed, values))
        write(params_text(section.read(), shown, program))
    except KernelError as error:
        raise InputError(error.what, *[("note", line) for line in error.message.splitlines()]) from None
    return Status.OK


def params_text(found: Mapping[ParamPath, Decoded], shown: Collection[ParamPath], program: CheckedProgram) -> str:
    """A line for each param: its name, its value, what it may be, what it is for."""
    from optdsl.tuning import params, show_range

    declared = params(program)
    rows = []
    for path in shown:
        param = declared.get(".".join(path))
        value = _in_words(found[path], param)
        rows.append((".".join(path), value, show_range(param) if param else "", param.doc if param else _SETTING_DOC))
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
    lines = ["  ".join([*map(str.ljust, row, widths), row[3].partition("\n")[0]]).rstrip() for row in rows]
    return "".join(f"{line}\n" for line in lines)


def _split(argument: str) -> tuple[str, str | None]:
    name, equals, value = argument.partition("=")
    if equals and not value.strip():
        raise UsageError(f"`{name}=` has no value")
    return name, value if equals else None


def _checked(source: Source, arguments: argparse.Namespace, diagnostics: Diagnostics) -> CheckedProgram:
    """The checked program, without its warnings: they were told when it was compiled."""
    from optdsl.compiler import Options, analyse
    from optdsl.diagnostics import CompileError
    from optdsl.diagnostics import Diagnostics as Findings

    found = Findings()
    options = Options(program_name(arguments.file), chosen_target(arguments))
    try:
        return analyse([source], options, module_loader(Path(arguments.file).parent), found)
    except CompileError as error:
        diagnostics.extend(each for each in (*found.found, *error.diagnostics) if each.is_error)
        raise CompileError from None


def _tuned(source: Source, values: Mapping[str, str]) -> Source:
    """The source with other first values."""
    from optdsl.tuning import NotOneValueError, UnknownParamError, tuned

    try:
        (made,) = tuned([source], {name: value for name, value in values.items() if name != ".".join(_SETTING)})
    except UnknownParamError as error:
        raise UsageError(f"no param {error.path}", ("note", f"there are: {', '.join(error.known)}")) from None
    except NotOneValueError as error:
        raise UsageError(f"`{error}` is not one value") from None
    return made


def _section(arguments: argparse.Namespace, program: CheckedProgram) -> ParamSection:
    from optdsl.compiler import lower_program
    from optdsl.kernel.params import ParamSection

    return ParamSection(Path(arguments.pin), lower_program(program))


def _named(section: ParamSection, names: Sequence[str]) -> list[ParamPath]:
    """The paths that are asked for, or all."""
    known = {".".join(path): path for path in section.read()}
    for name in names:
        if name not in known:
            raise UsageError(f"no param {name}", ("note", f"there are: {', '.join(known)}"))
    return [known[name] for name in dict.fromkeys(names)] or list(known.values())


def _new_values(changed: CheckedProgram, values: Mapping[str, str]) -> dict[ParamPath, Initial]:
    """What is to be written, taken from the program whose declarations begin with it."""
    from optdsl.tuning import as_kept, params

    declared = params(changed)
    found: dict[ParamPath, Initial] = {}
    for name, text in values.items():
        option, _, param = name.partition(".")
        if (option, param) == _SETTING:
            if not text.strip().isdecimal() or int(text) > _MOST_PACKETS:
                raise UsageError(f"{name} is a number of packets, 0..={_MOST_PACKETS}, not `{text}`")
            found[_SETTING] = int(text)
        else:
            found[option, param] = as_kept(declared[name].initial)
    return found


def _in_words(value: Decoded, param: Param | None) -> str:
    """A value in the language's words; of a number outside its range, also as what the program takes it."""
    from optdsl.tuning import from_kept, show_value, taken_as

    if param is None:
        return str(value)
    kept = from_kept(value)
    text, taken = show_value(param, kept), taken_as(param, kept)
    return text if taken == kept else f"{text} (taken as {show_value(param, taken)})"
