"""The operations of the IR: structured, typed, and small enough to interpret.

Every number is an unsigned 64-bit integer and arithmetic is modulo 2**64; the checker has proven that what the user
wrote never wraps, so only code of the compiler's own (sequence numbers) relies on it. Conditions are a kind of their
own. Each docstring gives the meaning in pseudo-code; `interpreter.py` is that meaning as a program. Statements stand
below, places, values and conditions in `ops_values`; users write `ops.X` for all of them.
"""

from __future__ import annotations

from optdsl.ir.ops_values import Always as Always
from optdsl.ir.ops_values import AsNumber as AsNumber
from optdsl.ir.ops_values import Binary as Binary
from optdsl.ir.ops_values import BinaryOperator as BinaryOperator
from optdsl.ir.ops_values import Both as Both
from optdsl.ir.ops_values import BufferRoot as BufferRoot
from optdsl.ir.ops_values import Compare as Compare
from optdsl.ir.ops_values import Comparison as Comparison
from optdsl.ir.ops_values import Condition as Condition
from optdsl.ir.ops_values import Const as Const
from optdsl.ir.ops_values import Context as Context
from optdsl.ir.ops_values import Either as Either
from optdsl.ir.ops_values import GlobalRoot as GlobalRoot
from optdsl.ir.ops_values import IsNegative as IsNegative
from optdsl.ir.ops_values import IsNull as IsNull
from optdsl.ir.ops_values import Load as Load
from optdsl.ir.ops_values import LoadBytes as LoadBytes
from optdsl.ir.ops_values import Local as Local
from optdsl.ir.ops_values import Not as Not
from optdsl.ir.ops_values import Place as Place
from optdsl.ir.ops_values import PointerRoot as PointerRoot
from optdsl.ir.ops_values import Root as Root
from optdsl.ir.ops_values import Select as Select
from optdsl.ir.ops_values import SwapBytes as SwapBytes
from optdsl.ir.ops_values import Value as Value
from optdsl.ir.types import Path, Struct, Type
from optdsl.record import record
from optdsl.source import Span


@record
class Let:
    """`u64 name = value`: declares a local number, which `Assign` may change. Names are unique in a function."""

    span: Span
    name: str
    value: Value


@record
class Assign:
    """`name = value`."""

    span: Span
    name: str
    value: Value


@record
class DeclareBuffer:
    """`u8 name[size] = {}`: a zeroed byte buffer on the stack, aligned to 8. Lives until the function returns."""

    span: Span
    name: str
    size: int


@record
class Store:
    """`place = value`, truncated to the scalar's width (what the user wrote has been proven to fit)."""

    span: Span
    place: Place
    value: Value


@record
class StoreBytes:
    """The low `size` (1..8) bytes of `value` to `place[offset..]`, most significant first. Offsets: see `LoadBytes`."""

    span: Span
    place: Place
    offset: Value
    size: int
    value: Value


@record
class If:
    """`if (condition) yes else no`."""

    span: Span
    condition: Condition
    yes: Block
    no: Block = ()


@record
class Repeat:
    """`for (name = 0; name < count; name++) body`; `count` is a constant from 1 to 64."""

    span: Span
    name: str
    count: int
    body: Block


@record
class Break:
    """Leaves the innermost `Repeat`."""

    span: Span


@record
class Return:
    """Leaves the function, with a number where it returns one."""

    span: Span
    value: Value | None = None


@record
class Case:
    """One arm of a `Switch`: `values` are (number, name of the kernel's constant)."""

    values: tuple[tuple[int, str], ...]
    body: Block


@record
class Switch:
    """Runs the body of the case that holds the number, or nothing. Cases do not fall through."""

    span: Span
    value: Value
    cases: tuple[Case, ...]


@record
class AddressOf:
    """A pointer to `place`, as an argument of a call."""

    place: Place


@record
class Call:
    """`[u64 result =] function(ctx, arguments...)`: a function of this program; `ctx` is always passed."""

    span: Span
    function: str
    arguments: tuple[Value | AddressOf, ...] = ()
    result: str | None = None


@record
class GetStorage:
    """`struct *pointer = bpf_sk_storage_get(&map, ctx->sk, NULL, create ? CREATE : 0)`.

    NULL also where there is no full socket, or no memory.
    """

    span: Span
    pointer: str
    map: str
    create: bool


@record
class LookupMap:
    """`value *pointer = bpf_map_lookup_elem(&map, &key)`: `key` is the scalar key, or (array maps) the index."""

    span: Span
    pointer: str
    map: str
    key: Value


@record
class Count:
    """`counters[this CPU].path += 1`, for a 64-bit counter. Does nothing if the map is missing."""

    span: Span
    path: Path


@record
class SetCallbackFlags:
    """`bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | flags)`: never clears what another program set."""

    span: Span
    flags: int


@record
class ReserveOption:
    """`result = bpf_reserve_hdr_opt(ctx, length, 0)`; HDR_OPT_LEN only."""

    span: Span
    result: str
    length: Value


@record
class StoreOption:
    """`result = bpf_store_hdr_opt(ctx, place, capacity, 0)`; WRITE_HDR_OPT only. The option's own length byte rules."""

    span: Span
    result: str
    place: Place
    capacity: int


@record
class LoadOption:
    """`result = bpf_load_hdr_opt(ctx, place, capacity, flags)`: the option's length, or a negative error.

    `place` holds the search pattern (kind, 0) or (kind, 4 or 6, ExID). `from_syn` is 0 for this packet, 1 for the
    saved SYN.
    """

    span: Span
    result: str
    place: Place
    capacity: int
    from_syn: Value


@record
class SetSocketOption:
    """`result = bpf_setsockopt(ctx, level, option, &value, size)`.

    A number is passed as a little-endian integer of `size` (4 or 8) bytes; a `Place` is passed as `size` bytes of text.
    """

    span: Span
    result: str
    level: int
    option: int
    size: int
    value: Value | Place


@record
class GetSocketOption:
    """`result = bpf_getsockopt(ctx, level, option, place, size)` into a local buffer."""

    span: Span
    result: str
    level: int
    option: int
    size: int
    place: Place


@record
class Now:
    """`u64 name = bpf_ktime_get_ns()`."""

    span: Span
    name: str


@record
class ReserveRecord:
    """`struct *pointer = bpf_ringbuf_reserve(&map, sizeof(struct), 0)`: NULL if the ring is full; not zeroed."""

    span: Span
    pointer: str
    map: str
    record: Struct


@record
class SubmitRecord:
    """`bpf_ringbuf_submit(pointer, 0)`: afterwards the pointer is dead."""

    span: Span
    pointer: str


Statement = (
    Let | Assign | DeclareBuffer | Store | StoreBytes | If | Repeat | Break | Return | Switch | Call
    | GetStorage | LookupMap | Count | SetCallbackFlags | ReserveOption | StoreOption | LoadOption
    | SetSocketOption | GetSocketOption | Now | ReserveRecord | SubmitRecord
)  # fmt: skip

Block = tuple[Statement, ...]


@record
class Parameter:
    """A parameter after `ctx`: a number (`points_to` is None) or a pointer, never NULL, to memory of a type."""

    name: str
    points_to: Type | None = None
