"""A host's own firewall in the part of a middlebox that does not know MPTCP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from optdsl.lab.hosts import Host


@contextmanager
def stripped(host: Host, *, only: str = "", sent: bool = False) -> Iterator[None]:
    """Turns the first MPTCP option of each segment that `host` receives, or sends, into padding, within a `with` block.

    `only` narrows this down: matches of nft(8), such as `tcp flags & syn == syn`.
    """
    hook = "output" if sent else "input"
    commands = [
        "add table inet middlebox",
        f"add chain inet middlebox strip {{ type filter hook {hook} priority 0; }}",
        f"add rule inet middlebox strip {only} reset tcp option mptcp",
    ]
    host.run(["nft", "-f", "-"], stdin="\n".join(commands) + "\n")
    try:
        yield
    finally:
        host.run(["nft", "delete table inet middlebox"])
