"""The handshake: what the SYN, the SYN-ACK and the third ACK carry, with cookies and Fast Open, on both sides."""

from __future__ import annotations

import pytest

from lower.driver import ACK, SYN, Socket, counted, lowered, on_wire, option, padded, synack
from optdsl.ir.invocation import Loaded, SocketOptionSet
from optdsl.ir.machine import Machine, RunResult
from optdsl.targets.sockops import SockOp

SAVE_SYN = (6, 27)
PARSE, WRITE = 0x20, 0x40


def machine(*members: str) -> Machine:
    return Machine(lowered(option("layout { x : u8 } " + " ".join(members))))


def reads(result: RunResult) -> list[int]:
    """Which packets were searched: 1 for the SYN that was kept, 0 for the one at hand."""
    return [loaded.from_syn for loaded in result.of(Loaded)]


def test_a_server_reads_the_syn_and_the_third_ack() -> None:
    server = Socket(machine("send from client on syn, data { x = 1 } receive at server { emit seen { x } }"))
    assert server.event(SockOp.TCP_LISTEN_CB).socket_options == {SAVE_SYN: 1}
    result = server.accepted(on_wire("02"), syn=on_wire("01"))
    assert [record["x"] for record in result.records if isinstance(record, dict)] == [1, 2]
    assert reads(result) == [1, 0]
    assert server.flags == PARSE
    assert counted(server.machine) == {"received": 2}


def test_a_syn_that_was_not_kept_is_silent() -> None:
    server = Socket(machine("send from client on syn, data { x = 1 } receive at server { }"))
    assert reads(server.accepted(on_wire("02"))) == [1, 0]
    assert counted(server.machine) == {"received": 1}


def test_with_fast_open_the_packet_at_hand_is_the_syn() -> None:
    server = Socket(machine("send from client on syn { x = 1 } receive at server { emit seen { x } }"))
    result = server.accepted(on_wire("01"), syn=on_wire("01"), flags=SYN)
    assert reads(result) == [0]
    assert len(result.records) == 1


@pytest.mark.parametrize(
    ("members", "keeps"),
    [
        ("send from client on third_ack, data { x = 1 } receive at server { }", False),
        ("send on data { x = 1 } receive { }", False),
        ("send from client on syn { x = 1 } receive at client { }", False),
        ("send from client on syn { x = 1 } receive { }", True),
        ("receive { }", True),
        ("send from server on data { x = 1 } receive at server { }", True),
        ("send from server on synack when received { x = 1 }", True),
    ],
)
def test_the_syn_is_kept_only_where_it_may_carry_the_option(members: str, keeps: bool) -> None:
    listener = Socket(machine(members))
    assert (SAVE_SYN in listener.event(SockOp.TCP_LISTEN_CB).socket_options) is keeps
    assert (1 in reads(listener.accepted())) is keeps


def test_a_client_reads_the_synack() -> None:
    client = Socket(machine("send from server on synack { x = 1 } receive at client { emit seen { x } }"))
    client.connect()
    assert client.flags == PARSE
    assert len(client.established(on_wire("01")).records) == 1


def test_the_listener_s_flags_make_synacks_possible() -> None:
    assert Socket(machine("send on synack { x = 1 }")).event(SockOp.TCP_LISTEN_CB).flags == WRITE
    assert Socket(machine("send on data { x = 1 }")).event(SockOp.TCP_LISTEN_CB).flags == 0


def test_flags_are_added_to_those_of_other_programs() -> None:
    client = Socket(machine("send on data { x = 1 } receive { }"), flags=0x9)
    client.connect()
    assert client.flags == 0x9 | PARSE | WRITE


def test_a_synack_answers_the_syn() -> None:
    found = machine("send from server on synack when received { x = 1 } receive { }")
    assert synack(found, syn=on_wire("09")).options == padded(on_wire("01"))
    assert synack(found, syn=bytes.fromhex("0204 05b4")).options == b""
    assert synack(found).options == b""
    # Longer than the search buffer: it is there all the same.
    assert synack(found, syn=on_wire("00" * 30)).options == padded(on_wire("01"))


def test_a_syn_cookie_asks_for_a_repetition() -> None:
    found = machine("send from server on synack { x = if syn_cookie { 1 } else { 0 } }")
    assert synack(found, cookie=True).options == padded(on_wire("01"))
    assert synack(found).options == padded(on_wire("00"))
    only = machine("send from server on synack, data when syn_cookie { x = 1 }")
    assert synack(only, cookie=True).options == padded(on_wire("01"))
    assert synack(only).options == b""
    assert not Socket(only).accepting().carries(payload=9)


def test_received_on_an_established_connection() -> None:
    found = machine("send on ack, data when received { x = 1 } receive when x > 5 { }")
    client = Socket(found).connected()
    assert not client.carries(payload=9)
    client.receive(bytes.fromhex("fd064242 0909"))
    assert not client.carries(payload=9)
    client.receive(on_wire("01"))
    assert client.carries(payload=9)
    client.connected()
    assert not client.carries(payload=9)


def test_received_without_a_receive_block() -> None:
    found = machine("send on ack when received { x = 1 }")
    server = Socket(found)
    server.accepted(on_wire("04"))
    assert server.flags == PARSE | WRITE
    assert server.carries()
    assert counted(found) == {"received": 1, "sent": 1}


DYNAMIC = """layout { flag : bool  _ : u7  a : u16 when flag  b : u8 }
    param wanted : bool = true
    send on synack, data { if wanted { a = 0x0102 } b = 3 }
    receive { if flag { emit seen { a, b } } }"""


def test_dynamic_offsets_on_a_synack_and_on_data() -> None:
    found = Machine(lowered(option(DYNAMIC)))
    wires = [padded(on_wire("80 0102 03")), padded(on_wire("00 03"))]
    for wanted, wire in zip((1, 0), wires, strict=True):
        found.set("probe.wanted", wanted)
        assert synack(found).options == wire
        assert Socket(found, f"s{wanted}").accepting().send(payload=9).options == wire


def test_receiving_between_two_packets_does_not_disturb_sending() -> None:
    """The buffer of an option with dynamic offsets serves both; each packet is composed anew."""
    client = Socket(Machine(lowered(option(DYNAMIC)))).connected()
    wire = padded(on_wire("80 0102 03"))
    assert client.send(payload=9).options == wire
    client.receive(on_wire("80 ffff ff"))
    assert client.send(payload=9).options == wire


def test_a_synack_without_room() -> None:
    found = machine("send on synack { x = 1 }")
    assert synack(found, space=4).options == b""
    assert counted(found) == {"no_space": 1}
    assert synack(found, space=8).options == padded(on_wire("01"))
    assert counted(found) == {"no_space": 1, "sent": 1}


def test_the_third_ack_was_lost() -> None:
    """The first data carries the option as well; a server whose handshake that completes reads it there."""
    found = machine("send from client on third_ack, data until acked { x = 1 } receive at server { emit seen { x } }")
    client, server = Socket(found, "client"), Socket(found, "server")
    client.connect()
    client.established()
    assert client.send(flags=ACK).options == padded(on_wire("01"))
    again = client.send(payload=9).options
    assert len(server.accepted(again).records) == 1


def test_setting_in_the_listener() -> None:
    listener = Socket(machine("send on data { x = 1 } on listen { socket.mark = 3 }"))
    assert listener.event(SockOp.TCP_LISTEN_CB).of(SocketOptionSet)[0].value == 3
    assert listener.machine.storage("socket") is None
