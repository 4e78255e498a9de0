"""The checked program: what the checker has proven, ready to be lowered.

Names are resolved, units are gone (every number is in its base unit, every scale factor an explicit operation),
constants are folded, loops are unrolled, and each value carries the interval that it stays in. Statements, handlers and
options stand below, symbols and expressions in `model_values`; users write `model.X` for all of them.
"""

from __future__ import annotations

from enum import Enum

from optdsl.record import field, record
from optdsl.semantics.model_values import Arithmetic as Arithmetic
from optdsl.semantics.model_values import Choose as Choose
from optdsl.semantics.model_values import Compare as Compare
from optdsl.semantics.model_values import CountOf as CountOf
from optdsl.semantics.model_values import Element as Element
from optdsl.semantics.model_values import Expression as Expression
from optdsl.semantics.model_values import Fact as Fact
from optdsl.semantics.model_values import FactRead as FactRead
from optdsl.semantics.model_values import Field as Field
from optdsl.semantics.model_values import InPrefixes as InPrefixes
from optdsl.semantics.model_values import LetSymbol as LetSymbol
from optdsl.semantics.model_values import Literal as Literal
from optdsl.semantics.model_values import Logic as Logic
from optdsl.semantics.model_values import Lookup as Lookup
from optdsl.semantics.model_values import Negation as Negation
from optdsl.semantics.model_values import Param as Param
from optdsl.semantics.model_values import Prefix as Prefix
from optdsl.semantics.model_values import Presence as Presence
from optdsl.semantics.model_values import Present as Present
from optdsl.semantics.model_values import Read as Read
from optdsl.semantics.model_values import State as State
from optdsl.semantics.model_values import Symbol as Symbol
from optdsl.semantics.model_values import Table as Table
from optdsl.semantics.model_values import WideEqual as WideEqual
from optdsl.semantics.model_values import WideLiteral as WideLiteral
from optdsl.semantics.types import Type
from optdsl.source import Source, Span
from optdsl.targets import Attribute, Event, KernelVersion, PacketClass, Role, Target

# ----------------------------------------------------------------------------------------------- statements


@record
class Let:
    span: Span
    symbol: LetSymbol
    value: Expression
    otherwise: str | None


@record
class SetField:
    """Gives a field its raw value."""

    span: Span
    field: Field
    value: Expression


@record
class SetElements:
    """Gives a repeated field its elements, raw."""

    span: Span
    field: Field
    elements: tuple[Expression, ...]


@record
class SetState:
    span: Span
    state: State
    value: Expression


@record
class SetAttribute:
    span: Span
    attribute: Attribute
    value: Expression
    otherwise: str | None


@record
class If:
    span: Span
    condition: Expression
    yes: Block
    no: Block


@record
class Reject:
    """Leaves the handler and counts the reason."""

    span: Span
    reason: str


@record
class Emit:
    """Sends a record to user space."""

    span: Span
    record: Record
    values: tuple[Expression, ...]


Statement = Let | SetField | SetElements | SetState | SetAttribute | If | Reject | Emit
Block = tuple[Statement, ...]


@record
class Record:
    """The form of an emitted record: names and types."""

    name: str
    members: tuple[tuple[str, Type], ...]


# -------------------------------------------------------------------------------------------------- options


@record
class Layout:
    """The fields behind kind, length and ExID, in wire order."""

    span: Span
    fields: tuple[Field, ...]
    header: bytes
    """Kind, a zero for the length, and the ExID where there is one."""
    smallest: int
    largest: int
    """Bytes of the whole option."""
    sizes: tuple[int, ...]
    """Every length that the format allows, ascending."""

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)

    def guarded_by(self, flag: str) -> tuple[Field, ...]:
        """The fields that a flag bit announces."""
        return tuple(field for field in self.fields if field.flag == flag)


class PolicyForm(Enum):
    """How often an option is sent."""

    EACH = "each"
    ONCE = "once"
    UNTIL_ACKED = "until acked"
    INTERVAL = "every duration"
    BYTES = "every size"
    PACKETS = "every n packets"


@record
class Policy:
    """A policy; `amount` in microseconds, bytes or packets."""

    form: PolicyForm
    amount: int = 0


@record(eq=False)
class Send:
    span: Span
    sender: Role | None
    packets: frozenset[PacketClass]
    policy: Policy
    guard: Expression | None
    body: Block
    smallest: int
    """Bytes of the option at least, as this statement writes it."""
    largest: int
    """Bytes of the option at most."""
    dynamic: bool
    """Paths differ in which optional fields they write."""
    always: frozenset[str]
    """The optional fields that every path writes."""
    doc: str
    written: dict[PacketClass, Span] = field(default_factory=dict)
    """Where each class of packet is named."""


@record(eq=False)
class Receive:
    span: Span
    receiver: Role | None
    guard: Expression | None
    body: Block
    doc: str


@record(eq=False)
class Handler:
    span: Span
    event: Event
    role: Role | None
    guard: Expression | None
    body: Block
    doc: str


@record(eq=False)
class Option:
    """One checked option."""

    span: Span
    name: str
    doc: str
    kind: int
    exid: int | None
    exid_bytes: int
    layout: Layout
    params: tuple[Param, ...]
    states: tuple[State, ...]
    tables: tuple[Table, ...]
    sends: tuple[Send, ...]
    receives: tuple[Receive, ...]
    handlers: tuple[Handler, ...]
    reasons: tuple[str, ...]
    """Why a received option is rejected, besides what the format itself demands."""

    def largest_on(self, packet: PacketClass) -> int:
        """Bytes of the option on a class of packet at most; 0 if it is never sent there."""
        return max((send.largest for send in self.sends if packet in send.packets), default=0)


@record
class Requirement:
    """Why a kernel version is needed: the first version and what asks for it."""

    version: KernelVersion
    what: str


@record
class CheckedProgram:
    """Everything that one object will hold."""

    name: str
    sources: tuple[Source, ...]
    """The files, and the modules whose functions stand in the program."""
    options: tuple[Option, ...]
    tables: tuple[Table, ...]
    records: tuple[Record, ...]
    target: Target
    kernel: KernelVersion
    """The kernel compiled for: as asked, or the lowest that the program needs."""
    requirements: tuple[Requirement, ...]
