"""Two hosts and several paths on this machine's own kernel; what needs netem is tested in the lab."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from optdsl.lab.capture import capture
from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Host
from optdsl.lab.leftovers import NAMESPACES
from optdsl.lab.paths import MultipathLab, Shape, two_paths
from optdsl.lab.paths.counters import counters, round_trip
from optdsl.lab.paths.manager import Endpoint, add_endpoint, delete_endpoint, endpoints, set_limits
from optdsl.lab.paths.sockets import Sockets, exchange, on
from optdsl.lab.paths.transfer import transfer

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def lab() -> Iterator[MultipathLab]:
    with two_paths() as made:
        yield made


def packets_on_paths(lab: MultipathLab, client: Host, server: Host, folder: Path, *, ipv6: bool) -> list[set[str]]:
    """Of each path, the addresses that a connection between two addresses sends from on it."""
    source, target = client.address(ipv6=ipv6), server.address(ipv6=ipv6)
    with ExitStack() as stack:
        captures = [stack.enter_context(capture(p.client, folder / f"{p.number}.pcap")) for p in lab.paths]
        sockets = stack.enter_context(Sockets())
        listener = sockets.listen(lab.server, ipv6=ipv6, mptcp=False)
        ends = sockets.connect(lab.client, target, listener, source=source, mptcp=False)
        exchange(*ends, sent=10_000, received=10_000)
    return [{packet.src for packet in each.packets()} for each in captures]


@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize(("number", "peer"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_the_clients_address_decides_the_path(
    lab: MultipathLab, tmp_path: Path, number: int, peer: int, ipv6: bool
) -> None:
    client, server = lab.paths[number].client, lab.paths[peer].server
    seen = packets_on_paths(lab, client, server, tmp_path, ipv6=ipv6)
    assert seen[number] == {client.address(ipv6=ipv6), server.address(ipv6=ipv6)}
    assert seen[1 - number] == set()


def test_a_path_is_the_hosts_seen_on_it(lab: MultipathLab) -> None:
    first, second = lab.paths
    assert (first.number, second.number) == (1, 2)
    assert first.client == lab.client
    assert (second.client.interface, second.server.ipv4, second.client.ipv6) == ("eth1", "10.0.2.2", "2001:db8:2::1")
    assert {host.namespace for host in second.hosts} == {host.namespace for host in lab.hosts}
    assert 0 < round_trip(second.client, second.server) < 1
    assert 0 < round_trip(second.client, second.server, ipv6=True) < 1


@pytest.mark.parametrize("ipv6", [False, True])
def test_a_path_goes_down_and_comes_up(lab: MultipathLab, tmp_path: Path, ipv6: bool) -> None:
    first, second = lab.paths
    second.down()
    try:
        assert round_trip(first.client, first.server, ipv6=ipv6)
        with pytest.raises((LabError, OSError)):
            round_trip(second.client, second.server, ipv6=ipv6, timeout=0.2)
    finally:
        second.up()
    assert round_trip(second.client, second.server, ipv6=ipv6)
    # The way by the client's address is there again, too.
    seen = packets_on_paths(lab, second.client, first.server, tmp_path, ipv6=ipv6)
    assert seen[0] == set()
    assert len(seen[1]) == 2


def test_a_rate_needs_no_netem() -> None:
    with two_paths(Shape(), (Shape(), Shape(rate=10_000_000))) as lab, Sockets() as sockets:
        second = lab.paths[1]
        assert second.shape(towards=second.client).rate == 10_000_000
        assert second.shape(towards=second.server).is_plain
        listener = sockets.listen(lab.server, mptcp=False)
        ends = sockets.connect(lab.client, second.server.ipv4, listener, source=second.client.ipv4, mptcp=False)
        assert exchange(*ends, sent=1_000_000).seconds < 0.5
        assert 0.6 < exchange(*ends, sent=0, received=1_000_000).seconds < 2
        second.set(rate=0)
        assert exchange(*ends, sent=0, received=1_000_000).seconds < 0.5


def test_without_netem_a_delay_is_refused(lab: MultipathLab) -> None:
    path = lab.paths[0]
    if lab.client.run(["tc", "qdisc", "add", "dev", "lo", "root", "netem"], check=False).returncode == 0:
        lab.client.run(["tc", "qdisc", "delete", "dev", "lo", "root"])
        path.set(delay=0.001)
        assert round_trip(path.client, path.server) >= 0.002
        path.set(delay=0)
    else:
        with pytest.raises(LabError, match=r"no netem, .* the one that `optdsl lab run` boots has it"):
            path.set(delay=0.001)
        assert path.shape(towards=path.server).is_plain


def test_too_many_paths() -> None:
    with pytest.raises(LabError, match="201 paths are too many: 200 at most"), two_paths(*[Shape()] * 201):
        pass


def test_three_paths_and_names_of_ones_own() -> None:
    names = (f"lab-{os.getpid()}-a", f"lab-{os.getpid()}-b")
    with two_paths(Shape(), Shape(), Shape(), namespaces=names) as lab:
        assert lab.paths[2].client.run(["ip", "-br", "address", "show", "eth2"]).stdout.split()[2] == "10.0.3.1/24"
        assert all((NAMESPACES / name).exists() for name in names)
        with pytest.raises(LabError, match="there is a network namespace"), two_paths(namespaces=names):
            pass
        assert all((NAMESPACES / name).exists() for name in names)
    assert not any((NAMESPACES / name).exists() for name in names)
    assert not lab.cgroup.exists()


def test_endpoints_and_limits(lab: MultipathLab) -> None:
    set_limits(lab.client, subflows=3, accepted=2)
    assert lab.client.run(["ip", "mptcp", "limits", "show"]).stdout.split() == [
        "add_addr_accepted", "2", "subflows", "3",
    ]  # fmt: skip
    second = lab.paths[1].client
    add_endpoint(lab.client, second.ipv4, "subflow", "backup", number=5, interface=second.interface)
    (known,) = endpoints(lab.client)
    assert known == Endpoint("10.0.2.1", 5, frozenset({"subflow", "backup"}), "eth1")
    delete_endpoint(lab.client, 5)
    assert endpoints(lab.client) == []
    with pytest.raises(LabError, match="no flags of an endpoint: fast; there are: signal"):
        add_endpoint(lab.client, second.ipv4, "fast")


@pytest.mark.parametrize("ipv6", [False, True])
def test_a_transfer_over_mptcp(lab: MultipathLab, ipv6: bool) -> None:
    before = counters(lab.server)["MPTcpExtMPCapableACKRX"]
    done = transfer(lab, send=3_000_000, receive=1_000_000, address=lab.server.address(ipv6=ipv6))
    assert (done.sent, done.received, done.intact, done.mptcp) == (3_000_000, 1_000_000, True, True)
    assert counters(lab.server)["MPTcpExtMPCapableACKRX"] == before + 1


def test_sockets_are_their_hosts(lab: MultipathLab) -> None:
    namespace, group = Path("/proc/self/ns/net").readlink(), Path("/proc/self/cgroup").read_text()
    with on(lab.client):
        assert Path("/proc/thread-self/ns/net").readlink() != namespace
        assert os.getpid() in lab.client.cgroup.pids()
    assert Path("/proc/self/ns/net").readlink() == namespace
    assert Path("/proc/self/cgroup").read_text() == group


def test_an_exchange_that_breaks(lab: MultipathLab) -> None:
    with Sockets() as sockets:
        listener = sockets.listen(lab.server)
        client, server = sockets.connect(lab.client, lab.server.ipv4, listener)
        server.send(b"x")
        with pytest.raises(LabError, match="a wrong byte arrived after 0 bytes"):
            exchange(client, server, sent=0, received=10)
        client, server = sockets.connect(lab.client, lab.server.ipv4, listener)
        server.close()
        with pytest.raises((LabError, OSError)):
            exchange(client, sockets.make(lab.server), sent=10, received=10, timeout=1)
