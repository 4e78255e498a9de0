"""The IR's values: places in memory, numbers and conditions.

Elsewhere they are `ops.Binary` and so on: `ops` passes them on, and says what numbers are. None has an effect.
"""

from __future__ import annotations

from enum import Enum

from optdsl.record import record
from optdsl.source import Span

# --------------------------------------------------------------------------------------------------- places


@record
class GlobalRoot:
    """The global variable `name`."""

    name: str


@record
class PointerRoot:
    """What the local pointer `name` points to: a parameter, a socket's storage, a map value, a record."""

    name: str


@record
class BufferRoot:
    """The local byte buffer `name` on the stack."""

    name: str


Root = GlobalRoot | PointerRoot | BufferRoot


@record
class Place:
    """A piece of memory: a root, and the members and elements selected from it.

    An element of an array may be selected by a `Value`; the program has then compared it with the array's length
    before (the IR verifier cannot see that; the interpreter stops on a violation).
    """

    root: Root
    path: tuple[str | int | Value, ...] = ()


# --------------------------------------------------------------------------------------------------- values


class BinaryOperator(Enum):
    """Arithmetic on unsigned 64-bit numbers.

    DIV and MOD have a divisor proven not to be zero, SHL and SHR a count proven to be below 64.
    """

    ADD = "+"
    SUB = "-"
    MUL = "*"
    DIV = "/"
    MOD = "%"
    AND = "&"
    OR = "|"
    XOR = "^"
    SHL = "<<"
    SHR = ">>"
    MIN = "min"
    MAX = "max"


class Comparison(Enum):
    """Unsigned comparisons."""

    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="

    @property
    def negated(self) -> Comparison:
        """What holds where this does not."""
        return _NEGATED[self]


_NEGATED = {
    Comparison.EQ: Comparison.NE, Comparison.NE: Comparison.EQ, Comparison.LT: Comparison.GE,
    Comparison.GE: Comparison.LT, Comparison.GT: Comparison.LE, Comparison.LE: Comparison.GT,
}  # fmt: skip


@record
class Const:
    """`value`, in 0..2**64."""

    span: Span
    value: int


@record
class Local:
    """The number in local variable or number parameter `name`."""

    span: Span
    name: str


@record
class Binary:
    """`left operator right`."""

    span: Span
    operator: BinaryOperator
    left: Value
    right: Value


@record
class Select:
    """`condition ? yes : no`. Both are evaluated; neither has effects."""

    span: Span
    condition: Condition
    yes: Value
    no: Value


@record
class AsNumber:
    """1 if the condition holds, else 0."""

    span: Span
    condition: Condition


@record
class Context:
    """A field of `struct bpf_sock_ops` as stored there, zero-extended: `srtt_us`, `args[0]`, `remote_ip6[3]`."""

    span: Span
    field: str


@record
class SwapBytes:
    """The low `bits` (16, 32 or 64) of `value` with their bytes reversed."""

    span: Span
    bits: int
    value: Value


@record
class Load:
    """The scalar at `place`, zero-extended."""

    span: Span
    place: Place


@record
class LoadBytes:
    """`size` (1..8) bytes of a byte array or buffer from `offset`, most significant first, as a number.

    An `offset` that is no constant is below 64, and the place is map memory of at least 72 bytes: the back ends mask
    it, so that the verifier of every kernel sees the bound.
    """

    span: Span
    place: Place
    offset: Value
    size: int


Value = Const | Local | Binary | Select | AsNumber | Context | SwapBytes | Load | LoadBytes


# ----------------------------------------------------------------------------------------------- conditions


@record
class Always:
    """True or false."""

    span: Span
    holds: bool


@record
class Compare:
    """`left comparison right`, unsigned."""

    span: Span
    comparison: Comparison
    left: Value
    right: Value


@record
class Both:
    """`left and right`; `right` is evaluated only if `left` holds."""

    span: Span
    left: Condition
    right: Condition


@record
class Either:
    """`left or right`; `right` is evaluated only if `left` does not hold."""

    span: Span
    left: Condition
    right: Condition


@record
class Not:
    """`not condition`."""

    span: Span
    condition: Condition


@record
class IsNegative:
    """`value` as a signed 64-bit number is below 0: how helpers report an error."""

    span: Span
    value: Value


@record
class IsNull:
    """The local pointer `pointer` is NULL, or with pointer `ctx.sk` the context has no full socket."""

    span: Span
    pointer: str


Condition = Always | Compare | Both | Either | Not | IsNegative | IsNull
