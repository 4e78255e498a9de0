"""Whole programs: records, events and roles, several options in one program, names, maps, sources."""

from __future__ import annotations

import pytest

from lower.driver import ACK, FIN, Socket, counted, lowered, on_wire, option, padded
from optdsl.compiler import Options, analyse, lower_program
from optdsl.diagnostics import Diagnostics
from optdsl.ir.machine import Machine
from optdsl.ir.program import Program
from optdsl.ir.types import ByteArray, MapKind, Member, Struct
from optdsl.source import Source
from optdsl.targets.sockops import SockOp

RTT, STATE = 0x8, 0x4

# ------------------------------------------------------------------------------------------------------ records


def padding(struct: Struct) -> int:
    """Bytes of a struct that no member names."""
    return struct.size - sum(member.type.size for member in struct.members)


@pytest.mark.parametrize(
    "members",
    [
        "x",
        "x, r: socket.srtt",
        "r: socket.srtt, x, y: socket.mss, p: socket.peer.port",
        "a: socket.peer.address, b: kept, x",
        "b: kept, c: brief, x, f: x > 3",
        "c: brief",
        "padding: x, padding_2: x",
    ],
)
def test_records_have_no_byte_that_nobody_writes(members: str) -> None:
    """The interpreter refuses a record with a member that was not written."""
    text = option(
        f"layout {{ x : u8 }} state kept : bytes[12] state brief : bytes[3] receive {{ emit seen {{ {members} }} }}"
    )
    program = lowered(text)
    (struct,) = program.records
    assert padding(struct) == 0
    machine = Machine(program, now=77)
    (record,) = Socket(machine).accepting().receive(on_wire("05")).records
    assert isinstance(record, dict)
    names = [each.partition(":")[0].strip() for each in members.split(",")]
    assert [member.name for member in struct.members[:2]] == ["time", "record"]
    assert (record["time"], record["record"]) == (77, 0)
    rest = [value for name, value in record.items() if name not in ["time", "record", *names]]
    assert all(isinstance(value, bytes) and not any(value) for value in rest)


def test_forms_of_records_are_numbered() -> None:
    text = option(
        "layout { x : u8 } receive { if x > 5 { emit large { x } } else { emit small { x } } emit large { x } }"
    )
    machine = Machine(lowered(text))
    server = Socket(machine).accepting()
    found = [record for content in ("09", "01") for record in server.receive(on_wire(content)).records]
    assert [record["record"] for record in found if isinstance(record, dict)] == [0, 0, 1, 0]
    assert [struct.name for struct in machine.program.records] == ["large", "small"]


def test_lost_records_are_counted() -> None:
    machine = Machine(lowered(option("layout { x : u8 } receive { emit seen { x } socket.mark = x }")))
    server = Socket(machine).accepting()
    machine.memory.exhausted.add("events")
    assert server.receive(on_wire("05")).socket_options == {(1, 36): 5}
    assert counted(machine) == {"received": 1, "records_lost": 1}


# -------------------------------------------------------------------------------------------- roles and events


def marks(result: object) -> list[int]:
    return list(getattr(result, "socket_options", {}).values())


EVENTS = """layout { x : u8 } send on data { x = 1 }
    on connect { socket.mark = 1 }
    on established { socket.mark = 2 }
    on established at server { socket.mark = 3 }
    on rtt at client { socket.mark = 4 }
    on rto { socket.mark = 5 }
    on retransmit when socket.ipv6 { socket.mark = 6 }
    on closed { socket.mark = 7 }"""


def test_events() -> None:
    machine = Machine(lowered(option(EVENTS)))
    client, server = Socket(machine, "client"), Socket(machine, "server")
    assert marks(client.connect()) == [1]
    assert marks(client.established()) == [2]
    assert marks(server.accepted()) == [3]
    assert client.flags & RTT
    assert not server.flags & RTT
    assert marks(client.event(SockOp.RTT_CB)) == [4]
    # Another program may have asked for the event on this socket.
    assert marks(server.event(SockOp.RTT_CB)) == []
    assert marks(server.event(SockOp.RTO_CB)) == [5]
    assert marks(server.event(SockOp.RETRANS_CB)) == []
    server.fields["family"] = 10
    assert marks(server.event(SockOp.RETRANS_CB)) == [6]
    assert marks(server.event(SockOp.STATE_CB, 1, 4)) == []
    assert marks(server.event(SockOp.STATE_CB, 4, 7)) == [7]


def test_a_program_of_handlers_alone_keeps_nothing() -> None:
    program = lowered(option("layout { x : u8 } receive { } on established { socket.mark = 2 }"))
    assert [definition.name for definition in program.maps] == ["counters"]
    server = Socket(Machine(program))
    assert marks(server.accepted(on_wire("05"))) == [2]
    assert counted(server.machine) == {"received": 1}


def test_handlers_of_one_side_leave_the_other_alone() -> None:
    machine = Machine(lowered(option("layout { x : u8 } receive at server { } on rtt at server { socket.mark = 1 }")))
    client = Socket(machine, "client")
    client.connect()
    client.established(on_wire("05"))
    assert client.flags == 0
    assert not any(machine.memory.storage.values())
    assert Socket(machine, "server").accepting().flags == 0x20 | RTT


def test_each_side_does_its_part() -> None:
    text = option("""layout { x : u8 } send from client on data { x = 1 } send from server on data { x = 2 }
        receive at client { emit at_client { x } } receive at server { emit at_server { x } }""")
    machine = Machine(lowered(text))
    client, server = Socket(machine, "client").connected(), Socket(machine, "server").accepting()
    to_server, to_client = client.send(payload=9).options, server.send(payload=9).options
    assert (to_server, to_client) == (padded(on_wire("01")), padded(on_wire("02")))
    at_client, at_server = client.receive(to_client).effects, server.receive(to_server).effects
    assert [getattr(effect, "record", None) for effect in at_client][-1] == "at_client"
    assert [getattr(effect, "record", None) for effect in at_server][-1] == "at_server"


def test_an_option_is_read_on_its_side_only() -> None:
    machine = Machine(lowered(option("layout { x : u8 } send on data { x = 1 } receive at server { emit seen { x } }")))
    client = Socket(machine).connected()
    assert client.receive(on_wire("05")).effects == ()


# ---------------------------------------------------------------------------------------------- several options

FIRST = option("layout { x : u64 y : u32 } send on data { x = 1 y = 2 } receive { emit a { x } }", "first", 0x1111)
SECOND = option("layout { x : u32 } send on data once { x = 9 } receive { emit b { x } }", "second", 0x2222)
THIRD = option("layout { x : u8 } send on data until acked { x = 3 }", "third", 0x3333)


def test_options_share_the_space_in_declared_order() -> None:
    machine = Machine(lowered(FIRST + SECOND + THIRD))
    client = Socket(machine).connected()
    sent = client.send(payload=9)
    one = bytes.fromhex("fd101111 0000000000000001 00000002")
    two, three = bytes.fromhex("fd082222 00000009"), bytes.fromhex("fd053333 03")
    assert sent.options == padded(one + two + three)
    assert client.send(payload=9).options == padded(one + three)
    assert client.mss(space=40) == [16, 5]
    result = client.receive(two, one, three)
    assert [r["x"] for r in result.records if isinstance(r, dict)] == [1, 9]


@pytest.mark.parametrize(
    ("space", "names"),
    [(40, "123"), (28, "12"), (24, "12"), (20, "1"), (16, "1"), (12, "2"), (8, "2"), (4, "")],
)
def test_an_option_without_room_disturbs_no_other(space: int, names: str) -> None:
    """Each tries in its turn; what does not fit is left out whole, and a later, shorter one may still fit."""
    machine = Machine(lowered(FIRST + SECOND + THIRD))
    client = Socket(machine).connected()
    sent = client.send(payload=9, space=space).options
    written = [name for name, exid in (("1", "1111"), ("2", "2222"), ("3", "3333")) if bytes.fromhex(exid) in sent]
    assert "".join(written) == names
    for number, name in (("1", "first"), ("2", "second"), ("3", "third")):
        assert counted(machine, name) == ({"sent": 1} if number in written else {"no_space": 1})
    # What had no room comes with the next packet that has.
    again = client.send(payload=9, space=40).options
    assert (bytes.fromhex("2222") in again) is ("2" not in written)
    assert bytes.fromhex("3333") in again


def test_options_of_several_files() -> None:
    machine = Machine(lowered(FIRST, SECOND))
    client = Socket(machine).connected()
    assert len(client.send(payload=9).options) == 24
    assert [source.name for source in machine.program.sources] == ["program.opt", "program1.opt"]


def many(count: int) -> str:
    """Options that do a little of everything, short enough to go on one packet."""
    return "".join(
        f"""option o{index} {{ kind {0x80 + index} layout {{ flag : bool  _ : u7  a : u8 when flag }}
            param p : u8 = {index}  state s : u8
            send on data until acked {{ if p > 3 {{ a = p }} }}
            {"send from client on syn once when p > 100 { }" if index < 4 else ""}
            receive {{ if flag {{ s = a  emit r{index} {{ a, s }} }} }} }}
        """
        for index in range(count)
    )


@pytest.mark.parametrize("count", [1, 8, 9, 10])
def test_many_options_behave_like_few(count: int) -> None:
    """Above eight, their functions are sub-programs."""
    machine = Machine(lowered(many(count)))
    client = Socket(machine).connected()
    sent = client.send(payload=9).options
    wires = [bytes((0x80 + i, 4, 0x80, i)) if i > 3 else bytes((0x80 + i, 3, 0)) for i in range(count)]
    assert sent == padded(b"".join(wires))
    assert len(client.receive(sent).records) == max(0, count - 4)
    inlined = {function.inline for function in machine.program.functions if function.name.endswith("_compose")}
    assert inlined == {count <= 8}


# -------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name",
    ["program", "flags", "from_syn", "value", "entry", "error", "composed", "on", "on_rtt", "now", "in_syn", "at",
     "rest", "holds", "key", "x", "probe_length", "done", "state", "settings_2"],
)  # fmt: skip
def test_any_name_of_an_option(name: str) -> None:
    """Names that generated code uses itself, and that the checker leaves to the user."""
    text = option("""layout { flag : bool  _ : u7  x : u8 when flag  y : u8 }
        param p : u8 = 7  param prefixes_ : prefixes[2] = { 1.2.3.4/32 }
        table t : u8 -> u8 { 1: 1 }  param table u : u8 -> u8 { 1: 1 }
        state s : u8
        send on synack when received { if p > 0 { x = p } y = 1 }
        send on syn, data until acked when received { if p > 0 { x = p } y = 1 }
        receive { if flag { let v = t[x] else reject none  let w = u[v] else reject none  s = w  emit r { s, v, w } }
                  if socket.peer.address in prefixes_ { socket.mark = p } }
        on rtt { socket.user_timeout = 1s }""", name)  # fmt: skip
    machine = Machine(lowered(text))
    client = Socket(machine).connected()
    client.receive(on_wire("80 01 02"))
    assert client.send(payload=9).options == padded(on_wire("80 07 01"))
    assert counted(machine, name) == {"received": 1, "sent": 1}


def test_the_program_steps_aside_for_an_option_of_its_name() -> None:
    """`counters` and the params are found under the names of the source; the program is then called `x_ops`."""
    text = option("layout { x : u8 } param p : u8 = 7 send on data { x = p }", "delay")
    program = lowered(text, name="delay")
    assert (program.name, program.entry) == ("delay", "delay_ops")
    assert program.global_variable("delay").type.size == 1
    plain = lowered(option("layout { x : u8 } send on data { x = 1 }", "delay"), name="delay")
    assert plain.entry == "delay"


def test_tables_of_one_name() -> None:
    texts = []
    for number in (5, 6):
        table = f"param table t : u8 -> u8 {{ 1: {number} }}"
        body = f"let v = t[x] else reject none  emit r{number} {{ v }}"
        texts.append(option(f"layout {{ x : u8 }} {table} receive {{ {body} }}", f"o{number}", number))
    program = lowered("".join(texts))
    assert [definition.name for definition in program.maps if definition.kind is MapKind.HASH] == ["t", "t_2"]


# ------------------------------------------------------------------------------------------------- maps, sources


def names(program: Program) -> list[str]:
    return [definition.name for definition in program.maps]


def test_what_nothing_uses_is_left_out() -> None:
    assert names(lowered(option("layout { x : u8 } send on synack { x = 1 }"))) == ["counters"]
    assert names(lowered(option("layout { x : u8 } send on data { x = 1 }"))) == ["sockets", "counters"]
    assert names(lowered("const nothing = 1")) == []
    flag = "layout { flag : bool  _ : u7  a : u8 when flag  b : u8 }"
    assert names(lowered(option(f"{flag} receive {{ }}"))) == ["sockets", "counters"]
    assert names(lowered(option(f"{flag} send on synack {{ a = 1  b = 2 }}"))) == ["counters"]
    with_scratch = lowered(option(f"{flag} send on synack {{ if syn_cookie {{ a = 1 }} b = 2 }}"))
    assert names(with_scratch) == ["counters", "scratch"]
    # Behind the last optional field nothing moves.
    last = "layout { flag : bool  _ : u7  b : u8  a : u8 when flag }"
    assert names(lowered(option(f"{last} receive {{ }} send on synack {{ b = 2 }}"))) == ["counters"]


def test_a_side_that_does_nothing_has_no_callbacks() -> None:
    program = lowered(option("layout { x : u8 } send from server on synack { x = 1 }"))
    assert [function.name for function in program.functions] == [
        "probe_compose_synack", "on_listen", "on_length", "on_write", "program",
    ]  # fmt: skip
    assert Socket(Machine(program)).accepted().flags == 0


def test_every_source_that_code_points_into_is_named() -> None:
    text = "use helper " + option("layout { x : u8 } receive { socket.mark = helper.plus(x) }")
    helper = Source("helper", "fn plus(v: u8) -> u16 { v + 1 }")
    checked = analyse([Source("main.opt", text)], Options("main"), lambda _name: helper, Diagnostics())
    assert [source.name for source in lower_program(checked).sources] == ["main.opt", "helper"]


def test_members_of_structs() -> None:
    members = 'layout { x : u8 } param p : text[8] = "a"  state s : text[16] = "b"  send on data { x = 1 }'
    program = lowered(option(members))
    params = program.global_variable("probe").type
    assert isinstance(params, Struct)
    assert params.members == (Member("p", ByteArray(8, text=True, aligned=True)),)
    socket = program.map("sockets").value
    assert isinstance(socket, Struct)
    assert [member.name for member in socket.members] == ["probe"]


def test_a_whole_connection_with_fin() -> None:
    machine = Machine(lowered(FIRST + SECOND + THIRD))
    client = Socket(machine).connected()
    client.send(payload=9)
    client.acknowledge()
    assert client.send(flags=FIN | ACK).options == b""


@pytest.mark.parametrize("name", ["counters", "sockets", "on_length", "microseconds", "delay", "x"])
def test_any_name_of_a_program(name: str) -> None:
    program = lowered(option("layout { x : u8 } param p : u8 = 7 send on data { x = p }", "delay"), name=name)
    assert program.entry == (name if name in ("on_length", "x") else f"{name}_ops")
    assert Socket(Machine(program)).connected().send(payload=9).options == padded(on_wire("07"))
