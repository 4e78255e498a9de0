"""What an event is: when a handler `on NAME { }` runs, as data."""

from optdsl.record import record
from optdsl.targets.sockops import CallbackFlag, SockOp
from optdsl.targets.version import BASELINE, KernelVersion
from optdsl.targets.vocabulary import Role, TargetName


@record
class ArgumentIs:
    """A condition on `ctx->args[index]`."""

    index: int
    value: int


@record
class Trigger:
    """An operation that raises the event. `role` is what the operation itself tells about this end, if anything."""

    op: SockOp
    role: Role | None = None
    condition: ArgumentIs | None = None


@record
class Event:
    """A named moment in a connection's life.

    `flag` must be among the socket's callback flags, else the kernel does not call. `roles` are the ends that can see
    the event (none of them for a listening socket); `full_socket` tells whether `bpf_setsockopt()` and the attributes
    that need a full socket work in it.
    """

    name: str
    doc: str
    source: str
    triggers: tuple[Trigger, ...] = ()
    flag: CallbackFlag = CallbackFlag.NONE
    roles: frozenset[Role] = frozenset(Role)
    full_socket: bool = True
    since: KernelVersion = BASELINE
    target: TargetName = TargetName.MAINLINE
