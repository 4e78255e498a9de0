"""What an attribute of a socket is, and how a program reaches it, as data.

`socket.user_timeout = 30s` becomes a call of `bpf_setsockopt()`, `socket.srtt` a load from the context: the lowering
finds the numbers here and decides nothing about the kernel itself.
"""

from enum import StrEnum

from optdsl.record import record
from optdsl.targets.sockops import Level
from optdsl.targets.version import KernelVersion
from optdsl.targets.vocabulary import Direction, TargetName, Unit


class ByteOrder(StrEnum):
    """How a context field is stored."""

    HOST = "host"
    NETWORK = "network"


class Encoding(StrEnum):
    """What `bpf_setsockopt()` expects behind the pointer: an `int` of the host, or text with a terminating NUL."""

    INT = "int"
    TEXT = "text"


class Rounding(StrEnum):
    """Which way a value goes that is no multiple of the option's step."""

    UP = "up"
    DOWN = "down"


class Outside(StrEnum):
    """What the kernel does with a value beyond a bound of the table."""

    REFUSED = "refused"  # the helper returns -EINVAL and nothing changes
    CLAMPED = "clamped"  # accepted, and brought back to what the kernel can do
    REINTERPRETED = "reinterpreted"  # accepted with another meaning, which the attribute's note tells
    UNREPRESENTABLE = "unrepresentable"  # no number of the option's size says it


@record
class Bounds:
    """An inclusive range in the base unit of the attribute."""

    minimum: int
    maximum: int

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.minimum <= value <= self.maximum


@record
class ContextField:
    """A member of `struct bpf_sock_ops`: load it, bring it to host order, keep `mask`, shift right by `shift` bits.

    For an attribute of type bool the result is whether that equals `equals`, or is not zero where `equals` is None.
    """

    name: str
    shift: int = 0
    mask: int | None = None
    equals: int | None = None
    byte_order: ByteOrder = ByteOrder.HOST


@record
class ContextAddress:
    """An address in the context: member `ip6` when `family` is AF_INET6, else `::ffff:` before member `ip4`."""

    ip4: str
    ip6: str


@record
class SocketOption:
    """An option of `bpf_setsockopt()` or `bpf_getsockopt()`.

    `step` is how many base units one count of the option stands for: 1 000 000 where the kernel counts seconds. `below`
    and `above` tell what happens to counts beyond the bounds of `Write`.
    """

    level: Level
    number: int
    name: str
    size: int = 4
    step: int = 1
    encoding: Encoding = Encoding.INT
    rounding: Rounding = Rounding.DOWN
    below: Outside = Outside.REFUSED
    above: Outside = Outside.REFUSED


@record
class OptionByFamily:
    """Two options for one thing: `ip4` for sockets whose `family` is AF_INET, `ip6` for AF_INET6."""

    ip4: SocketOption
    ip6: SocketOption


class KernelPatch:
    """Reached through what the series in `kernel-patches/` adds."""

    __slots__ = ()


@record
class Read:
    """How and since when an attribute can be read; `bounds` holds every value the kernel can return."""

    since: KernelVersion
    how: ContextField | ContextAddress | SocketOption | OptionByFamily | KernelPatch
    bounds: Bounds


@record
class Write:
    """How and since when an attribute can be assigned; `bounds` holds the values that the kernel accepts.

    `minimum_jiffies` is a lower bound that depends on the kernel's CONFIG_HZ: see `smallest_accepted`.
    """

    since: KernelVersion
    how: SocketOption | OptionByFamily | KernelPatch
    bounds: Bounds
    minimum_jiffies: int = 0

    def smallest_accepted(self, hz: int) -> int:
        """The smallest value, in base units, that a kernel with CONFIG_HZ=`hz` accepts.

        The kernel rounds microseconds up to jiffies (`usecs_to_jiffies`), so n jiffies begin just above n - 1.
        """
        if self.minimum_jiffies == 0:
            return self.bounds.minimum
        return max(self.bounds.minimum, (self.minimum_jiffies - 1) * 1_000_000 // hz + 1)


@record
class Attribute:
    """A property of a socket, subflow or connection that programs read or assign.

    `doc` is one sentence, `note` what else one should know, `source` the kernel file that the facts come from.
    `needs_full_socket` is set where a request socket (SYN-ACK being built) has no value to offer.
    """

    path: str
    unit: Unit
    doc: str
    source: str
    read: Read | None = None
    write: Write | None = None
    note: str = ""
    needs_full_socket: bool = True
    target: TargetName = TargetName.MAINLINE

    def since(self, direction: Direction) -> KernelVersion | None:
        """The first known kernel that can do it, or None where none can."""
        access = self.read if direction is Direction.READ else self.write
        return None if access is None else access.since

    @property
    def readable(self) -> KernelVersion | None:
        """The first known kernel on which it can be read."""
        return self.since(Direction.READ)

    @property
    def writable(self) -> KernelVersion | None:
        """The first known kernel on which it can be assigned."""
        return self.since(Direction.WRITE)

    @property
    def bounds(self) -> Bounds:
        """What may be assigned; for an attribute that is only read, what can be read."""
        access = self.write or self.read
        assert access is not None, f"{self.path} can be neither read nor written"
        return access.bounds
