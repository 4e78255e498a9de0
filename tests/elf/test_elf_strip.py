"""`strip` removes debug information and nothing else."""

from __future__ import annotations

import ctypes
import os
import random
import subprocess
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path

import pytest
from elf_objects import clang_object, compile_c, llvmlite_object, need

from optdsl.elf.image import Image, ImageSection, read_image, relocated
from optdsl.elf.layout import SHT_SYMTAB, read_header, read_sections
from optdsl.elf.listing import function_lines, map_lines, variable_lines
from optdsl.elf.object import ObjectError, read_object
from optdsl.elf.strip import strip

OBJECTS = pytest.mark.parametrize("make", [clang_object, llvmlite_object], ids=["clang", "llvmlite"])


def is_debug(section: ImageSection) -> bool:
    return section.name.startswith((".debug_", ".rel.debug_")) or section.name in (".comment", ".llvm_addrsig")


def names(image: Image) -> list[str]:
    return [section.name for section in image.sections]


@OBJECTS
def test_exactly_the_debug_sections_go(make: Callable[[], bytes]) -> None:
    before = read_image(make())
    after = read_image(strip(make()))
    assert any(is_debug(section) for section in before.sections)
    assert names(after) == [section.name for section in before.sections if not is_debug(section)]


@OBJECTS
def test_what_is_loaded_stays_byte_for_byte(make: Callable[[], bytes]) -> None:
    before, after = read_image(make()), read_image(strip(make()))
    for section in after.sections:
        original = before.section(section.name)
        assert original is not None
        assert (section.type, section.flags) == (original.type, original.flags)
        if section.type == "progbits" or section.type == "nobits":
            assert (section.data, section.size) == (original.data, original.size)
            assert [(r.offset, r.kind, r.symbol.name, r.symbol.value) for r in section.relocations] == [
                (r.offset, r.kind, r.symbol.name, r.symbol.value) for r in original.relocations
            ]
    btf_before, btf_after = before.section(".BTF"), after.section(".BTF")
    assert btf_before is not None
    assert btf_after is not None
    assert relocated(btf_before) == relocated(btf_after)


@OBJECTS
def test_symbols_lead_to_the_sections_they_led_to(make: Callable[[], bytes]) -> None:
    before, after = read_image(make()), read_image(strip(make()))

    def places(image: Image) -> set[tuple[str, str, int]]:
        return {
            (symbol.name, image.sections[symbol.section].name, symbol.value)
            for symbol in image.symbols
            if symbol.section is not None and symbol.kind in ("func", "object")
        }

    assert places(after) == places(before)
    bindings = [symbol.is_global for symbol in after.symbols]
    assert bindings == sorted(bindings), "local symbols come first"
    assert all(symbol.kind != "file" for symbol in after.symbols)
    table = next(each for each in read_sections(strip(make()), read_header(strip(make()))) if each.type == SHT_SYMTAB)
    assert table.info == bindings.index(True), "the table says where the global ones begin"


@OBJECTS
def test_the_listing_does_not_change(make: Callable[[], bytes]) -> None:
    before, after = read_object(make()), read_object(strip(make()))
    assert before.programs == after.programs
    assert before.subprograms == after.subprograms
    assert map_lines(before.maps) == map_lines(after.maps)
    assert variable_lines(before.variables) == variable_lines(after.variables)
    assert [list(function_lines(before, f)) for f in before.programs] == [
        list(function_lines(after, f)) for f in after.programs
    ]


@OBJECTS
def test_output_is_smaller_deterministic_and_final(make: Callable[[], bytes]) -> None:
    stripped = strip(make())
    assert len(stripped) < len(make())
    assert strip(make()) == stripped
    assert strip(stripped) == stripped


def test_comment_section_goes() -> None:
    data = compile_c('int f(void) { return 1; }\n__asm__(".section .comment; .byte 1; .text");')
    assert ".comment" in names(read_image(data))
    assert ".comment" not in names(read_image(strip(data)))


def test_other_tools_read_the_output(tmp_path: Path) -> None:
    need("llvm-objdump-14", "bpftool")
    outputs = []
    for name, data in (("before.o", clang_object()), ("after.o", strip(clang_object()))):
        path = tmp_path / name
        path.write_bytes(data)
        code = subprocess.run(["llvm-objdump-14", "-d", "-r", path], capture_output=True, text=True, check=True).stdout
        types = subprocess.run(["bpftool", "btf", "dump", "file", path], capture_output=True, text=True, check=True)
        # The symbols of labels are gone, and with them the headings and remarks that objdump makes of them.
        lines = [line for line in code.splitlines() if line and "file format" not in line and not line.endswith(">:")]
        outputs.append(([line.partition(" <")[0] for line in lines], types.stdout))
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an ELF file"),
        (b"MZ" + bytes(100), "not an ELF file"),
        (b"\x7fELF\x02\x01\x01", "ends inside its ELF header"),
        (Path("/proc/self/exe").read_bytes()[:4096], "machine"),
    ],
    ids=["empty", "other format", "short", "other machine"],
)
def test_other_files_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ObjectError, match=message):
        strip(data)


def test_damage_raises_nothing_but_object_errors() -> None:
    generator = random.Random(2)
    original = clang_object()
    refused = 0
    for _ in range(400):
        data = bytearray(original)
        for _ in range(generator.choice((1, 4, 30))):
            data[generator.randrange(len(data))] = generator.choice((0, 1, 255, generator.randrange(256)))
        try:
            strip(bytes(data[: generator.choice((len(data), generator.randrange(len(data))))]))
        except ObjectError:
            refused += 1
    assert refused > 100


@pytest.mark.kernel
@OBJECTS
def test_the_kernel_loads_what_is_left(make: Callable[[], bytes]) -> None:
    library = find_library("bpf")
    if os.geteuid() != 0 or library is None:
        pytest.skip("needs root and libbpf")
    libbpf = ctypes.CDLL(library, use_errno=True)
    libbpf.bpf_object__open_mem.restype = ctypes.c_void_p
    libbpf.bpf_object__open_mem.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
    for function in (libbpf.bpf_object__load, libbpf.bpf_object__close):
        function.argtypes = [ctypes.c_void_p]
    data = strip(make())
    obj = libbpf.bpf_object__open_mem(data, len(data), None)
    assert obj, os.strerror(ctypes.get_errno())
    try:
        assert libbpf.bpf_object__load(obj) == 0, os.strerror(ctypes.get_errno())
    finally:
        libbpf.bpf_object__close(obj)
