"""What a compile tells about its outcome: diagrams, the budget of option space, size, kernel and privileges.

Pure functions from values to text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from optdsl.backends.diagram import diagram, field_rows, kind_text, sizes_text
from optdsl.diagnostics.render_rows import Role, Style, painted
from optdsl.record import record
from optdsl.semantics import model
from optdsl.semantics.budget import BudgetRow, budget
from optdsl.targets.version import BASELINE

_INDENT = "  "
_BASE_REASON = "TCP header options in BPF programs"


@record
class Outcome:
    """What was written: the form (`--emit`), where to, and the bytes; whether `--kernel` was given."""

    form: str
    destination: str
    data: bytes
    asked_kernel: bool


def report_text(program: model.CheckedProgram, outcome: Outcome, style: Style) -> str:
    """The report, one paragraph a subject."""
    paragraphs = [option_lines(option, style) for option in program.options]
    paragraphs += [budget_lines(budget(program.options), style), list(_facts(program, outcome, style))]
    return "\n\n".join("\n".join(lines) for lines in paragraphs)


def option_lines(option: model.Option, style: Style) -> list[str]:
    """An option: its head, its diagram and its fields."""
    drawn = diagram(option)
    lines = [f"{painted(option.name, Role.TITLE, style)}  {kind_text(option)}, {sizes_text(option.layout)}"]
    if option.doc:
        lines.append(_INDENT + option.doc.splitlines()[0].strip())
    lines += ["", *((_INDENT + line).rstrip() for line in drawn.lines)]
    rows = field_rows(option, drawn.marks)
    if rows:
        lines += ["", *_columns(rows)]
    return lines


def budget_lines(rows: Sequence[BudgetRow], style: Style) -> list[str]:
    """The budget: bytes used by all options of the program, and bytes that the kernel leaves; equal rows in one."""
    names = ["bytes of option space"]
    table: list[tuple[str, ...]] = [("used", "left", "no timestamps", "with a SACK block")]
    for numbers, group in groupby(rows, key=_numbers):
        names.append(_INDENT + ", ".join(row.packet.value for row in group))
        table.append(numbers)
    width = max(map(len, names))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    heads = [
        painted(names[0], Role.TITLE, style) + " " * (width - len(names[0])),
        *(f"{n:<{width}}" for n in names[1:]),
    ]
    return [
        "  ".join([head, *(text.rjust(room) for text, room in zip(numbers, widths, strict=True))])
        for head, numbers in zip(heads, table, strict=True)
    ]


def _numbers(row: BudgetRow) -> tuple[str, ...]:
    beside_sack = "-" if row.left_beside_sack is None else str(row.left_beside_sack)
    return str(row.used or "-"), str(row.left), str(row.left_without_timestamps), beside_sack


def _facts(program: model.CheckedProgram, outcome: Outcome, style: Style) -> Iterator[str]:
    """Labelled lines: what was written, and what it needs."""
    facts = [(outcome.form, _written(outcome))]
    if outcome.form == "object":
        facts += [("program", text) for text in _programs(outcome.data)]
    facts.append(("kernel", kernel_text(program, asked=outcome.asked_kernel)))
    facts.append(("needs", "CAP_BPF and CAP_NET_ADMIN to load and attach, which root has"))
    width = max(len(label) for label, _ in facts)
    for label, text in facts:
        yield f"{painted(label, Role.TITLE, style)}{' ' * (width - len(label))}  {text}"


def _written(outcome: Outcome) -> str:
    place = "standard output" if outcome.destination == "-" else outcome.destination
    return f"{place}, {len(outcome.data)} bytes"


def _programs(data: bytes) -> Iterator[str]:
    """Names and lengths of the programs in an object."""
    from optdsl.elf.object import read_object
    from optdsl.elf.stack import stack_bytes

    found = read_object(data)
    total = sum(each.instruction_count for each in found.subprograms)
    beside = f", and {total} in {len(found.subprograms)} sub-programs" if found.subprograms else ""
    # Sub-programs do not call one another deeply: the deepest of them below the program is what can be in use.
    below = max((stack_bytes(each.code) for each in found.subprograms), default=0)
    for each in found.programs:
        stack = stack_bytes(each.code) + below
        yield f"{each.name}, {each.instruction_count} instructions{beside}, {stack} bytes of stack of 512"


def kernel_text(program: model.CheckedProgram, *, asked: bool) -> str:
    """The kernel version to run on, and what asks for it."""
    needed = max((each.version for each in program.requirements), default=BASELINE)
    reasons = [each.what for each in program.requirements if each.version == needed]
    because = _BASE_REASON if needed <= BASELINE else ", ".join(reasons)
    if asked and program.kernel != needed:
        return f"Linux {program.kernel} or newer, as asked for ({needed} would do: {because})"
    return f"Linux {max(program.kernel, needed)} or newer, for {because}"


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows with aligned columns, without columns that are empty."""
    columns = [column for column in zip(*rows, strict=True) if any(column)]
    widths = [max(map(len, column)) for column in columns]
    lines = zip(*columns, strict=True)
    return [
        (_INDENT + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))).rstrip()
        for line in lines
    ]
