"""Statements as C, in the kernel's coding style."""

from __future__ import annotations

from collections.abc import Sequence

from optdsl.backends.c import places
from optdsl.backends.c.analysis import is_subprogram, leading, written_name
from optdsl.backends.c.blocks import chain, jumps_away, known_behind, live, only_use
from optdsl.backends.c.calls import NumberCall, PointerCall, number_call, pointer_call
from optdsl.backends.c.conditions import not_negative
from optdsl.backends.c.declarations import pointer_to
from optdsl.backends.c.expression import Expression, Kind, number
from optdsl.backends.c.frame import Frame
from optdsl.backends.c.leaves import error_text, is_error
from optdsl.backends.c.names import identifier
from optdsl.backends.c.values import condition_expression, place_memory, plain_text, printer, value_expression
from optdsl.backends.c.writer import Writer
from optdsl.ir import ops
from optdsl.ir.types import Scalar

# `x = x + y` is written `x += y` for these, whatever the width of x.
_COMPOUND = (
    ops.BinaryOperator.ADD, ops.BinaryOperator.SUB, ops.BinaryOperator.MUL,
    ops.BinaryOperator.AND, ops.BinaryOperator.OR, ops.BinaryOperator.XOR,
)  # fmt: skip


class StatementWriter:
    """Writes the body of one function."""

    def __init__(self, frame: Frame, writer: Writer) -> None:
        self._frame = frame
        self._writer = writer
        # What `break` would leave here, innermost last: the variable of a loop, or None for a `switch`.
        self._around: list[str | None] = []
        self._labels: set[str] = set()

    def body(self, body: ops.Block) -> None:
        """Writes a whole body; what it reads before its first branch needs no `READ_ONCE` (see `analysis`)."""
        frame, guarded = self._frame, self._frame.guarded
        before = leading(body) if is_subprogram(frame.program, frame.function) else 0
        self._block(body, unguarded=before)
        frame.guarded = guarded

    # ------------------------------------------------------------------------------------------------ blocks

    def _block(self, block: ops.Block, *, unguarded: int = 0) -> None:
        """Writes a block. The first `unguarded` statements read the context plainly."""
        statements = live(self._frame, block)
        unguarded = len(live(self._frame, block[:unguarded]))
        known, position = self._frame.non_negative, 0
        was_declaration: bool | None = None
        while position < len(statements):
            statement = statements[position]
            following = statements[position + 1] if position + 1 < len(statements) else None
            plain_head = position < unguarded
            position += 1
            if self._merges(statement, following):
                continue
            declares = self._is_declaration(statement)
            if was_declaration is not None and was_declaration != declares:
                self._writer.gap()
            was_declaration = declares
            self._statement(statement, plain_head=plain_head)
            self._frame.non_negative |= known_behind(statement)
        self._frame.non_negative = known

    def _merges(self, statement: ops.Statement, following: ops.Statement | None) -> bool:
        """True for a result that only the next statement looks at, which is written as the call itself.

        `if (call(...) < 0)`, `length = call(...);`, `return call(...);`
        """
        name = written_name(statement)
        if not isinstance(statement, NumberCall) or name is None or self._frame.own.reads[name] != 1:
            return False
        if only_use(following) != name:
            return False
        self._frame.calls[name] = Expression(number_call(self._frame, statement), kind=self._frame.kind(name))
        return True

    def _is_declaration(self, statement: ops.Statement) -> bool:
        name = written_name(statement)
        if name is None or isinstance(statement, ops.Repeat | ops.Assign):
            return False
        return self._frame.own.reads[name] > 0

    def _statement(self, statement: ops.Statement, *, plain_head: bool = False) -> None:
        match statement:
            case ops.If():
                self._if(statement, plain_head=plain_head)
            case ops.Switch():
                self._switch(statement, plain_head=plain_head)
            case ops.Repeat():
                self._repeat(statement)
            case _:
                guarded = self._frame.guarded
                self._frame.guarded = guarded and not plain_head
                text = self._simple(statement)
                self._frame.guarded = guarded
                self._writer.code(text, statement.span)

    def _inner(self, block: ops.Block) -> None:
        with self._writer.indented():
            self._block(block)

    # -------------------------------------------------------------------------------------------- structures

    def _if(self, statement: ops.If, *, plain_head: bool) -> None:
        """An `if` with its chain of `else if`; no braces where every arm is a single simple statement."""
        arms, last = chain(self._frame, statement)
        blocks = [block for _, block in arms] + ([last] if last else [])
        braces = not all(self._is_single(block) for block in blocks)
        known = self._frame.non_negative
        for position, (one, yes) in enumerate(arms):
            guarded = self._frame.guarded
            self._frame.guarded = guarded and not (plain_head and position == 0)
            condition = condition_expression(self._frame, one.condition).text
            self._frame.guarded = guarded
            start = "" if position == 0 else "} else " if braces else "else "
            self._writer.code(f"{start}if ({condition}){' {' if braces else ''}", one.span)
            with self._frame.knowing(not_negative(one.condition, holds=True)):
                self._inner(yes)
            self._frame.non_negative |= not_negative(one.condition, holds=False)
        if last:
            self._writer.plain("} else {" if braces else "else")
            self._inner(last)
        if braces:
            self._writer.plain("}")
        self._frame.non_negative = known

    def _is_single(self, block: ops.Block) -> bool:
        """True for a block of one statement that is neither a structure nor a declaration."""
        statements = live(self._frame, block)
        if len(statements) != 1 or isinstance(statements[0], ops.If | ops.Switch | ops.Repeat):
            return False
        return not self._is_declaration(statements[0])

    def _switch(self, statement: ops.Switch, *, plain_head: bool) -> None:
        frame, value = self._frame, statement.value
        guarded = frame.guarded
        frame.guarded = guarded and not plain_head
        self._writer.code(f"switch ({value_expression(frame, value).exact().text}) {{", statement.span)
        frame.guarded = guarded
        self._around.append(None)
        for case in statement.cases:
            # A label can stand before a statement only, and a case is no block of its own.
            declares = any(self._is_declaration(inner) for inner in live(frame, case.body))
            *labels, last = (f"case {frame.constants.case(number_, name)}:" for number_, name in case.values)
            for label in labels:
                self._writer.plain(label)
            self._writer.plain(f"{last} {{" if declares else last)
            self._inner(case.body)
            if not jumps_away(case.body):
                with self._writer.indented():
                    self._writer.code("break;")
            if declares:
                self._writer.plain("}")
        self._around.pop()
        self._writer.plain("}")

    def _repeat(self, statement: ops.Repeat) -> None:
        name = self._frame.names.local(statement.name)
        brace = "" if self._is_single(statement.body) else " {"
        head = f"for (__u64 {name} = 0; {name} < {statement.count}; {name}++)"
        self._writer.code(f"{head}{brace}", statement.span)
        self._around.append(statement.name)
        self._inner(statement.body)
        self._around.pop()
        if brace:
            self._writer.plain("}")
        if statement.name in self._labels:
            self._writer.label(self._label(statement.name))

    def _break(self) -> str:
        """`break`, or inside a `switch` a `goto` behind the loop."""
        if self._around[-1] is not None:
            return "break;"
        loop = next(name for name in reversed(self._around) if name is not None)
        self._labels.add(loop)
        return f"goto {self._label(loop)};"

    def _label(self, loop: str) -> str:
        return f"{identifier(loop)}_done"

    # ------------------------------------------------------------------------------------- simple statements

    def _simple(self, statement: ops.Statement) -> str:
        frame = self._frame
        match statement:
            case ops.Let():
                return f"__u64 {frame.names.local(statement.name)} = {plain_text(frame, statement.value)};"
            case ops.Assign():
                change = _changed_by(ops.Local(statement.span, statement.name), statement.value)
                return _assignment(frame, frame.names.local(statement.name), change, statement.value)
            case ops.DeclareBuffer():
                return f"__u8 {frame.names.local(statement.name)}[{statement.size}] __aligned(8) = {{}};"
            case ops.Store():
                return self._store(statement)
            case ops.StoreBytes():
                memory, value = place_memory(frame, statement.place), statement.value
                return places.store_bytes(frame, memory, statement.offset, statement.size, value, printer(frame))
            case ops.Break():
                return self._break()
            case ops.Return():
                return _return(frame, statement.value)
            case ops.Count():
                frame.support.use("count")
                return f"COUNT({_path(statement.path)});"
            case ops.SetCallbackFlags():
                flags = frame.constants.callback_flags(statement.flags)
                return f"{frame.support.use('enable_callbacks')}(ctx, {flags});"
            case ops.SubmitRecord():
                return f"bpf_ringbuf_submit({frame.names.local(statement.pointer)}, 0);"
            case ops.GetStorage() | ops.LookupMap() | ops.ReserveRecord():
                return self._pointer(statement)
            case ops.If() | ops.Switch() | ops.Repeat():
                raise TypeError(f"{statement!r} is not a simple statement")
            case _:
                return self._result(statement)

    def _store(self, statement: ops.Store) -> str:
        frame, value = self._frame, statement.value
        memory = place_memory(frame, statement.place)
        if isinstance(value, ops.Const) and isinstance(memory.type, Scalar):
            return f"{memory.text} = {number(value.value % (1 << memory.type.bits)).text};"
        return _assignment(frame, memory.text, _changed_by(ops.Load(value.span, statement.place), value), value)

    def _pointer(self, statement: PointerCall) -> str:
        name, call = statement.pointer, pointer_call(self._frame, statement)
        if not self._frame.own.reads[name]:
            return f"{call};"
        return f"{pointer_to(self._frame.pointee(name), self._frame.names.local(name))} = {call};"

    def _result(self, statement: NumberCall) -> str:
        name, call = written_name(statement), number_call(self._frame, statement)
        if name is None or not self._frame.own.reads[name]:
            return f"{call};"
        kind = "long" if self._frame.kind(name) is Kind.LONG else "__u64"
        return f"{kind} {self._frame.names.local(name)} = {call};"


def _return(frame: Frame, value: ops.Value | None) -> str:
    if value is None:
        return "return 0;" if frame.function.is_independent else "return;"
    if isinstance(value, ops.Const) and is_error(value.value) and frame.function.name in frame.facts.fallible:
        return f"return {error_text(frame, value.value)};"
    return f"return {plain_text(frame, value)};"


def _changed_by(old: ops.Value, value: ops.Value) -> ops.Binary | None:
    """The operation if `value` is `old operator something`; spans do not matter."""
    match value:
        case ops.Binary(operator=operator, left=ops.Local(name=name)) if operator in _COMPOUND:
            return value if isinstance(old, ops.Local) and old.name == name else None
        case ops.Binary(operator=operator, left=ops.Load(place=place)) if operator in _COMPOUND:
            return value if isinstance(old, ops.Load) and old.place == place else None
        case _:
            return None


def _assignment(frame: Frame, target: str, change: ops.Binary | None, value: ops.Value) -> str:
    """`target = value`, or shorter."""
    if change is None:
        return f"{target} = {plain_text(frame, value)};"
    one = isinstance(change.right, ops.Const) and change.right.value == 1
    if one and change.operator in (ops.BinaryOperator.ADD, ops.BinaryOperator.SUB):
        step = change.operator.value * 2
        return f"({target}){step};" if target.startswith("*") else f"{target}{step};"
    return f"{target} {change.operator.value}= {value_expression(frame, change.right).exact().text};"


def _path(path: Sequence[str | int]) -> str:
    """`delayed_ack.sent`, `many[1]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{identifier(step)}" for step in path)
    return text.removeprefix(".")
