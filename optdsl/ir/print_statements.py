"""Text of statements, one line each, blocks indented by four spaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from optdsl.ir import ops
from optdsl.ir.print_values import INDENT, Line, bytes_text, condition_text, place_text, value_text
from optdsl.ir.sock_ops import ALL_CALLBACK_FLAGS
from optdsl.targets.sockops import CallbackFlag, Level

_Structured = ops.If | ops.Repeat | ops.Switch
_Helper = (
    ops.GetStorage | ops.LookupMap | ops.SetCallbackFlags | ops.ReserveOption | ops.StoreOption | ops.LoadOption
    | ops.SetSocketOption | ops.GetSocketOption | ops.Now | ops.ReserveRecord | ops.SubmitRecord
)  # fmt: skip


def block_lines(block: ops.Block, indent: str) -> Iterator[Line]:
    """The lines of a block at an indentation."""
    for statement in block:
        if isinstance(statement, _Structured):
            yield from _structured_lines(statement, indent)
        else:
            text = _helper(statement) if isinstance(statement, _Helper) else _simple(statement)
            yield Line(indent + text, statement.span)


def _structured_lines(statement: _Structured, indent: str) -> Iterator[Line]:
    match statement:
        case ops.If():
            yield from _if_lines(statement, indent)
        case ops.Repeat():
            yield Line(f"{indent}for {statement.name} in 0..{statement.count} {{", statement.span)
            yield from block_lines(statement.body, indent + INDENT)
        case ops.Switch():
            yield Line(f"{indent}switch {value_text(statement.value)} {{", statement.span)
            for case in statement.cases:
                values = ", ".join(f"{value} {name}".rstrip() for value, name in case.values)
                yield Line(f"{indent}case {values}:")
                yield from block_lines(case.body, indent + INDENT)
        case _:
            assert_never(statement)
    yield Line(indent + "}")


def _if_lines(statement: ops.If, indent: str) -> Iterator[Line]:
    """An `if` and its chain of `else if`, without the last closing brace."""
    opening = f"{indent}if "
    while True:
        yield Line(f"{opening}{condition_text(statement.condition)} {{", statement.span)
        yield from block_lines(statement.yes, indent + INDENT)
        match statement.no:
            case ():
                return
            case (ops.If() as chained,):
                statement, opening = chained, f"{indent}}} else if "
            case _:
                yield Line(f"{indent}}} else {{")
                yield from block_lines(statement.no, indent + INDENT)
                return


def _simple(statement: ops.Statement) -> str:
    match statement:
        case ops.Let():
            return f"let {statement.name} = {value_text(statement.value)}"
        case ops.Assign():
            return f"{statement.name} = {value_text(statement.value)}"
        case ops.DeclareBuffer():
            return f"buffer {statement.name}[{statement.size}]"
        case ops.Store():
            return f"{place_text(statement.place)} = {value_text(statement.value)}"
        case ops.StoreBytes():
            place = bytes_text(statement.place, statement.offset, statement.size)
            return f"{place} = {value_text(statement.value)}"
        case ops.Break():
            return "break"
        case ops.Return():
            return "return" if statement.value is None else f"return {value_text(statement.value)}"
        case ops.Call():
            result = "" if statement.result is None else f"let {statement.result} = "
            arguments = ["ctx", *(_argument(argument) for argument in statement.arguments)]
            return f"{result}{statement.function}({', '.join(arguments)})"
        case ops.Count():
            return "count " + ".".join(str(step) for step in statement.path)
        case _:
            raise TypeError(f"{statement!r} is not a simple statement")


def _argument(argument: ops.Value | ops.AddressOf | ops.Place) -> str:
    match argument:
        case ops.AddressOf(ops.Place(ops.PointerRoot(name), ())):
            return name
        case ops.AddressOf():
            return f"&{place_text(argument.place)}"
        case ops.Place():
            return place_text(argument)
        case _:
            return value_text(argument)


def _helper(statement: _Helper) -> str:
    """What calls the kernel: `let result = helper(...)`."""
    match statement:
        case ops.GetStorage():
            create = ", create" if statement.create else ""
            return f"let {statement.pointer} = storage({statement.map}, ctx.sk{create})"
        case ops.LookupMap():
            return f"let {statement.pointer} = lookup({statement.map}, {value_text(statement.key)})"
        case ops.SetCallbackFlags():
            return f"ctx.bpf_sock_ops_cb_flags |= {_flags(statement.flags)}"
        case ops.ReserveOption():
            return f"let {statement.result} = reserve_option({value_text(statement.length)})"
        case ops.StoreOption():
            return f"let {statement.result} = store_option({_first(statement.place, statement.capacity)})"
        case ops.LoadOption():
            buffer, from_syn = _first(statement.place, statement.capacity), value_text(statement.from_syn)
            return f"let {statement.result} = load_option({buffer}, from_syn = {from_syn})"
        case ops.SetSocketOption():
            option, value = _socket_option(statement.level, statement.option), _argument(statement.value)
            return f"let {statement.result} = setsockopt({option}, {value}, {statement.size} bytes)"
        case ops.GetSocketOption():
            option = _socket_option(statement.level, statement.option)
            return f"let {statement.result} = getsockopt({option}, {_first(statement.place, statement.size)})"
        case ops.Now():
            return f"let {statement.name} = now()"
        case ops.ReserveRecord():
            return f"let {statement.pointer} = reserve_record({statement.map}, struct {statement.record.name})"
        case ops.SubmitRecord():
            return f"submit_record({statement.pointer})"
        case _:
            assert_never(statement)


def _first(place: ops.Place, size: int) -> str:
    """The first `size` bytes of a place."""
    return f"{place_text(place)}[..{size}]"


def _socket_option(level: int, option: int) -> str:
    names = {int(known): known.name for known in Level}
    return f"{names.get(level, str(level))}, {option}"


def _flags(flags: int) -> str:
    names = [flag.name or "" for flag in CallbackFlag if flags & flag]
    rest = flags & ~ALL_CALLBACK_FLAGS
    return " | ".join([*names, *([f"{rest:#x}"] if rest or not names else [])])
