"""Clients that go away without a word: sessions without subflows are kept for as long as an option has asked for."""

from __future__ import annotations

import errno
import resource
import select
import socket
import struct
import time
from pathlib import Path
from typing import Final

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.mptcp_actions import OFTEN, Actions, Event, Option, Step, close_subflow
from kernel_patches.suboptions import OURS, option, with_subtype
from optdsl.lab.capture import capture
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.counters import counters
from optdsl.lab.paths.sockets import SOL_MPTCP, Sockets, exchange, on

TIMEOUT = 600
MEMORY = 1536

SESSIONS: Final = 2000
ARRIVALS: Final = 400.0
"""Seconds in which the sessions begin, evenly spread."""
FOUR_MINUTES: Final = 240
DEFAULT: Final = 60
"""Of net.mptcp.close_timeout."""
COARSE: Final = 5.12
"""By how many seconds a timer of four minutes may be late with HZ=100: the granularity of kernel/time/timer.c there."""


class Server:
    """Accepts sessions, and closes them when the kernel gives them up."""

    def __init__(self) -> None:
        self.held: dict[int, tuple[socket.socket, float]] = {}
        """By their numbers, with the time when they were taken over."""
        self.ages: list[float] = []
        """Seconds that those were held which have ended; the client had left a moment before."""
        self._waiting = select.epoll()

    def hold(self, session: socket.socket) -> None:
        """Takes a session over."""
        self.held[session.fileno()] = session, time.monotonic()
        self._waiting.register(session, 0)  # errors are told always

    def wait(self, until: float) -> None:
        """Waits for errors until a time of the monotonic clock."""
        while (left := until - time.monotonic()) > 0:
            for number, _ in self._waiting.poll(left):
                session, began = self.held.pop(number)
                assert session.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ETIMEDOUT
                self.ages.append(time.monotonic() - began)
                session.close()

    def close(self) -> None:
        """Waits no more."""
        self._waiting.close()


def leave_after_an_answer(acting: Actions) -> None:
    """Has the client's host close the only subflow of a session when data has come."""
    mark = Step(Event.ESTABLISHED, Option.RCV_MARK, struct.pack("=Q", 1), times=OFTEN)
    acting.plan(mark, close_subflow(Event.DATA, times=OFTEN))


def visit(paths: MultipathLab, sockets: Sockets, listener: socket.socket) -> socket.socket:
    """A session whose client says a word, hears one, and is gone; the server's end, which knows nothing of that."""
    client, session = sockets.connect(paths.client, paths.server.ipv4, listener)
    client.send(b"?")
    assert session.recv(1) == b"?"
    session.send(b"!")
    assert client.recv(1) == b"!"
    time.sleep(0.1)
    client.close()
    return session


def usage(paths: MultipathLab) -> tuple[int, int, int]:
    """Established sessions of the server, its sockets of MPTCP, and the pages that these take on both hosts."""
    with on(paths.server):
        lines = Path("/proc/net/protocols").read_text().splitlines()
    lines += Path("/proc/slabinfo").read_text().splitlines()
    protocol, slab = (line.split() for line in lines if line.split()[0] == "MPTCP")
    pages = int(slab[5]) * int(slab[14])  # pages of each slab, slabs
    return counters(paths.server)["MPTcpExtMPCurrEstab"], int(protocol[2]), pages


@pytest.fixture
def acting(paths: MultipathLab, program: LoadProgram) -> Actions:
    """What makes clients leave; in their group before the program that tells the server."""
    found = Actions(program("mptcp_actions", paths.client))
    leave_after_an_answer(found)
    return found


def test_sessions_are_kept_for_four_minutes(
    paths: MultipathLab, sockets: Sockets, program: LoadProgram, acting: Actions, results: Path
) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * SESSIONS, 2 * SESSIONS))
    asking, keeping = (program("effect_inactivity", host) for host in paths.hosts)
    asking.set("seconds", FOUR_MINUTES)
    listener = sockets.listen(paths.server)
    server = Server()
    start = time.monotonic()
    rows = []
    for number in range(SESSIONS):
        if number % 100 == 0:
            rows.append((time.monotonic() - start, *usage(paths)))
            acting.reports()
        server.hold(visit(paths, sockets, listener))
        server.wait(start + (number + 1) * ARRIVALS / SESSIONS)
    while time.monotonic() - start < ARRIVALS + FOUR_MINUTES + 20:
        rows.append((time.monotonic() - start, *usage(paths)))
        server.wait(time.monotonic() + 20)
    rows.append((time.monotonic() - start, *usage(paths)))
    server.close()
    heads = "  time s  sessions   sockets     pages\n"
    table = heads + "".join("".join(f"{value:8.0f}  " for value in row) + "\n" for row in rows)
    (results / "sessions.txt").write_text(table)
    assert keeping.value("connections") == SESSIONS
    assert (len(server.ages), server.held) == (SESSIONS, {}), table
    (results / "ages.txt").write_text(f"{min(server.ages):.3f} s to {max(server.ages):.3f} s\n")
    assert all(FOUR_MINUTES - 0.2 <= age < FOUR_MINUTES + COARSE for age in server.ages), table
    steady, late = (SESSIONS / ARRIVALS * seconds for seconds in (FOUR_MINUTES, COARSE + 1))
    level = [row[1] for row in rows if FOUR_MINUTES + COARSE < row[0] < ARRIVALS]
    assert level
    assert all(steady <= count < steady + late for count in level), table
    assert rows[-1][1:3] == (0, 1), table  # the listener


@pytest.mark.parametrize(("seconds", "lasting"), [(10, 10), (0, DEFAULT)], ids=["told", "not-told"])
def test_the_option_decides(
    paths: MultipathLab,
    sockets: Sockets,
    program: LoadProgram,
    acting: Actions,
    results: Path,
    seconds: int,
    lasting: int,
) -> None:
    asking, keeping = (program("effect_inactivity", host) for host in paths.hosts)
    asking.set("seconds", seconds)
    server = Server()
    with capture(paths.server, results / "server.pcap") as seen:
        listener = sockets.listen(paths.server)
        sessions = [visit(paths, sockets, listener) for _ in range(5)]
        told = {with_subtype(packet, OURS) for packet in seen.packets() if packet.src == paths.client.ipv4} - {None}
    assert {session.getsockopt(SOL_MPTCP, Option.INACTIVITY_TIMEOUT) for session in sessions} == {lasting}
    for session in sessions:
        server.hold(session)
    server.wait(time.monotonic() + lasting - 2)
    assert server.ages == []
    server.wait(time.monotonic() + 4)  # the timer wheel is fine enough for a minute
    server.close()
    assert len(server.ages) == len(sessions)
    assert told == ({option(OURS, seconds.to_bytes(2, "big"))} if seconds else set())
    assert keeping.value("connections") == (len(sessions) if seconds else 0)
    assert acting.events(Event.ACTION_FAILED) == []


def test_a_session_in_use_is_not_ended(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    asking = program("effect_inactivity", paths.client)
    asking.set("seconds", 5)
    program("effect_inactivity", paths.server)
    client, server = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(client, server, sent=1000, received=1000)
    time.sleep(30)
    exchange(client, server, sent=1000, received=1000)
    assert server.getsockopt(SOL_MPTCP, Option.INACTIVITY_TIMEOUT) == 5
