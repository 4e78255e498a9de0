"""What is run: every script of the folder, `mptcp_join.sh` in its groups, `mptcp_connect.sh` in its four modes."""

from __future__ import annotations

from typing import Final

from optdsl.lab.kernels.boot import Time
from optdsl.record import record


@record
class Run:
    """One boot. `limit` is in seconds of the host, for a machine that has other things to do as well."""

    name: str
    command: tuple[str, ...]
    limit: float = 900
    time: Time = "simulated"
    parts: int = 0
    """How many of the subtests it has, if not all of those in the list."""

    @property
    def file_name(self) -> str:
        return self.name.replace(".sh", "").replace(" ", "")


_JOIN_GROUPS: Final = "fesltra64MbpkSdmzFuI"
"""Options of `mptcp_join.sh` that choose a group of its tests, in the script's order."""
_CONNECT: Final = ("-d", "10", "-l", "0.10%", "-r", "25% 50% gap 5", "-e", "tso", "-f", "2097152")
"""What `mptcp_connect.sh` draws by chance unless it is told: delay, loss, reordering, offloads, size of the file."""


_GLOBAL_SYMBOLS: Final = (
    "sed 's/ t / T /' /proc/kallsyms > /tmp/kallsyms; mount --bind /tmp/kallsyms /proc/kallsyms; exec \"$@\""
)
"""User-mode Linux tells all functions as local ones; by the global one for TOS a script decides on tests of tproxy."""


def _connect(script: str) -> Run:
    return Run(script, ("sh", "-c", _GLOBAL_SYMBOLS, "sh", f"./{script}", *_CONNECT), 3600)


RUNS: Final = (
    *(_connect(f"mptcp_connect{mode}.sh") for mode in ("", "_mmap", "_sendfile", "_checksum")),
    *(Run(f"mptcp_join.sh -{group}", ("./mptcp_join.sh", f"-{group}"), 1800) for group in _JOIN_GROUPS),
    Run("pm_netlink.sh", ("./pm_netlink.sh",)),
    Run("userspace_pm.sh", ("./userspace_pm.sh",)),
    Run("mptcp_sockopt.sh", ("./mptcp_sockopt.sh",)),
    Run("simult_flows.sh", ("./simult_flows.sh",)),
    Run("diag.sh", ("./diag.sh",)),
)


def _join(group: str, *subtests: str) -> Run:
    """Some tests of a group."""
    return Run(f"mptcp_join.sh -{group}", ("./mptcp_join.sh", f"-{group}", *subtests), parts=len(subtests))


SHORT: Final = (
    Run("mptcp_sockopt.sh", ("./mptcp_sockopt.sh",)),
    Run("userspace_pm.sh", ("./userspace_pm.sh",)),
    _join("f", "multiple subflows"),
    _join("s", "subflow and signal"),
    _join("b", "single subflow, backup"),
    _join("r", "remove subflow and signal"),
)
"""A part that takes less than a minute."""

NOTES: Final = {
    # (beginning of the run's name, beginning of the subtest's name): why it is not `ok`
    ("diag.sh", "....chk last_"): "`ss` of iproute2 6.1 (Debian 12) does not print these times",
    ("diag.sh", "many listener sockets"): "of 100 processes the script waits for the last one only",
}


def note(run: str, subtest: str) -> str | None:
    """Why a subtest is not `ok`, where that is known."""
    matching = (why for (of, name), why in NOTES.items() if run.startswith(of) and subtest.startswith(name))
    return next(matching, None)
