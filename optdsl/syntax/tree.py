"""The tree: what the parser makes of an `.opt` text, before any meaning is given to a name.

Nodes are frozen and carry the span they were written at. Nothing here knows kernels, ranges or bytes.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from optdsl.record import record
from optdsl.source import Source, Span


@record
class Name:
    """An identifier where it was written."""

    span: Span
    text: str


# ---------------------------------------------------------------------------------------------- expressions


@record
class Integer:
    """`64`, `0x4441`, `0b1010`, `1_000`."""

    span: Span
    value: int


@record
class Quantity:
    """`100ms`, `4mbps`, `16KiB`, `2mss`, `50%`: the digits as written and the suffix."""

    span: Span
    digits: str
    suffix: str


@record
class Boolean:
    """`true`, `false`."""

    span: Span
    value: bool


@record
class Text:
    """`"cubic"`."""

    span: Span
    value: str


@record
class AddressLiteral:
    """`192.0.2.1`, `fd00::1`."""

    span: Span
    value: IPv4Address | IPv6Address


@record
class PrefixLiteral:
    """`10.0.0.0/8`, `fd00::/8`."""

    span: Span
    value: IPv4Network | IPv6Network


@record
class NameExpression:
    """`divisor`, and with dots `socket.min_rtt`, `congestion.bbr`."""

    span: Span
    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        return ".".join(self.parts)


@record
class Index:
    """`names[algorithm]`."""

    span: Span
    base: Expression
    index: Expression


@record
class Call:
    """`clamp(x, 1ms, 200ms)`, `rates.rate_of(x, 1s)`: the function's name may have dots."""

    span: Span
    function: Name
    arguments: tuple[Expression, ...]


@record
class Unary:
    """`not x`, `~x`."""

    span: Span
    operator: str
    operand: Expression


@record
class Binary:
    """Arithmetic, bits, comparisons, `and`, `or`."""

    span: Span
    operator: str
    left: Expression
    right: Expression


@record
class Range:
    """`1..=64`."""

    span: Span
    low: Expression
    high: Expression


@record
class In:
    """`address in trusted`, `x in 1..=64`."""

    span: Span
    value: Expression
    container: Expression | Range


@record
class Conditional:
    """`if c { a } else { b }` as a value."""

    span: Span
    condition: Expression
    yes: Expression
    no: Expression


@record
class TargetHas:
    """`target has socket.delack_segments`."""

    span: Span
    path: NameExpression


@record
class HasField:
    """`has port`: an optional field is present."""

    span: Span
    field: Name


@record
class ListExpression:
    """`[a, b]`: the elements of a repeated field."""

    span: Span
    elements: tuple[Expression, ...]


Expression = (
    Integer | Quantity | Boolean | Text | AddressLiteral | PrefixLiteral | NameExpression | Index | Call
    | Unary | Binary | In | Conditional | TargetHas | HasField | ListExpression
)  # fmt: skip

# ----------------------------------------------------------------------------------------------- statements


@record
class Let:
    """`let wish = ...`, with the `else reject` of a table lookup."""

    span: Span
    name: Name
    value: Expression
    otherwise: Name | None = None


@record
class Assign:
    """`target = value`; `operator` is `+` or `-` for `+=` and `-=`."""

    span: Span
    target: NameExpression | Index
    value: Expression
    otherwise: Name | None = None
    operator: str = ""


@record
class If:
    """`if c { } else if d { } else { }`: the last is a nested `If` in `no`."""

    span: Span
    condition: Expression
    yes: Block
    no: Block | None


@record
class For:
    """`for id in names { }`, `for counter in counters { }`, `for i in 0..=3 { }`."""

    span: Span
    name: Name
    container: Expression | Range
    body: Block


@record
class Repeat:
    """`repeat subflows { }`."""

    span: Span
    count: Expression
    body: Block


@record
class Reject:
    """`reject reason`."""

    span: Span
    reason: Name


@record
class EmittedField:
    """One member of a record: its name and value."""

    name: Name
    value: Expression


@record
class Emit:
    """`emit wish { segments, rtt: socket.srtt }`."""

    span: Span
    name: Name
    fields: tuple[EmittedField, ...]


@record
class Action:
    """`open_subflow(from: here)`."""

    span: Span
    name: NameExpression
    arguments: tuple[tuple[Name, Expression], ...]


@record
class Timed:
    """`after 5s { }`, `every 2500ms { }` in path managers."""

    span: Span
    repeated: bool
    delay: Expression
    body: Block


@record
class OncePerConnection:
    """`once per connection { }` in path managers."""

    span: Span
    body: Block


Statement = Let | Assign | If | For | Repeat | Reject | Emit | Action | Timed | OncePerConnection


@record
class Block:
    """`{ ... }`."""

    span: Span
    statements: tuple[Statement, ...]


# --------------------------------------------------------------------------------------------- declarations


@record
class TypeNode:
    """`u8`, `u8 of 10ms`, `u1 { seconds, minutes }`, `bytes[8]`, `u24[1..=3]`; the name of an enum may have dots."""

    span: Span
    name: Name
    step: Quantity | None = None
    enumerators: tuple[Name, ...] = ()
    size: Integer | None = None
    count: Range | None = None


@record
class Field:
    """One field of a layout. `name` `_` is reserved space."""

    span: Span
    name: Name
    type: TypeNode
    within: Range | None
    value: Expression | None
    when: Name | None
    optional: bool
    doc: str


@record
class Layout:
    """`layout { ... }`."""

    span: Span
    fields: tuple[Field, ...]
    doc: str


@record
class Kind:
    """`kind 28`, `kind experimental 0x4441`, `kind 254 exid 0xEB9F`, `kind mptcp 11`, `kind kinds.user_timeout`."""

    span: Span
    form: str  # "number", "exid" or "mptcp"
    number: Integer | NameExpression | None
    exid: Integer | NameExpression | None


@record
class Braces:
    """`{ a, b }` or `{ 1: "cubic", 2: "reno" }`: the entries of prefixes and tables."""

    span: Span
    entries: tuple[tuple[Expression | None, Expression], ...]


@record
class Param:
    """`param divisor : u8 = 2 in 1..=255`."""

    span: Span
    name: Name
    type: TypeNode
    initial: Expression | Braces | None
    within: Range | None
    doc: str


@record
class State:
    """`state limit : rate = 0bps`; `connection` for one that all subflows share."""

    span: Span
    name: Name
    type: TypeNode
    initial: Expression | Braces | None
    within: Range | None
    connection: bool
    doc: str


@record
class Const:
    """`const limit = 64KiB`, `const private = { 10.0.0.0/8 }`."""

    span: Span
    name: Name
    type: TypeNode | None
    value: Expression | Braces
    doc: str


@record
class Enumerator:
    """`red = 1`."""

    name: Name
    value: Integer | None


@record
class Enum:
    """`enum color : u8 { red = 1, blue }`."""

    span: Span
    name: Name
    type: Name
    enumerators: tuple[Enumerator, ...]
    doc: str


@record
class Table:
    """`table names : u8 -> text[16] { 1: "cubic" }`; `tunable` for `param table`."""

    span: Span
    name: Name
    key: TypeNode
    value: TypeNode
    entries: Braces
    tunable: bool
    doc: str


@record
class Argument:
    """A parameter of a `fn`."""

    name: Name
    type: TypeNode
    within: Range | None


@record
class Function:
    """`fn half(x : duration) -> duration { x / 2 }`: pure, inlined."""

    span: Span
    name: Name
    arguments: tuple[Argument, ...]
    result: TypeNode | None
    lets: tuple[Let, ...]
    value: Expression
    doc: str


@record
class Policy:
    """How often: `each` (default), `once`, `until acked`, `every 5s`, `every 16KiB`, `every 8 packets`."""

    span: Span
    form: str  # "each", "once", "until_acked", "every", "packets"
    amount: Quantity | Integer | None = None


@record
class Send:
    """`send from client on third_ack, data until acked when c { ... }`."""

    span: Span
    sender: Name | None
    packets: tuple[Name, ...]
    policy: Policy
    guard: Expression | None
    body: Block
    doc: str


@record
class Receive:
    """`receive at server when c { ... }`."""

    span: Span
    place: Name | None
    guard: Expression | None
    body: Block
    doc: str


@record
class Handler:
    """`on rtt at server when c { ... }`."""

    span: Span
    event: Name
    place: Name | None
    guard: Expression | None
    body: Block
    doc: str


Member = Kind | Layout | Param | State | Table | Const | Function | Enum | Send | Receive | Handler


@record
class Option:
    """`option name { ... }`."""

    span: Span
    name: Name
    members: tuple[Member, ...]
    doc: str


@record
class PathManager:
    """`path_manager name { ... }`."""

    span: Span
    name: Name
    members: tuple[Member, ...]
    doc: str


@record
class Use:
    """`use std.congestion`."""

    span: Span
    path: NameExpression


Item = Option | PathManager | Const | Function | Enum | Table


@record
class File:
    """A whole `.opt` file."""

    source: Source
    uses: tuple[Use, ...]
    items: tuple[Item, ...]
