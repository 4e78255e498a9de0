"""The memory of a generated program: what is kept for each socket, the params, the tables, the counters.

One struct for each option inside one struct for each of these, so that names never clash and bpftool shows
`delayed_ack.divisor`, `counters.delayed_ack.sent`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from optdsl.ir.types import (
    U8,
    U16,
    U32,
    U64,
    Array,
    ByteArray,
    GlobalVariable,
    Initial,
    MapDefinition,
    MapKind,
    Member,
    Scalar,
    Section,
    Struct,
    Type,
)
from optdsl.lower.policies import policy_members
from optdsl.semantics import model
from optdsl.semantics import types as language
from optdsl.semantics.units import ALIASES, Unit
from optdsl.targets import PacketClass

SOCKETS, COUNTERS, EVENTS, SCRATCH, SETTINGS = "sockets", "counters", "events", "scratch", "settings"
RING_BYTES = 1 << 18
TABLE_ENTRIES = 1024
DENSE = 1024
"""Tables whose keys are below this are arrays; others are a chain of comparisons."""
WINDOW = 72
"""Bytes of a wire buffer whose offsets are known only at run time: 64 that an offset can name, and one word."""

PREFIX = Struct(
    "prefix",
    (
        Member("address", ByteArray(16, aligned=True), "IPv6, or IPv4 as ::ffff:a.b.c.d"),
        Member("length", U8, "0: this entry is free"),
    ),
    "An address prefix.",
)


def scalar_of(kind: language.Type) -> Type:
    """How a value of a type of the language is kept in memory."""
    match kind:
        case language.NumberType(unit=Unit.NUMBER, bits=bits):
            return Scalar(next(size for size in (8, 16, 32, 64) if size >= (bits or 64)))
        case language.NumberType(unit=Unit.SEGMENTS | Unit.RATIO as unit):
            return Scalar(32, ALIASES[unit])
        case language.NumberType(unit=unit):
            return Scalar(64, ALIASES[unit])
        case language.BoolType():
            return Scalar(8, "boolean")
        case language.EnumType(bits=bits):
            return Scalar(next(size for size in (8, 16, 32, 64) if size >= bits))
        case language.BytesType(length=length, form=form):
            return ByteArray(length, text=form == "text", aligned=form != "text" and length >= 8)
        case language.PrefixesType(length=length):
            return Array(PREFIX, length)
        case language.TableType():
            raise TypeError("a table is no value")


def has_dynamic_offsets(option: model.Option) -> bool:
    """Whether a field's place on the wire is known only at run time: it follows one that a flag announces."""
    return any(before.presence is model.Presence.FLAG for before in option.layout.fields[:-1])


@dataclass(slots=True)
class Memory:
    """The structs, variables and maps of one program."""

    program: model.CheckedProgram
    counters: dict[str, list[str]] = field(default_factory=dict)
    """By option: the counters that its code adds to, in the order in which they are first used."""
    globals: list[GlobalVariable] = field(default_factory=list)
    tunable: list[MapDefinition] = field(default_factory=list)
    """The maps of tunable tables."""
    tables: dict[model.Table, str] = field(default_factory=dict)
    socket: Struct = field(init=False)
    uses_scratch: bool = False
    taken: frozenset[str] = field(init=False)
    """Names of variables and maps."""

    def __post_init__(self) -> None:
        self._name_tables()
        own = {SOCKETS, COUNTERS, EVENTS, SCRATCH, SETTINGS, self.program.name}
        self.taken = frozenset(own | {option.name for option in self.program.options} | set(self.tables.values()))
        for option in self.program.options:
            self.counters[option.name] = ["sent"] if option.sends else []
            if option.receives or self.listens(option):
                self.counters[option.name].append("received")
            self._params(option)
        members = [Member(option.name, self._of_option(option)) for option in self.program.options]
        common = [Member("role", U8, "1: this side sent the SYN, 2: it answered")]
        if self.names_third_ack():
            common.append(Member("third_ack", U8, "the next packet completes the handshake"))
        if self.asks_payload():
            common.append(Member("payload", U8, "the packet being composed carries data"))
        kept = [member for member in members if isinstance(member.type, Struct) and member.type.members]
        self.socket = Struct("socket", (*common, *kept), "What is kept for each socket.")

    def names_third_ack(self) -> bool:
        """Whether any `send` tells the third ACK of the handshake apart."""
        return any(PacketClass.THIRD_ACK in send.packets for option in self.program.options for send in option.sends)

    def asks_payload(self) -> bool:
        """Whether writing must know if the packet carries data."""
        form = model.PolicyForm.UNTIL_ACKED
        return any(send.policy.form is form for option in self.program.options for send in option.sends)

    def listens(self, option: model.Option) -> bool:
        """Whether an option is read on receipt although no `receive` stands there: something asks if it came."""
        return asks(option, model.Fact.RECEIVED)

    def count(self, option: model.Option, name: str) -> tuple[str, str]:
        """The path of a counter, which exists from its first use on."""
        known = self.counters[option.name]
        if name not in known:
            known.append(name)
        return option.name, name

    def wire_size(self, option: model.Option) -> int:
        """Bytes of the buffer that an option is composed in."""
        return WINDOW if has_dynamic_offsets(option) else option.layout.largest

    # ------------------------------------------------------------------------------------------- variables

    def _params(self, option: model.Option) -> None:
        if not option.params:
            return
        members = tuple(Member(param.name, scalar_of(param.type), param.doc) for param in option.params)
        initial = tuple(_initial(param) for param in option.params)
        struct = Struct(f"{option.name}_params", members, f"Params of option {option.name}.")
        self.globals.append(GlobalVariable(option.name, struct, Section.PARAMETERS, initial, option.doc))

    def _name_tables(self) -> None:
        """Tables keep the names of the source; of two with one name the second is numbered."""
        tables = [*self.program.tables, *(table for option in self.program.options for table in option.tables)]
        own = {SOCKETS, COUNTERS, EVENTS, SCRATCH, SETTINGS, self.program.name}
        taken = own | {option.name for option in self.program.options}
        for table in tables:
            name, number = table.name, 2
            while name in taken:
                name, number = f"{table.name}_{number}", number + 1
            taken.add(name)
            self.tables[table] = name

    def _of_option(self, option: model.Option) -> Struct:
        members: list[Member] = []
        if option.sends:
            size = self.wire_size(option)
            members.append(Member("wire", ByteArray(size, aligned=True), "the option as composed for this packet"))
        if option.states:
            states = tuple(Member(state.name, scalar_of(state.type), state.doc) for state in option.states)
            members.append(Member("state", Struct(f"{option.name}_state", states)))
        composers = sum(has_full_socket(send) for send in option.sends)
        if composers:
            members.append(Member("length", U8, "bytes of it; 0: not on this packet"))
        if composers > 1:
            members.append(Member("sender", U8, "which `send` composed it"))
        if self.listens(option):
            members.append(Member("received", U8, "the peer has sent a valid one"))
        for index, send in enumerate(option.sends):
            members.extend(policy_members(send, index))
        return Struct(f"{option.name}_socket", tuple(members), f"What option {option.name} keeps for each socket.")

    # ------------------------------------------------------------------------------------------------ maps

    def counters_struct(self) -> Struct:
        """The counters of all options, as they turned out to be used."""
        members = []
        for option in self.program.options:
            counted = tuple(Member(name, U64) for name in self.counters[option.name])
            if counted:
                members.append(Member(option.name, Struct(f"{option.name}_counters", counted)))
        return Struct(COUNTERS, tuple(members), "How often what happened, on each CPU.")

    def maps(self) -> tuple[MapDefinition, ...]:
        """The maps of the program."""
        found = [
            MapDefinition(SOCKETS, MapKind.SK_STORAGE, 0, U32, self.socket, "What is kept for each socket."),
            MapDefinition(COUNTERS, MapKind.PERCPU_ARRAY, 1, U32, self.counters_struct(), "Read with bpftool."),
        ]
        if self.uses_scratch:
            scratch = Struct("scratch", (Member("wire", ByteArray(WINDOW, aligned=True)),))
            found.append(MapDefinition(SCRATCH, MapKind.PERCPU_ARRAY, 1, U32, scratch, "A wire buffer for each CPU."))
        if self.program.records:
            found.append(MapDefinition(EVENTS, MapKind.RINGBUF, RING_BYTES, doc="Records of `emit`."))
        return (*found, *self.tunable)

    def settings(self) -> list[GlobalVariable]:
        """What the generated code itself lets be tuned."""
        if not self.asks_payload():
            return []
        doc = "`until acked` gives up after this many packets without data"
        struct = Struct("settings", (Member("until_acked_packets", U16, doc),), "Settings of all options.")
        return [GlobalVariable(SETTINGS, struct, Section.PARAMETERS, (16,), "Settings of all options.")]


def _initial(param: model.Param) -> Initial:
    if isinstance(param.initial, tuple):
        return tuple((prefix.address.to_bytes(16, "big"), prefix.length) for prefix in param.initial)
    return param.initial


def has_full_socket(send: model.Send) -> bool:
    """Whether a `send` composes for anything but a SYN-ACK."""
    return any(packet.value != "synack" for packet in send.packets)


def asks(option: model.Option, fact: model.Fact) -> bool:
    """Whether any block of an option asks for a fact."""
    blocks = [(send.guard, send.body) for send in option.sends]
    blocks += [(receive.guard, receive.body) for receive in option.receives]
    blocks += [(handler.guard, handler.body) for handler in option.handlers]
    return any(_mentions(guard, fact) or _mentions(body, fact) for guard, body in blocks)


def _mentions(node: object, fact: model.Fact) -> bool:
    """Whether a fact stands anywhere inside a checked node."""
    if isinstance(node, model.FactRead):
        return node.fact is fact
    if isinstance(node, tuple):
        return any(_mentions(each, fact) for each in node)
    if type(node).__module__ != model.__name__ or isinstance(node, model.Field | model.Param | model.Table):
        return False
    return any(_mentions(getattr(node, name), fact) for name in getattr(node, "__dataclass_fields__", ()))
