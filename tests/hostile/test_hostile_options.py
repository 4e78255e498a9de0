"""Every list of options that is bent, doubled, misplaced or excluded, on the data of one connection."""

from __future__ import annotations

import errno
import itertools
import socket
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from differential.objects import BACKENDS
from differential.replay import Replay, counters_of, refuses
from hostile.bent import Named, bent, doubled, padded, placed, random_lists
from hostile.conftest import Arena
from hostile.declarations import DECLARATIONS, TICK_MS, Declaration
from hostile.judge import Format, may_be_dropped
from hostile.target import Connected, Counts, Target, program_of, received_counts, skip_without_attributes, target
from hostile.values import checked, values
from optdsl.ir.machine import Machine
from optdsl.lab.capture import capture
from optdsl.lab.pcap import Packet

pytestmark = pytest.mark.kernel

RANDOM = 120
NUMBERS = {"mss_cache": 1448, "srtt_us": 8, "rtt_min": 1}


def contents(declaration: Declaration, wanted: Format) -> list[bytes]:
    """Valid contents of an option."""
    return [*declaration.valid.get(wanted.option, {}), *declaration.ignored.get(wanted.option, ())]


def with_values(declaration: Declaration) -> Iterator[tuple[str, bytes, bool]]:
    """Whole options with many values in each of their fields, and whether the declaration excludes the value.

    The judge must be of the same opinion as the checked program, unless a flag decides what else is there.
    """
    layouts = {option.name: option.layout for option in checked(declaration.name, declaration.text).options}
    for wanted in declaration.formats:
        layout = layouts[wanted.option]
        for content in contents(declaration, wanted):
            for name, made, allowed in values(layout, content):
                reason = wanted.reason(made)
                assert reason == "bad_length" or reason.startswith("bad_") != allowed, (name, made, reason)
                yield f"{wanted.option}: {name}", wanted.wire(made), not allowed


@cache
def lists(declaration: Declaration, seed: int) -> dict[bytes, str]:
    """All lists of options, each with a name; valid ones among them."""
    found: list[Named] = []
    valued = list(with_values(declaration))
    wrong = [(name, wire) for name, wire, is_excluded in valued if is_excluded]
    for wanted in declaration.formats:
        valid = contents(declaration, wanted)
        for content in valid:
            found += bent(wanted, content)
            found += placed(wanted.wire(content))
        for first, second in itertools.product(valid[:3], repeat=2):
            found += doubled(wanted.wire(first), wanted.wire(second))
        for name, wire in wrong[:3] + wrong[-3:]:
            found += [(f"{name}, {how}", options) for how, options in placed(wire)]
            found += [(f"{name}, first {how}", options) for how, options in doubled(wire, wanted.wire(valid[0]))]
            found += [(f"{name}, second {how}", options) for how, options in doubled(wanted.wire(valid[0]), wire)]
    found += [(name, padded(wire)) for name, wire, _ in valued]
    wires = [each.wire(content) for each in declaration.formats for content in contents(declaration, each)]
    found += random_lists(seed, wires, RANDOM)
    return {options: name for name, options in found if len(options) <= 40}


def attack(where: Target, connection: Connected, hostile: dict[bytes, str]) -> set[bytes]:
    """Sends lists that must not act, one by one, and returns those whose packets the kernel has dropped."""
    before, counts = where.prepare(connection), where.counts()
    dropped = set()
    for options, name in hostile.items():
        wanted = where.expected(options)
        if may_be_dropped(options):
            connection.raw.send(options=options)
            connection.send(b"")
            if where.counts() == counts:
                dropped.add(options)
                wanted = Counter()
        else:
            connection.send(options)
        counts += wanted
        assert where.counts() == counts, (name, options.hex(" "))
        assert where.declaration.attributes(connection.accepted) == before, (name, options.hex(" "))
    return dropped


def control(where: Target, connection: Connected, acting: dict[bytes, str]) -> None:
    """Sends lists that must act, and finds that they do."""
    valid = where.declaration.valid
    for options, name in acting.items():
        where.prepare(connection)
        counts = where.counts()
        connection.send(options)
        found = where.declaration.attributes(connection.accepted)
        assert where.counts() - counts == where.expected(options), (name, options.hex(" "))
        for option, each in where.judged(options):
            if each.acts_on is not None and (test := valid[option].get(each.acts_on)) is not None:
                assert test(found), (name, options.hex(" "), found)


def replayed(where: Target, packets: list[Packet], dropped: set[bytes]) -> Counts:
    """What the interpreter counts for the packets that have reached the program."""
    replay = Replay(Machine(program_of(where.declaration), setsockopt=_refuses), numbers=NUMBERS)
    ours = [each for each in packets if where.listener.port in (each.sport, each.dport)]
    replay.play("server", [each for each in ours if each.raw[20:] not in dropped])
    assert replay.wrong == []
    return received_counts(counters_of(replay.machine))


def _refuses(level: int, number: int, value: int | bytes) -> int:
    """As the kernel: timers have at least two ticks (TCP_BPF_DELACK_MAX, TCP_BPF_RTO_MIN), algorithms must be there."""
    is_timer = level == socket.IPPROTO_TCP and number in (1003, 1004)
    if is_timer and isinstance(value, int) and value <= 1000 * TICK_MS:
        return -errno.EINVAL
    return refuses(level, number, value)


@pytest.mark.parametrize("ipv6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("declaration", DECLARATIONS, ids=lambda each: each.name)
def test_hostile_lists(declaration: Declaration, backend: str, ipv6: bool, arena: Arena, tmp_path: Path) -> None:
    skip_without_attributes(declaration, arena.server)
    all_lists = lists(declaration, seed=int(ipv6))
    with (
        target(declaration, backend, arena, ipv6=ipv6) as where,
        capture(arena.lab.server, tmp_path / "x.pcap") as seen,
    ):
        hostile = {options: name for options, name in all_lists.items() if not where.acts(options)}
        # What stands before the malformed end of a list may act or not, as the kernel drops the packet or not.
        rest = {options: name for options, name in all_lists.items() if options not in hostile}
        acting = {options: name for options, name in rest.items() if not may_be_dropped(options)}
        connection = where.connect()
        dropped = attack(where, connection, hostile)
        control(where, connection, acting)
        packets, counts = seen.packets(), where.counts()
        connection.raw.reset()
        connection.accepted.close()
    assert bool(acting) == bool(declaration.valid)
    assert len(hostile) > 200
    assert replayed(where, packets, dropped) == counts
    for each in declaration.formats:
        reasons = {name for option, name in counts if option == each.option}
        assert {"received", "bad_length", "load_failed"} <= reasons
