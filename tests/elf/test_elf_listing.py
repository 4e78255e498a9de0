"""The listing says what is in an object, and shows the source between the instructions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from elf_objects import clang_object, compile_c, llvmlite_object

from optdsl.elf.disassembler import Instruction
from optdsl.elf.listing import (
    function_lines,
    instruction_text,
    listing,
    map_lines,
    program_lines,
    section_lines,
    source_text,
    variable_lines,
)
from optdsl.elf.model import Function, ObjectFile, Relocation, SourceLine
from optdsl.elf.object import read_object
from optdsl.elf.strip import strip


@pytest.fixture(scope="module")
def sample() -> ObjectFile:
    return read_object(clang_object())


def test_a_small_object_from_start_to_end() -> None:
    text = listing(read_object(strip(llvmlite_object())))
    licence, sections, maps, variables, programs, code = text.split("\n\n")
    assert licence == "license: GPL"
    assert ".data.params" in sections
    assert maps.splitlines() == [
        "maps",
        "  name  type  key            value                   entries",
        "  seen  hash  int (4 bytes)  unsigned int (4 bytes)       16",
    ]
    assert variables.splitlines() == [
        "variables in .data.params",
        "  offset  declaration    initial value  unit",
        "       0  ratio divisor              2  ratio",
    ]
    assert programs.splitlines()[2].split()[::3] == ["tiny", "program"]
    heading, first, *rest = code.splitlines()
    assert (heading, first) == ("sockops: int tiny(void *ctx)", "; tiny.opt:3  rtt_divisor = divisor")
    assert "; tiny.opt:4  seen" in rest
    assert text.endswith("exit\n")


def test_sections_are_a_table(sample: ObjectFile) -> None:
    title, headings, *rows = section_lines(sample)
    assert (title, headings.split()) == ("sections", ["name", "bytes", "flags"])
    assert [row.split() for row in rows if ".data" in row] == [[".data.params", "16", "WA"], [".data", "4", "WA"]]
    assert len(rows) == len(sample.sections)
    assert all(line == line.rstrip() for line in rows)


def test_maps_with_the_structs_they_use(sample: ObjectFile) -> None:
    lines = map_lines(sample.maps)
    assert [line.split() for line in lines[1:5]] == [
        ["name", "type", "key", "value", "entries", "flags"],
        [*"peers hash struct peer (16 bytes) struct { __u64 packets; milliseconds rtt; } (16 bytes) 1024".split()],
        ["events", "ringbuf", "-", "-", "65536"],
        ["raw", "array", "4", "bytes", "8", "bytes", "2", "0x80"],
    ]
    assert [line.index("ringbuf") for line in lines if "ringbuf" in line] == [lines[1].index("type")]
    assert lines[5:] == [
        "",
        "  struct peer {",
        "      __u32 address[4];",
        "  };",
        "",
        "  struct {",
        "      __u64 packets;",
        "      milliseconds rtt;",
        "  };",
    ]
    assert map_lines(()) == []


def test_variables_by_section_with_units(sample: ObjectFile) -> None:
    lines = variable_lines(sample.variables)
    start = lines.index("variables in .data.params")
    assert lines[start : start + 4] == [
        "variables in .data.params",
        "  offset  declaration                     initial value  unit",
        "       0  volatile milliseconds wanted              100  milliseconds",
        "       8  volatile bytes_per_second rate        4000000  bytes_per_second",
    ]
    start = lines.index("variables in .data")
    assert lines[start + 1] == "  offset  declaration     initial value", "an integer's width is no unit"
    assert variable_lines(()) == []


def test_programs_with_their_lengths(sample: ObjectFile) -> None:
    rows = [line.split() for line in program_lines(sample)[2:]]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("sample", "sockops", "program"),
        ("second", "sockops", "program"),
        ("gsub", ".text", "sub-program"),
        ("sub", ".text", "sub-program"),
    ]
    assert [int(row[2]) for row in rows] == [f.instruction_count for f in (*sample.programs, *sample.subprograms)]


def test_code_stands_below_its_source() -> None:
    code = bytes.fromhex("1801000000000000 0000000000000000 8500000001000000 8510000001000000 9500000000000000")
    lines = (
        SourceLine(0, "lib/delack.opt", 29, 9, "        rtt_divisor = divisor"),
        SourceLine(2, "lib/delack.opt", 29, 23, "        rtt_divisor = divisor"),
        SourceLine(3, "lib/delack.opt", 0, 0, ""),
        SourceLine(4, "lib/delack.opt", 30, 9, "        segments = threshold"),
    )
    relocations = (Relocation(0, "R_BPF_64_64", "divisor", ".data.params+0"),)
    main = Function("main", "sockops", 3, code, "int main(void *ctx)", True, relocations, lines)
    inner = Function("inner", "sockops", 8, bytes.fromhex("9500000000000000"), "", False, (), ())
    obj = ObjectFile("GPL", (), (main,), (inner,), (), ())
    assert list(function_lines(obj, main)) == [
        "sockops: int main(void *ctx)",
        "; delack.opt:29  rtt_divisor = divisor",
        "     0  r1 = divisor ll                         # .data.params+0",
        "     2  call 1                                  # bpf_map_lookup_elem",
        "     3  call inner",
        "; delack.opt:30  segments = threshold",
        "     4  exit",
    ]
    assert list(function_lines(obj, inner)) == ["sockops: inner", "     0  exit"]


def test_calls_maps_and_variables_go_by_name(sample: ObjectFile) -> None:
    lines = [" ".join(line.split()[1:]) for line in function_lines(sample, sample.programs[0]) if line.startswith(" ")]
    for expected in (
        "r1 = peers ll # .maps+0",
        "call 1 # bpf_map_lookup_elem",
        "r1 = wanted ll # .data.params+0",
        "r1 = rate ll # .data.params+8",
        "call sub",
        "call gsub",
        "call 6 # bpf_trace_printk",
    ):
        assert expected in lines


def test_calls_within_a_section_go_by_name() -> None:
    source = """
    static noinline int inner(int a) { asm volatile("" : "+r"(a)); return a; }
    noinline int outer(int a) { return inner(a) + 1; }
    """
    obj = read_object(compile_c(source))
    (outer,) = [found for found in obj.subprograms if found.name == "outer"]
    assert any(line.endswith("  call inner") for line in function_lines(obj, outer))


def test_a_line_is_shown_once_for_each_stretch(sample: ObjectFile) -> None:
    lines = list(function_lines(sample, sample.programs[0]))
    sources = [line for line in lines if line.startswith(";")]
    assert len(sources) > 5
    assert all(first != second for first, second in pairwise(sources))
    assert not any(":0" in line.split()[1] for line in sources)
    assert not any(a.startswith(";") and b.startswith(";") for a, b in pairwise(lines))


def test_source_text() -> None:
    assert source_text(SourceLine(0, "/home/x/delack.opt", 29, 9, "    a = b")) == "; delack.opt:29  a = b"
    assert source_text(SourceLine(0, "delack.opt", 29, 9, "")) == "; delack.opt:29"


def test_instruction_text() -> None:
    assert instruction_text(Instruction(41, 1, "exit")) == "    41  exit"
    assert instruction_text(Instruction(3, 1, "call 1", "bpf_x")) == f"{'     3  call 1':<46}  # bpf_x"
