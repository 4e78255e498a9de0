"""Functions as C: comment, signature, body."""

from __future__ import annotations

from optdsl.backends.c.blocks import jumps_away
from optdsl.backends.c.declarations import pointer_to
from optdsl.backends.c.frame import Frame
from optdsl.backends.c.names import identifier
from optdsl.backends.c.statements import StatementWriter
from optdsl.backends.c.writer import Writer, comment
from optdsl.ir.ops import Block, Call, Context, Parameter, Return
from optdsl.ir.walk import operations


def write_function(frame: Frame, writer: Writer, *, lines: bool) -> None:
    """Writes the function of a frame. `lines` says whether the file carries `#line` directives."""
    function = frame.function
    writer.plain(*comment(function.doc))
    writer.enter(function.span)
    is_entry = function.name == frame.program.entry
    if is_entry:
        writer.plain('SEC("sockops")')
    writer.code(_entry_signature(frame) if is_entry else _signature(frame, lines=lines), function.span)
    writer.code("{")
    with writer.indented():
        for parameter in function.parameters:
            if function.is_independent and not frame.own.reads[parameter.name]:
                # Or clang would have the callers pass anything, and the verifier checks all arguments.
                writer.code(f'asm volatile("" : : "r"({frame.names.local(parameter.name)}));')
        body = _without_last_return(function.body)
        StatementWriter(frame, writer).body(body)
        if function.is_independent and not jumps_away(body):
            writer.code("return 0;")
    writer.code("}")


def _without_last_return(body: Block) -> Block:
    """A body without a `return;` at its end."""
    ends = bool(body) and isinstance(body[-1], Return) and body[-1].value is None
    return body[:-1] if ends else body


def _entry_signature(frame: Frame) -> str:
    is_read = any(isinstance(node, Context | Call) for node in operations(frame.function.body))
    unused = "" if is_read else " __maybe_unused"
    return f"int {identifier(frame.function.name)}(struct bpf_sock_ops *ctx{unused})"


def _signature(frame: Frame, *, lines: bool) -> str:
    function, facts = frame.function, frame.facts
    if function.is_independent:
        words = ["__noinline"]
    else:
        words = ["static", "__always_inline" if function.inline else "__noinline"]
    if function.name not in facts.called:
        words.append("__maybe_unused")
    if lines and function.inline and _is_from_elsewhere(frame):
        words.append("__nodebug")
    if function.is_independent:
        words.append("int")
    elif not function.returns:
        words.append("void")
    else:
        words.append("long" if function.name in facts.fallible else "__u64")
    parameters = ["struct bpf_sock_ops *ctx"] if function.name in facts.needs_context else []
    parameters += [_parameter(frame, parameter) for parameter in function.parameters]
    return f"{' '.join(words)} {identifier(function.name)}({', '.join(parameters) or 'void'})"


def _is_from_elsewhere(frame: Frame) -> bool:
    """True for a function of another source than the entry's, whose lines clang 14 would look up in the wrong file."""
    return frame.function.span.source is not frame.program.function(frame.program.entry).span.source


def _parameter(frame: Frame, parameter: Parameter) -> str:
    name = frame.names.local(parameter.name)
    kind = parameter.points_to
    declared = f"__u64 {name}" if kind is None else pointer_to(kind, name)
    return declared if frame.own.reads[parameter.name] else f"{declared} __maybe_unused"
