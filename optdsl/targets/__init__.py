"""What each kernel offers to a sock_ops program, as data that the checker and the lowering consult.

The rows of the tables are named tuples: every command imports this package, and a dataclass takes several times as long
to make.
"""

from optdsl.targets.attribute import Attribute
from optdsl.targets.event import Event
from optdsl.targets.mainline import (
    NeedsKernel,
    NeedsTarget,
    Reason,
    Target,
    UnavailableTarget,
    UnknownName,
    UnknownTarget,
    WrongDirection,
    find_target,
    mainline,
    minimum_kernel,
)
from optdsl.targets.space import PacketClass, space_left
from optdsl.targets.version import KNOWN_KERNELS, KernelVersion, UnknownKernel, parse_kernel, series_of
from optdsl.targets.vocabulary import Direction, Role, TargetName, Unit

__all__ = [
    "KNOWN_KERNELS",
    "Attribute",
    "Direction",
    "Event",
    "KernelVersion",
    "NeedsKernel",
    "NeedsTarget",
    "PacketClass",
    "Reason",
    "Role",
    "Target",
    "TargetName",
    "UnavailableTarget",
    "Unit",
    "UnknownKernel",
    "UnknownName",
    "UnknownTarget",
    "WrongDirection",
    "find_target",
    "mainline",
    "minimum_kernel",
    "parse_kernel",
    "series_of",
    "space_left",
]
