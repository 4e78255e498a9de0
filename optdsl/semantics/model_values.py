"""The checked program's values: what has one (params, states, tables, fields), and the expressions that compute one.

Elsewhere they are `model.Param` and so on: `model` passes them on, and says what all nodes have in common.
"""

from __future__ import annotations

from enum import Enum

from optdsl.ir.ops_values import BinaryOperator, Comparison
from optdsl.record import record
from optdsl.semantics.ranges import Interval
from optdsl.semantics.types import NUMBER, BytesType, Type
from optdsl.source import Span
from optdsl.targets import Attribute

# -------------------------------------------------------------------------------------------------- symbols


@record
class Prefix:
    """An address prefix in IPv6 form: IPv4 prefixes are below ::ffff:0:0/96."""

    address: int
    length: int


@record(eq=False)
class Param:
    """A value that user space may change. Reads are held inside `interval`, whatever was written."""

    span: Span
    name: str
    type: Type
    interval: Interval
    initial: int | bytes | tuple[Prefix, ...]
    doc: str


@record(eq=False)
class State:
    """A value of each socket. Only the program writes it."""

    span: Span
    name: str
    type: Type
    interval: Interval
    initial: int | bytes
    doc: str


@record(eq=False)
class Table:
    """Constant entries by number; a tunable one also has a map whose entries go before the constant ones."""

    span: Span
    name: str
    key: Interval
    key_bits: int
    value: Type
    values: Interval
    entries: tuple[tuple[int, int | bytes], ...]
    tunable: bool
    doc: str
    key_type: Type = NUMBER


@record(eq=False)
class LetSymbol:
    """A `let`, an argument of an inlined `fn`, or the variable of an unrolled loop."""

    span: Span
    name: str


class Presence(Enum):
    """When a field is on the wire."""

    ALWAYS = "always"
    FLAG = "flag"
    LENGTH = "length"


@record(eq=False)
class Field:
    """A field of the layout. `raw` are the values allowed on the wire; a read gives raw x `step`."""

    span: Span
    name: str
    type: Type
    bits: int
    raw: Interval
    step: int
    doc: str
    presence: Presence = Presence.ALWAYS
    flag: str = ""
    repeat: Interval | None = None
    fixed: int | None = None
    """The value of a checked reserved field."""

    @property
    def is_reserved(self) -> bool:
        return self.name == "_"

    @property
    def is_wide(self) -> bool:
        """Longer than 64 bits."""
        return isinstance(self.type, BytesType) and self.type.length > 8

    @property
    def interval(self) -> Interval:
        """The values that a read may give."""
        return self.raw.scaled(self.step)

    @property
    def largest_bytes(self) -> int:
        """Whole bytes of an optional or repeated field at its largest."""
        return self.bits // 8 * (self.repeat.high if self.repeat else 1)


# ---------------------------------------------------------------------------------------------- expressions


@record
class Literal:
    span: Span
    type: Type
    value: int

    @property
    def interval(self) -> Interval:
        return Interval(self.value, self.value)


@record
class WideLiteral:
    """Constant bytes: text, an address, `bytes[n]`."""

    span: Span
    type: BytesType
    data: bytes

    interval = Interval(0, 0)


Symbol = Param | State | LetSymbol | Field | Attribute


@record
class Read:
    """The value of a name."""

    span: Span
    type: Type
    interval: Interval
    symbol: Symbol


@record
class Element:
    """An element of a repeated field, by a constant index."""

    span: Span
    type: Type
    interval: Interval
    field: Field
    index: int


@record
class CountOf:
    """How many elements a repeated field has."""

    span: Span
    type: Type
    interval: Interval
    field: Field


@record
class Arithmetic:
    """An operation on numbers that is proven not to wrap and not to divide by zero."""

    span: Span
    type: Type
    interval: Interval
    operator: BinaryOperator
    left: Expression
    right: Expression


@record
class Choose:
    """`if condition { yes } else { no }`."""

    span: Span
    type: Type
    interval: Interval
    condition: Expression
    yes: Expression
    no: Expression


@record
class Lookup:
    """The entry of a table; only as the whole value of a statement with `else reject`."""

    span: Span
    type: Type
    interval: Interval
    table: Table
    key: Expression


class _Condition:
    __slots__ = ()
    interval = Interval(0, 1)


@record
class Compare(_Condition):
    span: Span
    type: Type
    comparison: Comparison
    left: Expression
    right: Expression


@record
class WideEqual(_Condition):
    """Two byte strings of one length are the same."""

    span: Span
    type: Type
    left: Expression
    right: Expression


@record
class Logic(_Condition):
    """`and` (`both`) or `or`, from left to right."""

    span: Span
    type: Type
    both: bool
    left: Expression
    right: Expression


@record
class Negation(_Condition):
    span: Span
    type: Type
    operand: Expression


@record
class InPrefixes(_Condition):
    """An address is inside one of the prefixes of a param, or of a constant list."""

    span: Span
    type: Type
    address: Expression
    prefixes: Param | tuple[Prefix, ...]


@record
class Present(_Condition):
    """An optional field is on the wire."""

    span: Span
    type: Type
    field: Field


class Fact(Enum):
    """What a send block may ask about the connection."""

    RECEIVED = "received"
    """The peer has sent this option: on a SYN-ACK, in the SYN; later, and validly, on any packet."""
    SYN_COOKIE = "syn_cookie"
    """This SYN-ACK carries a SYN cookie: the SYN's options will be forgotten."""


@record
class FactRead(_Condition):
    span: Span
    type: Type
    fact: Fact


Expression = (
    Literal | WideLiteral | Read | Element | CountOf | Arithmetic | Choose | Lookup | Compare | WideEqual | Logic
    | Negation | InPrefixes | Present | FactRead
)  # fmt: skip
