"""The tree: what the parser makes of an `.opt` text, before any meaning is given to a name.

Nodes are frozen and carry the span they were written at. Nothing here knows kernels, ranges or bytes. Declarations
stand below, expressions in `tree_expressions`, statements in `tree_statements`; users write `tree.X` for all of them.
"""

from __future__ import annotations

from optdsl.record import record
from optdsl.source import Source, Span
from optdsl.syntax.tree_expressions import AddressLiteral as AddressLiteral
from optdsl.syntax.tree_expressions import Binary as Binary
from optdsl.syntax.tree_expressions import Boolean as Boolean
from optdsl.syntax.tree_expressions import Call as Call
from optdsl.syntax.tree_expressions import Conditional as Conditional
from optdsl.syntax.tree_expressions import Expression as Expression
from optdsl.syntax.tree_expressions import HasField as HasField
from optdsl.syntax.tree_expressions import In as In
from optdsl.syntax.tree_expressions import Index as Index
from optdsl.syntax.tree_expressions import Integer as Integer
from optdsl.syntax.tree_expressions import ListExpression as ListExpression
from optdsl.syntax.tree_expressions import Name as Name
from optdsl.syntax.tree_expressions import NameExpression as NameExpression
from optdsl.syntax.tree_expressions import PrefixLiteral as PrefixLiteral
from optdsl.syntax.tree_expressions import Quantity as Quantity
from optdsl.syntax.tree_expressions import Range as Range
from optdsl.syntax.tree_expressions import TargetHas as TargetHas
from optdsl.syntax.tree_expressions import Text as Text
from optdsl.syntax.tree_expressions import Unary as Unary
from optdsl.syntax.tree_statements import Action as Action
from optdsl.syntax.tree_statements import Assign as Assign
from optdsl.syntax.tree_statements import Block as Block
from optdsl.syntax.tree_statements import Emit as Emit
from optdsl.syntax.tree_statements import EmittedField as EmittedField
from optdsl.syntax.tree_statements import For as For
from optdsl.syntax.tree_statements import If as If
from optdsl.syntax.tree_statements import Let as Let
from optdsl.syntax.tree_statements import OncePerConnection as OncePerConnection
from optdsl.syntax.tree_statements import Reject as Reject
from optdsl.syntax.tree_statements import Repeat as Repeat
from optdsl.syntax.tree_statements import Statement as Statement
from optdsl.syntax.tree_statements import Timed as Timed


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
