"""Kinds that newer kernels know: they call nobody for an unknown option then, so programs ask for every packet."""

from __future__ import annotations

from pathlib import Path

import pytest

from lower.driver import Socket, lowered
from optdsl.backends.llvm import emit_object
from optdsl.ir.machine import Machine
from optdsl.lab.attach import attached
from optdsl.lab.hosts import two_hosts
from optdsl.lab.transfer import download, start_web_server
from optdsl.targets.registry import KNOWN_TO_NEWER_KERNELS
from optdsl.targets.sockops import CallbackFlag

KINDS = sorted(KNOWN_TO_NEWER_KERNELS)


def program(kind: int) -> str:
    """An option on every ACK, told to the socket."""
    return (
        f"option probe {{ kind {kind} layout {{ x : u8 }} send on ack {{ x = 7 }} receive {{ socket.priority = x }} }}"
    )


@pytest.mark.parametrize(("kind", "every_packet"), [*((kind, True) for kind in KINDS), (173, False)])
def test_the_callbacks_of_a_kind(kind: int, every_packet: bool) -> None:
    socket = Socket(Machine(lowered(program(kind))))
    socket.connect()
    assert bool(socket.flags & CallbackFlag.PARSE_ALL_HDR_OPT) == every_packet
    assert socket.flags & CallbackFlag.PARSE_UNKNOWN_HDR_OPT


@pytest.mark.kernel
@pytest.mark.parametrize("kind", KINDS)
def test_this_kernel_hands_over_what_is_sent(kind: int, tmp_path: Path) -> None:
    file = tmp_path / "probe.bpf.o"
    file.write_bytes(emit_object(lowered(program(kind))))
    with two_hosts() as lab, attached(file, lab.client) as client, attached(file, lab.server) as server:
        download(lab.client, start_web_server(lab.server), 200_000)
        sent, received = client.counters()["probe"], server.counters()["probe"]
    assert sent["sent"] > 5
    # The last ACKs come when the server's socket is gone already; the third ACK alone is read without being asked for.
    assert 5 <= received["received"] <= sent["sent"]
    assert received["bad_length"] == received["load_failed"] == 0
