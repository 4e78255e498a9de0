"""What each callback of a sample executes on its usual ways, by `object_machine`: figures without noise.

The ways are those of a connection: a client or a server that connects, sends its option until it is acknowledged, and
then goes on sending without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from optdsl.ir.invocation import Effect, SockOpsContext
from optdsl.targets.sockops import AF_INET, HeaderPass, SockOp
from performance.object_machine import ObjectMachine, Run

_SPACE: Final = 28
_FRIEND, _STRANGER = (int.from_bytes(bytes([first, 0, 0, 2]), "little") for first in (10, 11))
"""IPv4 addresses, one of a network that `iw.opt` trusts."""
_HEADER: Final = 32
"""A TCP header with timestamps, in bytes."""
_ACK, _FIN, _SYN, _PSH = 0x10, 0x01, 0x02, 0x08
_DATA: Final = 1448


@dataclass(frozen=True, slots=True)
class Step:
    """One callback of the way: how it is called in tables, and what it has cost and done."""

    name: str
    executed: int
    helpers: tuple[str, ...]
    effects: tuple[Effect, ...]


class Connection:
    """One socket of a machine and the callbacks that the kernel runs on it. Fields as the kernel has them."""

    def __init__(self, machine: ObjectMachine, socket: str) -> None:
        self._machine = machine
        self._socket = socket
        self._flags = 0
        self.sent = 1000
        """`snd_nxt`."""
        self.acknowledged = 1000
        """`snd_una`."""
        self.steps: list[Step] = []

    def call(
        self,
        name: str,
        op: SockOp,
        fields: Mapping[str, int] | None = None,
        *,
        options: bytes | None = None,
        syn: bytes | None = None,
        space: int = 0,
    ) -> Run:
        """One callback; `fields` are those of the context that matter, beside the usual ones."""
        usual = {"snd_nxt": self.sent, "snd_una": self.acknowledged, "rtt_min": 40_000, "segs_in": 1}
        usual |= {"family": AF_INET, "remote_ip4": _FRIEND, "bpf_sock_ops_cb_flags": self._flags}
        fields = usual | dict(fields or {})
        context = SockOpsContext(op, fields, self._socket, space=space, options=options, saved_syn=syn)
        run = self._machine.run(context)
        self._flags = run.kernel.flags
        self.steps.append(Step(name, run.executed, tuple(run.helpers), tuple(run.kernel.effects)))
        return run

    def segment_size(self, name: str, space: int = _SPACE) -> None:
        """The MSS calculation."""
        self.call(name, SockOp.HDR_OPT_LEN_CB, {"args[0]": HeaderPass.CURRENT_MSS}, space=space)

    def send(
        self,
        name: str,
        payload: int = 0,
        flags: int = _ACK,
        *,
        space: int = _SPACE,
        occupied: bytes = b"",
        fields: Mapping[str, int] | None = None,
    ) -> None:
        """A packet: its size, and if anything was reserved its options. `occupied` are those of another program."""
        fields = {**(fields or {}), "skb_tcp_flags": flags, "skb_len": payload}
        sized = self.call(f"{name}: length", SockOp.HDR_OPT_LEN_CB, fields, space=space)
        reserved = -(-(space - sized.kernel.space) // 4) * 4
        if reserved:
            fields["skb_len"] = _HEADER + reserved + payload
            self.call(f"{name}: write", SockOp.WRITE_HDR_OPT_CB, fields, options=occupied, space=reserved)
        self.sent += payload


def walk(data: bytes, option: bytes) -> list[Step]:
    """All callbacks of a client and then of a server that both receive `option` as well."""
    machine = ObjectMachine(data)
    return [*_client(Connection(machine, "client"), option), *_server(Connection(machine, "server"), option)]


def _client(socket: Connection, option: bytes) -> list[Step]:
    socket.call("connect", SockOp.TCP_CONNECT_CB)
    socket.send("SYN", flags=_SYN)
    socket.call("SYN-ACK received", SockOp.ACTIVE_ESTABLISHED_CB, {"skb_tcp_flags": _SYN | _ACK}, options=option)
    socket.segment_size("MSS, option wanted")
    socket.send("third ACK")
    socket.send("first data", _DATA, _ACK | _PSH)
    socket.send("more data", _DATA)
    socket.call("option received", SockOp.PARSE_HDR_OPT_CB, {"skb_tcp_flags": _ACK}, options=option)
    socket.call("other option received", SockOp.PARSE_HDR_OPT_CB, {"skb_tcp_flags": _ACK}, options=b"\x4d\x04ab")
    socket.acknowledged = socket.sent
    socket.send("data after the acknowledgement", _DATA)
    socket.segment_size("MSS, option done")
    socket.send("data, option done", _DATA)
    socket.send("ACK, option done")
    socket.send("FIN", flags=_FIN | _ACK)
    return [Step(f"client, {step.name}", step.executed, step.helpers, step.effects) for step in socket.steps]


def _server(socket: Connection, option: bytes) -> list[Step]:
    socket.call("listen", SockOp.TCP_LISTEN_CB)
    socket.call("established", SockOp.PASSIVE_ESTABLISHED_CB, {"skb_tcp_flags": _ACK}, options=option, syn=option)
    socket.segment_size("MSS, option wanted")
    socket.send("ACK")
    socket.send("first data", _DATA, _ACK | _PSH)
    socket.call("option received", SockOp.PARSE_HDR_OPT_CB, {"skb_tcp_flags": _ACK}, options=option)
    stranger = {"skb_tcp_flags": _ACK, "remote_ip4": _STRANGER}
    socket.call("option received from a stranger", SockOp.PARSE_HDR_OPT_CB, stranger, options=option)
    socket.call("other option received", SockOp.PARSE_HDR_OPT_CB, {"skb_tcp_flags": _ACK}, options=b"\x4d\x04ab")
    socket.acknowledged = socket.sent
    socket.send("data after the acknowledgement", _DATA)
    socket.segment_size("MSS, option done")
    socket.send("data, option done", _DATA)
    socket.send("FIN", flags=_FIN | _ACK)
    return [Step(f"server, {step.name}", step.executed, step.helpers, step.effects) for step in socket.steps]
