"""Two hosts on this machine: made, used, taken down however a test ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from optdsl.kernel import cgroups, tools
from optdsl.lab.errors import CommandError, LabError
from optdsl.lab.hosts import Lab, two_hosts
from optdsl.lab.leftovers import NAMESPACES, leftovers, remove_leftovers, unique_name
from optdsl.lab.remote import PeerError, RemotePeer
from optdsl.lab.transfer import download, http_transfer, start_web_server

pytestmark = pytest.mark.kernel

ABANDONED = """
import os, signal
from optdsl.lab.hosts import two_hosts
with two_hosts() as lab:
    print(lab.cgroup.path, flush=True)
    os.kill(os.getpid(), signal.{signal})
"""

IGNORES_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("x", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with two_hosts() as made:
        yield made


def test_a_command_runs_in_group_and_namespace(lab: Lab) -> None:
    group = lab.client.run(["cat", "/proc/self/cgroup"]).stdout
    assert f"0::/{lab.cgroup.path.name}/client\n" in group
    namespace = lab.client.run(["readlink", "/proc/self/ns/net"]).stdout
    assert namespace != lab.server.run(["readlink", "/proc/self/ns/net"]).stdout
    assert namespace.strip() != str(Path("/proc/self/ns/net").readlink())
    assert lab.client.run(["ls", str(lab.cgroup.path)]).stdout, "control groups must stay visible"


def test_a_command_that_fails(lab: Lab) -> None:
    with pytest.raises(CommandError, match="on client: cat /absent ended with 1"):
        lab.client.run(["cat", "/absent"])
    assert lab.client.run(["cat", "/absent"], check=False).returncode == 1
    with pytest.raises(subprocess.TimeoutExpired):
        lab.client.run(["sleep", "10"], timeout=0.1)


def test_the_pid_is_that_of_the_command(lab: Lab) -> None:
    process = lab.server.spawn(["sleep", "60"])
    deadline = time.monotonic() + 5
    while Path(f"/proc/{process.pid}/comm").read_text() != "sleep\n":
        assert time.monotonic() < deadline
    assert process.pid in lab.server.cgroup.pids()
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("ipv6", [False, True])
def test_the_hosts_reach_each_other(lab: Lab, ipv6: bool) -> None:
    transfer = http_transfer(lab, 300_000, ipv6=ipv6)
    assert (transfer.status, transfer.received) == (200, 300_000)
    assert transfer.client_address == lab.client.address(ipv6=ipv6)


def test_settings_are_a_hosts_own(lab: Lab) -> None:
    lab.client.set_sysctl("net.ipv4.tcp_timestamps", 0)
    try:
        assert lab.client.sysctl("net.ipv4.tcp_timestamps") == "0"
        assert lab.server.sysctl("net.ipv4.tcp_timestamps") == "1"
    finally:
        lab.client.set_sysctl("net.ipv4.tcp_timestamps", 1)
    with pytest.raises(LabError, match="would change the whole machine"):
        lab.client.set_sysctl("kernel.pid_max", 100)


def test_a_peer_vanishes_and_comes_back(lab: Lab) -> None:
    client, server = RemotePeer(lab.client), RemotePeer(lab.server)
    listener = server.listen()
    lab.server.link_down()
    try:
        with pytest.raises(PeerError, match="timed out"):
            client.connect(lab.server.ipv4, listener.port, timeout=0.3)
    finally:
        lab.server.link_up()
    web = start_web_server(lab.server)
    for ipv6 in (False, True):
        assert download(lab.client, web, 1000, ipv6=ipv6).received == 1000


def test_a_slow_link() -> None:
    with two_hosts(mtu=1400) as slow:
        slow.server.set_rate(8_000_000)
        transfer = http_transfer(slow, 500_000)
        assert 0.4 < transfer.seconds < 2
        slow.client.set_mtu(1300)
        assert "mtu 1300" in slow.client.run(["ip", "link", "show", slow.client.interface]).stdout
        assert "mtu 1400" in slow.server.run(["ip", "link", "show", slow.server.interface]).stdout


def test_a_queue_that_the_kernel_lacks(lab: Lab) -> None:
    with pytest.raises(CommandError, match="tc qdisc replace"):
        lab.client.set_queue("nosuchqueue")


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_when_the_block_fails(error: type[BaseException]) -> None:
    labs: list[Lab] = []
    processes: list[subprocess.Popen[str]] = []

    def fail() -> None:
        with two_hosts() as lab:
            labs.append(lab)
            processes.append(lab.client.spawn(["sleep", "60"]))
            raise error

    with pytest.raises(error):
        fail()
    assert processes[0].returncode == -signal.SIGTERM
    assert not labs[0].cgroup.exists()
    assert not any((NAMESPACES / host.namespace).exists() for host in labs[0].hosts)


def test_a_process_that_does_not_want_to_end() -> None:
    with two_hosts() as stubborn:
        process = stubborn.client.spawn([sys.executable, "-c", IGNORES_SIGTERM])
        assert process.stdout is not None
        assert process.stdout.readline() == "x\n"
    assert process.returncode == -signal.SIGKILL


def abandon(signal_name: str) -> Path:
    """Lets a process die in the middle of a lab of its own and returns the path of the lab's group."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    script = ABANDONED.format(signal=signal_name)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode != 0
    return Path(done.stdout.strip())


def test_what_else_runs_in_a_namespace_ends_with_it() -> None:
    with two_hosts() as lab:
        outside = subprocess.Popen(["ip", "netns", "exec", lab.client.namespace, "sleep", "97"])
        while not tools.run(["ip", "netns", "pids", lab.client.namespace]).stdout:
            pass
    assert outside.wait(1) == -signal.SIGKILL


def test_an_interrupted_process_leaves_nothing() -> None:
    group = abandon("SIGINT")
    assert not group.exists()
    assert not any(path.name.startswith(group.name) for path in NAMESPACES.iterdir())


def test_what_a_killed_process_left_is_found_and_removed() -> None:
    group = abandon("SIGKILL")
    left = [path for path in leftovers() if path.name.startswith(group.name)]
    assert [path.name for path in left] == [group.name, f"{group.name}-client", f"{group.name}-server"]
    assert set(left) <= set(remove_leftovers())
    assert not any(path.exists() for path in left)


def test_the_living_are_left_alone(lab: Lab) -> None:
    assert not any(path.name.startswith(lab.cgroup.path.name) for path in leftovers())
    assert unique_name() != unique_name()
    assert lab.cgroup in cgroups.root().children()
