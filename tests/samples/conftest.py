"""What the tests of the samples share: objects, back ends, IP versions, and a lab with a TCP peer on each host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from optdsl.lab.hosts import Lab, two_hosts
from optdsl.lab.remote import RemotePeer
from samples.sample_objects import BACKENDS, compile_samples


@dataclass(frozen=True, slots=True)
class Peers:
    """The processes that open the sockets, one on each host of a lab."""

    lab: Lab
    client: RemotePeer
    server: RemotePeer


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compiles samples through a back end, each combination once: `compiled("llvm", "cc", "iw")`."""

    @cache
    def compile_once(backend: str, *names: str) -> Path:
        return compile_samples(names, backend, tmp_path_factory.mktemp(backend))

    return compile_once


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Each back end in turn."""
    name: str = request.param
    return name


@pytest.fixture(params=[False, True], ids=["IPv4", "IPv6"])
def ipv6(request: pytest.FixtureRequest) -> bool:
    """Each IP version in turn."""
    chosen: bool = request.param
    return chosen


@pytest.fixture(scope="module")
def peers() -> Iterator[Peers]:
    """A lab for the tests of one file; captures show each segment as it is on the wire."""
    with two_hosts() as lab:
        for host in lab.hosts:
            host.set_segments_per_packet(1)
        yield Peers(lab, RemotePeer(lab.client), RemotePeer(lab.server))
