"""MPTCP_BPF_INFO: both hosts' programs tell the same connection, and the same as ss(8) and MPTCP_INFO."""

from __future__ import annotations

import re
import socket
import time

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.mptcp_events import (
    ACTIVE_ESTABLISHED_CB,
    FALLBACK,
    PASSIVE_ESTABLISHED_CB,
    REMOTE_KEY_RECEIVED,
    STATE_CB,
    Info,
    Kind,
    SubflowFlags,
    Told,
    Watch,
)
from optdsl.lab.hosts import Host
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.counters import subflows, tokens
from optdsl.lab.paths.manager import add_endpoint, set_limits, use_all_paths
from optdsl.lab.paths.sockets import Sockets, exchange, mptcp_info

_LETTERS = {
    "M": SubflowFlags.CAPABLE_REMOTE,
    "m": SubflowFlags.CAPABLE_LOCAL,
    "J": SubflowFlags.JOIN_REMOTE,
    "j": SubflowFlags.JOIN_LOCAL,
    "B": SubflowFlags.BACKUP_REMOTE,
    "b": SubflowFlags.BACKUP_LOCAL,
    "e": SubflowFlags.FULLY_ESTABLISHED,
    "c": SubflowFlags.CONNECTED,
    "v": SubflowFlags.MAP_VALID,
}
"""As ss(8) writes them (mptcp_stats_print in misc/ss.c of iproute2)."""


@pytest.fixture
def watches(paths: MultipathLab, program: LoadProgram) -> tuple[Watch, Watch]:
    both = Watch(program("mptcp_events", paths.client)), Watch(program("mptcp_events", paths.server))
    for each in both:
        each.ask(mark=15_000, step=10_000, callbacks=(ACTIVE_ESTABLISHED_CB, PASSIVE_ESTABLISHED_CB, STATE_CB))
    return both


def latest(watch: Watch, number: int) -> Told:
    """What was told last on a subflow."""
    return [each for each in watch.events() if each.known.subflow_id == number][-1]


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_both_ends_agree(paths: MultipathLab, sockets: Sockets, watches: tuple[Watch, Watch], ipv6: bool) -> None:
    use_all_paths(paths.client, paths.server, [paths.paths[1].client], ipv6=ipv6)
    listener = sockets.listen(paths.server, ipv6=ipv6)
    ends = sockets.connect(paths.client, paths.server.address(ipv6=ipv6), listener)
    exchange(*ends, sent=10_000, received=10_000)
    for watch in watches:
        watch.wait(Kind.ESTABLISHED, 2)
    for number in (1, 2):
        here, there = (latest(watch, number).known for watch in watches)
        assert (here.token, here.remote_token) == (there.remote_token, there.token)
        assert (here.local_key, here.remote_key) == (there.remote_key, there.local_key)
        assert (here.local_id, here.remote_id) == (there.remote_id, there.local_id)
        assert (here.server_side, there.server_side) == (0, 1)
        assert here.extra_subflows == there.extra_subflows == number - 1
        assert here.flags == there.flags == REMOTE_KEY_RECEIVED
        assert min(here.token, there.token, here.local_key, there.local_key) > 0
        assert (here.token, there.token) == tuple(mptcp_info(end).token for end in ends)
        assert here.subflow_flags & SubflowFlags.FULLY_ESTABLISHED
    first, joined = (latest(watches[0], number).known for number in (1, 2))
    assert (first.local_id, first.remote_id, joined.local_id, joined.remote_id) == (0, 0, 1, 0)
    assert (first.token, first.local_key) == (joined.token, joined.local_key)


def test_it_is_what_the_kernel_tells_elsewhere(
    paths: MultipathLab, sockets: Sockets, watches: tuple[Watch, Watch]
) -> None:
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=10_000)
    time.sleep(1)
    for end in ends:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    exchange(*ends, sent=100_000, received=100_000)
    for host, watch, end in zip(paths.hosts, watches, ends, strict=True):
        by_port = {(each.local_port, each.remote_port): each.known for each in watch.events()}
        shown = {(each.local.port, each.remote.port): each.raw for each in subflows(host) if "token" in each.details}
        shown = {ports: raw for ports, raw in shown.items() if ports in by_port}
        assert len(shown) == 2
        for ports, raw in shown.items():
            known = by_port[ports]
            _same_as_shown(known, raw)
            assert known.token == mptcp_info(end).token
            assert known.extra_subflows == mptcp_info(end).subflows


def _same_as_shown(known: Info, raw: str) -> None:
    match = re.search(r"flags:(\w+) token:(\w+)\(id:(\d+)\)/(\w+)\(id:(\d+)\)", raw)
    assert match is not None
    flags = SubflowFlags(sum(_LETTERS[letter] for letter in match[1]))
    passing = SubflowFlags.MAP_VALID
    assert known.subflow_flags & ~passing == flags & ~passing
    assert (known.remote_id, known.local_id) == (int(match[3]), int(match[5]))
    # A subflow has the tokens that it needs: the peer's to join, or its own to be joined.
    assert int(match[2], 16) in (0, known.remote_token)
    assert int(match[4], 16) in (0, known.token)


def test_at_the_callbacks_of_tcp(paths: MultipathLab, sockets: Sockets, watches: tuple[Watch, Watch]) -> None:
    """Token and keys are known as soon as a subflow is established; what goes on later is not."""
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=10_000)
    time.sleep(1)
    callbacks = (ACTIVE_ESTABLISHED_CB, PASSIVE_ESTABLISHED_CB)
    for watch, end, op in zip(watches, ends, callbacks, strict=True):
        first, joined = watch.callbacks(op)
        assert first.known.token == joined.known.token == mptcp_info(end).token
        assert first.known.remote_token == joined.known.remote_token
        assert (first.known.local_key, first.known.remote_key) == (joined.known.local_key, joined.known.remote_key)
        assert first.known.subflow_id == 1


def test_a_backup_subflow(paths: MultipathLab, sockets: Sockets, watches: tuple[Watch, Watch]) -> None:
    for host in paths.hosts:
        set_limits(host, subflows=2)
    add_endpoint(paths.client, paths.paths[1].client.ipv4, "subflow", "backup", number=5)
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=10_000)
    for watch in watches:
        watch.wait(Kind.ESTABLISHED, 2)
    here, there = (latest(watch, 2).known for watch in watches)
    assert (here.local_id, here.remote_id, there.local_id, there.remote_id) == (5, 0, 0, 5)
    both = SubflowFlags.BACKUP_LOCAL | SubflowFlags.BACKUP_REMOTE
    assert here.subflow_flags & both == SubflowFlags.BACKUP_LOCAL
    assert there.subflow_flags & both == SubflowFlags.BACKUP_REMOTE
    assert not any(latest(watch, 1).known.subflow_flags & both for watch in watches)


def test_connections_are_told_apart(paths: MultipathLab, sockets: Sockets, watches: tuple[Watch, Watch]) -> None:
    listener = sockets.listen(paths.server)
    made = [sockets.connect(paths.client, paths.server.ipv4, listener) for _ in range(3)]
    for watch, ends in zip(watches, zip(*made, strict=True), strict=True):
        told = [each.known.token for each in watch.events(Kind.NEW_SESSION)]
        assert told == [mptcp_info(end).token for end in ends]
        assert len(set(told)) == 3


def test_after_a_fallback(paths: MultipathLab, sockets: Sockets, watches: tuple[Watch, Watch]) -> None:
    client, _ = watches
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server, mptcp=False))
    exchange(*ends, sent=10_000, received=10_000)
    sockets.close()
    time.sleep(120)
    assert client.callbacks(STATE_CB)
    for each in client.callbacks(STATE_CB):
        if each.info is None:
            continue  # no subflow any more
        assert each.info.remote_token == each.info.remote_key == 0
        assert not each.info.flags & REMOTE_KEY_RECEIVED
    established = client.callbacks(ACTIVE_ESTABLISHED_CB)[0]
    assert established.known.flags == FALLBACK
    assert not established.known.subflow_flags & SubflowFlags.CAPABLE_REMOTE


def test_subflows_are_counted_as_everywhere(
    paths: MultipathLab, sockets: Sockets, watches: tuple[Watch, Watch]
) -> None:
    use_all_paths(paths.client, paths.server, [paths.paths[1].client])
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=10_000)
    client, _ = watches
    client.wait(Kind.ESTABLISHED, 2)
    assert client.events()[-1].known.extra_subflows == mptcp_info(ends[0]).subflows == _joined(paths.client)


def _joined(host: Host) -> int:
    """How many subflows of a host carry a token, by ss(8): those that joined from here."""
    return sum(1 for each in subflows(host) if tokens(each)[0])
