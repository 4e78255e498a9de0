"""Sending policies and packet classes: which packets carry the option, and what room is kept for it."""

from __future__ import annotations

import pytest

from lower.driver import ACK, FIN, HEADER, PSH, RST, SYN, Socket, counted, lowered, on_wire, option, padded, synack
from optdsl.ir.machine import Machine

SENT = padded(on_wire("07"))
SECOND = 1_000_000_000


def sender(clause: str, more: str = "") -> Socket:
    """A client behind the handshake that sends one option of five bytes."""
    return fresh(clause, more).connected()


def fresh(clause: str, more: str = "") -> Socket:
    """A socket of a program with one `send`."""
    return Socket(Machine(lowered(option(f"layout {{ x : u8 }} {more} send {clause} {{ x = 7 }}"))))


# ----------------------------------------------------------------------------------------------- packet classes


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("on ack", {"ack"}),
        ("on data", {"data", "data fin"}),
        ("on fin", {"fin", "data fin"}),
        ("on ack, data", {"ack", "data", "data fin"}),
        ("on ack, fin", {"ack", "fin", "data fin"}),
        ("on data, fin", {"data", "fin", "data fin"}),
        ("on ack, data, fin", {"ack", "data", "fin", "data fin"}),
        ("from client on third_ack", {"third ack"}),
        ("from client on third_ack, fin", {"third ack", "fin", "data fin"}),
        ("from client on third_ack, ack", {"third ack", "ack"}),
        ("from client on third_ack, ack, data", {"third ack", "ack", "data", "data fin"}),
        ("from client on syn", {"syn"}),
        ("from client on any", {"syn", "third ack", "ack", "data", "fin", "data fin"}),
        ("on any", {"syn", "synack", "third ack", "ack", "data", "fin", "data fin"}),
        ("on synack", {"synack"}),
    ],
)
def test_classes(clause: str, expected: set[str]) -> None:
    """Every kind of packet of a connection, in its order; no RST carries anything."""
    client = fresh(clause)
    client.connect()
    found = {"syn"} if client.carries(flags=SYN) else set()
    client.established()
    # The ACK that completes the handshake is a pure ACK as well.
    packets = {
        "third ack": (0, ACK),
        "ack": (0, ACK),
        "data": (9, ACK | PSH),
        "rst": (0, RST | ACK),
        "rst data": (9, RST),
    }
    packets |= {"fin": (0, FIN | ACK), "data fin": (9, FIN | ACK)}
    found |= {name for name, (payload, flags) in packets.items() if client.carries(payload, flags)}
    if synack(client.machine).options:
        found.add("synack")
    assert found == expected | ({"third ack"} if "ack" in expected else set())


def test_the_third_ack_may_carry_data() -> None:
    """Where data is waiting, the ACK that completes the handshake goes with it; then room must have been kept."""
    client = fresh("from client on third_ack")
    client.connect()
    assert client.mss() == []
    client.established()
    assert client.mss() == [5]
    assert client.carries(payload=1400)
    assert client.mss() == []
    assert not client.carries(payload=1400)


def test_the_bytes_are_those_composed_when_the_room_was_asked_for() -> None:
    machine = Machine(lowered(option("layout { x : u8 } param wanted : u8 = 7 send on data { x = wanted }")))
    client = Socket(machine).connected()
    sizing, writing = client.send(payload=1).length, client.send(payload=1).write
    assert writing is not None
    assert sizing.stored == []
    assert writing.stored == [on_wire("07")]


# ----------------------------------------------------------------------------------------------------- policies


def test_each_and_once() -> None:
    each, once = sender("on data"), sender("on data once")
    assert [each.carries(payload=9) for _ in range(3)] == [True] * 3
    assert [once.carries(payload=9) for _ in range(3)] == [True, False, False]


def test_once_waits_for_room() -> None:
    client = sender("on data once")
    assert not client.carries(payload=9, space=4)
    assert client.carries(payload=9)
    assert not client.carries(payload=9)
    assert counted(client.machine) == {"no_space": 1, "sent": 1}


@pytest.mark.parametrize("start", [1000, 2**32 - 1, 2**32 - 50, 2**31 - 1, 0])
def test_until_acked_at_every_place_of_the_sequence_space(start: int) -> None:
    client = sender("on data until acked")
    client.fields.update(snd_nxt=start, snd_una=start)
    assert client.carries(payload=100)
    first = client.fields["snd_nxt"]
    assert client.carries(payload=100)
    # Not before the first byte of the first segment has arrived.
    client.fields["snd_una"] = start
    assert client.carries(payload=100)
    client.fields["snd_una"] = (start + 1) % 2**32
    assert not client.carries(payload=100)
    client.fields["snd_una"] = first
    assert not client.carries(payload=100)
    # Much later the numbers come round again, and it stays over.
    client.fields.update(snd_una=(start - 5) % 2**32, snd_nxt=start)
    assert not client.carries(payload=100)


def test_until_acked_gives_up_where_no_data_flows() -> None:
    client = sender("on ack, data until acked")  # the third ACK was the first
    assert [client.carries() for _ in range(17)] == [True] * 15 + [False] * 2
    assert client.carries(payload=1)
    client.acknowledge()
    assert not client.carries(payload=1)


@pytest.mark.parametrize("limit", [0, 1, 5, 65535])
def test_the_limit_is_tunable(limit: int) -> None:
    client = fresh("on ack until acked")
    client.machine.set("settings.until_acked_packets", limit)
    client.connected()
    sent = int(limit > 0) + sum(client.carries() for _ in range(20))
    assert sent == min(limit, 21)


def test_a_data_segment_without_room_proves_nothing() -> None:
    client = sender("on data until acked")
    assert client.carries(payload=100)
    # The first segment is lost, and its retransmission has no room beside SACK blocks.
    assert not client.carries(again=100, space=4)
    client.acknowledge()
    assert client.carries(payload=100)
    client.acknowledge()
    assert not client.carries(payload=100)


@pytest.mark.parametrize("packets", ["data", "data, fin", "ack, data, fin"])
def test_a_data_segment_that_the_guard_holds_back_proves_nothing(packets: str) -> None:
    client = sender(f"on {packets} until acked when socket.cwnd > 10mss")
    client.fields["snd_cwnd"] = 20
    assert client.carries(payload=100)
    client.fields["snd_cwnd"] = 5
    assert not client.carries(again=100)
    client.acknowledge()
    client.fields["snd_cwnd"] = 20
    assert client.carries(payload=100)
    client.acknowledge()
    assert not client.carries(payload=100)


def test_a_failed_write_proves_nothing() -> None:
    """Another program has written the same option into the packet: EEXIST."""
    from optdsl.ir.machine import packet

    client = sender("on data until acked")
    fields = {**client.fields, "skb_tcp_flags": int(ACK)}
    refused = packet(client.machine, socket=client.name, payload=9, fields=fields, kernel_options=SENT)
    assert refused.write is not None
    assert refused.write.stored == []
    client.fields["snd_nxt"] += 9
    client.acknowledge()
    assert client.carries(payload=9)
    assert counted(client.machine) == {"sent": 1, "store_failed": 1}


def test_a_syn_counts_as_a_packet_without_data() -> None:
    client = fresh("from client on syn, data until acked")
    client.connect()
    assert [client.carries(flags=SYN) for _ in range(17)] == [True] * 16 + [False]
    client.established()
    client.acknowledge()
    assert not client.carries()
    assert client.carries(payload=9)
    client.acknowledge()
    assert not client.carries(payload=9)


def test_a_syn_with_data_counts_as_one_without() -> None:
    """Fast Open: what the SYN carried may be forgotten by a server that falls back to SYN cookies."""
    client = fresh("from client on syn, data until acked")
    client.connect()
    assert client.carries(payload=50, flags=SYN)
    client.established()
    client.acknowledge()
    assert client.carries(payload=9)


def test_once_on_a_syn_is_not_repeated() -> None:
    client = fresh("from client on syn once")
    client.connect()
    assert [client.carries(flags=SYN) for _ in range(3)] == [True, False, False]


def test_a_synack_carries_it_each_time() -> None:
    machine = fresh("from server on synack").machine
    assert [synack(machine).options for _ in range(3)] == [SENT] * 3
    assert machine.memory.storage == {}


def test_a_syn_is_not_counted_by_every_number_of_packets() -> None:
    client = fresh("from client on syn, data every 3 packets")
    client.connect()
    assert [client.carries(flags=SYN) for _ in range(4)] == [True, False, False, False]
    client.established()
    assert [client.carries(payload=9) for _ in range(4)] == [False, False, True, False]


def test_every_interval() -> None:
    client = sender("on data every 5s")
    client.machine.now = 1
    assert [client.carries(payload=9) for _ in range(2)] == [True, False]
    client.machine.now += 5 * SECOND - 1
    assert not client.carries(payload=9)
    client.machine.now += 1
    assert not client.carries(payload=9, space=4)
    assert [client.carries(payload=9) for _ in range(2)] == [True, False]


@pytest.mark.parametrize("start", [1000, 2**32 - 9000])
def test_every_number_of_bytes(start: int) -> None:
    client = sender("on data every 16KiB")
    client.fields.update(snd_nxt=start, snd_una=start)
    sent = [client.carries(payload=4096) for _ in range(9)]
    assert sent == [True, False, False, False, True, False, False, False, True]


def test_every_number_of_packets() -> None:
    client = sender("on data every 3 packets")
    sent = [client.carries(payload=9) for _ in range(7)]
    assert sent == [True, False, False, True, False, False, True]
    # Packets of other classes do not count, and without room it goes on the next.
    assert not any(client.carries() for _ in range(5))
    assert [client.carries(payload=9) for _ in range(2)] == [False, False]
    assert not client.carries(payload=9, space=0)
    assert client.carries(payload=9)


@pytest.mark.parametrize(("count", "expected"), [(1, [True] * 4), (65536, [True, False, False, False])])
def test_the_bounds_of_every_number_of_packets(count: int, expected: list[bool]) -> None:
    client = sender(f"on data every {count} packets")
    assert [client.carries(payload=9) for _ in range(4)] == expected


def test_a_connection_that_starts_anew_has_sent_nothing() -> None:
    """A socket may connect again after it was disconnected."""
    for clause in (
        "on data once",
        "on data until acked",
        "on data every 1h",
        "on data every 1GiB",
        "on data every 99 packets",
    ):
        client = sender(clause)
        client.machine.now = SECOND
        assert client.carries(payload=9)
        client.acknowledge()
        assert not client.carries(payload=9)
        client.connected()
        assert client.carries(payload=9)


# -------------------------------------------------------------------------------------- several `send` statements

TWO = """layout { x : u8 }
    param first : bool = true
    send on data once when first { x = 1 }
    send on ack, data until acked { x = 2 }"""


def test_the_first_statement_that_applies_composes_the_packet() -> None:
    client = Socket(Machine(lowered(option(TWO))))
    client.connect()
    client.established()
    sent = [client.send(payload) for payload in (0, 9, 9, 0)]
    assert [packet.options[4] for packet in sent] == [2, 1, 2, 2]
    client.acknowledge()
    assert not client.carries(payload=9)


def test_another_statement_s_option_proves_nothing() -> None:
    client = Socket(Machine(lowered(option(TWO))))
    client.machine.set("probe.first", 0)
    client.connected()
    assert client.send(payload=9).options[4] == 2
    client.machine.set("probe.first", 1)
    assert client.send(again=9).options[4] == 1
    client.acknowledge()
    assert client.send(payload=9).options[4] == 2


# ---------------------------------------------------------------------------------------------------------- MSS


@pytest.mark.parametrize(
    ("clause", "before", "after"),
    [
        ("on data", [5], [5]),
        ("on fin", [5], [5]),
        ("on ack", [], []),
        ("on data once", [5], []),
        ("on ack, data until acked", [5], []),
        ("on data every 5s", [5], [5]),
        ("on data when socket.mss > 0B", [5], [5]),
        ("from client on syn", [], []),
        ("from client on data", [5], [5]),
    ],
)
def test_room_is_kept_while_full_segments_may_carry_it(clause: str, before: list[int], after: list[int]) -> None:
    client = sender(clause)
    client.machine.now = SECOND
    assert client.mss() == before
    client.carries(payload=9)
    client.acknowledge()
    client.carries(payload=9)
    assert client.mss() == after


def test_room_is_kept_on_the_side_that_sends() -> None:
    text = option("layout { x : u8 } send from server on data { x = 7 } receive at client { }")
    machine = Machine(lowered(text))
    assert Socket(machine, "client").connected().mss() == []
    assert Socket(machine, "server").accepting().mss() == [5]


def test_room_for_the_longest_of_several() -> None:
    members = """layout { x : u8  y : u16 optional  z : u32 optional }
        send on data once { x = 1  y = 2  z = 3 }
        send on data until acked { x = 1  y = 2 }
        send from client on data every 2 packets { x = 1 }"""
    client = Socket(Machine(lowered(option(members)))).connected()
    assert client.mss() == [11]
    assert len(on_wire(client.send(payload=9).options[4:11], HEADER)) == 11
    assert client.mss() == [7]
    client.send(payload=9)
    client.acknowledge()
    client.send(payload=9)
    assert client.mss() == [5]


def test_nothing_is_written_or_counted_in_the_mss_calculation() -> None:
    client = sender("on data once")
    for _ in range(3):
        assert client.mss() == [5]
        assert client.mss(space=4) == []
    assert counted(client.machine) == {}
    assert client.carries(payload=9)


def test_a_socket_from_before_the_program_was_attached() -> None:
    client = fresh("on ack, data, fin")
    assert not client.carries(payload=9)
    assert client.mss() == []


def test_no_memory_for_the_socket() -> None:
    client = fresh("on ack, data, fin")
    client.machine.memory.exhausted.add("sockets")
    assert client.connect().flags == 0
    client.established()
    assert not client.carries(payload=9)
