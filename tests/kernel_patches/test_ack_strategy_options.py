"""TCP_DELACK_SEGS and TCP_DELACK_RTT_DIVISOR as socket options: values, errors, inheritance, and MPTCP."""

from __future__ import annotations

import errno
import math
import os
import socket
from pathlib import Path

import pytest

from kernel_patches.ack_strategy import (
    DELACK_RTT_DIVISOR,
    DELACK_SEGS,
    MPTCP_SEGMENT,
    STEADY_BUFFER,
    TICK,
    acks,
    connection,
    get_option,
    segments_per_ack,
    set_option,
    share,
    steady,
    subflow_ack_timeouts,
)
from kernel_patches.schedulers import disconnect, say, wait_for_subflows
from optdsl.lab.capture import capture
from optdsl.lab.paths import MultipathLab, Shape
from optdsl.lab.paths.manager import add_endpoint, set_limits
from optdsl.lab.paths.sockets import Sockets, exchange, mptcp_info
from optdsl.lab.tcp_info import decode_tcp_info

_LINE = (Shape(delay=0.080, rate=20_000_000, queue=5000), Shape())
_PROTOCOLS = pytest.mark.parametrize("mptcp", [False, True], ids=["tcp", "mptcp"])
_FAMILIES = pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
_OPTIONS = pytest.mark.parametrize(
    ("option", "most"), [(DELACK_SEGS, 64), (DELACK_RTT_DIVISOR, 255)], ids=["segments", "divisor"]
)


@_OPTIONS
@_PROTOCOLS
@_FAMILIES
def test_values_and_errors(paths: MultipathLab, option: int, most: int, mptcp: bool, ipv6: bool) -> None:
    with Sockets() as sockets:
        end = sockets.make(paths.client, ipv6=ipv6, mptcp=mptcp)
        assert get_option(end, option) == 0
        for value in (1, most, 0, 7):
            set_option(end, option, value)
            assert get_option(end, option) == value
        for value in (-1, most + 1, 256, 1 << 16, -(1 << 31)):
            assert _error(end, option, value.to_bytes(4, "little", signed=True)) == errno.EINVAL
        for size in (0, 1, 3):
            assert _error(end, option, bytes(size)) == errno.EINVAL
        assert get_option(end, option) == 7


@_OPTIONS
@_PROTOCOLS
def test_everybody_may(paths: MultipathLab, option: int, most: int, mptcp: bool) -> None:
    with Sockets() as sockets:
        end = sockets.make(paths.client, mptcp=mptcp)
        child = os.fork()
        if not child:
            os.setresuid(65534, 65534, 65534)
            os._exit(_error(end, option, most.to_bytes(4, "little")))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert get_option(end, option) == most


@_PROTOCOLS
@_FAMILIES
def test_accepted_sockets_inherit(paths: MultipathLab, mptcp: bool, ipv6: bool) -> None:
    given = [(DELACK_SEGS, 9), (DELACK_RTT_DIVISOR, 3)]
    with connection(paths.paths[0], ipv6=ipv6, mptcp=mptcp, listener_options=given) as (client, server):
        exchange(client, server, sent=1000)
        assert [get_option(server, option) for option, _ in given] == [9, 3]
        assert [get_option(client, option) for option, _ in given] == [0, 0]


@pytest.mark.shapes(_LINE, _LINE)
@pytest.mark.parametrize("segments", [2, 4, 8])
@pytest.mark.parametrize("inherited", [False, True], ids=["live", "inherited"])
def test_all_subflows_acknowledge_so(paths: MultipathLab, results: Path, segments: int, inherited: bool) -> None:
    first, second = paths.paths
    set_limits(paths.client, subflows=1)
    set_limits(paths.server, subflows=1)
    add_endpoint(paths.client, second.client.ipv4, "subflow")
    given = [(DELACK_SEGS, segments), (DELACK_RTT_DIVISOR, 4)]
    with (
        capture(first.server, results / "first.pcap") as seen_first,
        capture(second.server, results / "second.pcap") as seen_second,
        connection(first, mptcp=True, listener_options=given if inherited else [], buffer=2 * STEADY_BUFFER) as ends,
    ):
        client, server = ends
        if not inherited:
            for option, value in given:
                set_option(server, option, value)
        exchange(client, server, sent=4_000_000)

        assert mptcp_info(server).subflows == 1
        assert subflow_ack_timeouts(server) == [pytest.approx(2 * TICK)] * 2
        for seen in (seen_first, seen_second):
            found = segments_per_ack(steady(acks(seen.packets(), server)), MPTCP_SEGMENT)
            # Where a block of data ends a segment is not full, so that the last of n goes less far.
            near = [math.ceil(each) for each in found]
            assert share(near, segments) > 0.75, found


@pytest.mark.shapes(_LINE, _LINE)
def test_zero_counts_for_later_subflows(paths: MultipathLab, results: Path) -> None:
    """A subflow that joins comes from the listener, whose strategy the application has called off."""
    first, second = paths.paths
    set_limits(paths.server, subflows=1)
    with (
        capture(second.server, results / "second.pcap") as seen,
        connection(first, mptcp=True, listener_options=[(DELACK_SEGS, 32)], buffer=2 * STEADY_BUFFER) as ends,
    ):
        client, server = ends
        set_option(server, DELACK_SEGS, 0)
        exchange(client, server, sent=1000, received=1000)
        set_limits(paths.client, subflows=1)
        add_endpoint(paths.client, second.client.ipv4, "subflow")
        wait_for_subflows(client, 1)
        exchange(client, server, sent=4_000_000)
        found = [math.ceil(each) for each in segments_per_ack(steady(acks(seen.packets(), server)), MPTCP_SEGMENT)]
    assert share(found, 2) > 0.75, found


@pytest.mark.shapes(Shape(delay=0.001), Shape(delay=0.100))
def test_the_rtt_of_an_earlier_connection_does_not_count(paths: MultipathLab, sockets: Sockets) -> None:
    made = sockets.make(paths.client, mptcp=False)
    set_option(made, DELACK_RTT_DIVISOR, 2)
    listener = sockets.listen(paths.server, mptcp=False)
    for path, expected in zip(paths.paths, (TICK, 0.100), strict=True):
        made.connect((path.server.ipv4, listener.getsockname()[1]))
        accepted, _ = listener.accept()
        with accepted:
            for _ in range(40):  # quick ACKs come first
                say(made, accepted)
                say(accepted, made, 3000)
            info = decode_tcp_info(made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256))
        assert info["ato"] / 1e6 == pytest.approx(expected)
        disconnect(made)


def _error(end: socket.socket, option: int, value: bytes) -> int:
    """The error number of setting an option, 0 if it can be set."""
    try:
        end.setsockopt(socket.IPPROTO_TCP, option, value)
    except OSError as error:
        return error.errno or -1
    return 0
