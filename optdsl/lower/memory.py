"""The memory of a generated program: what is kept for each socket, the params, the tables, the counters.

One struct for each option inside one struct for each of these, so that names never clash and bpftool shows
`delayed_ack.divisor`, `counters.delayed_ack.sent`. What nothing uses is left out, whole maps included.
"""

from __future__ import annotations

from optdsl.ir import ops
from optdsl.ir.types import (
    U8,
    U16,
    U32,
    U64,
    ByteArray,
    GlobalVariable,
    Initial,
    MapDefinition,
    MapKind,
    Member,
    Section,
    Struct,
)
from optdsl.lower.layout import WINDOW, has_dynamic_offsets, wire_size
from optdsl.lower.names import COUNTERS, EVENTS, SCRATCH, SETTINGS, SOCKETS, Names, numbered
from optdsl.lower.policies import policy_members
from optdsl.lower.records import RecordForm, record_forms
from optdsl.lower.storage_types import scalar_of
from optdsl.lower.uses import ESTABLISHED, SYN, SYNACK, acts_on_a_side, asks, is_active, is_received, names_a_side
from optdsl.record import field, record
from optdsl.semantics import model
from optdsl.targets import PacketClass, Role

RING_BYTES = 1 << 18


@record(frozen=False)
class Memory:
    """The structs, variables and maps of one program."""

    program: model.CheckedProgram
    names: Names = field(default_factory=Names)
    counters: dict[str, list[str]] = field(default_factory=dict)
    """By option: the counters that its code adds to, in the order in which they are first used."""
    globals: list[GlobalVariable] = field(default_factory=list)
    tunable: list[MapDefinition] = field(default_factory=list)
    """The maps of tunable tables."""
    params: dict[model.Option, str] = field(default_factory=dict)
    """By option: the variable that holds its params."""
    tables: dict[model.Table, str] = field(default_factory=dict)
    """By tunable table: its map."""
    arrays: dict[model.Table, str] = field(default_factory=dict)
    """By table: the array of its constant entries."""
    entry: str = field(init=False)
    """The name of the program itself."""
    numbers: dict[str, str] = field(init=False)
    """What the parameters `flags`, `payload`, `from_syn` and `wire` are called, so as to hide nothing."""
    records: dict[str, RecordForm] = field(default_factory=dict)
    """By name: the forms of `emit`."""
    roles: frozenset[Role] = field(init=False)
    """The sides on which anything is sent, read or handled from a socket."""
    socket: Struct = field(init=False)
    uses_scratch: bool = False

    def __post_init__(self) -> None:
        options = self.program.options
        self.params = {option: self.names.give(option.name) for option in options if option.params}
        for table in (*self.program.tables, *(table for option in options for table in option.tables)):
            name = self.names.give(table.name)
            self.tables[table] = name
            self.arrays[table] = self.names.give(f"{name}_entries") if table.tunable else name
        # The params of `option x` in `x.opt` are called `x`, so that the program is not.
        taken = self.program.name in self.names.given
        self.entry = self.names.give(f"{self.program.name}_ops" if taken else self.program.name)
        self.roles = frozenset(role for role in Role if any(is_active(option, role) for option in options))
        self.numbers = {name: numbered(name, self.names.given) for name in ("flags", "payload", "from_syn", "wire")}
        self.records = record_forms(self.program.records)
        self.globals = [self._params(option) for option in options if option.params]
        self.counters = {option.name: _first_counters(option) for option in options}
        self.socket = self._of_socket()

    # ------------------------------------------------------------------------------------------- questions

    @property
    def keeps_sockets(self) -> bool:
        """Whether anything is kept for a socket."""
        return bool(self.socket.members)

    @property
    def tells_roles(self) -> bool:
        """Whether the socket must remember its role. A program that does nothing on the other side keeps nothing there
        either, which is all that sending need ask."""
        options = self.program.options
        asked = names_a_side if len(self.roles) > 1 else acts_on_a_side
        return any(asked(option) for option in options)

    @property
    def only_sender(self) -> Role | None:
        """The side that sends all there is to send, if it is one of two: asked once, before anything is composed."""
        senders = {send.sender for option in self.program.options for send in option.sends if send.packets - SYNACK}
        return next(iter(senders)) if self.tells_roles and len(senders) == 1 else None

    @property
    def names_third_ack(self) -> bool:
        """Whether any `send` tells the third ACK of the handshake apart."""
        return any(PacketClass.THIRD_ACK in send.packets for option in self.program.options for send in option.sends)

    @property
    def asks_payload(self) -> bool:
        """Whether writing must know if the packet carries data."""
        until_acked = model.PolicyForm.UNTIL_ACKED
        return any(send.policy.form is until_acked for option in self.program.options for send in option.sends)

    def keeps(self, option: model.Option, name: str) -> bool:
        """Whether a member is kept for each socket for an option."""
        kept = next((member.type for member in self.socket.members if member.name == option.name), None)
        return isinstance(kept, Struct) and any(member.name == name for member in kept.members)

    def place(self, option: model.Option, *path: str) -> ops.Place:
        """Where something is kept for each socket for an option."""
        return ops.Place(ops.PointerRoot("socket"), (option.name, *path))

    # ------------------------------------------------------------------------------------ parts of functions

    @property
    def socket_parameters(self) -> tuple[ops.Parameter, ...]:
        """The parameter of functions that may need the socket's storage, where there is any."""
        return (ops.Parameter("socket", self.socket),) if self.keeps_sockets else ()

    def count(self, option: model.Option, name: str) -> tuple[str, str]:
        """The path of a counter, which exists from its first use on."""
        known = self.counters[option.name]
        if name not in known:
            known.append(name)
        return option.name, name

    # ---------------------------------------------------------------------------------------------- structs

    def _params(self, option: model.Option) -> GlobalVariable:
        members = tuple(Member(param.name, scalar_of(param.type), param.doc) for param in option.params)
        initial = tuple(_initial(param) for param in option.params)
        struct = Struct(f"{option.name}_params", members, f"Params of option {option.name}.")
        return GlobalVariable(self.params[option], struct, Section.PARAMETERS, initial, option.doc)

    def _of_socket(self) -> Struct:
        members = []
        if self.tells_roles:
            members.append(Member("role", U8, "1: this side sent the SYN, 2: it answered"))
        if self.names_third_ack:
            members.append(Member("third_ack", U8, "the next packet completes the handshake"))
        if self.asks_payload:
            members.append(Member("payload", U32, "bytes of data in the packet that gets an option"))
        for option in self.program.options:
            struct = self._of_option(option)
            if struct.members:
                members.append(Member(option.name, struct))
        return Struct("socket", tuple(members), "What is kept for each socket.")

    def _of_option(self, option: model.Option) -> Struct:
        members: list[Member] = []
        composers = [send for send in option.sends if send.packets & (SYN | ESTABLISHED)]
        if composers or (is_received(option) and has_dynamic_offsets(option)):
            wire = ByteArray(wire_size(option), aligned=True)
            members.append(Member("wire", wire, "the option as composed for this packet, or as received"))
        if composers:
            members.append(Member("length", U8, "bytes of it; 0: not on this packet"))
        if len(composers) > 1 and any(send.policy.form is not model.PolicyForm.EACH for send in composers):
            members.append(Member("sender", U8, "which `send` composed it"))
        if asks(option, model.Fact.RECEIVED):
            members.append(Member("received", U8, "the peer has sent a valid one"))
        for index, send in enumerate(option.sends):
            members.extend(policy_members(send, index))
        if option.states:
            states = tuple(Member(state.name, scalar_of(state.type), state.doc) for state in option.states)
            members.append(Member("state", Struct(f"{option.name}_state", states)))
        return Struct(f"{option.name}_socket", tuple(members), f"What option {option.name} keeps for each socket.")

    def counters_struct(self) -> Struct:
        """The counters of all options, as they turned out to be used."""
        members = []
        for option in self.program.options:
            counted = tuple(Member(name, U64) for name in self.counters[option.name])
            if counted:
                members.append(Member(option.name, Struct(f"{option.name}_counters", counted)))
        return Struct(COUNTERS, tuple(members), "How often what happened, on each CPU.")

    # ------------------------------------------------------------------------------------ maps and variables

    def maps(self) -> tuple[MapDefinition, ...]:
        """The maps of the program."""
        found = []
        if self.keeps_sockets:
            doc = "What is kept for each socket."
            found.append(MapDefinition(SOCKETS, MapKind.SK_STORAGE, 0, U32, self.socket, doc))
        counters = self.counters_struct()
        if counters.members:
            doc = "Add up over the CPUs what bpftool shows for each."
            found.append(MapDefinition(COUNTERS, MapKind.PERCPU_ARRAY, 1, U32, counters, doc))
        if self.uses_scratch:
            scratch = Struct("scratch", (Member("wire", ByteArray(WINDOW, aligned=True)),))
            found.append(MapDefinition(SCRATCH, MapKind.PERCPU_ARRAY, 1, U32, scratch, "A wire buffer for each CPU."))
        if self.records:
            found.append(MapDefinition(EVENTS, MapKind.RINGBUF, RING_BYTES, doc="Records of `emit`."))
        return (*found, *self.tunable)

    def variables(self) -> tuple[GlobalVariable, ...]:
        """The global variables of the program, with what the generated code itself lets be tuned."""
        if not self.asks_payload:
            return tuple(self.globals)
        doc = "`until acked` gives up after this many packets without data"
        struct = Struct("settings", (Member("until_acked_packets", U16, doc),), "Settings of all options.")
        settings = GlobalVariable(SETTINGS, struct, Section.PARAMETERS, (16,), "Settings of all options.")
        return (*self.globals, settings)


def _first_counters(option: model.Option) -> list[str]:
    return ["sent"] * bool(option.sends) + ["received"] * is_received(option)


def _initial(param: model.Param) -> Initial:
    if isinstance(param.initial, tuple):
        return tuple((prefix.address.to_bytes(16, "big"), prefix.length) for prefix in param.initial)
    return param.initial
