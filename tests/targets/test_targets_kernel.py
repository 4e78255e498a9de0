"""The tables against the running kernel: every option's bounds, every context field, every event, the option space."""

from __future__ import annotations

import errno
import platform
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

import pytest
from targets_probe import require_bpf, run_probe

from optdsl.lab.tcp_info import decode_tcp_info
from optdsl.targets import KernelVersion, PacketClass, mainline, series_of, space_left
from optdsl.targets.attribute import (
    Attribute,
    ByteOrder,
    ContextAddress,
    ContextField,
    Encoding,
    OptionByFamily,
    Outside,
    SocketOption,
    Write,
)
from optdsl.targets.attributes import MAINLINE_ATTRIBUTES
from optdsl.targets.events import EVENTS
from optdsl.targets.sockops import AF_INET, AF_INET6, CONTEXT_FIELDS, CallbackFlag, SockOp, TcpFlag, TcpState
from optdsl.targets.vocabulary import Direction, Role

pytestmark = pytest.mark.kernel

_CONNECT = """
family = socket.{family}
listener, client, server = connect(family, "{address}")
"""
_FAMILIES = {AF_INET: ("AF_INET", "127.0.0.1"), AF_INET6: ("AF_INET6", "::1")}

# The kernel takes these, and answers a later read with what it made of them (see the attributes' notes).
_CHANGED_BY_KERNEL = {
    ("socket.rcvlowat", 2**31 - 1),
    ("socket.window_clamp", 1),
    ("socket.tos", 255),
}


@dataclass(frozen=True, slots=True)
class _Case:
    """One `bpf_setsockopt()` of a count, and what the table promises."""

    attribute: Attribute
    option: SocketOption
    count: int
    accepted: bool
    read_back: bool


def _running() -> KernelVersion:
    require_bpf()
    found = series_of(platform.release())
    if not isinstance(found, KernelVersion):
        pytest.skip(f"kernel {platform.release()} is not covered")
    return found


def _option(write: Write, family: int) -> SocketOption | None:
    match write.how:
        case SocketOption():
            return write.how
        case OptionByFamily(ip4, ip6):
            return ip4 if family == AF_INET else ip6
    return None


def _cases(kernel: KernelVersion, family: int) -> list[_Case]:
    cases = []
    target = mainline(kernel)
    for attribute in MAINLINE_ATTRIBUTES:
        write = attribute.write
        if write is None or not target.has(attribute.path, Direction.WRITE):
            continue
        option = _option(write, family)
        if option is not None and option.encoding is Encoding.INT:
            readable = target.has(attribute.path, Direction.READ)
            cases += _cases_of(attribute, write, option, readable)
    return cases


def _cases_of(attribute: Attribute, write: Write, option: SocketOption, readable: bool) -> list[_Case]:
    lowest, highest = -(-write.bounds.minimum // option.step), write.bounds.maximum // option.step
    kept = [(count, (attribute.path, count) not in _CHANGED_BY_KERNEL and readable) for count in (lowest, highest)]
    cases = [_Case(attribute, option, count, True, back) for count, back in kept]
    too_low = lowest - 1
    if write.minimum_jiffies:
        # The lower end depends on CONFIG_HZ and has a test of its own; a microsecond is too short for all.
        del cases[0]
        too_low = 1
    outside = ((too_low, option.below), (highest + 1, option.above))
    for count, outcome in outside:
        if outcome is not Outside.UNREPRESENTABLE:
            cases.append(_Case(attribute, option, count, outcome is not Outside.REFUSED, False))
    return cases


def _sets(cases: list[tuple[SocketOption, int]]) -> str:
    """A program that sets each option on the client, leaving the result in slot 2i and what is read in 2i + 1."""
    calls = "\n".join(
        f"    probe(ctx, {2 * index}, {option.level:d}, {option.number}, (int){count & 0xFFFFFFFF}u);"
        for index, (option, count) in enumerate(cases)
    )
    return f"""
NOINLINE int probe(struct bpf_sock_ops *ctx, __u32 index, int level, int name, int count)
{{
    __u32 back = 0;
    put(index, bpf_setsockopt(ctx, level, name, &count, sizeof(count)));
    long failed = bpf_getsockopt(ctx, level, name, &back, sizeof(back));
    put(index + 1, failed ? failed : back);
    return 0;
}}
SEC("sockops") int run(struct bpf_sock_ops *ctx)
{{
    if (ctx->op != {SockOp.ACTIVE_ESTABLISHED_CB:d})
        return 1;
{calls}
    return 1;
}}
"""


@pytest.mark.parametrize("family", _FAMILIES)
def test_options_accept_their_bounds_and_nothing_beyond(family: int) -> None:
    cases = _cases(_running(), family)
    program = _sets([(case.option, case.count) for case in cases])
    name, address = _FAMILIES[family]
    slots = run_probe(program, _CONNECT.format(family=name, address=address))
    wrong = []
    for index, case in enumerate(cases):
        result, back = slots[2 * index], slots[2 * index + 1]
        if result != (0 if case.accepted else -errno.EINVAL):
            wrong.append(f"{case.attribute.path}: {case.option.name} = {case.count} gave {result}")
        if case.read_back and back != case.count:
            wrong.append(f"{case.attribute.path}: {case.option.name} = {case.count} reads {back}")
    assert wrong == []
    assert len(cases) > 50


def test_timers_need_two_jiffies() -> None:
    """What is accepted must fit one of the usual tick rates, as `smallest_accepted` computes it."""
    _running()
    timers = [each.write for each in MAINLINE_ATTRIBUTES if each.write is not None and each.write.minimum_jiffies]
    assert len(timers) == 2
    rates = (100, 250, 300, 1000)
    for write in timers:
        option = _option(write, AF_INET)
        assert option is not None
        counts = [write.smallest_accepted(hz) for hz in rates]
        slots = run_probe(
            _sets([(option, count) for count in counts]), _CONNECT.format(family="AF_INET", address="127.0.0.1")
        )
        accepted = [slots[2 * index] == 0 for index in range(len(counts))]
        assert accepted in [[other >= mine for other in counts] for mine in counts]


def test_congestion_control_is_set_by_name_and_read_back() -> None:
    _running()
    congestion = next(each for each in MAINLINE_ATTRIBUTES if each.path == "socket.congestion")
    assert congestion.write is not None
    option = congestion.write.how
    assert isinstance(option, SocketOption)
    slots = run_probe(
        f"""
SEC("sockops") int run(struct bpf_sock_ops *ctx)
{{
    char reno[{option.size}] = "reno", unknown[{option.size}] = "no_such", back[{option.size}] = {{}};
    if (ctx->op != {SockOp.ACTIVE_ESTABLISHED_CB:d})
        return 1;
    put(0, bpf_setsockopt(ctx, {option.level:d}, {option.number}, reno, sizeof(reno)));
    put(1, bpf_setsockopt(ctx, {option.level:d}, {option.number}, unknown, sizeof(unknown)));
    put(2, bpf_getsockopt(ctx, {option.level:d}, {option.number}, back, sizeof(back)));
    put(3, *(__u32 *)back);
    return 1;
}}
""",
        _CONNECT.format(family="AF_INET", address="127.0.0.1"),
    )
    assert slots[:3] == [0, -errno.ENOENT, 0]
    assert slots[3].to_bytes(4, "little") == b"reno"


def _expression(how: ContextField, boolean: bool) -> str:
    field = CONTEXT_FIELDS[how.name]
    value = f"(__u64)ctx->{how.name}"
    if how.byte_order is ByteOrder.NETWORK:
        assert field.size == 4
        value = f"(__u64)__builtin_bswap32(ctx->{how.name})"
    if how.mask is not None:
        value = f"({value} & {how.mask})"
    if boolean:
        return f"({value} != 0)" if how.equals is None else f"({value} == {how.equals})"
    return f"({value} >> {how.shift})"


def _half(how: ContextAddress, half: int) -> str:
    """The upper (0) or lower (1) 64 bits of an address.

    The context only allows loads of 32 bits here; `volatile` keeps the compiler from joining two of them.
    """
    load = f"((volatile struct bpf_sock_ops *)ctx)->{how.ip6}"
    words = [f"(__u64)__builtin_bswap32({load}[{2 * half + index}])" for index in (0, 1)]
    mapped = f"(0xffffULL << 32 | (__u64)__builtin_bswap32(ctx->{how.ip4}))" if half else "0ULL"
    return f"(ctx->family == {AF_INET6} ? ({words[0]} << 32 | {words[1]}) : {mapped})"


def _read_context(family: int) -> dict[str, int]:
    """Every attribute that stands in the context, on a client at the last new RTT of a short exchange."""
    expressions: list[str] = []
    places: dict[str, tuple[int, int]] = {}
    for attribute in MAINLINE_ATTRIBUTES:
        how = None if attribute.read is None else attribute.read.how
        if isinstance(how, ContextField):
            places[attribute.path] = (len(expressions), 1)
            expressions.append(_expression(how, attribute.unit == "bool"))
        elif isinstance(how, ContextAddress):
            places[attribute.path] = (len(expressions), 2)
            expressions += [_half(how, 0), _half(how, 1)]
    puts = "\n".join(f"        put({index}, {text});" for index, text in enumerate(expressions))
    name, address = _FAMILIES[family]
    slots = run_probe(
        f"""
SEC("sockops") int run(struct bpf_sock_ops *ctx)
{{
    if (ctx->op == {SockOp.TCP_CONNECT_CB:d})
        bpf_sock_ops_cb_flags_set(ctx, {CallbackFlag.RTT:d});
    if (ctx->op == {SockOp.RTT_CB:d} && ctx->state == {TcpState.ESTABLISHED:d}) {{
{puts}
    }}
    return 1;
}}
""",
        f"""
sysctl("tcp_ecn", 1)
listener = socket.create_server(("{address}", 4444), family=socket.{name})
client = socket.create_connection(("{address}", 4444), timeout=10, source_address=("{address}", 5555))
server, _ = listener.accept()
for _ in range(3):
    client.sendall(b"four")
    server.recv(4)
    server.sendall(b"two")
    client.recv(3)
""",
    )
    unsigned = [slot % 2**64 for slot in slots]
    return {
        path: unsigned[first] if count == 1 else unsigned[first] << 64 | unsigned[first + 1]
        for path, (first, count) in places.items()
    }


def test_the_round_trip_time_is_that_of_tcp_info(tmp_path: Path) -> None:
    """Delayed ACKs make round trips of 40 ms, so that one more or less changes the smoothed time by little."""
    _running()
    fields = {each.path: each.read.how for each in MAINLINE_ATTRIBUTES if each.read is not None}
    srtt, mss = fields["socket.srtt"], fields["socket.mss"]
    assert isinstance(srtt, ContextField)
    assert isinstance(mss, ContextField)
    slots = run_probe(
        f"""
SEC("sockops") int run(struct bpf_sock_ops *ctx)
{{
    if (ctx->op == {SockOp.TCP_CONNECT_CB:d})
        bpf_sock_ops_cb_flags_set(ctx, {CallbackFlag.RTT:d});
    if (ctx->op == {SockOp.RTT_CB:d}) {{
        put(0, {_expression(srtt, False)});
        put(1, {_expression(mss, False)});
    }}
    return 1;
}}
""",
        f"""
import time
listener, client, server = connect(socket.AF_INET, "127.0.0.1")
for _ in range(12):
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
    client.sendall(b"x")
    server.recv(1)
    time.sleep(0.05)
info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
pathlib.Path({str(tmp_path / "info")!r}).write_bytes(info)
""",
    )
    info = decode_tcp_info((tmp_path / "info").read_bytes())
    assert info["rtt"] > 10_000
    assert info["rtt"] / 2 < slots[0] < info["rtt"] * 2
    assert slots[1] == info["snd_mss"]


@pytest.mark.parametrize("family", _FAMILIES)
def test_context_fields_hold_what_the_table_says(family: int) -> None:
    _running()
    values = _read_context(family)
    for attribute in MAINLINE_ATTRIBUTES:
        if attribute.path in values:
            assert attribute.read is not None
            assert values[attribute.path] in attribute.read.bounds, attribute.path
    loopback = IPv6Address("::1" if family == AF_INET6 else "::ffff:127.0.0.1")
    assert values["socket.local.port"] == 5555
    assert values["socket.peer.port"] == 4444
    assert values["socket.local.address"] == values["socket.peer.address"] == int(loopback)
    assert values["socket.ipv6"] == (family == AF_INET6)
    assert values["socket.state"] == TcpState.ESTABLISHED
    assert values["socket.ecn"] == 1
    assert values["socket.bytes_acked"] > 4
    assert values["socket.data_segs_out"] >= 2
    assert values["socket.segs_out"] > values["socket.data_segs_out"]
    assert 0 < values["socket.min_rtt"] <= values["socket.srtt"] < 10_000_000
    assert 30_000 < values["socket.mss"] < 65_536
    if family == AF_INET:
        assert values["socket.local.ip4"] == values["socket.peer.ip4"] == 0x7F000001


def test_events_fire_as_the_table_says() -> None:
    _running()
    triggers = [(event, trigger) for event in EVENTS for trigger in event.triggers]
    counts = "\n".join(
        f"    if (ctx->op == {trigger.op:d}"
        + (f" && ctx->args[{trigger.condition.index}] == {trigger.condition.value}" if trigger.condition else "")
        + f")\n        bump({index});"
        for index, (_, trigger) in enumerate(triggers)
    )
    flags = 0
    for event in EVENTS:
        flags |= event.flag
    slots = run_probe(
        f"""
SEC("sockops") int run(struct bpf_sock_ops *ctx)
{{
    if (ctx->op == {SockOp.TCP_CONNECT_CB:d} || ctx->op == {SockOp.TCP_LISTEN_CB:d})
        bpf_sock_ops_cb_flags_set(ctx, {flags});
{counts}
    return 1;
}}
""",
        # The accept queue of the second listener holds one connection: later SYNs are dropped, and repeated after 1 s.
        """
listener, client, server = connect(socket.AF_INET, "127.0.0.1")
client.close(); server.close()
full = socket.create_server(("127.0.0.1", 0), backlog=0)
import time
waiting = [socket.socket() for _ in range(3)]
for each in waiting:
    each.setblocking(False)
    each.connect_ex(full.getsockname())
time.sleep(1.5)
""",
    )
    fired = {(event.name, trigger.role): slots[index] for index, (event, trigger) in enumerate(triggers)}
    assert {name: count for name, count in fired.items() if count == 0} == {}
    assert fired["connect", Role.CLIENT] == 4
    assert sum(count for (name, _), count in fired.items() if name == "listen") == 2


@pytest.mark.parametrize("timestamps", [True, False])
def test_option_space_is_what_the_kernel_offers(timestamps: bool) -> None:
    _running()
    kinds = {
        PacketClass.SYN: TcpFlag.SYN,
        PacketClass.SYNACK: TcpFlag.SYN | TcpFlag.ACK,
        PacketClass.ACK: TcpFlag.ACK,
        PacketClass.DATA: TcpFlag.ACK | TcpFlag.PSH,
        PacketClass.FIN: TcpFlag.ACK | TcpFlag.FIN,
    }
    # Returning 0 gives back what was reserved, so packets stay as they are.
    slots = run_probe(
        f"""
SEC("sockops") int run(struct bpf_sock_ops *ctx)
{{
    int left = 0;
    if (ctx->op == {SockOp.TCP_CONNECT_CB:d} || ctx->op == {SockOp.TCP_LISTEN_CB:d})
        bpf_sock_ops_cb_flags_set(ctx, {CallbackFlag.WRITE_HDR_OPT:d});
    if (ctx->op != {SockOp.HDR_OPT_LEN_CB:d})
        return 1;
    #pragma unroll
    for (int size = 40; size >= 2; size--)
        if (!left && bpf_reserve_hdr_opt(ctx, size, 0) == 0)
            left = size;
    put(ctx->skb_tcp_flags & 0x1f, left);
    return 0;
}}
""",
        f"""
sysctl("tcp_timestamps", {timestamps:d})
listener, client, server = connect(socket.AF_INET, "127.0.0.1")
client.sendall(b"x"); server.recv(1)
client.shutdown(socket.SHUT_WR); server.recv(1)
""",
    )
    offered = {packet: slots[int(flags)] for packet, flags in kinds.items()}
    assert offered == {packet: space_left(packet, timestamps=timestamps) for packet in kinds}
