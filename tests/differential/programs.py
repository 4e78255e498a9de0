"""The programs that are compared, and the conversations that they are tried in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lower.driver import lowered, option
from lower.random_layouts import LayoutMaker
from optdsl.ir.program import Program
from optdsl.ir.types import Initial, Struct
from optdsl.lab.remote import RemoteSocket
from optdsl.record import replace

_CASES = Path(__file__).parents[1] / "lower" / "cases"

Conversation = Callable[[RemoteSocket, RemoteSocket], None]
"""What the two ends of a connection do: client and server."""


def exchange(client: RemoteSocket, server: RemoteSocket) -> None:
    """Questions and answers, one after the other, then the end; the client ends first."""
    for count in (1, 300, 1000):
        client.send(count)
        server.receive(count)
        server.send(count + 1)
        client.receive(count + 1)
    client.shutdown()
    server.receive(1)
    server.send(10)
    client.receive(10)
    server.shutdown()
    client.receive(1)


def pauses(client: RemoteSocket, server: RemoteSocket) -> None:
    """Small segments with pauses, some longer than the others."""
    for pause in (0.0, 0.02, 0.02, 0.5, 0.02, 0.5):
        time.sleep(pause)
        client.send(700)
        server.receive(700)
    client.shutdown()
    server.receive(1)
    server.shutdown()
    client.receive(1)


@dataclass(frozen=True, slots=True)
class Case:
    """One program in one conversation."""

    name: str
    program: Callable[[], Program]
    talk: Conversation = exchange
    sysctls: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Of both hosts."""

    @property
    def cookies(self) -> bool:
        """Whether the server works with SYN cookies."""
        return "net.ipv4.tcp_syncookies" in self.sysctls


def with_params(program: Program, values: Mapping[str, Initial], option_name: str = "probe") -> Program:
    """A program whose params begin with other values."""
    variable = program.global_variable(option_name)
    assert isinstance(variable.type, Struct)
    assert isinstance(variable.initial, tuple)
    pairs = zip(variable.type.members, variable.initial, strict=True)
    changed = replace(variable, initial=tuple(values.get(member.name, old) for member, old in pairs))
    return replace(program, globals=tuple(changed if each is variable else each for each in program.globals))


def random_layout(seed: int) -> Program:
    """A layout made at random with its values, sent by both sides on every data packet."""
    made = LayoutMaker(seed).make()
    text = made.text()
    program = lowered(text, name=f"random{seed}")
    return with_params(program, made.params()) if made.params() else program


_HANDSHAKE = option("""layout { again : bool  _ : u7  x : u8  y : u16 optional }
    send from client on syn, third_ack, data until acked { again = false  x = 1 }
    send from server on synack when received { again = syn_cookie  x = 2  y = 3 }
    send from server on data once when received { again = false  x = 4 }
    receive { emit heard { x, port: socket.peer.port, again: if again { 1 } else { 0 } }
              if has y { emit more { y } } }""")

_EVERY = "".join(
    option(f"layout {{ x : u8 }} {members}", name, exid)
    for exid, (name, members) in enumerate({
        "by_packets": "send on data every 3 packets { x = 1 } receive { emit r { x } }",
        "by_bytes": "send on ack, data every 1000B { x = 2 } receive { }",
        "by_time": "send from client on data every 250ms { x = 3 } receive at server { }",
        "ends": "send on fin { x = 4 } receive { emit s { x } }",
    }.items())
)  # fmt: skip

_SHARED = "".join(
    option(
        f"""layout {{ a : u24  b : bytes[{length}] }} param p : u24 = {length}
        send on {packets} {{ a = p  b = {length} }} receive when a > 5 {{ emit r{length} {{ a, b }} }}""",
        f"o{length}", 0x100 * length,
    )
    for length, packets in ((3, "data, fin"), (6, "ack, data"), (9, "any"))
)  # fmt: skip

_MANY = "".join(
    f"""option o{index} {{ kind {0xC0 + index} layout {{ flag : bool  n : u7  a : u8 when flag }}
        param p : u8 = {index}  state s : u8
        table t : u7 -> u8 {{ 1: 7, 3: 9, 5: 0 }}
        send on data until acked {{ n = {index}  if p > 3 {{ a = p }} }}
        receive {{ let v = t[n] else reject unknown  if flag {{ s = a }} emit r{index} {{ n, s, v }} }} }}
    """
    for index in range(9)
)


def _rich() -> Program:
    return lowered((_CASES / "rich.opt").read_text(encoding="utf-8"), name="rich")


def _rich_extended() -> Program:
    return with_params(_rich(), {"extend": 1, "longest": 2_000_000, "how": 4}, "rich")


CASES = (
    *(
        Case(f"layout {seed}", partial(random_layout, seed), sysctls={"net.ipv4.tcp_timestamps": 0})
        for seed in (1, 2, 5, 11, 21, 33)
    ),
    Case("handshake", lambda: lowered(_HANDSHAKE, name="handshake")),
    Case("cookies", lambda: lowered(_HANDSHAKE, name="handshake"), sysctls={"net.ipv4.tcp_syncookies": 2}),
    Case("policies", lambda: lowered(_EVERY, name="policies"), pauses),
    Case("shared", lambda: lowered(_SHARED, name="shared")),
    Case("many", lambda: lowered(_MANY, name="many")),
    Case("rich", _rich),
    Case("rich extended", _rich_extended),
)
