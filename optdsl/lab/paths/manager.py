"""The kernel's own MPTCP path manager on a host: which addresses it uses and announces, and how many subflows it makes.

    set_limits(lab.client, subflows=4, accepted=4)
    add_endpoint(lab.client, lab.paths[1].client.ipv4, "subflow")
    add_endpoint(lab.server, lab.paths[1].server.ipv4, "signal")

Through `ip mptcp` of iproute2; ip-mptcp(8) explains limits and flags.
"""

import re
from collections.abc import Sequence
from typing import Final

from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Host
from optdsl.record import record

FLAGS: Final = ("signal", "subflow", "backup", "fullmesh")
_ENDPOINT: Final = re.compile(r"(?P<address>\S+)(?: port (?P<port>\d+))? id (?P<id>\d+)(?P<rest>.*)")
_MOST: Final = 8
"""MPTCP_PM_ADDR_MAX of net/mptcp/protocol.h, which bounds both limits."""


@record
class Endpoint:
    """An address that the path manager knows."""

    address: str
    id: int
    """The address identifier of RFC 8684, section 3.4."""
    flags: frozenset[str]
    interface: str | None = None


def set_limits(host: Host, *, subflows: int | None = None, accepted: int | None = None) -> None:
    """How many subflows a connection may have beyond the first, and how many announced addresses it takes up: 0..8."""
    given = {"subflow": subflows, "add_addr_accepted": accepted}
    arguments = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    host.run(["ip", "mptcp", "limits", "set", *arguments])


def add_endpoint(
    host: Host, address: str, *flags: str, number: int | None = None, interface: str | None = None
) -> None:
    """Makes an address known: `subflow` to open subflows from it, `signal` to announce it, with `backup`, `fullmesh`.

    Raises LabError for flags that there are not, CommandError if the kernel refuses.
    """
    if unknown := set(flags) - set(FLAGS):
        raise LabError(f"no flags of an endpoint: {', '.join(sorted(unknown))}; there are: {', '.join(FLAGS)}")
    device = ["dev", interface] if interface else []
    identifier = ["id", str(number)] if number is not None else []
    host.run(["ip", "mptcp", "endpoint", "add", address, *device, *identifier, *flags])


def change_endpoint(host: Host, number: int, flag: str) -> None:
    """Sets `backup` or `nobackup`, `fullmesh` or `nofullmesh`, also for the subflows that there are."""
    host.run(["ip", "mptcp", "endpoint", "change", "id", str(number), flag])


def delete_endpoint(host: Host, number: int) -> None:
    """Makes an address unknown, and closes its subflows."""
    host.run(["ip", "mptcp", "endpoint", "delete", "id", str(number)])


def endpoints(host: Host) -> list[Endpoint]:
    """The addresses that the path manager of a host knows."""
    text = host.run(["ip", "mptcp", "endpoint", "show"]).stdout
    return [_endpoint(match) for line in text.splitlines() if (match := _ENDPOINT.match(line))]


def use_all_paths(client: Host, server: Host, further: Sequence[Host], *, ipv6: bool = False) -> None:
    """Has connections of the client open a subflow from its address on each of its `further` paths."""
    for host in (client, server):
        set_limits(host, subflows=_MOST, accepted=_MOST)
    for host in further:
        add_endpoint(host, host.address(ipv6=ipv6), "subflow")


def _endpoint(match: re.Match[str]) -> Endpoint:
    words = match["rest"].split()
    interface = words[words.index("dev") + 1] if "dev" in words else None
    return Endpoint(match["address"], int(match["id"]), frozenset(words) & frozenset(FLAGS), interface)
