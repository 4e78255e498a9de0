"""Sockets on the hosts, driven from a test."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from optdsl.lab.capture import capture
from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Lab, two_hosts
from optdsl.lab.pcap import Flags
from optdsl.lab.remote import PeerError, Received, RemotePeer
from optdsl.lab.sockets import snapshot
from optdsl.lab.tcp_info import decode_tcp_info

CLOSE_WAIT = 8


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with two_hosts() as made:
        yield made


@pytest.fixture
def client(lab: Lab) -> RemotePeer:
    return RemotePeer(lab.client)


@pytest.fixture
def server(lab: Lab) -> RemotePeer:
    return RemotePeer(lab.server)


@pytest.mark.kernel
@pytest.mark.parametrize("ipv6", [False, True])
def test_a_conversation(lab: Lab, client: RemotePeer, server: RemotePeer, ipv6: bool) -> None:
    listener = server.listen(ipv6=ipv6)
    connection = client.connect(lab.server.address(ipv6=ipv6), listener.port)
    accepted = server.accept(listener)
    assert accepted.port == connection.port
    connection.send(1000, chunk=300, delay=0.01)
    assert accepted.receive(1000) == Received(1000, finished=False)
    accepted.send(10)
    assert connection.receive(10) == Received(10, finished=False)
    connection.shutdown()
    assert accepted.receive(1) == Received(0, finished=True)
    info = accepted.tcp_info()
    assert info["bytes_received"] == 1001  # with the FIN
    assert info["state"] == CLOSE_WAIT
    accepted.close()
    connection.close()


@pytest.mark.kernel
def test_more_than_the_buffers_hold(lab: Lab, client: RemotePeer, server: RemotePeer) -> None:
    listener = server.listen()
    connection = client.connect(lab.server.ipv4, listener.port)
    reading = server.accept(listener).begin_receive(20_000_000)
    connection.send(20_000_000)
    assert reading.result() == Received(20_000_000, finished=False)


@pytest.mark.kernel
def test_options_of_sockets(lab: Lab, client: RemotePeer, server: RemotePeer) -> None:
    listener = server.listen()
    options: dict[str, int | str] = {
        "TCP_CONGESTION": "reno",
        "TCP_USER_TIMEOUT": 4000,
        "SO_MAX_PACING_RATE": 1_000_000,
    }
    connection = client.connect(lab.server.ipv4, listener.port, options=options)
    assert {name: connection.option(name) for name in options} == options
    connection.set_option("TCP_USER_TIMEOUT", 5000)
    assert connection.option("TCP_USER_TIMEOUT") == 5000
    assert connection.tcp_info()["max_pacing_rate"] == 1_000_000
    with pytest.raises(PeerError) as caught:
        connection.set_option("TCP_CONGESTION", "nonesuch")
    assert caught.value.errno == errno.ENOENT
    (ours,) = [found for found in snapshot(lab.client, port=listener.port) if found.state == "ESTAB"]
    assert ours.local.port == connection.port
    assert "reno" in ours.details
    assert ours.details["cgroup"].endswith("/client")


@pytest.mark.kernel
def test_fast_open(lab: Lab, client: RemotePeer, server: RemotePeer, tmp_path: Path) -> None:
    lab.client.set_sysctl("net.ipv4.tcp_fastopen", 3)
    lab.server.set_sysctl("net.ipv4.tcp_fastopen", 3)
    listener = server.listen(fastopen=5)
    with capture(lab.client, tmp_path / "x.pcap") as seen:
        for _ in range(2):  # the first connection asks for the cookie
            connection = client.connect(lab.server.ipv4, listener.port, fastopen=200)
            assert connection.sent == 200
            accepted = server.accept(listener)
            assert accepted.receive(200) == Received(200, finished=False)
            connection.close()
            accepted.close()
    syns = [packet.payload_length for packet in seen.packets() if packet.flags == Flags.SYN]
    assert syns == [0, 200]


@pytest.mark.kernel
def test_what_the_kernel_refuses(lab: Lab, client: RemotePeer, server: RemotePeer) -> None:
    with pytest.raises(PeerError) as caught:
        client.connect(lab.server.ipv4, 9)
    assert caught.value.errno == errno.ECONNREFUSED
    listener = server.listen()
    connection = client.connect(lab.server.ipv4, listener.port)
    accepted = server.accept(listener)
    with pytest.raises(PeerError) as caught:
        accepted.receive(1, timeout=0.05)
    assert caught.value.errno == errno.ETIMEDOUT
    connection.close(reset=True)
    with pytest.raises(PeerError) as caught:
        accepted.receive(1)
    assert caught.value.errno == errno.ECONNRESET
    assert str(caught.value) == "receive on server: Connection reset by peer"


@pytest.mark.kernel
def test_a_peer_that_is_gone() -> None:
    with two_hosts() as lab:
        peer = RemotePeer(lab.client)
        peer.listen()
        lab.client.end_processes()
        with pytest.raises(LabError):
            peer.listen()


def test_an_older_kernels_tcp_info() -> None:
    info = decode_tcp_info(bytes([1, 0, 3]) + bytes(5) + (204_000).to_bytes(4, "little") + bytes(2))
    assert (info["state"], info["retransmits"], info["rto"]) == (1, 3, 204_000)
    assert "ato" not in info
