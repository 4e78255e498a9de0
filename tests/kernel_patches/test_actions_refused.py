"""Actions of programs that the kernel refuses, at once or later, and actions while connections end."""

from __future__ import annotations

import errno
import socket
import struct
import time
from pathlib import Path
from typing import Final

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.mptcp_actions import (
    F_BACKUP,
    OFTEN,
    Actions,
    Address,
    Callback,
    Event,
    Option,
    Step,
    announce,
    close_subflow,
    failures,
    open_subflow,
    set_backup,
    withdraw,
)
from kernel_patches.schedulers import MPTCP_SCHEDULER, say
from optdsl.lab.hosts import Host
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.counters import connections, counters
from optdsl.lab.paths.manager import set_limits
from optdsl.lab.paths.sockets import Sockets, exchange, mptcp_info

HERE: Final = "10.0.2.1"
NAME: Final = b"redundant"
QUEUE: Final = 16
"""MPTCP_BPF_ACTIONS_MAX of net/mptcp/bpf.c."""
SIZES: Final = {
    Option.EVENTS: 4,
    Option.RCV_MARK: 8,
    Option.OPEN_SUBFLOW: 56,
    Option.CLOSE_SUBFLOW: 8,
    Option.BACKUP: 8,
    Option.ANNOUNCE: 24,
    Option.WITHDRAW: 4,
    Option.INACTIVITY_TIMEOUT: 4,
}


def at_once(option: int, value: bytes, when: Event | Callback = Event.ESTABLISHED) -> Step:
    """A step with any value."""
    return Step(when, option, value)


def changed(step: Step, offset: int, value: bytes) -> Step:
    """The same with some bytes of its value replaced."""
    new = step.value[:offset] + value + step.value[offset + len(value) :]
    return Step(step.when, step.option, new)


def answers_of(acting: Actions, paths: MultipathLab, steps: list[Step]) -> list[int]:
    """What the kernel says to steps on a new connection, which works on."""
    acting.plan(*steps)
    with Sockets() as sockets:
        listener = sockets.listen(paths.server)
        client, server = sockets.connect(paths.client, paths.server.ipv4, listener)
        say(client, server)
        say(server, client)
        exchange(client, server, sent=5000, received=5000)
        assert mptcp_info(client).subflows == 0
        reports = acting.answers()
        assert failures(acting.reports()) == []
    return reports


def test_lengths(acting: Actions, paths: MultipathLab) -> None:
    steps = [at_once(option, bytes(length)) for option, size in SIZES.items() for length in (size - 1, size + 1)]
    assert answers_of(acting, paths, steps) == [-errno.EINVAL] * len(steps)


def test_values(acting: Actions, paths: MultipathLab) -> None:
    opening = open_subflow(Event.ESTABLISHED, local=Address(HERE))
    here = Address(HERE, id=5)
    cases = [
        (changed(opening, 52, struct.pack("=I", 2)), errno.EINVAL),  # MPTCP_BPF_F_LOCAL
        (changed(opening, 52, struct.pack("=I", 1 << 31)), errno.EINVAL),
        (changed(opening, 5, b"\1"), errno.EINVAL),  # reserved, local
        (changed(opening, 24 + 7, b"\1"), errno.EINVAL),  # reserved, remote
        (changed(opening, 0, struct.pack("=H", 99)), errno.EAFNOSUPPORT),
        (open_subflow(Event.ESTABLISHED, local=Address("2001:db8:2::1")), errno.EAFNOSUPPORT),
        (
            open_subflow(Event.ESTABLISHED, local=Address("2001:db8:2::1"), remote=Address("10.0.2.2")),
            errno.EAFNOSUPPORT,
        ),
        (open_subflow(Event.ESTABLISHED, remote=Address("2001:db8:2::2")), errno.EAFNOSUPPORT),
        (open_subflow(Event.ESTABLISHED, remote=Address("0.0.0.0")), errno.EINVAL),
        (at_once(Option.CLOSE_SUBFLOW, struct.pack("=II", 1, 1)), errno.EINVAL),
        (at_once(Option.BACKUP, struct.pack("=II", 1, 4)), errno.EINVAL),
        (announce(Event.ESTABLISHED, Address(HERE)), errno.EINVAL),  # the id is missing
        (announce(Event.ESTABLISHED, Address(id=5)), errno.EINVAL),
        (announce(Event.ESTABLISHED, Address("0.0.0.0", id=5)), errno.EINVAL),
        (changed(announce(Event.ESTABLISHED, here), 7, b"\1"), errno.EINVAL),
        (changed(announce(Event.ESTABLISHED, here), 0, struct.pack("=H", 99)), errno.EAFNOSUPPORT),
        (withdraw(Event.ESTABLISHED, 256), errno.EINVAL),
        (at_once(Option.EVENTS, struct.pack("=I", 1 << 10)), errno.EINVAL),
        (at_once(Option.RCV_MARK, struct.pack("=Q", 1 << 63)), errno.EINVAL),
        (at_once(Option.INACTIVITY_TIMEOUT, struct.pack("=i", -1)), errno.EINVAL),
        (at_once(1999, bytes(4)), errno.ENOPROTOOPT),
    ]
    found = answers_of(acting, paths, [step for step, _ in cases])
    assert found == [-number for _, number in cases]


def test_unknown_ids_are_told_later(acting: Actions, paths: MultipathLab, sockets: Sockets) -> None:
    acting.plan(
        close_subflow(Event.ESTABLISHED, 99),
        set_backup(Event.ESTABLISHED, 98, F_BACKUP),
        withdraw(Event.ESTABLISHED, 97),
    )
    client, server = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    say(client, server)
    say(server, client)
    acting.wait_for(Event.ACTION_FAILED, 3)
    assert acting.answers() == [0, 0, 0]
    assert failures(acting.reports()) == [
        (Option.CLOSE_SUBFLOW, errno.ENOENT, 99),
        (Option.BACKUP, errno.ENOENT, 98),
        (Option.WITHDRAW, errno.ENOENT, 97),
    ]


def test_the_queue_is_bounded(acting: Actions, paths: MultipathLab, sockets: Sockets) -> None:
    acting.plan(*(close_subflow(Event.NEW_SESSION, 50 + number) for number in range(QUEUE + 2)))
    client, server = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    assert acting.answers() == [0] * QUEUE + [-errno.ENOBUFS] * 2
    say(client, server)
    say(server, client)
    acting.wait_for(Event.ACTION_FAILED, QUEUE)
    assert [number for _, _, number in failures(acting.reports())] == [50 + number for number in range(QUEUE)]
    acting.plan(close_subflow(Callback.RTT, 99))
    say(client, server)
    acting.wait_for(Event.ACTION_FAILED)
    assert acting.answers() == [0], "there is room again"


@pytest.mark.parametrize("ipv6", [False, True])
def test_plain_tcp(acting: Actions, paths: MultipathLab, sockets: Sockets, ipv6: bool) -> None:
    when = Callback.ACTIVE_ESTABLISHED
    acting.plan(open_subflow(when), close_subflow(when), set_backup(when, 1, 1), withdraw(when, 1))
    listener = sockets.listen(paths.server, mptcp=False, ipv6=ipv6)
    sockets.connect(paths.client, paths.server.address(ipv6=ipv6), listener, mptcp=False)
    assert acting.answers() == [-errno.EOPNOTSUPP] * 4


def test_after_a_fallback(acting: Actions, paths: MultipathLab, sockets: Sockets) -> None:
    when = Callback.ACTIVE_ESTABLISHED
    later = Callback.RTT
    acting.plan(
        *(open_subflow(when), close_subflow(when), close_subflow(later), announce(later, Address(HERE, id=5))),
        *(at_once(MPTCP_SCHEDULER, NAME, when) for when in (when, later)),
    )
    client, server = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server, mptcp=False))
    for _ in range(10):
        say(client, server)
        say(server, client)
    assert acting.answers() == [-errno.EOPNOTSUPP] * 6
    assert failures(acting.reports()) == []


def test_what_was_asked_before_a_fallback_is_dropped(acting: Actions, paths: MultipathLab, sockets: Sockets) -> None:
    acting.plan(open_subflow(Callback.CONNECT), announce(Callback.CONNECT, Address(HERE, id=5)))
    client, server = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server, mptcp=False))
    exchange(client, server, sent=5000, received=5000)
    assert acting.answers() == [0, 0]
    assert counters(paths.client)["MPTcpExtMPJoinSynTx"] == 0


def test_a_listener(paths: MultipathLab, program: LoadProgram, sockets: Sockets) -> None:
    acting = Actions(program("mptcp_actions", paths.server))
    when = Callback.LISTEN
    acting.plan(close_subflow(when, 1), withdraw(when, 1), open_subflow(when), at_once(MPTCP_SCHEDULER, NAME, when))
    sockets.listen(paths.server)
    assert acting.answers() == [-errno.ENOTCONN] * 4


@pytest.mark.parametrize("how", ["close", "reset", "peer"])
def test_while_the_connection_ends(acting: Actions, paths: MultipathLab, sockets: Sockets, how: str) -> None:
    steps = [
        step
        for when in (Event.SUBFLOW_CLOSED, Event.SESSION_CLOSED, Callback.STATE)
        for step in (
            open_subflow(when, local=Address(HERE), times=OFTEN),
            announce(when, Address(HERE, id=5), times=OFTEN),
            close_subflow(when, 1, times=OFTEN),
        )
    ]
    steps.append(at_once(MPTCP_SCHEDULER, NAME, Event.SESSION_CLOSED))
    acting.plan(*steps)
    client, server = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    say(client, server)
    say(server, client)
    end_of(client, server, how)
    acting.wait_for(Event.SESSION_CLOSED)
    time.sleep(1)
    at_end = [r.answer for r in acting.reports() if r.step is not None and r.when == Event.SESSION_CLOSED]
    assert at_end
    assert set(at_end) <= {-errno.ESHUTDOWN, -errno.EOPNOTSUPP}
    gone(paths.client)


def end_of(client: socket.socket, server: socket.socket, how: str) -> None:
    """Ends a connection from one side or with a reset."""
    if how == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
    first, second = (server, client) if how == "peer" else (client, server)
    first.close()
    time.sleep(0.1)
    second.close()


def gone(host: Host, *, timeout: float = 200.0) -> None:
    """Returns when a host has no MPTCP socket left, in ss(8) and in the kernel's own count."""
    deadline = time.monotonic() + timeout
    while True:
        lines = host.run(["cat", "/proc/net/protocols"]).stdout.splitlines()
        left = {line.split()[0]: int(line.split()[2]) for line in lines if line.startswith("MPTCP")}
        if not connections(host) and not any(left.values()):
            return
        assert time.monotonic() < deadline, f"still there: {left}, {connections(host)}"
        time.sleep(1)


def test_a_storm(paths: MultipathLab, program: LoadProgram, results: Path) -> None:
    for host in paths.hosts:
        set_limits(host, subflows=8)
    both = [Actions(program("mptcp_actions", host)) for host in paths.hosts]
    for acting, address in zip(both, (HERE, "10.0.2.2"), strict=True):
        acting.plan(*_storm(address))
    with Sockets() as sockets:
        listener = sockets.listen(paths.server)
        for number in range(60):
            ends = sockets.connect(paths.client, paths.server.ipv4, listener)
            ends[0].sendall(bytes(20_000))
            ends[1].sendall(bytes(20_000))
            time.sleep(0.005 * (number % 13))
            end_of(*ends, ("close", "reset", "peer")[number % 3])
    for host in paths.hosts:
        gone(host)
    reports = [report for acting in both for report in acting.reports()]
    counts = {
        str(each): sum(r.answer == each for r in reports if r.step is not None) for each in {r.answer for r in reports}
    }
    (results / "answers.txt").write_text(f"{counts}\n{counters(paths.server)}\n")
    assert sum(r.when == Event.SESSION_CLOSED and r.step is None for r in reports) >= 60
    assert sum(r.when == Event.SUBFLOW_ADDED and r.step is None for r in reports) >= 20


def _storm(address: str) -> list[Step]:
    """All of it on everything."""
    return [
        step
        for when in (Event.NEW_SESSION, Event.ESTABLISHED, Event.SUBFLOW_ADDED, Event.SUBFLOW_CLOSED, Callback.STATE)
        for step in (
            open_subflow(when, local=Address(address), times=OFTEN),
            announce(when, Address(address, id=5), times=OFTEN),
            withdraw(when, 5, times=OFTEN),
            close_subflow(when, 0, subflow=2, times=OFTEN),
        )
    ]
