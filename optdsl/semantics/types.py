"""The types of checked values."""

from __future__ import annotations

from optdsl.record import record
from optdsl.semantics.units import Unit


@record
class NumberType:
    """A number of a unit. `bits` is the width it was declared with (for `~`), or 0."""

    unit: Unit = Unit.NUMBER
    bits: int = 0

    def __str__(self) -> str:
        if self.unit is not Unit.NUMBER:
            return f"a {self.unit.value}" if self.unit is not Unit.SEGMENTS else "a number of segments"
        return f"u{self.bits}" if self.bits else "a number"


@record
class BoolType:
    """A condition."""

    def __str__(self) -> str:
        return "a condition"


@record
class EnumType:
    """One of named values. `name` is the enum's, or the field's for an inline enumeration."""

    name: str
    bits: int
    members: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return f"one of {', '.join(name for name, _ in self.members)}"

    def value(self, name: str) -> int | None:
        return next((value for member, value in self.members if member == name), None)


@record
class BytesType:
    """`length` bytes that are compared and copied but not computed with.

    `form` is `bytes`, `text` (padded with NUL), `ip4` (4 bytes) or `address` (16 bytes, IPv4 as ::ffff:a.b.c.d).
    """

    length: int
    form: str = "bytes"

    def __str__(self) -> str:
        match self.form:
            case "ip4":
                return "an IPv4 address"
            case "ip6" | "address":
                return "an IP address"
            case "text":
                return f"text of at most {self.length - 1} characters"
            case _:
                return f"bytes[{self.length}]"

    @property
    def words(self) -> int:
        """How many 64-bit words hold it."""
        return -(-self.length // 8)


@record
class PrefixesType:
    """Up to `length` address prefixes."""

    length: int

    def __str__(self) -> str:
        return f"prefixes[{self.length}]"


@record
class TableType:
    """A table, looked up with `[key]`."""

    def __str__(self) -> str:
        return "a table"


Type = NumberType | BoolType | EnumType | BytesType | PrefixesType | TableType

BOOL = BoolType()
NUMBER = NumberType()
ADDRESS = BytesType(16, "address")
IP4 = BytesType(4, "ip4")
