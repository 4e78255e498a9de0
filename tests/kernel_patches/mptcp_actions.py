"""What drives the program `mptcp_actions`: steps that it shall take, and the reports of what came of them.

    acting = Actions(program("mptcp_actions", paths.client))
    acting.plan(open_subflow(Event.ESTABLISHED, local=Address("10.0.2.1")))
    ...
    assert acting.answers() == [0]
    acting.wait_for(Event.SUBFLOW_ADDED)

Numbers and layouts are those of kernel-patches/mptcp_bpf.h.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import time
from enum import IntEnum
from typing import Final, TypeAlias

from kernel_patches.mptcp_events import Kind
from kernel_patches.programs import LoadedProgram
from optdsl.record import record

NAME: Final = "mptcp_actions"
NO_STEP: Final = 0xFFFFFFFF
OFTEN: Final = 1_000_000
F_BACKUP: Final = 1
F_LOCAL: Final = 2
_VALUE_MAX: Final = 64
_STEP: Final = struct.Struct(f"=IIiII{_VALUE_MAX}s")
_REPORT: Final = struct.Struct("=QIIi3I 2Q5I4B HHB3x16s")
_MOST_STEPS: Final = 24
_LATENCY: Final = 0.02
"""Seconds, two ticks."""


Event: TypeAlias = Kind
"""What a step can wait for, beside callbacks."""


class Callback(IntEnum):
    """The other callbacks that steps may wait for: 100 beyond their numbers in include/uapi/linux/bpf.h."""

    CONNECT = 103
    ACTIVE_ESTABLISHED = 104
    PASSIVE_ESTABLISHED = 105
    STATE = 110
    LISTEN = 111
    RTT = 112


class Option(IntEnum):
    """Socket options of the level SOL_MPTCP."""

    INACTIVITY_TIMEOUT = 64
    EVENTS = 1001
    RCV_MARK = 1002
    OPEN_SUBFLOW = 1005
    CLOSE_SUBFLOW = 1006
    BACKUP = 1007
    ANNOUNCE = 1008
    WITHDRAW = 1009


@record
class Address:
    """A `struct mptcp_bpf_addr`; without an address its family is left out."""

    text: str | None = None
    port: int = 0
    id: int = 0

    def packed(self) -> bytes:
        """As it is in memory."""
        if self.text is None:
            return struct.pack("=H2sB19x", socket.AF_UNSPEC, self.port.to_bytes(2, "big"), self.id)
        address = ipaddress.ip_address(self.text)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        return struct.pack("=H2sB3x16s", family, self.port.to_bytes(2, "big"), self.id, address.packed)


@record
class Step:
    """An option that the program sets when something happens."""

    when: Event | Callback
    option: int
    value: bytes
    subflow: int = 0
    """The only one on which it does; 0 for any."""
    times: int = 1
    """How often it does."""

    def packed(self) -> bytes:
        """As the program reads it."""
        return _STEP.pack(self.when, self.subflow, self.times, self.option, len(self.value), self.value)


@record
class Report:
    """What the program tells: an event, or the answer to a step."""

    time: float
    """Seconds."""
    when: Event | Callback
    step: int | None
    answer: int
    """0 or an error number below it."""
    args: tuple[int, ...]
    subflow: int
    local_id: int
    remote_id: int
    extra_subflows: int
    token: int
    address: str | None
    """With the event of an added one."""


def open_subflow(
    when: Event | Callback,
    *,
    local: Address | None = None,
    remote: Address | None = None,
    ifindex: int = 0,
    flags: int = 0,
    subflow: int = 0,
    times: int = 1,
) -> Step:
    """A step that opens a subflow; what is not given is left to the kernel."""
    ends = [(given or Address()).packed() for given in (local, remote)]
    value = b"".join(ends) + struct.pack("=II", ifindex, flags)
    return Step(when, Option.OPEN_SUBFLOW, value, subflow, times)


def close_subflow(when: Event | Callback, target: int = 0, *, subflow: int = 0, times: int = 1) -> Step:
    """A step that closes a subflow, by default the one it is taken on."""
    return Step(when, Option.CLOSE_SUBFLOW, struct.pack("=II", target, 0), subflow, times)


def set_backup(when: Event | Callback, target: int, flags: int, *, subflow: int = 0, times: int = 1) -> Step:
    """A step that makes a subflow a backup one (F_BACKUP) or an ordinary one (0); with F_LOCAL the peer is not told."""
    return Step(when, Option.BACKUP, struct.pack("=II", target, flags), subflow, times)


def announce(when: Event | Callback, address: Address, *, subflow: int = 0, times: int = 1) -> Step:
    """A step that announces an address."""
    return Step(when, Option.ANNOUNCE, address.packed(), subflow, times)


def withdraw(when: Event | Callback, number: int, *, subflow: int = 0, times: int = 1) -> Step:
    """A step that takes an address back."""
    return Step(when, Option.WITHDRAW, struct.pack("=I", number), subflow, times)


class Actions:
    """The program with what is planned for it."""

    def __init__(self, loaded: LoadedProgram) -> None:
        self.program = loaded
        self._ring = loaded.records()
        self._reports: list[Report] = []

    def plan(self, *steps: Step) -> None:
        """Replaces all steps, and forgets the reports so far."""
        assert len(steps) <= _MOST_STEPS
        self.reports()
        self._reports.clear()
        for number in range(_MOST_STEPS):
            value = steps[number].packed() if number < len(steps) else bytes(_STEP.size)
            self.program.map("steps").update(number.to_bytes(4, "little"), value)

    def reports(self) -> list[Report]:
        """All since the plan, in order."""
        # The ring tells of its records by an interrupt, which is late in simulated time.
        self._reports += [_report(data) for data in self._ring.poll(_LATENCY)]
        assert self.program.value("lost") == 0
        return list(self._reports)

    def answers(self) -> list[int]:
        """What the kernel answered to steps, in the order in which they were taken."""
        return [each.answer for each in self.reports() if each.step is not None]

    def events(self, *kinds: Event) -> list[Report]:
        """The events so far, or those of some kinds."""
        return [each for each in self.reports() if each.step is None and (not kinds or each.when in kinds)]

    def wait_for(self, kind: Event, count: int = 1, *, timeout: float = 10.0) -> list[Report]:
        """Returns when so many events of a kind have come: all of that kind. AssertionError after seconds."""
        deadline = time.monotonic() + timeout
        while len(found := self.events(kind)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} {kind.name} in {self.reports()}"
            time.sleep(0.01)
        return found


def failures(reports: list[Report]) -> list[tuple[int, ...]]:
    """Option, error number and id of the actions that failed."""
    return [each.args for each in reports if each.when == Event.ACTION_FAILED and each.step is None]


def _report(data: bytes) -> Report:
    now, when, step, answer, *rest = _REPORT.unpack(data)
    args, (_local_key, _remote_key, token, _remote_token, _flags, _subflow_flags, subflow) = rest[:3], rest[3:10]
    local_id, remote_id, _server, extra, family, _port, _id, address = rest[10:]
    size = {socket.AF_INET: 4, socket.AF_INET6: 16}.get(family, 0)
    return Report(
        time=now / 1e9,
        when=Callback(when) if when >= 100 else Event(when),
        step=None if step == NO_STEP else step,
        answer=answer,
        args=tuple(args),
        subflow=subflow,
        local_id=local_id,
        remote_id=remote_id,
        extra_subflows=extra,
        token=token,
        address=str(ipaddress.ip_address(address[:size])) if size else None,
    )
