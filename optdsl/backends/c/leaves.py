"""The expressions at the ends of the tree: constants, local numbers, fields of the context."""

from __future__ import annotations

from optdsl.backends.c.expression import MAX_U64, Expression, Kind
from optdsl.backends.c.frame import Frame
from optdsl.ir import ops
from optdsl.ir.sock_ops import CONTEXT_FIELDS

# MAX_ERRNO in include/linux/err.h: the kernel's helpers return errors as -1 to -4095.
_MOST_ERRORS = 4095


def is_error(value: int) -> bool:
    """True for what is a negative error as a signed number."""
    return value > MAX_U64 - _MOST_ERRORS


def error_text(frame: Frame, value: int) -> str:
    """An error as a negative number: `-ENOMSG`."""
    return frame.constants.error(MAX_U64 + 1 - value)


def local(frame: Frame, name: str) -> Expression:
    """A local number; a result that may be an error has no upper bound."""
    shown = named_result(frame, name)
    if frame.kind(name) is Kind.LONG:
        high = Kind.LONG.capacity if name in frame.non_negative else MAX_U64
        return Expression(shown.text, shown.binding, Kind.LONG, high)
    return shown


def named_result(frame: Frame, name: str) -> Expression:
    """A local name, or the call whose result it would name."""
    return frame.calls.get(name) or Expression(frame.names.local(name))


def context_field(frame: Frame, value: ops.Context) -> Expression:
    """A field of the context, behind `READ_ONCE` where clang might merge it with another."""
    bits = CONTEXT_FIELDS[value.field]
    high = (1 << bits) - 1
    if frame.guarded:
        return Expression(f"{frame.support.use('READ_ONCE')}(ctx->{value.field})", high=high)
    return Expression(f"ctx->{value.field}", kind=Kind.U32 if bits == 32 else Kind.U64, high=high)


def plain(frame: Frame, value: ops.Value) -> str | None:
    """A result that may be an error, where C converts it to 64 bits anyway: without a cast."""
    match value:
        case ops.Local(name=name) if name in frame.own.errors:
            return named_result(frame, name).text
        case _:
            return None
