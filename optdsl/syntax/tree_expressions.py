"""The tree's expressions: literals, names, and what is computed from them.

Elsewhere they are `tree.Binary` and so on: `tree` passes them on, and says what all nodes have in common.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from optdsl.record import record
from optdsl.source import Span


@record
class Name:
    """An identifier where it was written."""

    span: Span
    text: str


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
