"""The tables agree with themselves, with the targets that are made of them, and with what is printed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from optdsl.targets import (
    KNOWN_KERNELS,
    Direction,
    KernelVersion,
    NeedsKernel,
    NeedsTarget,
    PacketClass,
    Target,
    TargetName,
    UnavailableTarget,
    Unit,
    UnknownKernel,
    UnknownName,
    UnknownTarget,
    WrongDirection,
    find_target,
    mainline,
    minimum_kernel,
    parse_kernel,
    series_of,
    space_left,
)
from optdsl.targets.attribute import (
    Attribute,
    Bounds,
    ContextAddress,
    ContextField,
    Encoding,
    KernelPatch,
    OptionByFamily,
    SocketOption,
)
from optdsl.targets.attributes import ATTRIBUTES, MAINLINE_ATTRIBUTES
from optdsl.targets.events import EVENTS
from optdsl.targets.human import interval, quantity
from optdsl.targets.patched import PATCHED_ATTRIBUTES, PATCHED_EVENTS
from optdsl.targets.registry import (
    EXIDS_16,
    EXIDS_32,
    EXPERIMENTAL_KINDS,
    MPTCP_KIND,
    MPTCP_SUBTYPES,
    OPTION_KINDS,
    Status,
    exid_owner,
)
from optdsl.targets.sockops import CONTEXT_FIELDS
from optdsl.targets.tables import render_tables, target_tables
from optdsl.targets.version import V5_10, V5_15, V6_1, V6_6, V6_12, V6_18

# The names of the language's documentation.
_DOCUMENTED = """
srtt min_rtt cwnd ssthresh mss packets_out retrans_out lost_out sacked_out total_retrans segs_in segs_out data_segs_in
data_segs_out bytes_received bytes_acked ecn state local.port peer.port local.address peer.address local.ip4 peer.ip4
ipv6 congestion initial_window cwnd_clamp delack_max rto_min user_timeout keepalive keep_idle keep_interval keep_count
syn_retries notsent_lowat max_pacing_rate priority mark rcvbuf sndbuf rcvlowat tos window_clamp nodelay maxseg
thin_linear_timeouts rto_max
"""


def _attribute(path: str) -> Attribute:
    return next(each for each in ATTRIBUTES if each.path == path)


def _options(attribute: Attribute) -> list[SocketOption]:
    found = []
    for access in (attribute.read, attribute.write):
        match None if access is None else access.how:
            case SocketOption() as option:
                found.append(option)
            case OptionByFamily(ip4, ip6):
                found += [ip4, ip6]
    return found


def test_versions_are_ordered_by_number_and_not_by_text() -> None:
    assert [str(each) for each in sorted([V6_12, V6_6, V5_15, V6_18, V5_10, V6_1])] == [
        "5.10",
        "5.15",
        "6.1",
        "6.6",
        "6.12",
        "6.18",
    ]


@pytest.mark.parametrize("version", KNOWN_KERNELS)
def test_known_versions_are_parsed(version: KernelVersion) -> None:
    assert parse_kernel(str(version)) == version


@pytest.mark.parametrize("text", ["6.2", "6", "", "6.1.0", "6.10 ", "six", "06.1"])
def test_unknown_versions_come_with_the_known_ones(text: str) -> None:
    assert parse_kernel(text) == UnknownKernel(text, KNOWN_KERNELS)


def test_a_running_kernel_is_taken_as_the_series_it_covers() -> None:
    assert series_of("6.8.0-31-generic") == V6_6
    assert series_of("6.1.0-37-amd64") == V6_1
    assert series_of("7.3-rc1") == V6_18
    assert series_of("5.4.0") == UnknownKernel("5.4.0", KNOWN_KERNELS)
    assert series_of("unknown") == UnknownKernel("unknown", KNOWN_KERNELS)


def test_all_documented_attributes_are_there_and_no_path_twice() -> None:
    paths = [each.path for each in ATTRIBUTES]
    assert len(set(paths)) == len(paths)
    # Programs rely on these; docs/targets.md lists what came later.
    assert {each.path for each in MAINLINE_ATTRIBUTES} >= {f"socket.{name}" for name in _DOCUMENTED.split()}


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda each: each.path)
def test_an_attribute_is_complete(attribute: Attribute) -> None:
    accesses = [access for access in (attribute.read, attribute.write) if access is not None]
    assert accesses
    for access in accesses:
        assert 0 <= access.bounds.minimum < access.bounds.maximum
        assert access.since in KNOWN_KERNELS
    if attribute.read is not None and attribute.write is not None:
        # What was assigned can be read, so nothing that can be assigned may lie outside.
        assert attribute.write.bounds.minimum in attribute.read.bounds
        assert attribute.write.bounds.maximum in attribute.read.bounds
    if attribute.unit is Unit.BOOL:
        assert attribute.bounds == Bounds(0, 1)
    assert attribute.doc.endswith(".")
    assert len(attribute.doc) <= 100
    assert attribute.source


@pytest.mark.parametrize("attribute", MAINLINE_ATTRIBUTES, ids=lambda each: each.path)
def test_a_mainline_attribute_says_how_it_is_reached(attribute: Attribute) -> None:
    assert attribute.target is TargetName.MAINLINE
    if attribute.read is not None:
        match attribute.read.how:
            case ContextField(name):
                size = CONTEXT_FIELDS[name].size
                assert attribute.read.bounds.maximum < 2 ** (8 * size)
            case ContextAddress(ip4, ip6):
                assert (CONTEXT_FIELDS[ip4].count, CONTEXT_FIELDS[ip6].count) == (1, 4)
            case KernelPatch():
                pytest.fail("mainline needs no patch")
    for option in _options(attribute):
        assert attribute.needs_full_socket
        assert option.size == (16 if option.encoding is Encoding.TEXT else 4)
        if attribute.write is not None:
            assert attribute.write.bounds.maximum // option.step < 2 ** (8 * option.size)
            assert attribute.write.bounds.minimum % option.step == 0
            assert attribute.write.bounds.maximum % option.step == 0


def test_one_number_means_one_option() -> None:
    numbers: dict[tuple[int, int], str] = {}
    for attribute in MAINLINE_ATTRIBUTES:
        for option in _options(attribute):
            assert numbers.setdefault((option.level, option.number), option.name) == option.name


def test_the_smallest_timer_depends_on_the_tick_rate() -> None:
    delack = _attribute("socket.delack_max").write
    assert delack is not None
    assert [delack.smallest_accepted(hz) for hz in (1000, 300, 250, 100)] == [2000, 3334, 4001, 10001]
    clamp = _attribute("socket.cwnd_clamp").write
    assert clamp is not None
    assert clamp.smallest_accepted(250) == 1


def test_events_are_unique_and_ask_for_the_flag_their_operation_needs() -> None:
    names = [each.name for each in EVENTS + PATCHED_EVENTS]
    assert len(set(names)) == len(names)
    operations = [(trigger.op, trigger.condition) for event in EVENTS for trigger in event.triggers]
    assert len(set(operations)) == len(operations)
    for event in EVENTS:
        assert event.triggers
        for trigger in event.triggers:
            if event.flag:
                assert trigger.op.name == f"{event.flag.name}_CB"
            if trigger.role is not None:
                assert trigger.role in event.roles


def test_mainline_lacks_what_the_patched_kernel_adds() -> None:
    target = mainline()
    for name in [*(each.path for each in PATCHED_ATTRIBUTES), *(each.name for each in PATCHED_EVENTS)]:
        assert not target.has(name)
        assert target.why_not(name) == NeedsTarget(name, TargetName.PATCHED)
    assert target.attribute("socket.delack_segments") is None
    assert target.event("received") is None
    assert Target(TargetName.PATCHED).has("socket.delack_segments")
    assert Target(TargetName.PATCHED).has("socket.srtt")


def test_the_kernel_decides_by_direction() -> None:
    old, new = mainline(V5_10), mainline(V6_1)
    assert old.has("socket.user_timeout", Direction.WRITE)
    assert old.why_not("socket.user_timeout", Direction.READ) == NeedsKernel("socket.user_timeout", V6_1, V5_10)
    assert new.has("socket.user_timeout", Direction.READ)
    assert old.why_not("socket.nodelay") == NeedsKernel("socket.nodelay", V6_1, V5_10)
    assert old.attribute("socket.nodelay") is None
    assert new.attribute("socket.nodelay") is _attribute("socket.nodelay")
    assert mainline(V5_10).why_not("socket.window_clamp") == NeedsKernel("socket.window_clamp", V5_15, V5_10)
    assert mainline(V6_12).why_not("socket.rto_max") == NeedsKernel("socket.rto_max", V6_18, V6_12)
    for kernel in (None, V5_10, V6_18):
        expected = WrongDirection("socket.cwnd", Direction.WRITE)
        assert mainline(kernel).why_not("socket.cwnd", Direction.WRITE) == expected


def test_unknown_names_get_suggestions_that_are_there() -> None:
    reason = mainline().why_not("socket.srt")
    assert isinstance(reason, UnknownName)
    assert reason.similar[0] == "socket.srtt"
    event = mainline().why_not("establishd")
    assert isinstance(event, UnknownName)
    assert event.similar == ("established",)
    assert mainline().why_not("zzz") == UnknownName("zzz", ())


def test_the_minimum_kernel_is_that_of_the_newest_use() -> None:
    assert minimum_kernel([]) == V5_10
    assert minimum_kernel([("socket.srtt", Direction.READ), ("rtt", None)]) == V5_10
    assert minimum_kernel([("socket.mark", Direction.READ), ("socket.mark", Direction.WRITE)]) == V5_15
    assert minimum_kernel([("socket.user_timeout", Direction.READ)]) == V6_1
    assert minimum_kernel([("socket.rto_max", None), ("connect", None)]) == V6_18
    with pytest.raises(KeyError, match="cannot be used"):
        minimum_kernel([("socket.cwnd", Direction.WRITE)])
    with pytest.raises(KeyError):
        minimum_kernel([("socket.nothing", None)])


def test_targets_are_found_by_name() -> None:
    assert find_target("mainline", V6_1) == mainline(V6_1)
    assert find_target("patched") == UnavailableTarget(TargetName.PATCHED)
    assert find_target("netbsd") == UnknownTarget("netbsd", (TargetName.MAINLINE, TargetName.PATCHED))


@pytest.mark.parametrize(
    ("packets", "blocks", "with_timestamps", "without"),
    [
        ((PacketClass.SYN, PacketClass.SYNACK), 0, 20, 28),
        ((PacketClass.THIRD_ACK, PacketClass.ACK, PacketClass.DATA, PacketClass.FIN), 0, 28, 40),
        ((PacketClass.ACK, PacketClass.DATA), 1, 16, 28),
        ((PacketClass.ACK, PacketClass.DATA), 2, 8, 20),
        ((PacketClass.ACK, PacketClass.DATA), 3, 0, 12),
        ((PacketClass.ACK, PacketClass.DATA), 4, 0, 4),
    ],
)
def test_option_space(packets: tuple[PacketClass, ...], blocks: int, with_timestamps: int, without: int) -> None:
    for packet in packets:
        assert space_left(packet, timestamps=True, sack_blocks=blocks) == with_timestamps
        assert space_left(packet, timestamps=False, sack_blocks=blocks) == without


def test_option_space_refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="no SACK blocks"):
        space_left(PacketClass.SYN, timestamps=True, sack_blocks=1)
    with pytest.raises(ValueError, match="5 SACK blocks"):
        space_left(PacketClass.ACK, timestamps=True, sack_blocks=5)


def test_the_registry_holds_what_the_rfcs_assign() -> None:
    assert set(range(31)) - {25} <= set(OPTION_KINDS)  # 25 was released in 2000
    assert {kind for kind, owner in OPTION_KINDS.items() if owner.status is Status.SQUATTED} == {
        31,
        32,
        33,
        70,
        76,
        77,
        78,
    }
    assert all(OPTION_KINDS[kind].status is Status.EXPERIMENTAL for kind in EXPERIMENTAL_KINDS)
    assert OPTION_KINDS[34].reference == "RFC 7413"
    assert OPTION_KINDS[69].reference == "RFC 8547"
    assert "MPTCP" in OPTION_KINDS[MPTCP_KIND].name
    assert set(MPTCP_SUBTYPES) == {*range(9), 15}
    assert all(0 <= exid < 2**16 for exid in EXIDS_16)
    assert all(2**16 <= exid < 2**32 for exid in EXIDS_32)


def test_experiment_identifiers_collide_by_their_first_two_bytes() -> None:
    fast_open = exid_owner(0xF989, 2)
    assert fast_open is not None
    assert fast_open.reference == "RFC 7413"
    assert exid_owner(0xF9890001, 4) == fast_open
    assert exid_owner(0xE2D4, 2) == exid_owner(0xE2D4C3D9, 4) == EXIDS_32[0xE2D4C3D9]
    assert exid_owner(0x4441, 2) is None
    assert exid_owner(0x44410000, 4) is None
    with pytest.raises(ValueError, match="2 or 4 bytes"):
        exid_owner(1, 3)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (200_000, Unit.DURATION, "200ms"),
        (120_000_000, Unit.DURATION, "2min"),
        (32_767_000_000, Unit.DURATION, "32767s"),
        (4_001, Unit.DURATION, "4001us"),
        (0, Unit.DURATION, "0us"),
        (4_000_000, Unit.RATE, "4mbps"),
        (16_384, Unit.SIZE, "16KiB"),
        (1_460, Unit.SEGMENT_SIZE, "1460B"),
        (10, Unit.SEGMENTS, "10mss"),
        (7, Unit.NUMBER, "7"),
    ],
)
def test_quantities_are_written_as_in_programs(value: int, unit: Unit, text: str) -> None:
    assert quantity(value, unit) == text


def test_intervals_are_written_as_in_programs() -> None:
    assert interval(Bounds(2_000, 200_000), Unit.DURATION) == "2ms..=200ms"
    assert interval(Bounds(0, 2**32 - 1), Unit.SIZE) == "0B.."
    assert interval(Bounds(0, 1), Unit.BOOL) == "false, true"
    assert interval(Bounds(1, 15), Unit.TEXT) == "1..=15 characters"
    assert interval(Bounds(0, 2**128 - 1), Unit.ADDRESS) == "any"


def test_rows_leave_out_what_the_kernel_lacks() -> None:
    tables = target_tables(mainline(V5_10))
    rows = {row.path: row for row in tables.attributes}
    assert "socket.nodelay" not in rows
    assert "socket.delack_segments" not in rows
    assert (rows["socket.user_timeout"].read, rows["socket.user_timeout"].write) == (None, V5_10)
    assert [row.name for row in tables.events] == [event.name for event in EVENTS]
    newest = {row.path for row in target_tables(mainline()).attributes}
    assert newest == {each.path for each in MAINLINE_ATTRIBUTES}


def test_the_text_has_aligned_columns() -> None:
    text = render_tables(target_tables(mainline(V6_1)))
    lines = text.splitlines()
    assert lines[0] == "target mainline, kernel 6.1"
    assert text.endswith("\n")
    assert all(line == line.rstrip() for line in lines)
    delack = next(line for line in lines if "socket.delack_max" in line)
    assert delack.split()[:5] == ["socket.delack_max", "duration", "2ms..=200ms", "-", "5.10"]
    header = next(line for line in lines if line.startswith("  attribute"))
    assert header.index("range") == delack.index("2ms..=200ms")
    assert "  data, 2 SACK blocks  8           20" in lines


def test_importing_the_tables_loads_nothing_heavy() -> None:
    heavy = ("rich", "lark", "llvmlite", "elftools", "difflib", "subprocess", "dataclasses", "inspect")
    script = f"import sys, optdsl.targets.tables; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
