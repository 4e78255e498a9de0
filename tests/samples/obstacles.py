"""Packets that do not arrive: filters of nftables on the receiving host, behind the point where captures see them.

A packet that is lost on the way out would be known to its sender, which TCP treats differently from a silent loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from optdsl.lab.hosts import Host

PURE_ACK = "tcp flags & (fin|syn|rst|psh|ack) == ack"
"""Of segments that are sent one by one: what carries the end of a write has PSH."""


@contextmanager
def dropping(host: Host, *matches: str) -> Iterator[None]:
    """What one of these expressions of nft(8) matches does not arrive at a host for the length of a `with` block."""
    rules = "\n".join(f"{match} drop" for match in matches)
    chain = f"chain arriving {{ type filter hook prerouting priority -500; policy accept;\n{rules}\n}}"
    host.run(["nft", "-f", "-"], stdin=f"table inet obstacles {{\n{chain}\n}}\n")
    try:
        yield
    finally:
        host.run(["nft", "delete", "table", "inet", "obstacles"])
