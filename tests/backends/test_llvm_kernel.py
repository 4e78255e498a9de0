"""Objects in the running kernel: the verifier, libbpf and bpftool accept them, and they compute what the IR means."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ir_samples import delayed_ack, expected_results, results, torture

from optdsl.backends.llvm import emit_object
from optdsl.ir.program import Program
from optdsl.kernel import bpffs, cgroups
from optdsl.kernel.btf import Value
from optdsl.kernel.cgroups import Cgroup
from optdsl.kernel.libbpf import Object

pytestmark = pytest.mark.kernel

# Joins the group, then sends a little in both directions, over the loopback interface.
_EXCHANGE = """
import socket, sys
open(sys.argv[1], "w").write("0")
with socket.socket() as listener:
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    with socket.create_connection(listener.getsockname()) as client, listener.accept()[0] as server:
        for sender, receiver in ((client, server), (server, client)) * 3:
            sender.sendall(b"hello")
            assert receiver.recv(100) == b"hello"
"""


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Iterator[Cgroup]:
    with cgroups.temporary(f"optdsl-llvm-{os.getpid()}-{abs(hash(request.node.name)) % 10000}") as made:
        yield made


def exchange(group: Cgroup) -> None:
    subprocess.run([sys.executable, "-c", _EXCHANGE, str(group.procs)], check=True, timeout=20)


def numbers(value: Value, member: str) -> dict[str, int]:
    """The integers of a struct inside a decoded struct."""
    inner = value[member] if isinstance(value, dict) else {}
    assert isinstance(inner, dict)
    return {name: number for name, number in inner.items() if isinstance(number, int)}


@pytest.mark.parametrize("program", [delayed_ack, torture, results])
def test_libbpf_and_the_verifier_accept_the_object(program: Callable[[], Program]) -> None:
    made = program()
    with Object(emit_object(made), made.name) as loaded:
        loaded.load()
        assert loaded.programs == [made.entry]
        assert {definition.name for definition in made.maps} <= set(loaded.maps)


@pytest.mark.parametrize("program", [delayed_ack, torture])
def test_bpftool_loads_and_pins_and_quotes_the_source(program: Callable[[], Program], tmp_path: Path) -> None:
    made = program()
    file = tmp_path / f"{made.name}.bpf.o"
    file.write_bytes(emit_object(made))
    pins = bpffs.ensure_bpffs() / f"optdsl_llvm_{os.getpid()}_{made.name}"
    pins.mkdir()
    try:
        subprocess.run(
            ["bpftool", "prog", "load", str(file), str(pins / "prog"), "type", "sockops", "pinmaps", str(pins)],
            check=True,
            capture_output=True,
        )
        dump = subprocess.run(
            ["bpftool", "prog", "dump", "xlated", "pinned", str(pins / "prog"), "linum"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    finally:
        shutil.rmtree(pins)
    expected = {"delack": "; send on ack, data until acked { [file:delack.opt line_num:13 line_col:5]"}
    assert expected.get(made.name, "; fn helper(x) { [file:std.x line_num:2 line_col:1]") in dump


def test_the_delayed_ack_option_works(group: Cgroup) -> None:
    with Object(emit_object(delayed_ack()), "delack") as loaded:
        loaded.load()
        loaded.map(".data.params").set_member("delayed_ack.divisor", 3)
        loaded.attach_sock_ops("delack", group)
        records = loaded.ring_buffer("events")
        exchange(group)
        seen = records.poll(0.1)
        counters = loaded.map("counters").read()
    counted = numbers(counters, "delayed_ack")
    assert counted["sent"] > 0
    assert counted["received"] == len(seen) > 0
    assert (counted["bad_length"], counted["bad_range"]) == (0, 0)
    # The kernel refuses timers below two ticks, which is what half the RTT of the loopback interface is.
    assert counted["not_set"] in (0, counted["received"])
    assert {record[12] for record in seen} == {4}
    timers = {int.from_bytes(record[8:12], "little") for record in seen}
    assert all(1000 <= timer <= 200_000 for timer in timers)


def test_the_torture_program_runs(group: Cgroup) -> None:
    with Object(emit_object(torture()), "torture") as loaded:
        loaded.load()
        loaded.attach_sock_ops("torture", group)
        records = loaded.ring_buffer("events")
        exchange(group)
        sizes = {len(record) for record in records.poll(0.1)}
    assert sizes == {32, 8}


def test_the_kernel_computes_what_the_ir_means(group: Cgroup) -> None:
    with Object(emit_object(results()), "results") as loaded:
        loaded.load()
        loaded.attach_sock_ops("results_main", group)
        exchange(group)
        data = loaded.map(".data.params").read()
    found = data["results"] if isinstance(data, dict) else {}
    assert isinstance(found, dict)
    assert found["runs"] == 1
    assert found["values"] == expected_results()
