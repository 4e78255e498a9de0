"""Statements of the IR that move data and control within the program; `calls` has those that ask the kernel."""

from __future__ import annotations

from optdsl.backends.llvm import calls, memory
from optdsl.backends.llvm.frame import Frame
from optdsl.backends.llvm.values import branch, number
from optdsl.ir.ops import (
    Assign,
    Block,
    Break,
    Call,
    DeclareBuffer,
    If,
    Let,
    Repeat,
    Return,
    Statement,
    Store,
    StoreBytes,
    Switch,
)


def run(frame: Frame, block: Block) -> bool:
    """Translates a block; says whether the control comes out at its end. What stands behind a way out is dropped."""
    for statement in block:
        frame.writer.at(statement.span)
        if not _statement(frame, statement):
            return False
    return True


def _statement(frame: Frame, statement: Statement) -> bool:
    match statement:
        case If():
            return _if(frame, statement)
        case Repeat():
            _repeat(frame, statement)
        case Switch():
            _switch(frame, statement)
        case Break():
            frame.writer.jump(frame.loops[-1])
            return False
        case Return():
            _return(frame, statement)
            return False
        case Let() | Assign():
            value = number(frame, statement.value)
            frame.writer.at(statement.span)
            frame.assign(statement.name, value)
        case DeclareBuffer():
            buffer = frame.buffer(statement.name, statement.size)
            frame.writer.lifetime("start", buffer.operand, buffer.room)
            frame.writer.intrinsic(
                "void", "memset.p0.i64", f"ptr {buffer.operand}", "i8 0", f"i64 {buffer.room}", "i1 false"
            )
        case Store():
            _store(frame, statement)
        case StoreBytes():
            _store_bytes(frame, statement)
        case Call():
            calls.function(frame, statement)
        case _:
            calls.kernel(frame, statement)
    return True


def _store(frame: Frame, statement: Store) -> None:
    value = number(frame, statement.value)
    frame.writer.at(statement.span)
    address = memory.locate(frame, statement.place, number)
    frame.writer.at(statement.span)
    memory.store(frame, address, value)


def _store_bytes(frame: Frame, statement: StoreBytes) -> None:
    value = number(frame, statement.value)
    frame.writer.at(statement.span)
    base = memory.locate(frame, statement.place, number)
    address = memory.byte_offset(frame, base, statement.offset, statement.span, number)
    frame.writer.at(statement.span)
    memory.store_bytes(frame, address, statement.size, value)


def _if(frame: Frame, statement: If) -> bool:
    writer = frame.writer
    yes, end = writer.label("then"), writer.label("end")
    no = writer.label("else") if statement.no else end
    branch(frame, statement.condition, yes, no)
    goes_on = not statement.no
    for label, block in ((yes, statement.yes), (no, statement.no)):
        if label == end:
            continue
        writer.start(label)
        if run(frame, block):
            writer.at(statement.span)
            writer.jump(end)
            goes_on = True
    if goes_on:
        writer.start(end)
    return goes_on


def _repeat(frame: Frame, statement: Repeat) -> None:
    writer = frame.writer
    head, body, end = writer.label("repeat"), writer.label("body"), writer.label("end")
    frame.assign(statement.name, "0")
    writer.jump(head)
    writer.start(head)
    more = writer.value(f"icmp ult i64 {frame.number(statement.name)}, {statement.count}")
    writer.branch(more, body, end)
    writer.start(body)
    frame.loops.append(end)
    frame.rounds[statement.name] = statement.count
    if run(frame, statement.body):
        writer.at(statement.span)
        frame.assign(statement.name, writer.value(f"add i64 {frame.number(statement.name)}, 1"))
        writer.jump(head)
    frame.loops.pop()
    del frame.rounds[statement.name]
    writer.start(end)


def _switch(frame: Frame, statement: Switch) -> None:
    writer = frame.writer
    value = number(frame, statement.value)
    writer.at(statement.span)
    end = writer.label("end")
    labels = [writer.label("case") for _ in statement.cases]
    targets = " ".join(
        f"i64 {found}, label %{label}"
        for label, case in zip(labels, statement.cases, strict=True)
        for found, _ in case.values
    )
    writer.effect(f"switch i64 {value}, label %{end} [ {targets} ]")
    for label, case in zip(labels, statement.cases, strict=True):
        writer.start(label)
        if run(frame, case.body):
            writer.at(statement.span)
            writer.jump(end)
    writer.start(end)


def _return(frame: Frame, statement: Return) -> None:
    if statement.value is not None and frame.result is not None:
        value = number(frame, statement.value)
        frame.writer.at(statement.span)
        frame.writer.effect(f"store i64 {value}, ptr {frame.result}, align 8")
    frame.writer.jump(frame.exit)
