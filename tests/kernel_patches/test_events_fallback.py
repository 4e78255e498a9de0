"""Events of connections that are not, or no longer, MPTCP."""

from __future__ import annotations

import time

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.middlebox import stripped
from kernel_patches.mptcp_events import CLOSED, FALLBACK, FELL_BACK, STATE_CB, Kind, Watch
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.counters import counters
from optdsl.lab.paths.sockets import Sockets, exchange, mptcp_info


@pytest.fixture
def client(paths: MultipathLab, program: LoadProgram) -> Watch:
    watch = Watch(program("mptcp_events", paths.client))
    watch.ask(callbacks=(STATE_CB,))
    return watch


@pytest.fixture
def server(paths: MultipathLab, program: LoadProgram) -> Watch:
    watch = Watch(program("mptcp_events", paths.server))
    watch.ask(callbacks=(STATE_CB,))
    return watch


def test_a_peer_of_plain_tcp(paths: MultipathLab, sockets: Sockets, client: Watch, server: Watch) -> None:
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server, mptcp=False))
    exchange(*ends, sent=10_000, received=10_000)
    sockets.close()
    time.sleep(120)
    assert client.events() == server.events() == []
    assert client.callbacks(STATE_CB), "the program is called"


def test_a_client_of_plain_tcp(paths: MultipathLab, sockets: Sockets, client: Watch, server: Watch) -> None:
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server), mptcp=False)
    exchange(*ends, sent=10_000, received=10_000)
    sockets.close()
    time.sleep(120)
    assert client.events() == server.events() == []


@pytest.mark.parametrize("where", ["SYN", "SYN-ACK"])
def test_a_handshake_without_the_option(
    paths: MultipathLab, sockets: Sockets, client: Watch, server: Watch, where: str
) -> None:
    receiver = paths.server if where == "SYN" else paths.client
    with stripped(receiver, only="tcp flags & syn == syn"):
        ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
        exchange(*ends, sent=10_000, received=10_000)
    sockets.close()
    time.sleep(120)
    assert client.events() == server.events() == []


def test_the_third_packet_loses_the_option(paths: MultipathLab, sockets: Sockets, client: Watch, server: Watch) -> None:
    """The client has begun a session by then, the server never does."""
    with stripped(paths.server, only="tcp flags & syn != syn"):
        ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
        exchange(*ends, sent=10_000, received=10_000)
    closed = client.wait(Kind.SESSION_CLOSED)
    created = client.one(Kind.NEW_SESSION)
    assert closed.of == (created.known.token, FELL_BACK, 0)
    assert client.kinds() == [Kind.NEW_SESSION, Kind.SYNACK, Kind.SESSION_CLOSED]
    assert server.events() == []
    assert counters(paths.client)["MPTcpExtMPCapableDataFallback"] == 1
    sockets.close()
    time.sleep(120)
    assert len(client.events(Kind.SESSION_CLOSED)) == 1


def test_data_loses_the_option_in_the_middle(
    paths: MultipathLab, sockets: Sockets, client: Watch, server: Watch
) -> None:
    ends = sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    exchange(*ends, sent=10_000, received=10_000)
    time.sleep(1)
    tokens = [mptcp_info(end).token for end in ends]
    assert client.kinds() == [Kind.NEW_SESSION, Kind.SYNACK, Kind.ESTABLISHED]
    with stripped(paths.server), stripped(paths.client):
        exchange(*ends, sent=10_000, received=10_000)
        time.sleep(5)
        for watch, token in zip((client, server), tokens, strict=True):
            told = watch.one(Kind.SESSION_CLOSED)
            assert told.of == (token, FELL_BACK, 0)
            assert told.known.flags & FALLBACK
            assert not any(each.known.flags & FALLBACK for each in watch.events() if each != told)
        exchange(*ends, sent=10_000, received=10_000)
        sockets.close()
        time.sleep(120)
    for watch in (client, server):
        assert [each.of[1] for each in watch.events(Kind.SESSION_CLOSED)] == [FELL_BACK], "told once"
        assert CLOSED not in [each.of[1] for each in watch.events(Kind.SESSION_CLOSED)]
