"""Blocks as C has them: without what has no effect, and with a view on where they end."""

from __future__ import annotations

from collections.abc import Iterator

from optdsl.backends.c.conditions import not_negative
from optdsl.backends.c.frame import Frame
from optdsl.ir import ops


def live(frame: Frame, block: ops.Block) -> ops.Block:
    """The statements of a block that do something.

    Names that nothing reads are left out (`-Wunused-but-set-variable`), of an `if` with a constant condition the chosen
    arm remains, and an `if` without a first arm is turned around.
    """
    return tuple(_live(frame, block))


def _live(frame: Frame, block: ops.Block) -> Iterator[ops.Statement]:
    reads = frame.own.reads
    for statement in block:
        match statement:
            case ops.Let(name=name) | ops.Assign(name=name) | ops.DeclareBuffer(name=name) | ops.Now(name=name):
                if reads[name]:
                    yield statement
            case ops.Count() if not any(definition.name == "counters" for definition in frame.program.maps):
                pass
            case ops.If(condition=ops.Always(holds=holds)):
                yield from _live(frame, statement.yes if holds else statement.no)
            case ops.If():
                yes, no = live(frame, statement.yes), live(frame, statement.no)
                if yes:
                    yield ops.If(statement.span, statement.condition, yes, no)
                elif no:
                    yield ops.If(statement.span, ops.Not(statement.span, statement.condition), no)
            case _:
                yield statement


def jumps_away(block: ops.Block) -> bool:
    """True if control never reaches the end of the block."""
    for statement in block:
        match statement:
            case ops.Return() | ops.Break():
                return True
            case ops.If(yes=yes, no=no) if no and jumps_away(yes) and jumps_away(no):
                return True
            case _:
                pass
    return False


def only_use(statement: ops.Statement | None) -> str | None:
    """The local number that a statement begins with, if it looks at it and nothing else."""
    match statement:
        case ops.If(condition=ops.IsNegative(value=ops.Local(name=name))):
            return name
        case ops.If(condition=ops.Not(condition=ops.IsNegative(value=ops.Local(name=name)))):
            return name
        case ops.Let(value=ops.Local(name=name)) | ops.Assign(value=ops.Local(name=name)):
            return name
        case ops.Return(value=ops.Local(name=name)):
            return name
        case _:
            return None


def chain(frame: Frame, statement: ops.If) -> tuple[list[tuple[ops.If, ops.Block]], ops.Block]:
    """The arms of `if ... else if ...`, and the block of the last `else`."""
    arms = [(statement, statement.yes)]
    rest = live(frame, statement.no)
    while len(rest) == 1 and isinstance(rest[0], ops.If):
        arms.append((rest[0], rest[0].yes))
        rest = live(frame, rest[0].no)
    return arms, rest


def known_behind(statement: ops.Statement) -> frozenset[str]:
    """The results that are not negative behind a statement: what remains after `if (length < 0) return;`."""
    match statement:
        case ops.If(condition=condition, yes=yes, no=no):
            known: frozenset[str] = frozenset()
            if jumps_away(yes):
                known |= not_negative(condition, holds=False)
            if jumps_away(no):
                known |= not_negative(condition, holds=True)
            return known
        case _:
            return frozenset()
