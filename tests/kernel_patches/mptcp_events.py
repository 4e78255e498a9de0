"""What `programs/mptcp_events.bpf.c` writes: events of MPTCP connections, with what programs can read at that moment.

watch = Watch(program("mptcp_events", paths.client))
watch.ask(Kind.NEW_SESSION, Kind.SYNACK)
...
assert [each.kind for each in watch.events()] == [Kind.NEW_SESSION, Kind.SYNACK]
"""

from __future__ import annotations

import ipaddress
import struct
import time
from enum import IntEnum, IntFlag
from typing import Final

from kernel_patches.programs import LoadedProgram
from optdsl.record import record

MPTCP_CB: Final = 128
"""BPF_SOCK_OPS_MPTCP_CB of the patched include/uapi/linux/bpf.h."""
LISTEN_CB, ACTIVE_ESTABLISHED_CB, PASSIVE_ESTABLISHED_CB, STATE_CB = 11, 4, 5, 10
"""BPF_SOCK_OPS_..., of include/uapi/linux/bpf.h."""
FALLBACK, REMOTE_KEY_RECEIVED = 1, 2
"""MPTCP_INFO_FLAG_... of include/uapi/linux/mptcp.h."""
CLOSED, FELL_BACK = 0, 1
"""enum mptcp_bpf_close_cause."""
RST_RECEIVED, RST_TRANSIENT = 0x100, 0x200
"""MPTCP_BPF_RST_..."""
MPTCP_BPF_EVENTS, MPTCP_BPF_RCV_MARK, MPTCP_BPF_ADDR, MPTCP_BPF_INFO = range(1001, 1005)
"""Socket options of level SOL_MPTCP, for programs only."""

TICK: Final = 0.02
"""Seconds until a ring buffer's records are seen to have come: user-mode Linux wakes its readers at a timer tick."""
_RECORD: Final = struct.Struct("=QI4IiiIIIQ")
_INFO: Final = struct.Struct("=QQ5I4B")
_ADDR: Final = struct.Struct("=H2sB3x16s")
_FAMILIES: Final = {2: 4, 10: 16}
"""AF_INET and AF_INET6, with the bytes of an address."""


class Kind(IntEnum):
    """enum mptcp_bpf_event."""

    NEW_SESSION = 0
    ESTABLISHED = 1
    SESSION_CLOSED = 2
    SUBFLOW_ADDED = 3
    SYNACK = 4
    SUBFLOW_CLOSED = 5
    ADDR_ADDED = 6
    ADDR_REMOVED = 7
    DATA = 8
    ACTION_FAILED = 9


class SubflowFlags(IntFlag):
    """MPTCP_SUBFLOW_FLAG_... of include/uapi/linux/mptcp.h."""

    CAPABLE_REMOTE = 0x1
    CAPABLE_LOCAL = 0x2
    JOIN_REMOTE = 0x4
    JOIN_LOCAL = 0x8
    BACKUP_REMOTE = 0x10
    BACKUP_LOCAL = 0x20
    FULLY_ESTABLISHED = 0x40
    CONNECTED = 0x80
    MAP_VALID = 0x100


@record
class Info:
    """struct mptcp_bpf_info."""

    local_key: int
    remote_key: int
    token: int
    remote_token: int
    flags: int
    subflow_flags: SubflowFlags
    subflow_id: int
    local_id: int
    remote_id: int
    server_side: int
    extra_subflows: int


@record
class Address:
    """struct mptcp_bpf_addr."""

    address: str
    port: int
    id: int


@record
class Told:
    """One call of the program."""

    seconds: float
    """On the kernel's monotonic clock."""
    op: int
    """BPF_SOCK_OPS_..."""
    args: tuple[int, int, int, int]
    local_port: int
    remote_port: int
    wanted: int
    """The events that the connection is told about, as bits."""
    mark: int
    """MPTCP_BPF_RCV_MARK at that moment; 0 for none."""
    info: Info | None
    """None where `info_error` says why."""
    info_error: int
    address: Address | None
    address_error: int

    @property
    def kind(self) -> Kind:
        """Which event it is, if `op` is MPTCP_CB."""
        return Kind(self.args[0])

    @property
    def of(self) -> tuple[int, ...]:
        """The arguments that follow the event."""
        return self.args[1:]

    @property
    def known(self) -> Info:
        """What MPTCP_BPF_INFO told."""
        assert self.info is not None, f"error {self.info_error} of MPTCP_BPF_INFO"
        return self.info


class Watch:
    """Follows what the program tells of one host."""

    def __init__(self, program: LoadedProgram) -> None:
        self._program = program
        self._records = program.records()
        self._told: list[Told] = []

    def ask(self, *kinds: Kind, mark: int = 0, step: int = 0, callbacks: tuple[int, ...] = ()) -> None:
        """What sockets ask for that connect or listen from now on; all events of patches 2 and 3 without `kinds`."""
        self._program.set("wanted", bits(*kinds or Kind))
        self._program.set("mark", mark)
        self._program.set("step", step)
        self._program.set("told", sum(1 << op for op in callbacks))

    def answers(self) -> tuple[object, object]:
        """What MPTCP_BPF_EVENTS and MPTCP_BPF_RCV_MARK were answered last; 1 if they were not set at all."""
        return self._program.value("set_wanted"), self._program.value("set_mark")

    def all(self) -> list[Told]:
        """Everything so far, in order."""
        assert self._program.value("lost") == 0
        self._told += [_told(data) for data in self._records.poll(TICK)]
        return list(self._told)

    def events(self, *kinds: Kind) -> list[Told]:
        """The events so far, of all kinds or of some."""
        return [each for each in self.all() if each.op == MPTCP_CB and (not kinds or each.kind in kinds)]

    def kinds(self) -> list[Kind]:
        """Which events came so far."""
        return [each.kind for each in self.events()]

    def one(self, kind: Kind) -> Told:
        """The only event of a kind."""
        found = self.events(kind)
        assert len(found) == 1, f"{len(found)} events {kind.name}: {self.kinds()}"
        return found[0]

    def callbacks(self, op: int) -> list[Told]:
        """The calls of another callback that was asked for."""
        return [each for each in self.all() if each.op == op]

    def wait(self, kind: Kind, count: int = 1, *, seconds: float = 10.0) -> Told:
        """Returns the `count`th event of a kind when it has come."""
        deadline = time.monotonic() + seconds
        while len(found := self.events(kind)) < count:
            assert time.monotonic() < deadline, f"no {kind.name} within {seconds:g} s: {self.kinds()}"
            time.sleep(0.01)
        return found[count - 1]


def bits(*kinds: Kind) -> int:
    """As MPTCP_BPF_EVENTS has them."""
    return sum(1 << kind for kind in kinds)


def _told(data: bytes) -> Told:
    time_ns, op, *args, info_error, addr_error, local, remote, wanted, mark = _RECORD.unpack_from(data)
    info = _INFO.unpack_from(data, _RECORD.size)  # Info has its order
    return Told(
        seconds=time_ns / 1e9,
        op=op,
        args=(args[0], args[1], args[2], args[3]),
        local_port=local,
        remote_port=remote,
        wanted=wanted,
        mark=mark,
        info=None if info_error else _info(info),
        info_error=info_error,
        address=None if addr_error else _address(data[_RECORD.size + _INFO.size :]),
        address_error=addr_error,
    )


def _info(found: tuple[int, ...]) -> Info:
    return Info(
        *(found[0], found[1], found[2], found[3], found[4]),
        subflow_flags=SubflowFlags(found[5]),
        subflow_id=found[6],
        local_id=found[7],
        remote_id=found[8],
        server_side=found[9],
        extra_subflows=found[10],
    )


def _address(data: bytes) -> Address:
    family, port, number, address = _ADDR.unpack_from(data)
    return Address(str(ipaddress.ip_address(address[: _FAMILIES[family]])), int.from_bytes(port, "big"), number)
