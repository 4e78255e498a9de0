"""A lab, the server's process, and a raw client for each IP version, for the tests of one file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from optdsl.lab.hosts import Lab, two_hosts
from optdsl.lab.remote import RemotePeer
from peer.raw_peer import RawClient, raw_client


@dataclass(frozen=True, slots=True)
class Arena:
    """Where the attacks take place."""

    lab: Lab
    server: RemotePeer
    clients: dict[bool, RawClient]
    """By whether they use IPv6."""
    objects: Path
    """A folder for the sources of the C back end."""


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """One pair of hosts for a file of tests."""
    with two_hosts() as lab, ExitStack() as stack:
        clients = {ipv6: stack.enter_context(raw_client(lab, ipv6=ipv6)) for ipv6 in (False, True)}
        yield Arena(lab, RemotePeer(lab.server), clients, tmp_path_factory.mktemp("objects"))
