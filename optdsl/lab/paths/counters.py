"""What the kernel tells of MPTCP on a host: its counters by nstat(8), its connections by ss(8), a round trip's time."""

import re
import socket
import time
from typing import Final

from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Host
from optdsl.lab.paths.sockets import on
from optdsl.lab.sockets import SocketSnapshot, parse_ss

_TOKENS: Final = re.compile(
    r"flags:(?P<flags>\w+) token:(?P<remote>[0-9a-f]+)\(id:\d+\)/(?P<local>[0-9a-f]+)\(id:\d+\)"
)


def counters(host: Host) -> dict[str, int]:
    """What the kernel counts in a host's namespace: `MPTcpExtMPJoinSynRx`, `TcpRetransSegs`, ...; zeros included."""
    rows = (line.split() for line in host.run(["nstat", "-asz"]).stdout.splitlines() if not line.startswith("#"))
    return {name: int(value) for name, value, *_ in rows}


def connections(host: Host) -> list[SocketSnapshot]:
    """The MPTCP connections of a host, listening ones included, with `subflows`, `token` and the like as details.

    A connection whose peer has told no key yet, or that fell back to TCP, says so by its flags, such as `fallback`.
    """
    return parse_ss(host.run(["ss", "-ManiHOe"]).stdout)


def subflows(host: Host) -> list[SocketSnapshot]:
    """The TCP sockets of a host that belong to MPTCP; what ss(8) calls flags and token is in their details.

    Flags: M capable, J joined, m and j requested, B and b backup by the peer and by us, e established, c connected.
    """
    found = parse_ss(host.run(["ss", "-taniHOe", "-o"]).stdout)
    return [each for each in found if "tcp-ulp-mptcp" in each.details]


def tokens(subflow: SocketSnapshot) -> tuple[int, int]:
    """The tokens that a subflow carries, of the remote and of the local end; 0 where it does not need one.

    Raises LabError for a socket that is no subflow.
    """
    match = _TOKENS.search(subflow.raw)
    if match is None:
        raise LabError(f"no subflow of MPTCP: {subflow.raw.strip()}")
    return int(match["remote"], 16), int(match["local"], 16)


def round_trip(client: Host, server: Host, *, ipv6: bool = False, timeout: float = 10.0) -> float:
    """Seconds that a datagram takes to another host's address and back.

    On a path: `round_trip(path.client, path.server)`. Raises LabError if it does not come back in time.
    """
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    with on(server):
        there = socket.socket(family, socket.SOCK_DGRAM)
    with on(client):
        here = socket.socket(family, socket.SOCK_DGRAM)
    with there, here:
        there.bind((server.address(ipv6=ipv6), 0))
        here.bind((client.address(ipv6=ipv6), 0))
        here.connect(there.getsockname()[:2])
        for end in (there, here):
            end.settimeout(timeout)
        try:
            return _there_and_back(here, there)
        except TimeoutError:
            raise LabError(f"nothing came back from {server.name} within {timeout:g} s") from None


def _there_and_back(here: socket.socket, there: socket.socket) -> float:
    start = time.monotonic_ns()
    here.send(b"?")
    there.sendto(*there.recvfrom(1))
    here.recv(1)
    return (time.monotonic_ns() - start) / 1e9
