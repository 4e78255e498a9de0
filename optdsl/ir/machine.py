"""A machine that runs a program in IR: keeps its globals and maps from one invocation to the next.

For example:

    machine = Machine(program)
    machine.set("delayed_ack.divisor", 3)
    option = bytes.fromhex("fd0644410204")
    result = machine.run(SockOpsContext(SockOp.PARSE_HDR_OPT_CB, socket=1, options=option))
    assert machine.counter("delayed_ack.received") == 1
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from optdsl.ir.interpreter import Interpreter
from optdsl.ir.invocation import (
    ENOPROTOOPT,
    Effect,
    Emitted,
    GetSocketOptionHandler,
    Invocation,
    SetSocketOptionHandler,
    SocketOptionSet,
    SockOpsContext,
    Stored,
)
from optdsl.ir.memory import Decoded, InterpreterError, ProgramMemory, Region, decode
from optdsl.ir.program import Program
from optdsl.ir.sock_ops import NO_OPERATION, TCP_HEADER_SIZE, TCP_OPTION_SPACE
from optdsl.ir.types import Initial, MapKind, Scalar, Type, encode, resolve
from optdsl.record import record
from optdsl.targets.sockops import SockOp

EffectType = TypeVar("EffectType", bound=Effect)


@record
class RunResult:
    """What one invocation did.

    `effects` are its calls of helpers and its counts, in order. `space` is what is left of the option space, `options`
    are those of the packet at hand afterwards, `flags` the socket's callback flags.
    """

    effects: tuple[Effect, ...]
    space: int
    options: bytes | None
    flags: int

    def of(self, kind: type[EffectType]) -> list[EffectType]:
        """The effects of one kind."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def stored(self) -> list[bytes]:
        """The options that were written."""
        return [effect.option for effect in self.of(Stored) if effect.result == 0]

    @property
    def records(self) -> list[Decoded]:
        """The records that were emitted, as dictionaries of their members."""
        return [effect.values for effect in self.of(Emitted)]

    @property
    def socket_options(self) -> dict[tuple[int, int], int | bytes]:
        """(level, option) of the socket options that were set, and their last value."""
        return {(set_.level, set_.option): set_.value for set_ in self.of(SocketOptionSet) if set_.result == 0}


def _accept(_level: int, _option: int, _value: int | bytes) -> int:
    return 0


def _refuse(_level: int, _option: int, _size: int) -> int:
    return -ENOPROTOOPT


class Machine:
    """One CPU with one program. `now` is the time in nanoseconds; whoever runs the machine moves it.

    `setsockopt` and `getsockopt` answer for the kernel (see `invocation.py`); by default every option can be set and
    none can be read. A map in `memory.exhausted` has no memory left.
    """

    def __init__(
        self,
        program: Program,
        *,
        now: int = 0,
        setsockopt: SetSocketOptionHandler = _accept,
        getsockopt: GetSocketOptionHandler = _refuse,
    ) -> None:
        self.program = program
        self.now = now
        self.setsockopt = setsockopt
        self.getsockopt = getsockopt
        self.memory = ProgramMemory(program)

    def run(self, context: SockOpsContext) -> RunResult:
        """Runs the entry once. Raises InterpreterError where the program does what has no meaning."""
        kernel = Invocation(context)
        interpreter = Interpreter(
            self.program, self.memory, kernel, now=self.now, setsockopt=self.setsockopt, getsockopt=self.getsockopt
        )
        returned = interpreter.run(self.program.entry)
        if returned != 1:
            raise InterpreterError(f"{self.program.entry} returned {returned}, which cancels the packet's options")
        return RunResult(tuple(kernel.effects), kernel.space, kernel.options, kernel.flags)

    # What user space sees and does.

    def set(self, path: str, value: Initial) -> None:
        """Sets a parameter: `delayed_ack.divisor`, `names.3.id`. Raises KeyError if there is none."""
        region, offset, kind = self._global(path)
        region.write(offset, encode(kind, value))

    def get(self, path: str) -> Decoded:
        """The value of a global variable or a part of it. Raises KeyError if there is none."""
        region, offset, kind = self._global(path)
        return decode(kind, bytes(region.data[offset : offset + kind.size]))

    def _global(self, path: str) -> tuple[Region, int, Type]:
        name, *steps = path.split(".")
        region = self.memory.globals[name]
        return region, *resolve(region.type, _path(steps))

    def counter(self, path: str) -> int:
        """The value of a counter such as `delayed_ack.sent`. Raises KeyError if there is none."""
        counters = self.memory.tables["counters"][0]
        offset, kind = resolve(counters.type, _path(path.split(".")))
        if not isinstance(kind, Scalar):
            raise KeyError(path)
        return int.from_bytes(counters.data[offset : offset + kind.size], "little")

    def storage(self, socket: Hashable, name: str | None = None) -> Decoded | None:
        """A socket's storage in map `name` (by default the only one), None if it has none."""
        region = self._storage(name).get(socket)
        return None if region is None else decode(region.type, bytes(region.data))

    def close(self, socket: Hashable) -> None:
        """Forgets a socket's storage, as the kernel does when the socket is freed."""
        for values in self.memory.storage.values():
            values.pop(socket, None)

    def _storage(self, name: str | None) -> dict[Hashable, Region]:
        if name is not None:
            return self.memory.storage[name]
        (only,) = self.memory.storage.values()
        return only

    def set_entry(self, name: str, key: int, value: Initial) -> None:
        """Sets an entry of a hash table or array, as `bpftool map update` does. Raises KeyError if it does not fit."""
        definition, table = self.memory.maps[name], self.memory.tables[name]
        if key not in table and (definition.kind is not MapKind.HASH or len(table) >= definition.max_entries):
            raise KeyError(f"map {name} has no room for key {key}")
        table[key] = self.memory.map_value(name, value)

    def entry(self, name: str, key: int) -> Decoded | None:
        """An entry of a hash table or array, None if it is not there."""
        region = self.memory.tables[name].get(key)
        return None if region is None else decode(region.type, bytes(region.data))


def _path(steps: list[str]) -> tuple[str | int, ...]:
    return tuple(int(step) if step.isdecimal() else step for step in steps)


@record
class Packet:
    """An outgoing packet: all its options, those of the kernel (`kernel_options`) first, and the runs that made it.

    `write` is None if nothing was reserved: the kernel does not call WRITE_HDR_OPT then.
    """

    options: bytes
    length: RunResult
    write: RunResult | None


def packet(
    machine: Machine,
    *,
    socket: Hashable | None = None,
    kernel_options: bytes = b"",
    space: int | None = None,
    payload: int = 0,
    fields: Mapping[str, int] | None = None,
    saved_syn: bytes | None = None,
) -> Packet:
    """One outgoing packet: HDR_OPT_LEN, then WRITE_HDR_OPT if anything was reserved.

    As `bpf_skops_hdr_opt_len()` and `bpf_skops_write_hdr_opt()` in `net/ipv4/tcp_output.c`: the sum of what was
    reserved is rounded up to four bytes, and what is not written becomes NOPs. `kernel_options` stand in the packet
    before (the kernel pads them to four bytes); `space` are the bytes that are left (by default 40 without those);
    `payload` is the length of the data. `fields` are passed to both callbacks, `skb_len` excepted.
    """
    left = TCP_OPTION_SPACE - len(kernel_options) if space is None else space
    common = {**(fields or {})}
    sizing = SockOpsContext(
        SockOp.HDR_OPT_LEN_CB, {**common, "skb_len": payload}, socket, space=left, saved_syn=saved_syn
    )
    length = machine.run(sizing)
    reserved = -(-(left - length.space) // 4) * 4
    if reserved == 0:
        return Packet(kernel_options, length, None)
    common["skb_len"] = TCP_HEADER_SIZE + len(kernel_options) + reserved + payload
    if socket is not None:
        common["bpf_sock_ops_cb_flags"] = length.flags
    writing = SockOpsContext(
        SockOp.WRITE_HDR_OPT_CB, common, socket, space=reserved, options=kernel_options, saved_syn=saved_syn
    )
    write = machine.run(writing)
    written = kernel_options if write.options is None else write.options
    return Packet(written + bytes([NO_OPERATION]) * write.space, length, write)
