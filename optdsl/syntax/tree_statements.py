"""The tree's statements: what stands in the blocks of `send`, `receive` and `on`.

Elsewhere they are `tree.Assign` and so on: `tree` passes them on, and says what all nodes have in common.
"""

from __future__ import annotations

from optdsl.record import record
from optdsl.source import Span
from optdsl.syntax.tree_expressions import Expression, Index, Name, NameExpression, Range


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
