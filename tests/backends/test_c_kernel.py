"""Objects that clang makes of generated C, in the running kernel: accepted, quoted, computing right."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from c_build import compile_c, unique
from c_narrow import expected_narrow, narrow
from ir_build import Build, behind, find
from ir_samples import delayed_ack, expected_results, results, torture

from optdsl.backends.c import emit_c
from optdsl.ir.ops import GetStorage, IsNull, Not, Select
from optdsl.ir.program import Program
from optdsl.ir.types import U32, MapDefinition, MapKind, Member, Struct
from optdsl.kernel import bpffs, cgroups
from optdsl.kernel.cgroups import Cgroup
from optdsl.kernel.libbpf import Object
from optdsl.source import Source

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
    with cgroups.temporary(unique(str(abs(hash(request.node.name)) % 10000))) as made:
        yield made


def exchange(group: Cgroup) -> None:
    subprocess.run([sys.executable, "-c", _EXCHANGE, str(group.procs)], check=True, timeout=20)


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("cpu", ["v1", "v2", "v3"])
@pytest.mark.parametrize("program", [delayed_ack, torture, results])
def test_the_verifier_accepts_the_object(program: Callable[[], Program], cpu: str, lines: bool, tmp_path: Path) -> None:
    made = program()
    file = compile_c(made, tmp_path, f"-mcpu={cpu}", lines=lines)
    with Object(file.read_bytes(), made.name) as loaded:
        loaded.load()
        assert loaded.programs == [made.entry]
        assert {definition.name for definition in made.maps} <= set(loaded.maps)


def test_bpftool_loads_it_as_its_header_says_and_quotes_the_source(tmp_path: Path) -> None:
    file = compile_c(delayed_ack(), tmp_path)
    pin = bpffs.ensure_bpffs() / unique("delack")
    try:
        # libbpf infers the type from the section, as in the command of the header.
        subprocess.run(["bpftool", "prog", "load", str(file), str(pin)], check=True, capture_output=True)
        command = ["bpftool", "prog", "dump", "xlated", "pinned", str(pin), "linum"]
        dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    finally:
        pin.unlink(missing_ok=True)
    quotes = [line for line in dump.splitlines() if line.startswith("; ")]
    folder = str(tmp_path)
    assert any(f"; segments    = threshold [file:{folder}/delack.opt line_num:15" in line for line in quotes)
    # No line of the C file stands under the name of the option's file.
    text = delayed_ack().sources[0].text.splitlines()
    for line in quotes:
        quoted, _, place = line.removeprefix("; ").partition(" [file:")
        if "delack.opt line_num:" in place:
            number = int(place.partition("line_num:")[2].partition(" ")[0])
            # Line 0 is LLVM's for code that it merged from several lines.
            assert quoted == (text[number - 1].strip() if number else "")


def test_the_delayed_ack_option_works(group: Cgroup, tmp_path: Path) -> None:
    with Object(compile_c(delayed_ack(), tmp_path).read_bytes(), "delack") as loaded:
        loaded.load()
        loaded.map(".data.params").set_member("delayed_ack.divisor", 3)
        loaded.attach_sock_ops("delack", group)
        records = loaded.ring_buffer("events")
        exchange(group)
        seen = records.poll(0.1)
        counters = loaded.map("counters").read()
    counted = counters["delayed_ack"] if isinstance(counters, dict) else {}
    assert isinstance(counted, dict)
    assert isinstance(counted["sent"], int)
    assert counted["sent"] > 0
    assert counted["received"] == len(seen) > 0
    assert (counted["bad_length"], counted["bad_range"]) == (0, 0)
    assert {record[12] for record in seen} == {4}


@pytest.mark.parametrize(
    ("program", "expected"), [(results, expected_results), (narrow, expected_narrow)], ids=["results", "narrow"]
)
@pytest.mark.parametrize("cpu", ["v1", "v3"])
def test_the_kernel_computes_what_the_ir_means(
    program: Callable[[], Program], expected: Callable[[], list[int]], cpu: str, group: Cgroup, tmp_path: Path
) -> None:
    made = program()
    with Object(compile_c(made, tmp_path, f"-mcpu={cpu}").read_bytes(), made.name) as loaded:
        loaded.load()
        loaded.attach_sock_ops(made.entry, group)
        exchange(group)
        data = loaded.map(".data.params").read()
    assert isinstance(data, dict)
    found = data["results"]
    assert (found["values"] if isinstance(found, dict) else found) == expected()


def _context_reads() -> Program:
    """Reads of different fields on different paths, which clang 14 would merge into one from a computed address."""
    at = find(Source("reads.opt", "reads\n"), "reads")
    is_ip4 = at.compare(at.context("family"), "==", 2)

    def either(at: Build, number: int) -> Select:
        return Select(at.span, is_ip4, at.context("remote_ip4"), at.context(f"remote_ip6[{number}]"))

    row = Struct("row", (Member("address", U32), Member("port", U32), Member("window", U32)))
    body = (
        GetStorage(at.span, "row", "sockets", True),
        at.when(
            Not(at.span, IsNull(at.span, "row")),
            at.store(behind("row", "address"), either(at, 3)),
            at.when(
                is_ip4,
                at.store(behind("row", "port"), at.context("remote_port")),
                otherwise=(at.store(behind("row", "port"), at.context("local_port")),),
            ),
            at.when(
                at.compare(at.context("state"), "==", 1),
                at.store(behind("row", "window"), at.binary("*", at.context("snd_cwnd"), at.context("mss_cache"))),
                otherwise=(at.store(behind("row", "window"), at.binary("*", at.context("rcv_nxt"), either(at, 0))),),
            ),
        ),
        at.leave(1),
    )
    return Program(
        name="reads",
        sources=(at.span.source,),
        globals=(),
        maps=(MapDefinition("sockets", MapKind.SK_STORAGE, 0, U32, row),),
        records=(),
        counters=Struct("counters", ()),
        functions=(at.function("reads", *body, returns=True, inline=False),),
        entry="reads",
    )


@pytest.mark.parametrize("cpu", ["v1", "v3"])
def test_fields_of_the_context_are_read_one_by_one(cpu: str, tmp_path: Path) -> None:
    with Object(compile_c(_context_reads(), tmp_path, f"-mcpu={cpu}").read_bytes(), "reads") as loaded:
        loaded.load()
    assert "READ_ONCE(ctx->remote_ip6[3])" in emit_c(_context_reads())
