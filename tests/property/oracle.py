"""The meaning of checked programs, told without the IR: what is received, sent and set, against the interpreter.

Comparing the kernel with the interpreter shows nothing of a mistake that is in the IR itself. Here the evaluator runs
the checked blocks on the very values that the interpreter sees, and encodes what a `send` has assigned by code that is
not the compiler's. Policies let the first packet of a socket through, so only first packets are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from random import Random
from typing import Any, Final

from lower.driver import Socket, counted
from optdsl.ir.machine import Machine as Interpreted
from optdsl.ir.machine import packet
from optdsl.ir.program import Program
from optdsl.semantics import model
from optdsl.semantics.types import BytesType, EnumType, PrefixesType, Type
from optdsl.targets import Attribute, PacketClass, Role
from optdsl.targets.attribute import OptionByFamily, Rounding, SocketOption
from optdsl.targets.sockops import AF_INET, AF_INET6, SockOp, TcpFlag, TcpState
from property.evaluator import Machine, RejectedError, is_inside, pick
from property.options import SocketOptions
from property.wires import any_values, encode

_PORTS: Final = (8080, 40_000)
_ADDRESSES: Final = (("192.0.2.1", "192.0.2.2"), ("10.1.2.3", "198.51.100.77"), ("2001:db8::1", "2001:db8::2"))
_ROUNDS: Final = 4
_RECEIVED: Final = 5
"""Options that a socket receives in each round."""


@dataclass(slots=True)
class World:
    """What the blocks see of the socket, and what they do to it."""

    local: str
    peer: str
    options: SocketOptions = field(default_factory=SocketOptions)
    emitted: list[tuple[str, dict[str, int | bytes | str]]] = field(default_factory=list)

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.local

    def context(self) -> dict[str, int]:
        """The fields of the context, as the kernel stores them."""
        found = {"local_port": _PORTS[0], "remote_port": int.from_bytes(_PORTS[1].to_bytes(4, "big"), "little"),
                 "family": AF_INET6 if self.is_ipv6 else AF_INET, "snd_nxt": 1000, "snd_una": 1000}  # fmt: skip
        for name, address in (("local", self.local), ("remote", self.peer)):
            packed = ip_address(address).packed
            if len(packed) == 4:
                found[f"{name}_ip4"] = int.from_bytes(packed, "little")
            else:
                words = (int.from_bytes(packed[start : start + 4], "little") for start in range(0, 16, 4))
                found |= {f"{name}_ip6[{index}]": word for index, word in enumerate(words)}
        return found

    def attribute(self, attribute: Attribute) -> int:
        """What a program reads."""
        side = self.local if attribute.path.startswith("socket.local") else self.peer
        match attribute.path.rpartition(".")[2]:
            case "port":
                return _PORTS[0 if side == self.local else 1]
            case "ipv6":
                return int(self.is_ipv6)
            case "address":
                number = int(ip_address(side))
                return number if self.is_ipv6 else number | 0xFFFF << 32
            case "ip4":
                return 0 if self.is_ipv6 else int(ip_address(side))
        assert attribute.read is not None
        how = self._option(attribute.read.how)
        found = self.options.get(how.level, how.number, how.size)
        if isinstance(found, int):
            return attribute.read.bounds.minimum
        return int.from_bytes(found, "little") * how.step

    def set_attribute(self, attribute: Attribute, kind: Type, value: int) -> bool:
        """What a program sets; False if the kernel refuses it."""
        assert attribute.write is not None
        how = self._option(attribute.write.how)
        if isinstance(kind, BytesType):
            return self.options.set(how.level, how.number, value.to_bytes(kind.length, "big")) == 0
        counted_steps = -(-value // how.step) if how.rounding is Rounding.UP else value // how.step
        return self.options.set(how.level, how.number, counted_steps) == 0

    def _option(self, how: object) -> SocketOption:
        if isinstance(how, OptionByFamily):
            return how.ip6 if self.is_ipv6 else how.ip4
        assert isinstance(how, SocketOption), f"{how} is not generated"
        return how


@dataclass(slots=True)
class Concrete(Machine):
    """The evaluator on the values of one option in a world."""

    world: World = field(default_factory=lambda: World("192.0.2.1", "192.0.2.2"))
    params: dict[model.Param, int] = field(default_factory=dict)
    received: bool = False
    counters: dict[str, int] = field(default_factory=dict)

    def read_anew(self, key: object, _node: model.Expression) -> int:
        match key:
            case model.Param():
                return self.params[key]
            case Attribute():
                return self.world.attribute(key)
            case model.Fact.RECEIVED:
                return int(self.received)
            case _:
                return 0

    def is_in_param(self, address: int, prefixes: model.Param, _node: model.Expression) -> bool:
        assert isinstance(prefixes.initial, tuple)
        return is_inside(address, prefixes.initial)

    def entry(self, table: model.Table, key: int) -> int | bytes:
        return dict(table.entries)[key]

    def set_attribute(self, attribute: Attribute, kind: Type, value: int) -> None:
        if not self.world.set_attribute(attribute, kind, value):
            self.count("set_failed")

    def emit(self, record: model.Record, values: list[int]) -> None:
        members = zip(record.members, values, strict=True)
        self.world.emitted.append((record.name, {name: _as_decoded(kind, value) for (name, kind), value in members}))

    def count(self, name: str) -> None:
        """Counts one more."""
        self.counters[name] = self.counters.get(name, 0) + 1

    def act(self, part: model.Receive | model.Handler) -> bool:
        """Runs a block if its guard holds; False if it rejects."""
        self.read, self.lets = [{}], {}
        try:
            if part.guard is None or self.value(part.guard):
                self.run(part.body)
        except RejectedError as error:
            self.count(str(error))
            return False
        return True

    def composed(self, layout: model.Layout, sends: list[model.Send]) -> bytes:
        """The option of the first `send` whose guard holds; nothing if there is none."""
        for send in sends:
            self.read, self.lets, self.assigned = [{}], {}, {}
            if send.guard is None or self.value(send.guard):
                self.run(send.body)
                return encode(layout, self.assigned)
        return b""


def _as_decoded(kind: Type, value: int) -> int | bytes | str:
    if not isinstance(kind, BytesType):
        return value
    data = value.to_bytes(kind.length, "big")
    return data.split(b"\0", 1)[0].decode("latin-1") if kind.form == "text" else data


class Oracle:
    """One program, in the interpreter and beside it."""

    def __init__(self, checked: model.CheckedProgram, program: Program, chance: Random) -> None:
        self._checked = checked
        self._chance = chance
        local, peer = chance.choice(_ADDRESSES)
        self._world, interpreted = World(local, peer), SocketOptions()
        self._interpreted_options = interpreted
        self._machine = Interpreted(program, setsockopt=interpreted.set, getsockopt=interpreted.get)
        self._parts = [self._part(option) for option in checked.options]
        self._role = chance.choice([Role.CLIENT, Role.SERVER])

    def _part(self, option: model.Option) -> Concrete:
        made = Concrete(self._chance, world=self._world)
        for param in option.params:
            if isinstance(param.type, PrefixesType):
                continue
            made.params[param] = value = self._any(param)
            if _is_in_memory(self._machine, option, param):
                initial = value.to_bytes(param.type.length, "big") if isinstance(param.type, BytesType) else value
                self._machine.set(f"{option.name}.{param.name}", initial)
        for state in option.states:
            first = state.initial
            made.states[state] = int.from_bytes(first, "big") if isinstance(first, bytes) else first
        return made

    def _any(self, param: model.Param) -> int:
        if isinstance(param.type, BytesType):
            if param.type.form == "text" or self._chance.random() < 0.5:
                assert isinstance(param.initial, bytes)
                return int.from_bytes(param.initial.ljust(param.type.length, b"\0"), "big")
            return self._chance.getrandbits(8 * param.type.length)
        if isinstance(param.type, EnumType):
            return self._chance.choice(param.type.members)[1]
        return pick(self._chance, param.interval)

    def check(self) -> None:
        """Plays one socket. Raises AssertionError."""
        self._check_synack()
        socket = Socket(self._machine, fields=self._world.context())
        if self._role is Role.CLIENT:
            self._event("connect", [socket.connect()])
            sent = socket.send(flags=TcpFlag.SYN).options
            assert sent == self._expected({PacketClass.SYN}), "the SYN"
            self._event("established", [socket.established()])
        else:
            self._event("established", [socket.accepted()])
            self._check_first_packet(socket)
        for _ in range(_RECEIVED):
            self._receive(socket)
        self._event("closed", [socket.event(SockOp.STATE_CB, TcpState.LAST_ACK, TcpState.CLOSE)])
        self._check_states(socket)

    def _check_synack(self) -> None:
        context = self._world.context()
        fields = {name: value for name, value in context.items() if not name.startswith("snd_")}
        sent = _synack(self._machine, fields)
        assert sent == self._expected({PacketClass.SYNACK}, Role.SERVER), "the SYN-ACK"

    def _check_first_packet(self, socket: Socket) -> None:
        """Of a server: what every policy lets through."""
        payload, flags, classes = self._chance.choice(
            [
                (100, TcpFlag.ACK, {PacketClass.DATA}),
                (0, TcpFlag.ACK, {PacketClass.ACK}),
                (0, TcpFlag.ACK | TcpFlag.FIN, {PacketClass.FIN}),
                (7, TcpFlag.ACK | TcpFlag.FIN, {PacketClass.FIN, PacketClass.DATA}),
            ]
        )
        sent = socket.send(payload, flags).options
        assert sent == self._expected(classes), f"the first packet, {classes}"

    def _expected(self, classes: set[PacketClass], role: Role | None = None) -> bytes:
        found = b""
        for option, part in zip(self._checked.options, self._parts, strict=True):
            side = role or self._role
            sends = [each for each in option.sends if each.packets & classes and each.sender in (None, side)]
            composed = part.composed(option.layout, sends)
            space = 20 if PacketClass.SYNACK in classes else 40
            if composed and len(found) + len(composed) <= space:
                part.count("sent")
                found += composed
            elif composed:
                part.count("no_space")
        return found + b"\x01" * (-len(found) % 4)

    def _event(self, name: str, results: list[Any]) -> None:
        for option, part in zip(self._checked.options, self._parts, strict=True):
            for handler in option.handlers:
                if handler.event.name == name and handler.role in (None, self._role):
                    part.act(handler)
        self._check_effects(f"on {name}", results)

    def _receive(self, socket: Socket) -> None:
        index = self._chance.randrange(len(self._parts))
        option, part = self._checked.options[index], self._parts[index]
        values = any_values(option.layout, self._chance)
        wire = encode(option.layout, values, self._chance)
        result = socket.receive(wire)
        sides = [each for each in option.receives if each.receiver in (None, self._role)]
        _show(part, option.layout, values)
        part.received = True
        all(part.act(each) for each in sides)
        self._check_effects(f"received {wire.hex(' ')}", [result])

    # ----------------------------------------------------------------------------------------------- results

    def _check_effects(self, what: str, results: list[Any]) -> None:
        told = [record for result in results for record in result.records]
        expected, self._world.emitted = self._world.emitted, []
        assert len(told) == len(expected), f"{what}: {told}, not {expected}"
        for record, (name, members) in zip(told, expected, strict=True):
            assert isinstance(record, dict)
            wrong = {each: (record[each], value) for each, value in members.items() if record[each] != value}
            assert not wrong, f"{what}: {name} has {wrong}"
        assert self._interpreted_options.values == self._world.options.values, f"{what}: attributes"
        for option, part in zip(self._checked.options, self._parts, strict=True):
            if not part.counters:
                continue
            found = counted(self._machine, option.name)
            known = {name: found.get(name, 0) for name in part.counters}
            assert known == part.counters, f"{what}: {option.name} counts {found}, not {part.counters}"

    def _check_states(self, socket: Socket) -> None:
        storage = self._machine.storage(socket.name) if self._machine.memory.storage else None
        for option, part in zip(self._checked.options, self._parts, strict=True):
            kept = storage.get(option.name, {}) if isinstance(storage, dict) else {}
            states = kept.get("state", {}) if isinstance(kept, dict) else {}
            assert isinstance(states, dict)
            for state, value in part.states.items():
                if state.name in states:
                    assert states[state.name] == _as_decoded(state.type, value), f"state {state.name}"


def _show(part: Concrete, layout: model.Layout, values: dict[model.Field, list[int]]) -> None:
    """The fields of a received option as its blocks see them."""
    part.present = {each for each in values if each.presence is not model.Presence.ALWAYS}
    part.elements = {each: [raw * each.step for raw in values[each]] for each in values if each.repeat is not None}
    part.fields = {each: values[each][0] * each.step for each in values if each.repeat is None}
    for each in layout.fields:
        if layout.guarded_by(each.name):
            part.fields[each] = int(layout.guarded_by(each.name)[0] in values)


def _is_in_memory(machine: Interpreted, option: model.Option, param: model.Param) -> bool:
    try:
        machine.get(f"{option.name}.{param.name}")
    except KeyError:
        return False
    return True


def _synack(machine: Interpreted, fields: dict[str, int]) -> bytes:
    return packet(machine, space=20, fields={**fields, "skb_tcp_flags": int(TcpFlag.SYN | TcpFlag.ACK)}).options


def check_meaning(checked: model.CheckedProgram, program: Program, seed: int) -> None:
    """Plays some sockets of a program. Raises AssertionError where the interpreter does something else."""
    for number in range(_ROUNDS):
        Oracle(checked, program, Random(seed * _ROUNDS + number)).check()
