"""Each session that begins ends once, however it ends; and its subflows before it."""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections import Counter
from pathlib import Path

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.mptcp_events import CLOSED, Kind, Told, Watch
from kernel_patches.raw_segments import mp_tcprst, send_reset
from kernel_patches.schedulers import disconnect
from optdsl.lab.capture import capture
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.manager import use_all_paths
from optdsl.lab.paths.sockets import Sockets, exchange

_LINGER_OFF_AT_ONCE = struct.pack("ii", 1, 0)
_LONG = 240
"""Seconds after which nothing of a closed connection is left."""


@pytest.fixture
def client(paths: MultipathLab, program: LoadProgram) -> Watch:
    watch = Watch(program("mptcp_events", paths.client))
    watch.ask()
    return watch


@pytest.fixture
def server(paths: MultipathLab, program: LoadProgram) -> Watch:
    watch = Watch(program("mptcp_events", paths.server))
    watch.ask()
    return watch


def all_ended(watch: Watch, sessions: int, subflows: int) -> None:
    """Sessions and subflows that began have ended, each of them once, in that order, and no more is told of them."""
    found = watch.events()
    begun = [each.known.token for each in found if each.kind is Kind.NEW_SESSION]
    ended = [each.of[0] for each in found if each.kind is Kind.SESSION_CLOSED]
    assert len(begun) == len(set(begun)) == sessions
    assert sorted(begun) == sorted(ended), "by their tokens"
    assert {each.of[1] for each in found if each.kind is Kind.SESSION_CLOSED} <= {CLOSED}
    closed = Counter(_subflow(each) for each in found if each.kind is Kind.SUBFLOW_CLOSED)
    assert len(closed) == subflows
    assert set(closed.values()) <= {1}
    last = {each.known.local_key: each.kind for each in found}
    assert set(last.values()) <= {Kind.SESSION_CLOSED}


def _subflow(told: Told) -> tuple[int, int]:
    """Ports do not tell: a socket that was closed has none any more."""
    return told.known.local_key, told.known.subflow_id


@pytest.mark.parametrize("how", ["client first", "server first", "both", "at once", "unread data", "half"])
def test_an_application_ends_it(paths: MultipathLab, sockets: Sockets, client: Watch, server: Watch, how: str) -> None:
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    here, there = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(here, there, sent=10_000, received=10_000)
    time.sleep(1)
    if how == "server first":
        here, there = there, here
    if how == "at once":
        here.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF_AT_ONCE)
    if how == "unread data":
        there.send(bytes(1000))
        time.sleep(1)
    if how == "half":
        here.shutdown(socket.SHUT_WR)
        time.sleep(10)
    here.close()
    if how != "both":
        time.sleep(_LONG)
    there.close()
    time.sleep(_LONG)
    for watch in (client, server):
        all_ended(watch, sessions=1, subflows=2)


def test_a_socket_is_used_again(paths: MultipathLab, sockets: Sockets, client: Watch, server: Watch) -> None:
    listener = sockets.listen(paths.server)
    made = sockets.make(paths.client)
    for _ in range(3):
        made.connect((paths.server.ipv4, listener.getsockname()[1]))
        accepted, _ = listener.accept()
        with accepted:
            exchange(made, accepted, sent=10_000)
            time.sleep(1)
        disconnect(made)
    made.close()
    time.sleep(_LONG)
    for watch in (client, server):
        all_ended(watch, sessions=3, subflows=3)
        told = [each for each in watch.events() if each.kind is not Kind.SESSION_CLOSED]
        assert {each.known.subflow_id for each in told} == {1}
    fresh = [each.known for each in client.events(Kind.NEW_SESSION)]
    assert len({each.local_key for each in fresh}) == 3


def test_a_listener_goes_with_connections_it_has_not_handed_out(
    paths: MultipathLab, sockets: Sockets, client: Watch, server: Watch
) -> None:
    listener = sockets.listen(paths.server)
    made = [sockets.make(paths.client) for _ in range(4)]
    for each in made:
        each.connect((paths.server.ipv4, listener.getsockname()[1]))
        each.send(bytes(100))
    time.sleep(1)
    assert len(server.events(Kind.NEW_SESSION)) == 4
    listener.close()
    time.sleep(1)
    for each in made:
        each.close()
    time.sleep(_LONG)
    for watch in (client, server):
        all_ended(watch, sessions=4, subflows=4)


def test_many_at_a_time(paths: MultipathLab, sockets: Sockets, client: Watch, server: Watch) -> None:
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    listener = sockets.listen(paths.server)
    made = [sockets.connect(paths.client, paths.server.ipv4, listener) for _ in range(40)]
    for ends in made:
        exchange(*ends, sent=1000, received=1000)
    time.sleep(1)
    listener.close()
    sockets.close()
    time.sleep(_LONG)
    for watch in (client, server):
        all_ended(watch, sessions=40, subflows=80)


def test_the_last_subflow_is_reset(
    paths: MultipathLab, sockets: Sockets, client: Watch, server: Watch, results: Path
) -> None:
    """The session goes on without: only the application, or a timeout, ends it."""
    with capture(paths.client, results / "x.pcap") as seen:
        here, there = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
        exchange(here, there, sent=10_000)
        time.sleep(1)
        received = [packet for packet in seen.packets() if packet.dst == paths.client.ipv4]
        send_reset(paths.client, received[-1], mp_tcprst(1, transient=True))
    server.wait(Kind.SUBFLOW_CLOSED)
    time.sleep(10)
    assert server.events(Kind.SESSION_CLOSED) == []
    there.close()
    here.close()
    time.sleep(_LONG)
    all_ended(server, sessions=1, subflows=1)
    all_ended(client, sessions=1, subflows=1)


def test_nobody_answers(paths: MultipathLab, sockets: Sockets, client: Watch) -> None:
    made = sockets.make(paths.client)
    with pytest.raises(ConnectionRefusedError) as raised:
        made.connect((paths.server.ipv4, 9))
    assert raised.value.errno == errno.ECONNREFUSED
    paths.paths[0].set(loss=100)
    with pytest.raises(TimeoutError):
        sockets.make(paths.client).connect((paths.server.ipv4, 9))
    sockets.close()
    time.sleep(_LONG)
    assert client.events() == []
