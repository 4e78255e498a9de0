"""What an administrator sees and sets with bpftool alone: the names of the source, values in base units, and types.

Nothing here goes through this package's own reading of maps or BTF.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest
from kernel_objects import group_name

from differential.objects import BACKENDS, object_of
from hostile.values import checked
from optdsl import resources
from optdsl.compiler import lower_program
from optdsl.elf.listing import listing
from optdsl.elf.object import read_object
from optdsl.kernel import bpftool, tools
from optdsl.kernel.bpftool import Pinned
from optdsl.kernel.cgroups import Cgroup
from optdsl.lab.hosts import Lab, two_hosts
from optdsl.lab.remote import RemotePeer

pytestmark = pytest.mark.kernel

SETTINGS = {"settings": {"until_acked_packets": 16}}
FREE = {"address": [0] * 16, "length": 0}
TRUSTED = [("::ffff:10.0.0.0", 104), ("::ffff:192.168.0.0", 112), ("fd00::", 8)]


def prefixes(entries: Sequence[tuple[str, int]], room: int) -> list[dict[str, Any]]:
    """A param `prefixes[room]`."""
    taken = [{"address": list(IPv6Address(text).packed), "length": length} for text, length in entries]
    return taken + [FREE] * (room - len(taken))


SAMPLES: dict[str, dict[str, Any]] = {
    "delack": {"delayed_ack": {"divisor": 2, "threshold": 4}, **SETTINGS},
    "uto": {"user_timeout": {"announced": 30_000_000, "lower": 10_000_000, "upper": 3_600_000_000}, **SETTINGS},
    "cc": {"congestion_control": {"wanted": 3}, **SETTINGS},
    "iw": {"initial_window": {"wanted": 32, "trusted": prefixes(TRUSTED, 16)}, **SETTINGS},
    "selftest": {
        "selftest": {
            "greet": 1, "part": 1, "client_max_delack": 11_000, "client_random": 0xFA, "server_max_delack": 22_000,
            "server_random": 0xCE, "fin_random": 0xFA,
        }
    },
}  # fmt: skip
"""The params of the samples, as `samples/*.opt` gives them, in base units."""

SENDER = {"sent", "no_space", "store_failed"}
RECEIVER = {"received", "load_failed", "bad_length"}
COUNTERS = {
    "delack": SENDER | RECEIVER | {"bad_rtt_divisor", "bad_segments", "set_failed"},
    "uto": SENDER | RECEIVER | {"set_failed"},
    "cc": SENDER | RECEIVER | {"unknown_algorithm", "set_failed"},
    "iw": SENDER | RECEIVER | {"bad_window", "set_failed"},
    "selftest": SENDER | RECEIVER | {"bad_max_delack", "set_failed"},
}

EVERYTHING = """
enum mode : u4 { off, slow, fast = 8 }

option first {
    kind experimental 0x4141
    layout { x : u8  which : mode  _ : u4 = 0b1010 }

    param number8  : u8 = 7
    param number16 : u16 = 300
    param number24 : u24 = 70000
    param number40 : u40 = 0x12_3456_7890
    param pause    : duration = 1500ms
    param speed    : rate = 5mbps
    param room     : size = 16KiB
    param burst    : segments = 12mss
    param share    : ratio = 12.5%
    param chunk    : segment_size = 1200B
    param active   : bool = true
    param how      : mode = fast
    param label    : text[16] = "cubic"
    param friend   : address = 2001:db8::7
    param gateway  : ip4 = 192.0.2.7
    param cookie   : bytes[3] = 0x010203
    param trusted  : prefixes[2] = { 10.0.0.0/8 }
    param table marks_for_the_peer : u8 -> u32 { 1: 11, 2: 22 }
    param table marks_for_the_mode : mode -> duration { slow: 2ms }
    state seen : u32 = 0 in 0..=1000
    state idle : duration = 5ms

    send from client on data when active and how == fast { x = number8  which = slow }
    receive {
        if x == 3 { reject not_three }
        socket.mark = marks_for_the_peer[x] else reject no_mark
        let wait = marks_for_the_mode[which] else reject no_mode
        seen = saturate(seen + 1)
        idle = wait
        emit heard { seen, idle, x }
    }
}

option second {
    kind 0xC7
    layout { value : u16 in 5..=9 }
    param value_sent : u16 = 5 in 5..=9
    send from client on data once { value = value_sent }
    receive { if value == 7 { reject seven } }
}
"""

FIRST_PARAMS: dict[str, tuple[str, Any]] = {
    "number8": ("__u8", 7),
    "number16": ("__u16", 300),
    "number24": ("__u32", 70_000),
    "number40": ("__u64", 0x12_3456_7890),
    "pause": ("microseconds", 1_500_000),
    "speed": ("bits_per_second", 5_000_000),
    "room": ("bytes", 16_384),
    "burst": ("segments", 12),
    "share": ("millionths", 125_000),
    "chunk": ("bytes", 1200),
    "active": ("boolean", 1),
    "how": ("__u8", 8),
    "label": ("char", "cubic"),
    "friend": ("__u8", list(IPv6Address("2001:db8::7").packed)),
    "gateway": ("__u8", [192, 0, 2, 7]),
    "cookie": ("__u8", [1, 2, 3]),
    "trusted": ("struct prefix", prefixes(TRUSTED[:1], 2)),
}
"""Of option `first`: the type that BTF names, and the value."""


def run(*arguments: str) -> str:
    """What bpftool prints."""
    done = tools.run(["bpftool", *arguments])
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def dump(pin: Path) -> list[dict[str, Any]]:
    """A map as `bpftool --json map dump` shows it, by the names that BTF gives."""
    return [entry["formatted"] for entry in json.loads(run("--json", "map", "dump", "pinned", str(pin)))]


def params(loaded: Pinned) -> dict[str, Any]:
    """The variables of `.data.params`."""
    (entry,) = dump(loaded.map(".data.params"))
    return {name: value for variable in entry["value"][".data.params"] for name, value in variable.items()}


def counters(loaded: Pinned) -> dict[str, dict[str, int]]:
    """The counters of the first CPU."""
    (entry,) = dump(loaded.map("counters"))
    found: dict[str, dict[str, int]] = entry["values"][0]["value"]
    return found


def struct_members(object_file: Path, name: str) -> dict[str, str]:
    """The members of a struct with their types, as `bpftool btf dump` writes it in C."""
    text = run("btf", "dump", "file", str(object_file), "format", "c")
    (body,) = re.findall(rf"^struct {name} {{\n(.*?)^}}", text, re.M | re.S)
    return {member: kind for kind, member in re.findall(r"^\t(.+?) ([a-z]\w*)(?:\[\d+\])*;$", body, re.M)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("names")


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def compiled(name: str, text: str, backend: str, folder: Path) -> Path:
    """The object of a program, by a back end."""
    output = folder / f"{name}.{backend}.o"
    if not output.exists():
        output.write_bytes(object_of(lower_program(checked(name, text)), backend, folder))
    return output


def sample(name: str, backend: str, folder: Path) -> Path:
    """The object of a sample."""
    return compiled(name, (resources.folder("samples") / f"{name}.opt").read_text(encoding="utf-8"), backend, folder)


@contextmanager
def loaded_object(object_file: Path) -> Iterator[Pinned]:
    """Loads an object, and removes it at the end of a `with` block."""
    loaded = bpftool.load(object_file, group_name("names"))
    try:
        yield loaded
    finally:
        loaded.remove()


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name: str, backend: str, folder: Path) -> None:
    with loaded_object(sample(name, backend, folder)) as loaded:
        assert params(loaded) == SAMPLES[name]
        (option,) = counters(loaded).values()
        assert option == dict.fromkeys(COUNTERS[name], 0)


def test_every_type_of_param(backend: str, folder: Path) -> None:
    object_file = compiled("everything", EVERYTHING, backend, folder)
    with loaded_object(object_file) as loaded:
        values = {name: value for name, (_, value) in FIRST_PARAMS.items()}
        assert params(loaded) == {"first": values, "second": {"value_sent": 5}}
        plain = run("map", "dump", "pinned", str(loaded.map(".data.params")))
    for line in ('"pause": 1500000', '"speed": 5000000', '"label": "cubic"', '"value_sent": 5'):
        assert line in plain
    types = {name: kind for name, (kind, _) in FIRST_PARAMS.items()}
    assert struct_members(object_file, "first_params") == types
    shown = listing(read_object(object_file.read_bytes()))
    for line in ("microseconds pause;", "bits_per_second speed;", "millionths share;", "boolean active;"):
        assert line in shown
    assert struct_members(object_file, "first_state") == {"seen": "__u32", "idle": "microseconds"}
    heard = struct_members(object_file, "heard")
    assert {name: heard[name] for name in ("seen", "idle", "x")} == {
        "seen": "__u32",
        "idle": "microseconds",
        "x": "__u8",
    }


def test_counters_are_the_reasons_of_the_source(backend: str, folder: Path) -> None:
    with loaded_object(compiled("everything", EVERYTHING, backend, folder)) as loaded:
        found = {option: set(names) for option, names in counters(loaded).items()}
    assert found == {
        "first": SENDER | RECEIVER
        | {"bad_reserved", "bad_which", "not_three", "no_mark", "no_mode", "set_failed", "records_lost"},
        "second": SENDER | RECEIVER | {"bad_value", "seven"},
    }  # fmt: skip


def test_maps_are_pinned_by_their_whole_names(backend: str, folder: Path) -> None:
    """The kernel keeps 15 characters of a name; two that begin alike are two maps all the same."""
    expected = {"_data_params", "counters", "sockets", "events", "marks_for_the_peer", "marks_for_the_mode"}
    with loaded_object(compiled("everything", EVERYTHING, backend, folder)) as loaded:
        assert {pin.name for pin in loaded.maps() if not pin.name.endswith("rodata")} == expected
        infos = [json.loads(run("-j", "map", "show", "pinned", str(loaded.map(f"marks_for_the_{end}"))))
                 for end in ("peer", "mode")]  # fmt: skip
    assert {info["name"] for info in infos} == {"marks_for_the_p", "marks_for_the_m"}
    assert [info["bytes_value"] for info in infos] == [4, 8]
    twins = EVERYTHING.replace("marks_for_the_peer", "marks_for_all_the_peers").replace(
        "marks_for_the_mode", "marks_for_all_the_modes"
    )
    with loaded_object(compiled("twins", twins, backend, folder)) as loaded:
        peers, modes = loaded.map("marks_for_all_the_peers"), loaded.map("marks_for_all_the_modes")
        infos = [json.loads(run("-j", "map", "show", "pinned", str(pin))) for pin in (peers, modes)]
        assert {info["name"] for info in infos} == {"marks_for_all_t"}
        assert infos[0]["id"] != infos[1]["id"]
        run(*f"map update pinned {peers} key hex 05 value hex 40 42 0f 00".split())
        assert (dump(peers), dump(modes)) == ([{"key": 5, "value": 1_000_000}], [])


# ------------------------------------------------------------------------------------------------ while attached


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with two_hosts() as made:
        yield made


@pytest.fixture(scope="module")
def peers(lab: Lab) -> tuple[RemotePeer, RemotePeer]:
    return RemotePeer(lab.client), RemotePeer(lab.server)


@contextmanager
def attached_object(object_file: Path, *groups: Cgroup) -> Iterator[Pinned]:
    """Loads an object and attaches its program for the length of a `with` block."""
    with loaded_object(object_file) as loaded, ExitStack() as stack:
        (program,) = loaded.programs()
        for group in groups:
            run("cgroup", "attach", str(group.path), "sock_ops", "pinned", str(program), "multi")
            stack.callback(run, "cgroup", "detach", str(group.path), "sock_ops", "pinned", str(program))
        yield loaded


def replace_value(loaded: Pinned, offset: int, value: bytes) -> None:
    """Changes some bytes of `.data.params`, whose value must be given whole."""
    where = ["pinned", str(loaded.map(".data.params"))]
    (entry,) = json.loads(run("--json", "map", "dump", *where))
    content = [int(byte, 16) for byte in entry["value"]]
    content[offset : offset + len(value)] = value
    key = ["key", "hex", *["00"] * 4]
    run("map", "update", *where, *key, "value", "hex", *[f"{byte:02x}" for byte in content])


def test_a_param_changes_while_attached(
    backend: str, folder: Path, lab: Lab, peers: tuple[RemotePeer, RemotePeer]
) -> None:
    """`announced` is in microseconds, and the first member of the first variable."""
    client, server = peers
    with attached_object(sample("uto", backend, folder), lab.client.cgroup) as loaded:
        listener = server.listen()
        # What is outside the range of the declaration, 1s..=24h, is taken as its nearest end.
        for microseconds, timeout in ((None, 30_000), (45_000_000, 45_000), (0, 1_000), (2**64 - 1, 86_400_000)):
            if microseconds is not None:
                replace_value(loaded, 0, microseconds.to_bytes(8, "little"))
                assert params(loaded)["user_timeout"]["announced"] == microseconds
            connection = client.connect(lab.server.ipv4, listener.port)
            assert connection.option("TCP_USER_TIMEOUT") == timeout
            connection.close()
            server.accept(listener).close()
        listener.close()


def test_a_table_changes_while_attached(
    backend: str, folder: Path, lab: Lab, peers: tuple[RemotePeer, RemotePeer]
) -> None:
    client, server = peers
    with attached_object(compiled("everything", EVERYTHING, backend, folder), *(h.cgroup for h in lab.hosts)) as loaded:
        replace_value(loaded, 0, b"\2")  # `number8` is what the client asks for
        table = loaded.map("marks_for_the_peer")
        listener = server.listen()

        def mark() -> int | str:
            connection = client.connect(lab.server.ipv4, listener.port)
            connection.send(1)
            accepted = server.accept(listener)
            accepted.receive(1)
            found = accepted.option("SO_MARK")
            connection.close(reset=True)
            accepted.close()
            return found

        assert mark() == 22
        run(*f"map update pinned {table} key hex 02 value hex 63 00 00 00".split())
        assert dump(table) == [{"key": 2, "value": 99}]
        assert mark() == 99
        run(*f"map delete pinned {table} key hex 02".split())
        assert mark() == 22
        replace_value(loaded, 0, b"\3")
        assert mark() == 0
        total = json.loads(run("--json", "map", "dump", "pinned", str(loaded.map("counters"))))[0]["formatted"][
            "values"
        ]
        assert sum(cpu["value"]["first"]["not_three"] for cpu in total) == 1
        assert sum(cpu["value"]["first"]["received"] for cpu in total) == 4
        listener.close()
