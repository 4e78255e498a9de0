"""Plays the packets that a host has sent and received to the interpreter, as the kernel's callbacks would have run.

    replay = Replay(Machine(program))
    replay.play("client", packets_at_the_client)
    replay.play("server", packets_at_the_server)
    assert replay.wrong == []

The options of the kernel itself are taken from the capture; everything behind them must be what the interpreter gives.
Of a TCP socket only what the capture tells is known: addresses, ports, sequence numbers. Programs that are compared
must not depend on more (`numbers` gives fixed values for fields of the context that are only asked to be above 0).
Sources: `net/ipv4/tcp_input.c` (`bpf_skops_parse_hdr`, `tcp_parse_options`), `net/ipv4/tcp_output.c`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from optdsl.ir.invocation import SockOpsContext
from optdsl.ir.machine import Machine, RunResult, packet
from optdsl.ir.memory import Decoded, decode
from optdsl.lab.pcap import Flags, Packet
from optdsl.targets.sockops import AF_INET, AF_INET6, CallbackFlag, SockOp, TcpState

_END, _NOP, _MSS, _WINDOW_SCALE, _SACK_PERMITTED, _SACK, _TIMESTAMPS, _FAST_OPEN = 0, 1, 2, 3, 4, 5, 8, 34
_OF_KERNEL = frozenset({_NOP, _MSS, _WINDOW_SCALE, _SACK_PERMITTED, _SACK, _TIMESTAMPS, _FAST_OPEN})
"""Options that stock kernels write themselves, and parse without calling them unknown."""

_MAPPED = bytes(10) + b"\xff\xff"
"""What stands before an IPv4 address in its IPv6 form."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A packet whose options are not those of the interpreter."""

    sent: Packet
    expected: bytes

    def __str__(self) -> str:
        flags, found = self.sent.flags, self.sent.raw[20:].hex(" ")
        return f"{self.sent.src} {flags!r} +{self.sent.payload_length}: {found}, not {self.expected.hex(' ')}"


@dataclass(slots=True)
class Replay:
    """The interpreter's side of a comparison. `cookies` says that the server works with SYN cookies."""

    machine: Machine
    cookies: bool = False
    numbers: Mapping[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    records: list[Decoded] = field(default_factory=list)
    carried: int = 0
    """Packets that carried anything of a program."""
    listener_flags: int = CallbackFlag.WRITE_HDR_OPT
    """What the listener has asked for, if `listen` did not find out."""

    def listen(self, port: int, *, ipv6: bool = False) -> None:
        """A socket begins to listen on all addresses of a family."""
        nobody = "::" if ipv6 else "0.0.0.0"
        fields = {**self.numbers, **_addresses((nobody, port), (nobody, 0))}
        self.listener_flags = self.run(SockOpsContext(SockOp.TCP_LISTEN_CB, fields, f"listener {port}")).flags

    def play(self, side: str, packets: Sequence[Packet], *, closed: bool = False, mapped: bool = False) -> None:
        """One connection as one side saw it: the packets of both directions at its interface.

        `closed` says that the connection is over behind them, `mapped` that this side's socket is an IPv6 one although
        the packets are IPv4.
        """
        host = _Host(self, side, packets, mapped)
        for each in packets:
            host.take(each)
        if closed:
            host.close()

    def run(self, context: SockOpsContext) -> RunResult:
        """Runs the program once and keeps its records."""
        result = self.machine.run(context)
        for record in result.records:
            assert isinstance(record, dict)
            self.records.append({name: value for name, value in record.items() if name != "time"})
        return result


class _Host:
    """One socket, and the request that it came from."""

    def __init__(self, replay: Replay, side: str, packets: Sequence[Packet], mapped: bool) -> None:
        self._replay = replay
        self._side = side
        syn = next(each for each in packets if each.flags & Flags.SYN and not each.flags & Flags.ACK)
        local = (syn.src, syn.sport) if side == "client" else (syn.dst, syn.dport)
        remote = (syn.dst, syn.dport) if side == "client" else (syn.src, syn.sport)
        self._local = local
        if mapped:  # the request too: it has the family of its listener
            local, remote = _mapped(local), _mapped(remote)
        self._fields = {**replay.numbers, **_addresses(local, remote)}
        if side == "client" and ":" in remote[0]:
            self._fields["remote_ip4"] = 0  # never set (net/ipv6/tcp_ipv6.c: tcp_v6_connect)
        self._name = f"{side} {local} {remote}"
        self._flags = replay.listener_flags if side == "server" else 0
        self._syn: bytes | None = None
        self._established = False
        self._last_sent = 0
        if side == "client":
            self._call(SockOp.TCP_CONNECT_CB)

    def take(self, each: Packet) -> None:
        """The next packet, in or out."""
        self._replay.machine.now = each.time_ns
        if (each.src, each.sport) == self._local:
            self._sent(each)
        else:
            self._received(each)

    def close(self) -> None:
        """The state becomes CLOSE, if the program wants to know of states."""
        if self._flags & CallbackFlag.STATE:
            self._call(SockOp.STATE_CB, arguments={"args[1]": int(TcpState.CLOSE)})

    # --------------------------------------------------------------------------------------------------- in

    def _received(self, each: Packet) -> None:
        options = each.raw[20:]
        if self._side == "server" and each.flags & Flags.SYN:
            self._syn = options
        elif self._side == "client" and each.flags & Flags.SYN:
            self._established = True
            self._fields |= {"snd_una": each.ack, "snd_nxt": each.ack}
            self._call(SockOp.ACTIVE_ESTABLISHED_CB, options, flags=each.flags)
        elif not self._established:
            self._established = True
            kept = None if self._replay.cookies else self._syn
            self._fields |= {"snd_una": each.ack, "snd_nxt": each.ack}
            self._call(SockOp.PASSIVE_ESTABLISHED_CB, options, kept, each.flags)
        else:
            if self._flags & CallbackFlag.PARSE_UNKNOWN_HDR_OPT and is_unknown(options):
                # The acknowledgement of this very packet is processed after its options.
                self._call(SockOp.PARSE_HDR_OPT_CB, options, flags=each.flags)
            if each.flags & Flags.ACK and (each.ack - self._fields["snd_una"]) % 2**32 < 2**31:
                self._fields["snd_una"] = each.ack

    def _call(
        self, operation: SockOp, options: bytes | None = None, syn: bytes | None = None, flags: Flags | None = None,
        arguments: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        fields = {**self._fields, "bpf_sock_ops_cb_flags": self._flags, **(arguments or {})}
        if flags is not None:
            fields["skb_tcp_flags"] = int(flags)
        context = SockOpsContext(operation, fields, self._name, options=options, saved_syn=syn)
        self._flags = self._replay.run(context).flags

    # -------------------------------------------------------------------------------------------------- out

    def _sent(self, each: Packet) -> None:
        options = each.raw[20:]
        own = own_part(options)
        self._replay.carried += own < len(options)
        is_synack = self._side == "server" and bool(each.flags & Flags.SYN)
        fields = {**self._fields, "skb_tcp_flags": int(each.flags)}
        if is_synack:
            fields["args[0]"] = 2 if self._replay.cookies else 0
        else:
            fields |= {"snd_nxt": self._next(each), "bpf_sock_ops_cb_flags": self._flags}
        if not (self._replay.listener_flags if is_synack else self._flags) & CallbackFlag.WRITE_HDR_OPT:
            if own < len(options):
                self._replay.wrong.append(str(Difference(each, options[:own])))
            return
        made = packet(
            self._replay.machine,
            socket=None if is_synack else self._name,
            kernel_options=options[:own],
            payload=each.payload_length,
            fields=fields,
            saved_syn=self._syn if is_synack else None,
        )
        if made.options != options:
            self._replay.wrong.append(str(Difference(each, made.options)))

    def _next(self, each: Packet) -> int:
        """`snd_nxt` while a packet is sent; afterwards it is beyond the packet, if that is new."""
        before = self._fields.setdefault("snd_nxt", each.seq)
        self._fields.setdefault("snd_una", each.seq)
        end = (each.seq + each.payload_length + bool(each.flags & (Flags.SYN | Flags.FIN))) % 2**32
        if (end - before) % 2**32 < 2**31:
            self._fields["snd_nxt"] = end
        return before


def own_part(options: bytes) -> int:
    """Where the options end that the kernel has written: options of programs come last."""
    start = 0
    while start < len(options) and options[start] in _OF_KERNEL:
        start += 1 if options[start] == _NOP else options[start + 1]
    # What is left over of a reservation is filled with NOPs, but those before the end are the kernel's own.
    return min(start, len(options))


def is_unknown(options: bytes) -> bool:
    """Whether the kernel finds an option that it does not know, before it finds one that is malformed."""
    start = 0
    while start < len(options):
        kind = options[start]
        if kind == _END:
            return False
        if kind == _NOP:
            start += 1
            continue
        if start + 2 > len(options) or not 2 <= options[start + 1] <= len(options) - start:
            return False
        if kind not in _OF_KERNEL:
            return True
        start += options[start + 1]
    return False


def _addresses(local: tuple[str, int], remote: tuple[str, int]) -> dict[str, int]:
    """The addresses and ports of the context, as the kernel stores them."""
    found = {"local_port": local[1], "remote_port": int.from_bytes(remote[1].to_bytes(4, "big"), "little")}
    for name, (address, _) in (("local", local), ("remote", remote)):
        packed = ip_address(address).packed
        if len(packed) == 4:
            found |= {f"{name}_ip4": int.from_bytes(packed, "little"), "family": AF_INET}
            continue
        words = {f"{name}_ip6[{i}]": int.from_bytes(packed[4 * i : 4 * i + 4], "little") for i in range(4)}
        found |= {**words, "family": AF_INET6}
        found[f"{name}_ip4"] = int.from_bytes(_ipv4_of(packed), "little")
    return found


def _ipv4_of(address: bytes) -> bytes:
    """What stands for the IPv4 address of an IPv6 one (net/ipv6/af_inet6.c: __inet6_bind)."""
    if not any(address):
        return bytes(4)
    return address[12:] if address[:12] == _MAPPED else ip_address("127.0.0.6").packed


def _mapped(end: tuple[str, int]) -> tuple[str, int]:
    """An IPv4 address as sockets of IPv6 have it (RFC 4291, section 2.5.5.2)."""
    return f"::ffff:{end[0]}", end[1]


def refuses(_level: int, number: int, value: int | bytes) -> int:
    """The kernel takes what these programs set, except congestion control that is not there."""
    available = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text(encoding="ascii").split()
    is_missing = isinstance(value, bytes) and value.rstrip(b"\0").decode() not in available
    return -2 if number == 13 and is_missing else 0


def counters_of(machine: Machine) -> Decoded:
    """All counters of an interpreted program by option and name."""
    if "counters" not in machine.memory.tables:
        return {}
    region = machine.memory.tables["counters"][0]
    return decode(region.type, bytes(region.data))
