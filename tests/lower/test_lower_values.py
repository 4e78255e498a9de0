"""Params, prefixes, tables, states and expressions; what user space and the kernel have put there is held in range."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

import pytest

from lower.driver import AF_INET6, Socket, counted, lowered, on_wire, option
from optdsl.ir.machine import Machine
from optdsl.ir.memory import Decoded
from optdsl.ir.printer import print_program
from optdsl.targets.sockops import SockOp


def machine(members: str, *more: str) -> Machine:
    return Machine(lowered("".join(more) + option(members)))


def emitted(socket: Socket, *contents: str) -> list[dict[str, Decoded]]:
    """The members that the user named, of the records that options with these contents caused."""
    found = [record for content in contents for record in socket.receive(on_wire(content)).records]
    return [{k: v for k, v in r.items() if len(k) == 1} for r in found if isinstance(r, dict)]


# ------------------------------------------------------------------------------------------------------- params


@pytest.mark.parametrize(("written", "sent"), [(0, "02"), (1, "02"), (2, "02"), (9, "09"), (10, "09"), (255, "09")])
def test_a_param_stays_inside_its_range(written: int, sent: str) -> None:
    found = machine("layout { x : u8 } param p : u8 = 5 in 2..=9 send on data { x = p }")
    found.set("probe.p", written)
    assert Socket(found).connected().send(payload=1).options[:5] == on_wire(sent)


def test_params_of_odd_widths_bools_and_enums() -> None:
    members = """layout { a : u4  b : u3  c : bool  d : colour }
        enum colour : u8 { red = 3, green = 7, blue = 9 }
        param p : u4 = 1  param q : u3 = 1  param r : bool = false  param s : colour = green
        send on data { a = p  b = q  c = r  d = s }"""
    found = machine(members)
    client = Socket(found).connected()
    assert client.send(payload=1).options[4:6] == bytes.fromhex("12 07")
    for name in "pqrs":
        found.set(f"probe.{name}", 255)
    assert client.send(payload=1).options[4:6] == bytes.fromhex("ff 09")
    # A number between the members is none of them.
    found.set("probe.s", 4)
    assert client.send(payload=1).options[5:6] == bytes.fromhex("07")
    found.set("probe.s", 3)
    assert client.send(payload=1).options[5:6] == bytes.fromhex("03")


def test_a_param_is_read_once_in_a_handler() -> None:
    """What a condition has shown of a param must stay true while user space writes it."""
    members = """layout { x : u8 } param p : u8 = 5
        send on data when p > 0 { if p < 100 { x = 100 / p } else { x = p - 100 } }"""
    code = print_program(lowered(option(members))).partition("fn probe_compose")[2]
    assert len(re.findall(r"\bprobe\.p\b", code)) == 1


def test_durations_and_units() -> None:
    members = """layout { t : u8 of 10ms  n : u8 of 2mss } param p : duration = 95ms in 0ms..=2550ms
        send on data { t = floor(p / 10ms)  n = 6mss } receive { emit seen { t: t, n: n } }"""
    client = Socket(machine(members)).connected()
    wire = client.send(payload=1).options[:6]
    assert wire == on_wire("09 03")
    assert emitted(client, "09 03") == [{"t": 90_000, "n": 6}]


# ----------------------------------------------------------------------------------------------------- prefixes

PREFIXES = (
    "layout { x : u8 } param trusted : prefixes[4] = {} receive { if socket.peer.address in trusted { emit y { x } } }"
)


def peer(found: Machine, address: str) -> Socket:
    """A socket that is connected to an address."""
    socket, parsed = Socket(found), ip_address(address)
    if parsed.version == 6:
        words = [int.from_bytes(parsed.packed[i : i + 4], "little") for i in range(0, 16, 4)]
        socket.fields |= {f"remote_ip6[{index}]": word for index, word in enumerate(words)} | {"family": AF_INET6}
    else:
        socket.fields["remote_ip4"] = int.from_bytes(parsed.packed, "little")
    return socket.accepting()


def set_prefix(found: Machine, index: int, address: bytes, length: int) -> None:
    found.set(f"probe.trusted.{index}.address", address)
    found.set(f"probe.trusted.{index}.length", length)


@pytest.mark.parametrize("length", [0, 1, 2, 31, 32, 33, 63, 64, 65, 96, 127, 128, 129, 200, 255])
@pytest.mark.parametrize("flipped", [0, 1, 31, 32, 62, 63, 64, 65, 95, 126, 127, None])
def test_every_length_of_prefix(length: int, flipped: int | None) -> None:
    """The first `length` bits count, and no others; 0 and what is above 128 never match."""
    found = machine(PREFIXES)
    address = int(ip_address("2001:db8:85a3:8d3:1319:8a2e:370:7348"))
    set_prefix(found, 2, address.to_bytes(16, "big"), length)
    seen = address if flipped is None else address ^ 1 << (127 - flipped)
    inside = 1 <= length <= 128 and (flipped is None or flipped >= length)
    assert bool(emitted(peer(found, str(ip_address(seen))), "01")) is inside


@pytest.mark.parametrize(
    ("prefix", "address", "inside"),
    [
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("192.0.2.7/32", "192.0.2.7", True),
        ("192.0.2.7/32", "192.0.2.6", False),
        ("0.0.0.0/0", "203.0.113.9", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("fd00::/8", "fdff::1", True),
        ("::/0", "2001:db8::1", True),
        ("::/0", "9.9.9.9", True),
        ("::/1", "8000::1", False),
        ("2001:db8::/65", "2001:db8::7fff:0:0:0", True),
        ("2001:db8::/65", "2001:db8::8000:0:0:0", False),
        ("2001:db8::5/128", "2001:db8::5", True),
        ("2001:db8::5/128", "2001:db8::4", False),
    ],
)
@pytest.mark.parametrize("form", ["param", "const"])
def test_prefixes_of_the_source(prefix: str, address: str, inside: bool, form: str) -> None:
    declared = "param trusted : prefixes[4]" if form == "param" else "const trusted"
    found = machine(PREFIXES.replace("param trusted : prefixes[4] = {}", f"{declared} = {{ {prefix}, 1.2.3.4/32 }}"))
    assert bool(emitted(peer(found, address), "01")) is inside
    assert inside == (ip_address(address) in ip_network(prefix)) or prefix == "::/0"


def test_an_address_field_in_prefixes() -> None:
    members = """layout { a : ip4 } param near : prefixes[2] = { 10.0.0.0/8 } const far = { 198.51.100.0/24 }
        receive { emit y { n: if a in near { 1 } else { 0 }, f: if a in far { 1 } else { 0 } } }"""
    server = Socket(machine(members)).accepting()
    assert emitted(server, "0a010203", "c6336401", "01020304") == [{"n": 1, "f": 0}, {"n": 0, "f": 1}, {"n": 0, "f": 0}]


def test_prefixes_are_searched_only_where_it_matters() -> None:
    members = PREFIXES.replace("socket.peer.address in trusted", "x > 5 and not (socket.peer.address in trusted)")
    server = peer(machine(members), "9.9.9.9")
    assert emitted(server, "05", "06") == [{"x": 6}]
    either = PREFIXES.replace("socket.peer.address in trusted", "x > 5 or socket.peer.address in trusted")
    found = machine(either)
    set_prefix(found, 0, ip_address("::ffff:9.9.9.9").packed, 128)
    assert emitted(peer(found, "9.9.9.9"), "05", "06") == [{"x": 5}, {"x": 6}]
    assert emitted(peer(found, "9.9.9.8"), "05", "06") == [{"x": 6}]


# ------------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ("0: 5, 1: 6, 2: 7", {0: 5, 1: 6, 2: 7}),  # every key up to the last
        ("1: 5, 3: 6", {1: 5, 3: 6}),  # with holes
        ("1: 0, 3: 6", {1: 0, 3: 6}),  # with holes and an entry that is zero
        ("7: 0", {7: 0}),
        ("", {}),
    ],
)
@pytest.mark.parametrize("key", ["u8", "u16"])
def test_dense_tables(entries: str, found: dict[int, int], key: str) -> None:
    members = f"""layout {{ k : {key} }} table t : {key} -> u16 {{ {entries} }}
        receive {{ let v = t[k] else reject unknown  emit y {{ v }} }}"""
    width = int(key[1:]) // 4
    server = Socket(machine(members)).accepting()
    for number in (*range(10), 255):
        expected = [{"v": found[number]}] if number in found else []
        assert emitted(server, f"{number:0{width}x}") == expected
    assert counted(server.machine)["unknown"] == 11 - len(found)


@pytest.mark.parametrize("zero", ["", "9: 0,"])
def test_sparse_tables_are_a_chain(zero: str) -> None:
    entries = f"5: 50, {zero} 70000: 700, 0xFFFFFFFF: 0x123456789ABCDEF0"
    members = f"""layout {{ k : u32 }} table t : u32 -> u64 {{ {entries} }}
        receive {{ let v = t[k] else reject unknown  emit y {{ v }} }}"""
    server = Socket(machine(members)).accepting()
    found = emitted(server, "00000005", "00000006", "00011170", "ffffffff", "00000009", "00000000")
    assert [record["v"] for record in found] == [50, 700, 0x123456789ABCDEF0] + [0] * bool(zero)
    assert counted(server.machine)["unknown"] == 3 - bool(zero)


def test_a_full_table_needs_no_question() -> None:
    entries = ", ".join(f"{key}: {key + 1}" for key in range(4))
    members = f"""layout {{ _ : u6  k : u2 }} table t : u2 -> u8 {{ {entries} }}
        receive {{ let v = t[k] else reject none  emit y {{ v }} }}"""
    server = Socket(machine(members)).accepting()
    assert [record["v"] for record in emitted(server, "00", "01", "02", "03")] == [1, 2, 3, 4]
    assert "none" not in counted(server.machine)


@pytest.mark.parametrize("last", [4, 40000], ids=["dense", "sparse"])
@pytest.mark.parametrize("length", [8, 10, 16])
def test_texts(length: int, last: int) -> None:
    """A text of any length arrives whole, and padded; nothing of the text behind it in the table comes along."""
    long = "abcdefghijklmnopqrstuvwxyz"[: length - 1]
    members = f"""layout {{ k : u16 }} table names : u16 -> text[{length}] {{ 1: "reno", 3: "{long}", {last}: "cubic" }}
        receive {{ socket.congestion = names[k] else reject unknown }}"""
    server = Socket(machine(members)).accepting()
    for number, name in ((1, b"reno"), (3, long.encode()[:16]), (last, b"cubic")):
        assert server.receive(on_wire(f"{number:04x}")).socket_options == {(6, 13): name.ljust(16, b"\0")}
    assert server.receive(on_wire("0002")).socket_options == {}
    assert counted(server.machine) == {"received": 4, "unknown": 1}


def test_an_attribute_from_a_table_is_set_or_the_reason_counted() -> None:
    members = """layout { k : u8 } table t : u8 -> u32 { 1: 10, 3: 30 }
        receive { socket.priority = t[k] else reject unknown }"""
    server = Socket(machine(members)).accepting()
    assert server.receive(on_wire("01")).socket_options == {(1, 12): 10}
    assert server.receive(on_wire("03")).socket_options == {(1, 12): 30}
    assert server.receive(on_wire("02")).socket_options == {}
    assert counted(server.machine) == {"received": 3, "unknown": 1}


def test_tunable_tables_override_and_extend() -> None:
    members = """layout { k : u8 } param table t : u8 -> u16 { 1: 10, 2: 20 }
        receive { let v = t[k] else reject unknown  emit y { v } }"""
    found = machine(members)
    server = Socket(found).accepting()
    assert emitted(server, "01", "02", "03") == [{"v": 10}, {"v": 20}]
    found.set_entry("t", 2, 0)
    found.set_entry("t", 3, 65535)
    assert emitted(server, "01", "02", "03", "04") == [{"v": 10}, {"v": 0}, {"v": 65535}]
    assert counted(found)["unknown"] == 2


def test_what_user_space_puts_into_tables_is_held_in_range() -> None:
    members = """layout { k : u8 } enum colour : u8 { red = 3, blue = 9 }
        param table t : u8 -> u12 { } param table c : u8 -> colour { 1: red } param table d : u8 -> duration { }
        receive { let v = t[k] else reject no_t  let w = c[k] else reject no_c  let z = d[k] else reject no_d
            emit y { v, w, z } }"""
    found = machine(members)
    found.set_entry("t", 1, 65535)
    found.set_entry("c", 1, 4)
    found.set_entry("d", 1, 2**64 - 1)
    server = Socket(found).accepting()
    assert emitted(server, "01") == []
    found.set_entry("c", 1, 9)
    assert emitted(server, "01") == [{"v": 4095, "w": 9, "z": 2**42 - 1}]
    assert counted(found) == {"received": 2, "no_c": 1}


def test_bytes_in_tables() -> None:
    members = """layout { k : u8 } table t : u8 -> ip6 { 1: 2001:db8::1, 3: :: }
        receive { let v = t[k] else reject none  emit y { v } }"""
    server = Socket(machine(members)).accepting()
    assert emitted(server, "01", "02", "03") == [{"v": ip_address("2001:db8::1").packed}, {"v": bytes(16)}]


def test_a_module_s_table_and_functions() -> None:
    text = """use std.congestion
    option probe { kind experimental 0x4242 layout { k : u8 }
        receive at server { socket.congestion = congestion.names[k] else reject unknown } }"""
    server = Socket(Machine(lowered(text))).accepting()
    assert server.receive(on_wire("03")).socket_options == {(6, 13): b"bbr".ljust(16, b"\0")}
    assert server.receive(on_wire("00")).socket_options == {}


# ------------------------------------------------------------------------------------------------------- states


def test_states_belong_to_the_socket_and_start_anew() -> None:
    members = """layout { x : u8 }
        state sum : u32 = 7 in 0..=1000000  state last : bytes[11] = 0x0102  state seen : bool
        receive { emit y { s: sum, b: last, t: seen } sum = min(sum + x, 1000000)  last = 0x0A0B0C  seen = true }"""
    found = machine(members)
    one, two = Socket(found, "one").accepting(), Socket(found, "two").accepting()
    first, second = {"s": 7, "b": bytes(9) + b"\1\2", "t": 0}, {"s": 12, "b": bytes(8) + b"\n\v\f", "t": 1}
    assert emitted(one, "05", "05") == [first, second]
    assert emitted(two, "01") == [first]
    one.connected()
    assert emitted(one, "05") == [first]


def test_states_in_events() -> None:
    members = """layout { max_rate : u8 of 500kbps } state limit : rate = 0bps
        receive { limit = max_rate }
        on rtt when limit > 0bps { socket.cwnd_clamp = max(2mss, limit * socket.srtt / socket.mss) }"""
    found = machine(members)
    server = Socket(found).accepting()
    server.fields |= {"srtt_us": 8 * 40_000, "mss_cache": 1448}
    assert server.event(SockOp.RTT_CB).socket_options == {}
    server.receive(on_wire("08"))
    assert server.event(SockOp.RTT_CB).socket_options == {(6, 1002): 13}


# -------------------------------------------------------------------------------------------------- expressions


def test_operators() -> None:
    members = """layout { a : u16  b : u8 }
    fn twice(v: u16) -> u32 { v * 2 }
    receive {
        emit y { a: a + b * 3, b: a ^ b, c: (a | 0xF0) & 0xFF, d: ~b, e: a >> 3, f: (a % 7) << 2, g: twice(a),
                 h: saturate(a - b), i: clamp(a, 10, 20), j: ceil(a / 4), k: floor(a / 4) }
    }"""
    server = Socket(machine(members)).accepting()
    for a, b in ((1000, 7), (0, 255), (65535, 0), (5, 9)):
        (record,) = emitted(server, f"{a:04x}{b:02x}")
        expected = [a + b * 3, a ^ b, (a | 0xF0) & 0xFF, ~b & 0xFF, a >> 3, (a % 7) << 2, a * 2,
                    max(a - b, 0), min(max(a, 10), 20), -(-a // 4), a // 4]  # fmt: skip
        assert [record[name] for name in "abcdefghijk"] == expected


def test_loops_over_elements_tables_and_ranges() -> None:
    members = """layout { n : u8[1..=4] } state sum : u32 in 0..=1000000
    table t : u8 -> u8 { 3: 1, 5: 2 }
    receive {
        sum = 0
        for each in n { sum = min(sum + each, 1000000) }
        for key in t { sum = min(sum + key * 100, 1000000) }
        for i in 1..=3 { sum = min(sum + i * 10000, 1000000) }
        repeat count(n) { sum = min(sum + 1, 1000000) }
        emit y { s: sum, l: if count(n) > 1 { n[1] } else { 0 } }
    }"""
    server = Socket(machine(members)).accepting()
    for content in ("05", "0506", "05060708"):
        data = bytes.fromhex(content)
        expected = {"s": sum(data) + 800 + 60000 + len(data), "l": data[1] if len(data) > 1 else 0}
        assert emitted(server, content) == [expected]


def test_wide_values_compare_and_choose() -> None:
    members = """layout { a : bytes[12]  b : ip4 } state kept : bytes[12]
    receive {
        let i = if b == 10.0.0.1 { b } else { 10.0.0.9 }
        emit y { s: if a == kept { 1 } else { 0 }, d: if a != kept { 1 } else { 0 }, i }
        kept = a
    }"""
    server = Socket(machine(members)).accepting()
    one, two = "01" * 12 + "0a000001", "01" * 11 + "02" + "0a000002"
    found = emitted(server, one, one, two)
    assert [(r["s"], r["d"]) for r in found] == [(0, 1), (1, 0), (0, 1)]
    assert [r["i"] for r in found] == [bytes([10, 0, 0, 1]), bytes([10, 0, 0, 1]), bytes([10, 0, 0, 9])]


def test_socket_options_are_read_and_held_in_range() -> None:
    """What cannot be read, or is out of range, becomes the nearest value that can."""
    members = "layout { x : u8 } receive { emit y { t: socket.keep_count, n: socket.user_timeout } }"
    answers: dict[int, int] = {6: 300, 18: 1500}

    def read(_level: int, number: int, size: int) -> bytes | int:
        return answers[number].to_bytes(size, "little") if number in answers else -92

    found = Machine(lowered(option(members)), getsockopt=read)
    server = Socket(found).accepting()
    assert emitted(server, "01") == [{"t": 255, "n": 1_500_000}]
    answers.clear()
    assert emitted(server, "01") == [{"t": 0, "n": 0}]


@pytest.mark.parametrize(
    ("wanted", "expected"), [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2), (2_147_483_647_000, 2_147_483_647)]
)
def test_a_timeout_is_never_shorter_than_asked(wanted: int, expected: int) -> None:
    """The kernel counts milliseconds, and none of them means its default; rounding up is the language's promise."""
    found = Machine(lowered(option(_TIMEOUT)))
    found.set("probe.wanted", wanted)
    assert Socket(found).accepting().receive(on_wire("01")).socket_options == {(6, 18): expected}
    constant = _TIMEOUT.replace("= wanted", f"= {wanted}us")
    assert Socket(Machine(lowered(option(constant)))).accepting().receive(on_wire("01")).socket_options == {
        (6, 18): expected
    }


_TIMEOUT = """layout { x : u8 } param wanted : duration = 0us in 0us..=2147483647ms
    receive { socket.user_timeout = wanted }"""


def test_attributes_by_family_and_of_text() -> None:
    members = """layout { x : u8 } receive { socket.tos = x  emit y { t: socket.tos, c: socket.congestion } }"""
    found = Machine(
        lowered(option(members)), getsockopt=lambda _l, n, s: (b"cubic" if n == 13 else b"\x10").ljust(s, b"\0")
    )
    ip4, ip6 = peer(found, "1.2.3.4"), peer(found, "2001:db8::1")
    for server, where in ((ip4, (0, 1)), (ip6, (41, 67))):
        result = server.receive(on_wire("20"))
        assert result.socket_options == {where: 0x20}
        assert isinstance(result.records[0], dict)
        assert (result.records[0]["t"], result.records[0]["c"]) == (0x10, "cubic")
