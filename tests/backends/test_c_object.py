"""Objects that clang makes of generated C, without a kernel: warnings, sections, types, line information."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from c_build import compile_c, needs_bpftool, needs_clang
from ir_build import behind, find
from ir_samples import delayed_ack, results, torture

from optdsl.elf.object import read_object
from optdsl.ir.ops import Parameter
from optdsl.ir.program import Program
from optdsl.ir.types import U64, Member, Struct
from optdsl.record import replace

pytestmark = [needs_clang, needs_bpftool]


def types(file: Path, *options: str) -> str:
    """The types of an object as bpftool reads them."""
    command = ["bpftool", "btf", "dump", "file", str(file), *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("program", [delayed_ack, torture, results])
def test_clang_has_no_warnings(program: Callable[[], Program], lines: bool, tmp_path: Path) -> None:
    made = read_object(compile_c(program(), tmp_path, lines=lines).read_bytes())
    names = {section.name for section in made.sections}
    assert {"sockops", ".data.params", "license", ".BTF", ".BTF.ext"} <= names
    # No variable is left that would become a map of its own.
    assert ".data" not in names
    assert not any(section.name == ".bss" and section.size for section in made.sections)
    assert made.license == "GPL"


def test_names_and_units_are_in_the_types(tmp_path: Path) -> None:
    text = types(compile_c(delayed_ack(), tmp_path), "format", "c")
    assert "typedef __u32 microseconds;" in text
    for struct in ("delayed_ack_params", "delayed_ack_state", "delayed_ack_counters", "counters", "delayed_ack_seen"):
        assert f"struct {struct} {{" in text
    assert re.search(
        r"struct socket \{\n\t__u8 role;\n\t__u8 payload;\n.*struct delayed_ack_state delayed_ack;", text, re.S
    )
    assert "microseconds timer;" in text


def test_maps_parameters_and_functions_are_in_the_types(tmp_path: Path) -> None:
    text = types(compile_c(delayed_ack(), tmp_path))
    assert {"sockets", "counters", "events", "delayed_ack", "LICENSE"} == set(re.findall(r"VAR '(\w+)'", text))
    assert re.search(r"DATASEC '\.data\.params' size=\d+ vlen=1", text)
    functions = set(re.findall(r"FUNC '(\w+)'", text))
    assert {"delack", "delayed_ack_receive", "count"} <= functions
    assert "delayed_ack_compose" not in functions  # inlined


def test_a_record_that_no_function_reserves_is_kept(tmp_path: Path) -> None:
    orphan = Struct("orphan_record", (Member("value", U64),))
    program = replace(delayed_ack(), records=(*delayed_ack().records, orphan))
    assert "STRUCT 'orphan_record' size=8 vlen=1" in types(compile_c(program, tmp_path))


def test_layouts_are_those_of_the_ir(tmp_path: Path) -> None:
    from optdsl.ir.structs import all_structs

    program = torture()
    text = types(compile_c(program, tmp_path))
    for struct in all_structs(program):
        found = re.search(rf"STRUCT '{struct.name}' size=(\d+) vlen=\d+\n((?:\t.*\n)+)", text)
        assert found is not None, struct.name
        assert int(found[1]) == struct.size
        offsets = {
            name: int(bits) // 8 for name, bits in re.findall(r"'(\w+)' type_id=\d+ bits_offset=(\d+)", found[2])
        }
        assert offsets == {member.name: struct.offset(member.name) for member in struct.members}


def test_line_texts_come_from_the_folder_in_which_clang_runs(tmp_path: Path) -> None:
    with_text, without = tmp_path / "with", tmp_path / "without"
    for folder in (with_text, without):
        folder.mkdir()
    line = b"socket.delack_max = clamp(socket.min_rtt / rtt_divisor, 1ms, 200ms)"
    assert line in compile_c(delayed_ack(), with_text).read_bytes()
    missing = compile_c(delayed_ack(), without, with_sources=False).read_bytes()
    assert line not in missing
    assert b"delack.opt" in missing


def test_an_object_can_hide_where_it_was_built(tmp_path: Path) -> None:
    data = compile_c(delayed_ack(), tmp_path, "-fdebug-compilation-dir=.").read_bytes()
    assert str(tmp_path).encode() not in data
    assert b"socket.delack_max = clamp" in data


@pytest.mark.parametrize("name", ["register", "count", "min", "ctx_", "struct", "READ_ONCE", "be32", "long"])
def test_names_that_c_or_the_file_uses_are_no_trouble(name: str, tmp_path: Path) -> None:
    at = find(delayed_ack().sources[0], "receive")
    struct = Struct(name, (Member(name, U64),))
    helper = at.function(
        "odd_names",
        at.let(f"{name}2", at.load(behind(name, name))),
        at.assign(f"{name}2", at.binary("max", at.local(f"{name}2"), at.context("rtt_min"))),
        at.store(behind(name, name), at.local(f"{name}2")),
        at.count("delayed_ack", "sent"),
        parameters=(Parameter(name, struct),),
        inline=False,
    )
    program = delayed_ack()
    compile_c(replace(program, functions=(helper, *program.functions)), tmp_path)
