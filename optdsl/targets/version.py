"""Kernel versions that the tables speak about.

The tables state facts for the long-term series below; a fact that became true in between (5.11, say) stands under the
next one (5.15). A version outside the list is an error value, which the command line words.
"""

from typing import NamedTuple


class KernelVersion(NamedTuple):
    """A kernel series such as 6.1. Ordered by age; `str()` gives the form that users write."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class UnknownKernel(NamedTuple):
    """A version that the tables do not cover: what was asked for, and what can be."""

    text: str
    known: tuple[KernelVersion, ...]


V5_10 = KernelVersion(5, 10)
V5_15 = KernelVersion(5, 15)
V6_1 = KernelVersion(6, 1)
V6_6 = KernelVersion(6, 6)
V6_12 = KernelVersion(6, 12)
V6_18 = KernelVersion(6, 18)

KNOWN_KERNELS = (V5_10, V5_15, V6_1, V6_6, V6_12, V6_18)

#: The first series with TCP header options for sock_ops programs (`BPF_SOCK_OPS_HDR_OPT_LEN_CB`).
BASELINE = V5_10


def parse_kernel(text: str) -> KernelVersion | UnknownKernel:
    """The known series that `text` names ("6.1"); patch levels and other series are unknown."""
    for version in KNOWN_KERNELS:
        if text == str(version):
            return version
    return UnknownKernel(text, KNOWN_KERNELS)


def series_of(release: str) -> KernelVersion | UnknownKernel:
    """The newest known series that a running kernel covers: "6.8.0-31-generic" (as `uname -r` says) is at least 6.6.

    A kernel older than the baseline, or a text that does not begin with two numbers, is unknown.
    """
    import re

    found = re.match(r"(\d+)\.(\d+)", release)
    if found is not None:
        running = KernelVersion(int(found[1]), int(found[2]))
        covered = [version for version in KNOWN_KERNELS if version <= running]
        if covered:
            return covered[-1]
    return UnknownKernel(release, KNOWN_KERNELS)
