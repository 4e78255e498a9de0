"""Compiles programs from text to checked IR, and plays the kernel for one socket in the interpreter.

machine = Machine(lowered(option("layout { x : u8 }  param wanted : u8 = 7  send on data { x = wanted }")))
client = Socket(machine).connected()
assert client.send(payload=10).options == bytes.fromhex("fd05 4242 07 010101")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optdsl import resources
from optdsl.compiler import Options, analyse, lower_program
from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.ir.check import check_program
from optdsl.ir.invocation import Reserved, SockOpsContext
from optdsl.ir.machine import Machine, Packet, RunResult, packet
from optdsl.ir.program import Program
from optdsl.source import Source
from optdsl.targets.sockops import SockOp, TcpFlag

HEADER = bytes.fromhex("fd004242")
"""Kind, a length still to be set, and ExID of what `option` declares."""
ACK, PSH, FIN, SYN, RST = TcpFlag.ACK, TcpFlag.PSH, TcpFlag.FIN, TcpFlag.SYN, TcpFlag.RST
AF_INET, AF_INET6 = 2, 10


def load_module(name: str) -> Source | None:
    """A module of the standard library."""
    text = resources.module_text(name.removeprefix("std."))
    return Source(name, text) if text is not None else None


def lowered(*texts: str, name: str = "program") -> Program:
    """The IR of a program of one file for each text; it has passed the checker of invariants."""
    sources = [Source(f"{name}{index or ''}.opt", text) for index, text in enumerate(texts)]
    found = Diagnostics()
    try:
        checked = analyse(sources, Options(name, timestamps=False), load_module, found)
    except CompileError:
        raise AssertionError([f"{each.span}: {each.message}" for each in found.found]) from None
    program = lower_program(checked)
    assert check_program(program) == []
    return program


def option(members: str, name: str = "probe", exid: int = 0x4242) -> str:
    """The text of an option of an experimental kind."""
    return f"option {name} {{\n    kind experimental 0x{exid:04X}\n{members}\n}}\n"


def on_wire(content: str | bytes, header: bytes = HEADER) -> bytes:
    """A whole option with this content behind its header."""
    data = bytes.fromhex(content) if isinstance(content, str) else content
    return bytes((header[0], len(header) + len(data))) + header[2:] + data


def padded(options: bytes) -> bytes:
    """Options as they stand in a packet: filled up to four bytes with NOPs."""
    return options + b"\x01" * (-len(options) % 4)


@dataclass(slots=True)
class Socket:
    """One socket on a machine. `fields` are the numbers of the context; sending moves `snd_nxt`."""

    machine: Machine
    name: str = "socket"
    fields: dict[str, int] = field(default_factory=lambda: {"snd_nxt": 1000, "snd_una": 1000, "family": AF_INET})
    flags: int = 0
    """The callback flags."""

    def _run(
        self, operation: SockOp, options: bytes | None = None, saved_syn: bytes | None = None,
        more: Mapping[str, int] | None = None,
    ) -> RunResult:  # fmt: skip
        fields = {**self.fields, "bpf_sock_ops_cb_flags": self.flags, **(more or {})}
        result = self.machine.run(SockOpsContext(operation, fields, self.name, options=options, saved_syn=saved_syn))
        self.flags = result.flags
        return result

    def connect(self) -> RunResult:
        """About to send the SYN."""
        return self._run(SockOp.TCP_CONNECT_CB)

    def established(self, synack: bytes = b"") -> RunResult:
        """The SYN-ACK has come with these options: a client."""
        return self._run(SockOp.ACTIVE_ESTABLISHED_CB, synack, more={"skb_tcp_flags": int(SYN | ACK)})

    def accepted(self, ack: bytes = b"", *, syn: bytes | None = None, flags: TcpFlag = ACK) -> RunResult:
        """The packet that completes the handshake has come, and maybe the SYN was kept: a server."""
        return self._run(SockOp.PASSIVE_ESTABLISHED_CB, ack, syn, {"skb_tcp_flags": int(flags)})

    def connected(self) -> Socket:
        """This socket as a client behind the handshake, its third ACK sent."""
        self.connect()
        self.established()
        self.send()
        return self

    def accepting(self) -> Socket:
        """This socket as a server behind the handshake."""
        self.accepted()
        return self

    def send(self, payload: int = 0, flags: TcpFlag = ACK, *, space: int = 40, again: int | None = None) -> Packet:
        """A packet goes out; `again` is the number of bytes of a retransmission, which moves nothing."""
        length = payload if again is None else again
        fields = {**self.fields, "skb_tcp_flags": int(flags), "bpf_sock_ops_cb_flags": self.flags}
        sent = packet(self.machine, socket=self.name, space=space, payload=length, fields=fields)
        if again is None:
            self.fields["snd_nxt"] = (self.fields["snd_nxt"] + payload + bool(flags & (SYN | FIN))) % 2**32
        return sent

    def carries(self, payload: int = 0, flags: TcpFlag = ACK, *, space: int = 40, again: int | None = None) -> bool:
        """Whether a packet that goes out carries any option."""
        return bool(self.send(payload, flags, space=space, again=again).options)

    def acknowledge(self) -> None:
        """Everything that was sent has arrived."""
        self.fields["snd_una"] = self.fields["snd_nxt"]

    def mss(self, space: int = 28) -> list[int]:
        """What the MSS calculation reserves."""
        fields = {**self.fields, "bpf_sock_ops_cb_flags": self.flags, "args[0]": 1}
        result = self.machine.run(SockOpsContext(SockOp.HDR_OPT_LEN_CB, fields, self.name, space=space))
        return [reserved.length for reserved in result.of(Reserved) if reserved.result == 0]

    def receive(self, *options: bytes) -> RunResult:
        """A packet with these options has come."""
        return self._run(SockOp.PARSE_HDR_OPT_CB, b"".join(options))

    def event(self, operation: SockOp, *arguments: int) -> RunResult:
        """Another operation, with its arguments."""
        return self._run(operation, more={f"args[{index}]": value for index, value in enumerate(arguments)})


def synack(machine: Machine, *, syn: bytes | None = None, cookie: bool = False, space: int = 20) -> Packet:
    """A SYN-ACK goes out; `syn` are the options of the SYN."""
    fields = {"args[0]": 2 if cookie else 0, "skb_tcp_flags": int(SYN | ACK), "family": AF_INET}
    return packet(machine, space=space, fields=fields, saved_syn=syn)


def counted(machine: Machine, name: str = "probe") -> dict[str, int]:
    """The counters of an option that are not zero."""
    counters = machine.program.counters
    option_counters = counters.member(name).type
    members = getattr(option_counters, "members", ())
    found = {member.name: machine.counter(f"{name}.{member.name}") for member in members}
    return {counter: value for counter, value in found.items() if value}
