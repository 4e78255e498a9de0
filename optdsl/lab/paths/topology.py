"""The hosts, the bridges between them, and their routes: the making and the undoing of a lab with paths."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path as FilePath
from typing import Final

from optdsl.kernel import cgroups, tools
from optdsl.kernel.cgroups import Cgroup
from optdsl.lab.errors import CommandError, LabError
from optdsl.lab.hosts import Host, Lab
from optdsl.lab.leftovers import NAMESPACES, delete_namespace, unique_name
from optdsl.lab.paths.shape import Shape
from optdsl.lab.paths.sockets import in_namespace
from optdsl.record import record, replace

MOST_PATHS: Final = 200
_TABLE: Final = 1000
"""Path n has the routing table 1000 + n; the kernel's own are 253 to 255 (rtnetlink.h)."""
_HOST_SETTINGS: Final = {
    # What comes in on a path may be for, and from, the server's address on another one.
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "ipv6/conf/all/keep_addr_on_down": 1,
    "ipv6/conf/default/accept_dad": 0,
}
_WIRE_SETTINGS: Final = {"ipv6/conf/default/disable_ipv6": 1}
"""The bridges have nothing to say themselves."""


class Path:
    """A way between the hosts: a cable from each of them to a bridge."""

    def __init__(self, number: int, client: Host, server: Host, wire: str) -> None:
        self.number = number
        """Counted from 1."""
        self.client = client
        """The client on this path: its interface and addresses here. It shares processes with `MultipathLab.client`."""
        self.server = server
        """The server on this path."""
        self._wire = wire
        self._shapes = {client.name: Shape(), server.name: Shape()}

    @property
    def hosts(self) -> tuple[Host, Host]:
        """Client and server, as they are on this path."""
        return self.client, self.server

    def shape(self, *, towards: Host) -> Shape:
        """What happens to packets on their way to a host."""
        return self._shapes[towards.name]

    def set(
        self,
        *,
        delay: float | None = None,
        jitter: float | None = None,
        loss: float | None = None,
        rate: int | None = None,
        queue: int | None = None,
        towards: Host | None = None,
    ) -> None:
        """Changes the path from now on, in both directions or `towards` one host; units as in `Shape`.

        Packets that are underway keep what they were sent with. Raises LabError where the kernel lacks netem.
        """
        given = {"delay": delay, "jitter": jitter, "loss": loss, "rate": rate, "queue": queue}
        changes = {name: value for name, value in given.items() if value is not None}
        for receiver in self.hosts:
            if towards is None or towards.name == receiver.name:
                self.reshape(replace(self._shapes[receiver.name], **changes), towards=receiver)

    def reshape(self, shape: Shape, *, towards: Host) -> None:
        """Sets all of one direction."""
        _set_queue(self._wire, _port(self.number, towards.name), shape)
        self._shapes[towards.name] = shape

    def down(self) -> None:
        """Cuts both cables: the hosts see that the carrier is gone. With `set(loss=100)` packets are lost unnoticed."""
        for host in self.hosts:
            _ip("-n", self._wire, "link", "set", _port(self.number, host.name), "down")

    def up(self) -> None:
        """Plugs the cables in again, also after `Host.link_down`; returns when both hosts can be reached."""
        for host in self.hosts:
            _ip("-n", self._wire, "link", "set", _port(self.number, host.name), "up")
        _connect(self)


@record
class MultipathLab(Lab):
    """A lab whose hosts are joined by several paths. The hosts themselves have the addresses of the first one."""

    paths: tuple[Path, ...]


@contextmanager
def two_paths(
    *shapes: Shape | tuple[Shape, Shape], mtu: int = 1500, namespaces: tuple[str, str] | None = None
) -> Iterator[MultipathLab]:
    """Builds a lab with a path for each shape, by default two plain ones, for the length of a `with` block.

    A pair of shapes is the way to the server and the way back. `namespaces` names those of client and server as
    `ip netns` shall know them. TCP hands over single segments, so that loss, queues and captures count packets.
    Raises KernelError, or LabError where netem is needed and missing.
    """
    wanted = [shape if isinstance(shape, tuple) else (shape, shape) for shape in shapes or (Shape(), Shape())]
    if len(wanted) > MOST_PATHS:
        raise LabError(f"{len(wanted)} paths are too many: {MOST_PATHS} at most")
    name = unique_name()
    with ExitStack() as cleanup:
        group = cleanup.enter_context(cgroups.temporary(name))
        wire = f"{name}-wire"
        _namespace(cleanup, wire, _WIRE_SETTINGS)
        client_space, server_space = namespaces or (f"{name}-client", f"{name}-server")
        client = _host(cleanup, 1, "client", client_space, group)
        server = _host(cleanup, 2, "server", server_space, group)
        paths = tuple(_path(number, client, server, wire, mtu) for number in range(1, len(wanted) + 1))
        for path, (there, back) in zip(paths, wanted, strict=True):
            path.reshape(there, towards=path.server)
            path.reshape(back, towards=path.client)
        yield MultipathLab(client, server, group, paths)


def _namespace(cleanup: ExitStack, name: str, settings: Mapping[str, int]) -> None:
    """Makes a namespace; `settings` are files below /proc/sys/net, which interfaces inherit that come later."""
    if (NAMESPACES / name).exists():
        raise LabError(f"there is a network namespace {name} already (`ip netns delete {name}` removes it)")
    _ip("netns", "add", name)
    cleanup.callback(delete_namespace, name)
    with in_namespace(name):
        for file, value in settings.items():
            FilePath("/proc/sys/net", file).write_text(str(value))


def _host(cleanup: ExitStack, number: int, name: str, namespace: str, group: Cgroup) -> Host:
    _namespace(cleanup, namespace, _HOST_SETTINGS)
    host = Host(name, namespace, group.create(name), *_addresses(1, number))
    cleanup.callback(host.end_processes)
    _ip("-n", namespace, "link", "set", "lo", "up")
    return host


def _path(number: int, client: Host, server: Host, wire: str, mtu: int) -> Path:
    """Adds a bridge with a cable to each host, and makes both ends ready to use."""
    interface = f"eth{number - 1}"
    bridge = f"bridge{number}"
    client, server = (
        replace(host, interface=interface, ipv4=ipv4, ipv6=ipv6)
        for host, (ipv4, ipv6) in ((client, _addresses(number, 1)), (server, _addresses(number, 2)))
    )
    _batch(wire, f"link add {bridge} mtu {mtu} type bridge mcast_snooping 0", f"link set {bridge} up")
    for end in (client, server):
        port = _port(number, end.name)
        _batch(
            wire,
            f"link add {port} mtu {mtu} type veth peer name {interface} mtu {mtu} address {_ethernet(number, end)} "
            f"netns {end.namespace}",
            f"link set {port} master {bridge} up",
        )
        _batch(
            end.namespace,
            f"address add {end.ipv4}/24 dev {interface}",
            f"address add {end.ipv6}/64 dev {interface} nodad",
            f"link set {interface} gso_max_segs 1",
        )
    for version, address in (("-4", client.ipv4), ("-6", client.ipv6)):
        _ip("-n", client.namespace, version, "rule", "add", "from", address, "table", str(_TABLE + number))
    path = Path(number, client, server, wire)
    _connect(path)
    return path


def _addresses(path: int, host: int) -> tuple[str, str]:
    return f"10.0.{path}.{host}", f"2001:db8:{path}::{host}"


def _ethernet(path: int, host: Host) -> str:
    """A locally administered address, the same in every lab."""
    return f"02:00:00:00:{path:02x}:{1 if host.name == 'client' else 2:02x}"


def _port(path: int, host: str) -> str:
    """The bridge's end of the cable to a host."""
    return f"{host}{path}"


def _connect(path: Path) -> None:
    """Brings the hosts' ends up, with what the kernel forgets of an interface that is taken down."""
    for host, peer in (path.hosts, path.hosts[::-1]):
        neighbour = f"lladdr {_ethernet(path.number, peer)} dev {host.interface} nud permanent"
        _batch(
            host.namespace,
            f"link set {host.interface} up",
            f"neighbour replace {peer.ipv4} {neighbour}",
            f"neighbour replace {peer.ipv6} {neighbour}",
        )
    for host in path.hosts:
        host.wait_until_ready()
    # The server needs no such routes: it has one to the client's address on each path.
    client, server = path.hosts
    _batch(
        client.namespace,
        f"route replace default via {server.ipv4} dev {client.interface} table {_TABLE + path.number}",
        f"route replace default via {server.ipv6} dev {client.interface} table {_TABLE + path.number}",
    )


def _set_queue(namespace: str, interface: str, shape: Shape) -> None:
    """Makes what leaves by an interface go by a shape."""
    change = ["tc", "-n", namespace, "qdisc", "replace", "dev", interface, "root"]
    if shape.is_plain:
        tools.run(["tc", "-n", namespace, "qdisc", "delete", "dev", interface, "root"])  # fails if there is none
        return
    done = tools.run([*change, "netem", *shape.netem()])
    if done.returncode and "unknown" in done.stderr:
        if shape.delay or shape.loss:
            raise LabError(
                "this kernel has no netem, which delays and loses packets; the one that `optdsl lab run` boots has it"
            )
        change += ["tbf", *shape.token_bucket()]
        done = tools.run(change)
    if done.returncode:
        raise CommandError("this machine", change, done.returncode, done.stderr)


def _batch(namespace: str, *commands: str) -> None:
    """Several commands of ip(8) in a namespace, by one process."""
    command = ["ip", "-n", namespace, "-batch", "-"]
    text = "\n".join(commands)
    done = subprocess.run(
        [tools.find("ip"), *command[1:]], input=text, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        raise CommandError("this machine", [*command, *commands], done.returncode, done.stderr)


def _ip(*arguments: str) -> None:
    done = tools.run(["ip", *arguments])
    if done.returncode:
        raise CommandError("this machine", ["ip", *arguments], done.returncode, done.stderr)
