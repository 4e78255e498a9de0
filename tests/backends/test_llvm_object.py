"""Objects and assembly: properties of what LLVM made, never its exact instructions."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ir_build import find, in_buffer
from ir_samples import delayed_ack, results, torture

from optdsl.backends.llvm import BackendError, child, emit_assembly, emit_object
from optdsl.backends.llvm.driver import Output, generate
from optdsl.elf.object import read_object
from optdsl.ir.check import check_program
from optdsl.ir.ops import DeclareBuffer, LoadOption
from optdsl.ir.program import Program
from optdsl.ir.types import Struct
from optdsl.record import replace
from optdsl.source import Source

SAMPLES = [delayed_ack, torture, results]


def types_as_c(data: bytes, folder: Path) -> str:
    """The types of an object as bpftool reads them."""
    file = folder / "types.o"
    file.write_bytes(data)
    command = ["bpftool", "btf", "dump", "file", str(file), "format", "c"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def raw_types(data: bytes, folder: Path) -> str:
    """The types of an object, one after the other, data sections included."""
    file = folder / "types.o"
    file.write_bytes(data)
    return subprocess.run(
        ["bpftool", "btf", "dump", "file", str(file)], check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("program", SAMPLES)
def test_the_samples_are_proper_ir(program: Callable[[], Program]) -> None:
    assert check_program(program()) == []


def test_sections() -> None:
    made = read_object(emit_object(torture()))
    names = {section.name for section in made.sections}
    assert {".text", "sockops", ".maps", ".data.params", ".rodata", "license", ".BTF", ".BTF.ext"} <= names
    assert not [name for name in names if name.startswith(".debug")]
    assert ".bss" not in names
    assert made.license == "GPL"


def test_maps() -> None:
    maps = {found.name: found for found in read_object(emit_object(torture())).maps}
    assert set(maps) == {"sockets", "counters", "table", "wide", "events"}
    assert (maps["sockets"].type_name, maps["sockets"].flags, maps["sockets"].max_entries) == ("sk_storage", 1, 0)
    assert (maps["counters"].type_name, maps["counters"].max_entries) == ("percpu_array", 1)
    assert (maps["events"].type_name, maps["events"].max_entries) == ("ringbuf", 4096)
    assert (maps["events"].key, maps["events"].value) == (None, None)
    keys = {name: found.key.text for name, found in maps.items() if found.key}
    assert keys == {"sockets": "int", "counters": "__u32", "table": "port", "wide": "bits_per_second"}
    value = maps["table"].value
    assert value is not None
    assert (value.text, value.size) == ("struct row", 200)


def test_variables_have_names_types_and_initial_values() -> None:
    variables = {found.name: found for found in read_object(emit_object(torture())).variables}
    assert variables["tunable"].section == ".data.params"
    assert variables["primes"].section == ".rodata"
    assert variables["primes"].initial == [2, 3, 5, 7, 11, 13]
    tunable = variables["tunable"].initial
    assert isinstance(tunable, dict)
    assert (tunable["enabled"], tunable["limits"]) == (1, [1, 2, 3])
    assert variables["tunable"].size == 1 + 16 + 1 + 6 + 4 * 16


def test_types_of_records_are_kept_without_a_map_for_them(tmp_path: Path) -> None:
    data = emit_object(torture())
    text = types_as_c(data, tmp_path)
    assert "struct torture_event {\n\t__u64 time;\n\tchar text[16];\n\t__u16 port;\n};" in text
    assert "struct torture_note {" in text
    assert "typedef __u64 bits_per_second;" in text
    assert {section.name for section in read_object(data).sections}.isdisjoint({".bss", ".data"})


def test_types_of_functions_and_data_sections(tmp_path: Path) -> None:
    text = raw_types(emit_object(delayed_ack()), tmp_path)
    assert re.search(r"FUNC 'delack' type_id=\d+ linkage=global", text)
    assert re.search(r"FUNC 'delayed_ack_receive' type_id=\d+ linkage=static", text)
    assert re.search(r"vlen=3\n\t'ctx' type_id=\d+\n\t'socket' type_id=\d+\n\t'from_syn' type_id=\d+\n", text)
    assert re.search(
        r"DATASEC '\.data\.params' size=0 vlen=1\n\ttype_id=\d+ offset=0 size=2 \(VAR 'delayed_ack'\)", text
    )
    assert re.search(r"STRUCT 'delayed_ack_seen' size=16 vlen=3", text)


def test_aligned_bytes_are_where_the_layout_says(tmp_path: Path) -> None:
    text = raw_types(emit_object(delayed_ack()), tmp_path)
    assert "\t'delayed_ack' type_id=12 bits_offset=64" in text
    assert re.search(r"STRUCT 'delayed_ack_state' size=24 vlen=5\n\t'wire' type_id=\d+ bits_offset=0", text)


def test_lines_quote_the_source() -> None:
    made = read_object(emit_object(delayed_ack()))
    lines = [line for function in (*made.programs, *made.subprograms) for line in function.lines]
    assert {line.file for line in lines} == {"delack.opt"}
    quoted = {(line.line, line.text.strip()) for line in lines}
    assert (19, "socket.delack_max = clamp(socket.min_rtt / rtt_divisor, 1ms, 200ms)") in quoted
    assert (14, "rtt_divisor = divisor") in quoted
    assert (19, 9) in {(line.line, line.column) for line in lines}


def test_lines_of_several_sources() -> None:
    made = read_object(emit_object(torture()))
    quoted = {(line.file, line.text.strip()) for function in made.programs for line in function.lines}
    assert ("torture.opt", "option torture {") in quoted
    assert ("std.x", "fn helper(x) {") in quoted


def test_functions_are_inlined_as_asked() -> None:
    made = read_object(emit_object(delayed_ack()))
    assert [function.name for function in made.programs] == ["delack"]
    assert {function.name for function in made.subprograms} == {"count", "delayed_ack_receive"}


def test_no_path_of_the_building_machine() -> None:
    data = emit_object(delayed_ack())
    assert b"somewhere" not in data
    assert os.fsencode(Path.cwd()) not in data
    assert b"llvm" not in data.lower()


@pytest.mark.parametrize("program", SAMPLES)
def test_equal_programs_give_equal_bytes(program: Callable[[], Program]) -> None:
    assert emit_object(program()) == emit_object(program())


def test_another_process_in_another_folder_makes_the_same_bytes(tmp_path: Path) -> None:
    command = (
        "import hashlib; from ir_samples import torture; from optdsl.backends.llvm import emit_object;"
        "print(hashlib.sha256(emit_object(torture())).hexdigest())"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in (*sys.path, str(Path.cwd())) if path),
        "PYTHONHASHSEED": "12345",
        "USER": "somebody-else",
    }
    done = subprocess.run(
        [sys.executable, "-c", command], check=True, capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.stdout.strip() == hashlib.sha256(emit_object(torture())).hexdigest()


def test_a_program_without_counters_maps_and_globals() -> None:
    source = Source("tiny.opt", "option tiny\n")
    at = find(source, "option")
    entry = at.function("tiny", at.leave(1), returns=True)
    made = read_object(emit_object(Program("tiny", (source,), (), (), (), Struct("counters", ()), (entry,), "tiny")))
    assert [function.instruction_count for function in made.programs] == [2]
    assert (made.maps, made.subprograms) == ((), ())


# ---------------------------------------------------------------------------------------------------------- assembly


def test_assembly_is_readable() -> None:
    text = emit_assembly(delayed_ack())
    assert "\t# delack.opt:19: socket.delack_max = clamp(socket.min_rtt / rtt_divisor, 1ms, 200ms)\n" in text
    assert "\tcall 142\n" in text
    assert "delayed_ack_receive:\n" in text
    for noise in (".BTF", ".debug", ".Ltmp", ".cfi", "Lfunc_begin", ".loc"):
        assert noise not in text


# ------------------------------------------------------------------------------------------------------------ errors


def with_stack(size: int) -> Program:
    """A program that needs that many bytes of stack, in its second line."""
    source = Source("a/big.opt", "option big\n    here\n")
    head, at = find(source, "option"), find(source, "here")
    entry = head.function(
        "big",
        DeclareBuffer(at.span, "buffer", size),
        LoadOption(at.span, "found", in_buffer("buffer"), size, at.const(0)),
        head.leave(1),
        returns=True,
    )
    return Program("big", (source,), (), (), (), Struct("counters", ()), (entry,), "big")


def test_too_much_stack_is_an_error_with_a_line() -> None:
    assert read_object(emit_object(with_stack(480))).programs
    with pytest.raises(BackendError, match="stack limit") as caught:
        emit_object(with_stack(520))
    assert (caught.value.stage, caught.value.file, caught.value.line) == ("generate", "big.opt", 2)
    assert str(caught.value).startswith("big.opt:2: generate: function big: ")


def test_text_that_llvm_cannot_read_is_an_error() -> None:
    with pytest.raises(BackendError, match="expected top-level entity") as caught:
        generate("this is no IR", Output.OBJECT)
    assert caught.value.stage == "parse"
    assert caught.value.file is None


def test_an_error_of_llvm_without_a_place_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ", ".join(["i64 1"] * 6)
    text = (
        'target triple = "bpfel"\n'
        f"define i64 @f() {{\n  %t = call i64 @g({arguments})\n  ret i64 %t\n}}\n"
        f"declare i64 @g({arguments.replace(' 1', '')})\n"
    )
    with pytest.raises(BackendError, match=r"function f: .*arguments") as caught:
        generate(text, Output.OBJECT)
    assert (caught.value.stage, caught.value.file, caught.value.line) == ("generate", None, None)
    assert capfd.readouterr().err == ""


def test_an_abort_of_llvm_is_an_error() -> None:
    def job(report: Callable[[str], None]) -> bytes:
        report("optimise")
        os.write(2, b"Assertion failed\n")
        os.abort()

    with pytest.raises(BackendError, match="Assertion failed"):
        child.in_child(job)


def test_much_output_on_both_pipes_does_not_block() -> None:
    def job(_: Callable[[str], None]) -> bytes:
        os.write(2, bytes(1 << 19))
        return bytes(1 << 21)

    assert child.in_child(job) == bytes(1 << 21)


def test_the_compiler_survives_errors_and_goes_on() -> None:
    before = emit_object(delayed_ack())
    with pytest.raises(BackendError):
        emit_object(with_stack(4096))
    assert emit_object(replace(delayed_ack(), doc="another")) == before
