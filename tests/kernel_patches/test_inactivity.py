"""The inactivity timeout: how long a connection without any subflow waits for one before it ends with ETIMEDOUT."""

from __future__ import annotations

import errno
import gzip
import os
import resource
import select
import socket
import struct
import time
from pathlib import Path
from typing import Final

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.mptcp_actions import Actions, Callback, Event, Option, Step, close_subflow
from kernel_patches.schedulers import say
from optdsl.lab.hosts import Host
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.counters import counters, subflows
from optdsl.lab.paths.manager import add_endpoint, set_limits
from optdsl.lab.paths.sockets import SOL_MPTCP, Sockets, exchange, mptcp_info
from optdsl.record import record

OPTION: Final = int(Option.INACTIVITY_TIMEOUT)
MOST: Final = 14 * 24 * 3600
"""MPTCP_INACTIVITY_TIMEOUT_MAX of net/mptcp/protocol.h, in seconds."""
DEFAULT: Final = 60
"""Of net.mptcp.close_timeout: TCP_TIMEWAIT_LEN."""
KEEPALIVE: Final = {socket.TCP_KEEPIDLE: 1, socket.TCP_KEEPINTVL: 1, socket.TCP_KEEPCNT: 1}
SESSIONS: Final = 2000
TIMEOUT: Final = 900
MEMORY: Final = 4096
"""MiB. The kernel has a slot of four tokens for each MiB, and those of both ends of all sessions have to fit."""


def timeout_of(end: socket.socket) -> int:
    """Seconds."""
    return end.getsockopt(SOL_MPTCP, OPTION)


_NO_FIN: Final = """
add table inet lost
add chain inet lost fin { type filter hook input priority 0; }
add rule inet lost fin tcp flags & fin == fin drop
"""
"""For nft(8): no segment with a FIN gets in."""


@record
class Waiting:
    """A connection whose last subflow is in FIN-WAIT-2 at the client."""

    client: socket.socket
    server: socket.socket
    since: float
    """When it was closed, on the monotonic clock."""


def connected(
    paths: MultipathLab, sockets: Sockets, *, timeout: int | None = None, ipv6: bool = False
) -> tuple[socket.socket, socket.socket]:
    """A connection in use, whose subflows die 2 s after the path was cut; `timeout` is the client's."""
    client, server = sockets.connect(
        paths.client, paths.server.address(ipv6=ipv6), sockets.listen(paths.server, ipv6=ipv6)
    )
    for end in (client, server):
        for option, value in KEEPALIVE.items():
            end.setsockopt(socket.IPPROTO_TCP, option, value)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        end.settimeout(None)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):  # so that a test that fails does so in the end
            end.setsockopt(socket.SOL_SOCKET, option, struct.pack("=qq", 1000, 0))
    if timeout is not None:
        client.setsockopt(SOL_MPTCP, OPTION, timeout)
    say(client, server)
    say(server, client)
    return client, server


def cut(paths: MultipathLab, number: int = 0) -> float:
    """Loses everything on a path; returns when no subflow of the client is left, with the time of that."""
    paths.paths[number].set(loss=100)
    deadline = time.monotonic() + 10
    while any(each.state == "ESTAB" for each in subflows(paths.client)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return time.monotonic()


def times_out(end: socket.socket, *, since: float, after: float) -> None:
    """Waits in recv(2) for the error, which must come so many seconds after a moment."""
    with pytest.raises(OSError) as raised:
        end.recv(1)
    assert raised.value.errno == errno.ETIMEDOUT
    assert after - 0.2 < time.monotonic() - since < after + 0.7  # timers of 10 s fire up to 64 ticks late


# The option


@pytest.mark.parametrize("ipv6", [False, True])
def test_set_and_get(paths: MultipathLab, sockets: Sockets, ipv6: bool) -> None:
    made = sockets.make(paths.client, ipv6=ipv6)
    assert timeout_of(made) == DEFAULT
    for value in (1, 240, MOST):
        made.setsockopt(SOL_MPTCP, OPTION, value)
        assert timeout_of(made) == value
    made.setsockopt(SOL_MPTCP, OPTION, 0)
    paths.client.set_sysctl("net.mptcp.close_timeout", 17)
    assert timeout_of(made) == 17, "the sysctl again"
    assert timeout_of(sockets.make(paths.server)) == DEFAULT, "each namespace has its own"


def test_it_is_inherited(paths: MultipathLab, sockets: Sockets) -> None:
    listener = sockets.listen(paths.server)
    listener.setsockopt(SOL_MPTCP, OPTION, 240)
    client, server = sockets.connect(paths.client, paths.server.ipv4, listener)
    assert (timeout_of(client), timeout_of(server)) == (DEFAULT, 240)
    listener.setsockopt(SOL_MPTCP, OPTION, 5)
    assert timeout_of(server) == 240
    assert timeout_of(sockets.connect(paths.client, paths.server.ipv4, listener)[1]) == 5


@pytest.mark.parametrize("value", [-1, MOST + 1, -(1 << 31), b"", b"\1\0\0"], ids=repr)
def test_values_that_are_refused(paths: MultipathLab, sockets: Sockets, value: int | bytes) -> None:
    made = sockets.make(paths.client)
    made.setsockopt(SOL_MPTCP, OPTION, 33)
    with pytest.raises(OSError) as raised:
        made.setsockopt(SOL_MPTCP, OPTION, value)
    assert raised.value.errno == errno.EINVAL
    assert timeout_of(made) == 33


def test_plain_tcp_has_none(paths: MultipathLab, sockets: Sockets) -> None:
    plain = sockets.make(paths.client, mptcp=False)
    with pytest.raises(OSError) as raised:
        plain.setsockopt(SOL_MPTCP, OPTION, 5)
    assert raised.value.errno == errno.ENOPROTOOPT


def test_no_privilege_is_needed(paths: MultipathLab, sockets: Sockets) -> None:
    made = sockets.make(paths.client)
    os.seteuid(65534)
    try:
        made.setsockopt(SOL_MPTCP, OPTION, 7)
    finally:
        os.seteuid(0)
    assert timeout_of(made) == 7


# The timeout


@pytest.mark.parametrize("ipv6", [False, True])
def test_a_blocked_reader_is_told(paths: MultipathLab, sockets: Sockets, ipv6: bool) -> None:
    client, _ = connected(paths, sockets, timeout=5, ipv6=ipv6)
    times_out(client, since=cut(paths), after=5)
    with pytest.raises(BrokenPipeError):
        client.send(b"x")
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0, "told once"


def test_poll_tells_and_so_does_so_error(paths: MultipathLab, sockets: Sockets) -> None:
    client, _ = connected(paths, sockets, timeout=5)
    start = cut(paths)
    waiting = select.poll()
    waiting.register(client, select.POLLIN)
    assert waiting.poll(4500) == []
    ((_, events),) = waiting.poll(1000)
    assert events & select.POLLERR
    assert events & select.POLLHUP
    assert 4.8 < time.monotonic() - start < 5.2
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ETIMEDOUT
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_a_blocked_writer_is_told(paths: MultipathLab, sockets: Sockets) -> None:
    client, _ = connected(paths, sockets, timeout=5)
    start = cut(paths)
    with pytest.raises(TimeoutError):  # ETIMEDOUT
        client.sendall(bytes(1 << 26))
    assert 4.8 < time.monotonic() - start < 5.2


def test_the_sysctl_is_the_default(paths: MultipathLab, sockets: Sockets) -> None:
    paths.client.set_sysctl("net.mptcp.close_timeout", 8)
    client, _ = connected(paths, sockets)
    times_out(client, since=cut(paths), after=8)


def test_it_does_not_end_a_connection_that_is_idle(paths: MultipathLab, sockets: Sockets) -> None:
    client, server = connected(paths, sockets, timeout=2)
    time.sleep(60)
    exchange(client, server, sent=10_000, received=10_000)


def test_a_subflow_in_time_stops_it(paths: MultipathLab, sockets: Sockets) -> None:
    for host in paths.hosts:
        set_limits(host, subflows=4)
    client, server = connected(paths, sockets, timeout=10)
    server.setsockopt(SOL_MPTCP, OPTION, 1000)
    cut(paths)
    time.sleep(6)
    add_endpoint(paths.client, "10.0.2.1", "subflow")
    time.sleep(30)
    exchange(client, server, sent=10_000, received=10_000)
    times_out(client, since=cut(paths, 1), after=10)
    assert mptcp_info(server).subflows == 0


def test_a_subflow_that_does_not_come_about_does_not(paths: MultipathLab, sockets: Sockets) -> None:
    set_limits(paths.client, subflows=4)
    client, _ = connected(paths, sockets, timeout=10)
    cut(paths)
    paths.paths[1].set(loss=100)
    paths.client.set_sysctl("net.ipv4.tcp_syn_retries", 1)
    add_endpoint(paths.client, "10.0.2.1", "subflow")
    time.sleep(1)
    deadline = time.monotonic() + 60
    while any(each.state == "SYN-SENT" for each in subflows(paths.client)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    times_out(client, since=time.monotonic(), after=10)


@pytest.fixture
def waiting(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> Waiting:
    """A client that has closed its only subflow; its peer got the FIN, and none ever comes from there."""
    acting = Actions(program("mptcp_actions", paths.client))
    paths.client.run(["nft", "-f", "-"], stdin=_NO_FIN)
    client, server = connected(paths, sockets, timeout=10)
    acting.plan(close_subflow(Callback.RTT))
    say(client, server, 1)
    (closed,) = acting.wait_for(Event.SUBFLOW_CLOSED)
    time.sleep(2)
    assert [each.state for each in subflows(paths.client)] == ["FIN-WAIT-2"]
    return Waiting(client, server, closed.time)


def test_the_fin_of_the_peer_is_not_waited_for(waiting: Waiting) -> None:
    """FIN-WAIT-2 of a socket that is not an orphan has no timer (tcp(7), tcp_fin_timeout)."""
    times_out(waiting.client, since=waiting.since, after=10)


def test_a_subflow_in_time_stops_it_before_the_fin_of_the_peer(paths: MultipathLab, waiting: Waiting) -> None:
    for host in paths.hosts:
        set_limits(host, subflows=4)
    add_endpoint(paths.client, "10.0.2.1", "subflow")
    time.sleep(30)
    exchange(waiting.client, waiting.server, sent=10_000, received=10_000)
    times_out(waiting.client, since=cut(paths, 1), after=10)


@pytest.mark.parametrize(("value", "after"), [(10, 10), (40, 40), (2, 5)], ids=["shorter", "longer", "over"])
def test_a_change_takes_effect_on_a_timer_that_runs(
    paths: MultipathLab, sockets: Sockets, value: int, after: int
) -> None:
    client, _ = connected(paths, sockets, timeout=20)
    start = cut(paths)
    time.sleep(5)
    client.setsockopt(SOL_MPTCP, OPTION, value)
    times_out(client, since=start, after=after)


# Programs


def _set(when: Event | Callback, seconds: int) -> Step:
    return Step(when, Option.INACTIVITY_TIMEOUT, struct.pack("=i", seconds))


def test_the_clock_of_timers_overflows(paths: MultipathLab, sockets: Sockets) -> None:
    """Its lower half does five minutes after the start (INITIAL_JIFFIES); a change arms a timer of before then anew."""
    time.sleep(max(270 - time.monotonic(), 0))
    client, _ = connected(paths, sockets, timeout=100)
    gone = cut(paths)
    assert gone < 299
    time.sleep(301 - time.monotonic())
    client.setsockopt(SOL_MPTCP, OPTION, 50)
    times_out(client, since=gone, after=50)


def test_a_program_sets_it(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    acting = Actions(program("mptcp_actions", paths.client))
    acting.plan(_set(Event.ESTABLISHED, 4), _set(Event.NEW_SESSION, -1), _set(Event.NEW_SESSION, MOST + 1))
    client, _ = connected(paths, sockets)
    assert acting.answers() == [-errno.EINVAL, -errno.EINVAL, 0]
    assert timeout_of(client) == 4
    times_out(client, since=cut(paths), after=4)
    client.close()
    acting.wait_for(Event.SESSION_CLOSED)


def test_a_program_sets_it_when_the_last_subflow_closes(
    paths: MultipathLab, sockets: Sockets, program: LoadProgram
) -> None:
    acting = Actions(program("mptcp_actions", paths.client))
    client, _ = connected(paths, sockets)
    acting.plan(close_subflow(Callback.RTT), _set(Event.SUBFLOW_CLOSED, 3))
    for _ in range(5):
        client.send(b"x")
        time.sleep(0.1)
    times_out(client, since=acting.wait_for(Event.SUBFLOW_CLOSED)[0].time, after=3)
    assert acting.answers() == [0, 0]


# Many


def _usage(host: Host) -> tuple[int, int, int]:
    """Established connections, sockets and the slab's objects."""
    established = counters(host)["MPTcpExtMPCurrEstab"]
    lines = host.run(["cat", "/proc/net/protocols", "/proc/slabinfo"], check=False).stdout.splitlines()
    protocol, slab = (int(line.split()[at]) for at, line in zip((2, 1), _named(lines), strict=True))
    return established, protocol, slab


def _named(lines: list[str]) -> list[str]:
    return [line for line in lines if line.split()[:1] == ["MPTCP"]]


def test_idle_sessions_are_removed(paths: MultipathLab, sockets: Sockets, results: Path) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (3 * SESSIONS, 3 * SESSIONS))
    for host in paths.hosts:
        for name, value in {"time": 20, "intvl": 10, "probes": 2}.items():
            host.set_sysctl(f"net.ipv4.tcp_keepalive_{name}", value)
    listener = sockets.listen(paths.server)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(SOL_MPTCP, OPTION, 240)
    held: dict[int, socket.socket] = {}
    for _ in range(SESSIONS):
        client, server = sockets.connect(paths.client, paths.server.ipv4, listener)
        client.send(b"x")
        held[server.fileno()] = server
    patient = list(held.values())[-10:]
    for server in patient:
        server.setsockopt(SOL_MPTCP, OPTION, 3600)
    start, before = time.monotonic(), _usage(paths.server)
    for path in paths.paths:
        path.set(loss=100)
    rows = [(0.0, *before)]
    while time.monotonic() - start < 300:
        _close_ended(held, 10.0)
        rows.append((time.monotonic() - start, *_usage(paths.server)))
    table = "".join(
        f"{row[0]:8.1f} s {row[1]:6} established {row[2]:6} sockets {row[3]:6} in the slab\n" for row in rows
    )
    (results / "sessions.txt").write_text(table)
    assert sorted(held) == sorted(each.fileno() for each in patient), table
    assert before[:2] == (SESSIONS, SESSIONS + 1)
    assert rows[-1][1:3] == (len(patient), len(patient) + 1)
    if not _is_freed_memory_kept():
        assert rows[-1][3] < before[2] - 0.9 * SESSIONS
    assert all(row[1] == SESSIONS for row in rows if row[0] < 240)


def _is_freed_memory_kept() -> bool:
    """KASAN does, for a while, to notice who still uses it: /proc/slabinfo counts it."""
    return b"\nCONFIG_KASAN=y\n" in gzip.decompress(Path("/proc/config.gz").read_bytes())


def _close_ended(held: dict[int, socket.socket], seconds: float) -> None:
    """What a server does: waits for errors, and closes what has one."""
    waiting = select.epoll()
    for number in held:
        waiting.register(number, 0)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for number, events in waiting.poll(left):
            assert events & select.EPOLLERR
            server = held.pop(number)
            assert server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ETIMEDOUT
            server.close()
    waiting.close()
