"""`read_object` finds what the source declared, whoever compiled it, and refuses everything else with one error."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path

import pytest
from elf_objects import IR, SAMPLE, clang_object, compile_c, compile_ir, llvmlite_object, need

from optdsl.elf.model import Function, Map, ObjectFile, Section, SourceLine, TypeText, Variable
from optdsl.elf.object import ObjectError, read_object
from optdsl.elf.strip import strip

EM_X86_64 = 62


@pytest.fixture(scope="module")
def sample() -> ObjectFile:
    return read_object(clang_object())


def function(obj: ObjectFile, name: str) -> Function:
    (found,) = [found for found in (*obj.programs, *obj.subprograms) if found.name == name]
    return found


def variable(obj: ObjectFile, name: str) -> Variable:
    (found,) = [found for found in obj.variables if found.name == name]
    return found


def source_line(text: str) -> int:
    (number,) = [number for number, line in enumerate(SAMPLE.splitlines(), start=1) if text in line]
    return number


def test_license_and_sections(sample: ObjectFile) -> None:
    assert sample.license == "GPL"
    sections = {section.name: section for section in sample.sections}
    assert sections["sockops"].flags == "AX"
    assert sections[".data.params"] == Section(".data.params", 16, "WA")
    assert sections[".bss"].size > 70000
    assert "" not in sections


def test_maps(sample: ObjectFile) -> None:
    peers, events, raw = sample.maps
    assert peers == Map(
        name="peers",
        type_name="hash",
        key=TypeText("struct peer", 16, "struct peer {\n    __u32 address[4];\n};"),
        value=TypeText(
            "struct { __u64 packets; milliseconds rtt; }",
            16,
            "struct {\n    __u64 packets;\n    milliseconds rtt;\n};",
        ),
        max_entries=1024,
        flags=0,
        is_pinned=False,
    )
    assert events == Map("events", "ringbuf", None, None, 65536, 0, False)
    assert raw == Map("raw", "array", TypeText("", 4, ""), TypeText("", 8, ""), 2, 128, False)


def test_pinned_and_unknown_maps() -> None:
    source = 'struct { __uint(type, 77); __uint(pinning, 1); __type(key, int); } odd SEC(".maps");'
    assert read_object(compile_c(source)).maps == (Map("odd", "77", TypeText("int", 4, ""), None, 0, 0, True),)


@pytest.mark.parametrize(
    ("name", "section", "declaration", "typedef", "initial", "initializer"),
    [
        ("wanted", ".data.params", "volatile milliseconds wanted", "milliseconds", 100, "100"),
        ("rate", ".data.params", "volatile bytes_per_second rate", "bytes_per_second", 4000000, "4000000"),
        (
            "steps",
            ".rodata",
            "const volatile milliseconds steps[4]",
            "milliseconds",
            [10, 20, 0, 0],
            "{10, 20}",
        ),
        ("mode", ".data", "enum mode mode", "", 7, "FAST"),
        ("counter", ".bss", "__u32 counter", "__u32", 0, "0"),
        ("more", ".bss", "volatile __u64 more[3]", "__u64", [0, 0, 0], "{0}"),
        ("buffer", ".bss", "volatile char buffer[70000]", "", None, ""),
        (
            "origin",
            ".rodata",
            "const volatile struct point origin",
            "",
            {
                "x": -3,
                "y": [1, -2],
                "name": [97, 98, 0, 0, 0, 0, 0, 0],
                "a": 5,
                "b": 17,
                "set": True,
                "low": 1,
                "wide": 513,
            },
            '{.x = -3, .y = {1, -2}, .name = "ab", .a = 5, .b = 17, .set = true, .low = 1, .wide = 513}',
        ),
    ],
)
def test_variables(
    sample: ObjectFile, name: str, section: str, declaration: str, typedef: str, initial: object, initializer: str
) -> None:
    found = variable(sample, name)
    assert (found.section, found.declaration, found.typedef) == (section, declaration, typedef)
    assert found.initial == initial
    assert found.initializer == initializer


def test_offsets_of_variables_are_those_in_the_loaded_section(sample: ObjectFile) -> None:
    assert (variable(sample, "wanted").offset, variable(sample, "wanted").size) == (0, 4)
    assert (variable(sample, "rate").offset, variable(sample, "rate").size) == (8, 8)
    places = [(found.section, found.offset) for found in sample.variables]
    assert len(set(places)) == len(places)
    assert {found.section for found in sample.variables} == {".data.params", ".rodata", ".data", ".bss"}


def test_programs_and_subprograms(sample: ObjectFile) -> None:
    assert [found.name for found in sample.programs] == ["sample", "second"]
    assert {found.name for found in sample.subprograms} == {"gsub", "sub"}
    assert function(sample, "second").slot == function(sample, "sample").instruction_count
    assert function(sample, "sample").prototype == "int sample(struct bpf_sock_ops *ctx)"
    assert function(sample, "sub").prototype == "int sub(int a)"
    assert (function(sample, "gsub").is_global, function(sample, "sub").is_global) == (True, False)
    exit_code = struct.pack("<BBhi", 0x95, 0, 0, 0)
    for found in (*sample.programs, *sample.subprograms):
        assert len(found.code) == 8 * found.instruction_count
        assert found.code.endswith(exit_code)


def test_relocations_name_what_the_programmer_named(sample: ObjectFile) -> None:
    found = {(r.kind, r.symbol): r.place for r in function(sample, "sample").relocations}
    wide, call = "R_BPF_64_64", "R_BPF_64_32"
    assert found[wide, "peers"] == ".maps+0"
    assert found[wide, "wanted"] == ".data.params+0"
    assert found[wide, "rate"] == ".data.params+8"
    assert found[call, "sub"].startswith(".text+")
    assert found[call, "gsub"].startswith(".text+")
    statics = {r.symbol: r.place for r in function(sample, "sub").relocations}
    assert statics["counter"] == f".bss+{variable(sample, 'counter').offset}"
    assert statics["more"] == f".bss+{variable(sample, 'more').offset}"


def test_places_inside_of_variables_and_declared_elsewhere() -> None:
    source = """
    static volatile struct { __u32 one, two; } pair __attribute__((used));
    extern int elsewhere(int a) SEC(".ksyms");
    SEC("sockops") int offset(void *ctx)
    {
        __u64 address;
        asm volatile("%0 = pair+4 ll" : "=r"(address));
        return address;
    }
    SEC("sockops") int outside(void *ctx) { return elsewhere(1); }
    """
    obj = read_object(compile_c(source))
    assert [(r.symbol, r.place) for r in function(obj, "offset").relocations] == [("pair+4", ".bss+4")]
    assert [(r.symbol, r.place) for r in function(obj, "outside").relocations] == [("elsewhere", "")]


def test_source_lines(sample: ObjectFile) -> None:
    lines = function(sample, "sample").lines
    returned = source_line("return (sub(wanted)")
    matching = [line for line in lines if line.line == returned]
    assert matching
    assert all(line.text == SAMPLE.splitlines()[returned - 1] for line in matching)
    assert all(line.file.endswith("sample.c") for line in lines)
    assert [line.slot for line in lines] == sorted(line.slot for line in lines)
    assert lines[0].slot == 0
    assert function(sample, "second").lines[0] == SourceLine(
        0, lines[0].file, source_line("return ctx->family"), 17, "    return ctx->family == 2;"
    )


@pytest.mark.parametrize("cpu", ["v1", "v3", "v4"])
@pytest.mark.parametrize("is_stripped", [False, True])
def test_objects_of_llvmlite(cpu: str, is_stripped: bool) -> None:
    data = compile_ir(IR, cpu=cpu)[0]
    obj = read_object(strip(data) if is_stripped else data)
    assert obj.license == "GPL"
    assert obj.maps == (Map("seen", "hash", TypeText("int", 4, ""), TypeText("unsigned int", 4, ""), 16, 0, False),)
    assert obj.variables == (Variable("divisor", ".data.params", 0, 4, "ratio divisor", "ratio", 2, "2"),)
    (program,) = obj.programs
    assert program.prototype == "int tiny(void *ctx)"
    assert [r.symbol for r in program.relocations] == ["divisor", "seen"]
    assert [(line.file, line.line, line.text.strip()) for line in program.lines] == [
        ("tiny.opt", 3, "rtt_divisor = divisor"),
        ("tiny.opt", 4, "seen"),
    ]


def test_objects_without_debug_information() -> None:
    source = 'static volatile __u32 word = 513; SEC("sockops") int plain(void *ctx) { return word; }'
    obj = read_object(compile_c(source, debug=False))
    assert obj.maps == ()
    assert obj.variables == (
        Variable("word", ".data", 0, 4, "unsigned char word[4]", "", [1, 2, 0, 0], "{1, 2, 0, 0}"),
    )
    (program,) = obj.programs
    assert (program.prototype, program.lines) == ("", ())
    assert [r.symbol for r in program.relocations] == ["word"]


def test_objects_of_the_static_linker_of_libbpf(tmp_path: Path) -> None:
    need("bpftool")
    before, after = tmp_path / "before.o", tmp_path / "after.o"
    before.write_bytes(clang_object())
    subprocess.run(["bpftool", "gen", "object", after, before], check=True)
    linked, direct = read_object(after.read_bytes()), read_object(clang_object())
    assert linked.maps == direct.maps
    assert linked.variables == direct.variables
    assert linked.programs == direct.programs


def test_maps_without_types_are_refused() -> None:
    with pytest.raises(ObjectError, match=r"has maps but no \.BTF"):
        read_object(compile_c(SAMPLE, debug=False))


def test_other_machines_are_refused() -> None:
    data = bytearray(clang_object())
    data[18:20] = EM_X86_64.to_bytes(2, "little")
    with pytest.raises(ObjectError, match="for machine 62, not for BPF"):
        read_object(bytes(data))


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [(4, b"\x01", "64-bit little-endian"), (5, b"\x02", "64-bit little-endian"), (16, b"\x02\0", "not a relocatable")],
    ids=["32 bits", "big-endian", "executable"],
)
def test_other_kinds_of_elf_are_refused(offset: int, value: bytes, message: str) -> None:
    data = bytearray(clang_object())
    data[offset : offset + len(value)] = value
    with pytest.raises(ObjectError, match=message):
        read_object(bytes(data))


def test_text_is_refused() -> None:
    with pytest.raises(ObjectError, match="not an ELF file"):
        read_object(b"option delayed_ack {\n}\n")


def test_every_truncation_is_refused() -> None:
    data = strip(llvmlite_object())
    for size in range(len(data)):
        with pytest.raises(ObjectError):
            read_object(data[:size])


@pytest.mark.parametrize("is_stripped", [False, True])
def test_damage_raises_nothing_but_object_errors(is_stripped: bool) -> None:
    generator = random.Random(1)
    original = strip(clang_object()) if is_stripped else clang_object()
    refused = 0
    for _ in range(500):
        data = bytearray(original)
        for _ in range(generator.choice((1, 1, 3, 30))):
            data[generator.randrange(len(data))] = generator.choice((0, 1, 127, 128, 255, generator.randrange(256)))
        try:
            read_object(bytes(data))
        except ObjectError:
            refused += 1
    assert refused > 100


def test_damage_in_the_types_raises_nothing_but_object_errors() -> None:
    original = strip(llvmlite_object())
    start = original.index(struct.pack("<HBB", 0xEB9F, 1, 0))
    refused = 0
    for position in range(start, start + 400):
        for value in (0, 255, original[position] ^ 1):
            data = bytearray(original)
            data[position] = value
            try:
                read_object(bytes(data))
            except ObjectError:
                refused += 1
    assert refused > 200
