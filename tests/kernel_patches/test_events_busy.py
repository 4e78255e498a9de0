"""Subflows that join while the server's application holds the connection: its lock's release tells of them then."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Iterator

from kernel_patches.conftest import LoadProgram
from kernel_patches.mptcp_events import Kind, Watch
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.manager import set_limits
from optdsl.lab.paths.sockets import Sockets, mptcp_info

TIME = "real"
"""Packets come by interrupts while a process is in the middle of something; simulated time does not pass meanwhile."""
_CONNECTIONS, _JOINS = 5, 8


@contextlib.contextmanager
def _sending_without_pause(source: socket.socket) -> Iterator[None]:
    """A process that does nothing but send, most of the time with the connection's lock."""
    process = os.fork()
    if process == 0:
        with contextlib.suppress(OSError):
            while True:
                source.sendall(bytes(1 << 20))
        os._exit(0)
    try:
        yield
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def _read_until_joined(target: socket.socket) -> None:
    """Reads what comes until the last subflow has been used for a while."""
    end = time.monotonic() + 60
    last = None
    while last is None or time.monotonic() < last + 0.5:
        assert time.monotonic() < end, f"{mptcp_info(target).subflows} subflows"
        select.select([target], [], [], 0.1)
        target.recv(1 << 20)
        if last is None and mptcp_info(target).subflows == _JOINS:
            last = time.monotonic()


def test_each_subflow_is_told_of_once(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    set_limits(paths.server, subflows=_JOINS)
    watch = Watch(program("mptcp_events", paths.server))
    watch.ask(Kind.SUBFLOW_ADDED, Kind.ESTABLISHED)
    opening = program("effect_ndiffports", paths.client)
    opening.set("subflows", _JOINS)
    listener = sockets.listen(paths.server)
    for number in range(_CONNECTIONS):
        client, server = sockets.connect(paths.client, paths.server.ipv4, listener)
        with _sending_without_pause(server):
            client.sendall(b"begin")
            _read_until_joined(client)
        token = mptcp_info(server).token
        added = [each for each in watch.events(Kind.SUBFLOW_ADDED) if each.known.token == token]
        assert sorted(each.of[0] for each in added) == list(range(2, 2 + _JOINS)), f"connection {number}"
        assert all(each.of[2] == 1 for each in added), "the peer has opened them"
        usable = [each for each in watch.events(Kind.ESTABLISHED) if each.known.token == token and not each.of[0]]
        assert sorted(each.of[1] for each in usable) == list(range(2, 2 + _JOINS))
        begun = {each.of[0]: each.seconds for each in added}
        assert all(begun[each.of[1]] <= each.seconds for each in usable), "with an id, and not before"
        client.close()
        server.close()
