"""The disassembler writes what LLVM writes, and what LLVM cannot know beside it."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from elf_objects import IR, SAMPLE, assembled, clang_object, compile_c, compile_ir, need

from optdsl.elf.disassembler import UNKNOWN, Instruction, Reference, disassemble
from optdsl.elf.errors import ObjectError
from optdsl.elf.image import read_image
from optdsl.uapi import HELPER_NAMES, MAP_TYPE_NAMES

# Every operation that clang 14 can be made to emit for BPF, in variants that the optimiser cannot fold.
ARITHMETIC = """
typedef signed char __s8; typedef short __s16; typedef int __s32; typedef long long __s64;
#define DO(type, name) type name(type a, type b, type *p) { \\
    *p++ = a + b; *p++ = a - b; *p++ = a * b; *p++ = a | b; *p++ = a & b; *p++ = a ^ b; \\
    *p++ = a << (b & 7); *p++ = a >> (b & 7); *p++ = -a; *p++ = a + 77; *p++ = a * 9; *p++ = a ^ -3; *p++ = a << 3; \\
    *p++ = a >> 5; if (a > b) *p++ = 1; if (a >= b) *p++ = 2; if (a < 5) *p++ = 3; if (a != b) *p++ = 4; \\
    if (a & 16) *p++ = 5; if (a == -9) *p++ = 6; if (a <= 100) p[-3] = 7; return p[-1]; }
DO(__u8, u8) DO(__u16, u16) DO(__u32, u32) DO(__u64, u64) DO(__s8, s8) DO(__s16, s16) DO(__s32, s32) DO(__s64, s64)
__u64 divide(__u64 a, __u64 b, __u32 c) { return a / b + a / 10 + c / 7; }
__u64 swap(__u64 a) {
    return __builtin_bswap64(a) + __builtin_bswap32(a) + __builtin_bswap16(a);
}
__u64 constants(__u64 a) { return a * 0x123456789abcdefULL + 0xffffffff00000000ULL; }
void add(__u64 *p, __u32 *q) { __sync_fetch_and_add(p, 3); __sync_fetch_and_add(q, 4); }
"""
ATOMICS = """
__u64 all(__u64 *p, __u32 *q, __u64 a) {
    a += __sync_fetch_and_add(p, a); a += __sync_fetch_and_or(p, a); a += __sync_fetch_and_and(p, a);
    a += __sync_fetch_and_xor(p, a); a += __sync_lock_test_and_set(p, a); a += __sync_val_compare_and_swap(p, a, 3);
    a += __sync_fetch_and_add(q, a); a += __sync_fetch_and_or(q, a); a += __sync_fetch_and_and(q, a);
    a += __sync_fetch_and_xor(q, a); a += __sync_lock_test_and_set(q, a); a += __sync_val_compare_and_swap(q, a, 3);
    return a;
}
"""


def encode(opcode: int, dst: int = 1, src: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    return struct.pack("<BBhi", opcode, dst | src << 4, offset, immediate)


def text(code: bytes) -> str:
    (instruction,) = disassemble(code)
    return instruction.text


def objdump(data: bytes, path: Path) -> dict[str, list[tuple[int, str]]]:
    """Slot and text of every instruction that llvm-objdump 14 prints, by section; without its remarks on targets."""
    need("llvm-objdump-14")
    path.write_bytes(data)
    command = ["llvm-objdump-14", "-d", "--no-show-raw-insn", "--mattr=+alu32", str(path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    sections: dict[str, list[tuple[int, str]]] = {}
    for line in output.splitlines():
        if heading := re.fullmatch(r"Disassembly of section (.*):", line):
            current = sections.setdefault(heading[1], [])
        elif instruction := re.fullmatch(r" +(\d+):\t(.*?)(?: <[^<>]*[+_.\w]>)?", line):
            current.append((int(instruction[1]), instruction[2].replace("\t", " ")))
    return sections


@pytest.mark.parametrize(
    ("source", "cpu"),
    [
        *((SAMPLE, cpu) for cpu in ("v1", "v2", "v3")),
        *((ARITHMETIC, cpu) for cpu in ("v1", "v2", "v3")),
        (ATOMICS, "v3"),
    ],
)
def test_agrees_with_objdump_on_compiled_code(source: str, cpu: str, tmp_path: Path) -> None:
    data = compile_c(source, cpu=cpu)
    image = read_image(data)
    sections = objdump(data, tmp_path / "object.o")
    assert sections
    for name, expected in sections.items():
        section = image.section(name)
        assert section is not None
        assert [(found.slot, found.text) for found in disassemble(section.data)] == expected
        assert UNKNOWN not in dict(expected).values()


def sweep() -> Iterator[bytes]:
    """Every opcode, with the immediates and offsets that select variants, and with extreme values."""
    for opcode in range(256):
        if opcode == 0x18:
            continue
        for immediate in (0, 1, 16, 32, 64, 0x40, 0x41, 0x50, 0x51, 0xA0, 0xA1, 0xE1, 0xF1, -1, -(2**31), 2**31 - 1):
            yield encode(opcode, 1, 2, 0, immediate)
            yield encode(opcode, 10, 0, 0, immediate)
        for offset in (5, -5, 32767, -32768):
            yield encode(opcode, 0, 9, offset, 0)
    for source in range(4):
        for lower, upper in ((1, 0), (-1, -1), (-1, 0), (0, 1), (0, -(2**31)), (5, -1)):
            yield encode(0x18, 3, source, 0, lower) + encode(0, 0, 0, 0, upper)


def is_newer_than_llvm_14(code: bytes) -> bool:
    """Whether RFC 9669 or a later kernel defines the instruction while LLVM 14 does not."""
    opcode, _, _, immediate = struct.unpack_from("<BBhi", code)
    remainder = opcode in (0x94, 0x97, 0x9C, 0x9F)
    comparison = opcode in (0x45, 0x46, 0x4D, 0x4E)
    byte_swap = opcode == 0xD7 and immediate in (16, 32, 64)
    constant_store = opcode in (0x62, 0x6A, 0x72, 0x7A)
    signed_load = opcode in (0x81, 0x89, 0x91)
    control_flow = opcode in (0x06, 0x0D, 0xE5)
    return remainder or comparison or byte_swap or constant_store or signed_load or control_flow


def is_read_differently(code: bytes) -> bool:
    """`callx` with the register in its new place, and atomics with immediate bits that LLVM 14 does not look at."""
    opcode, _, _, immediate = struct.unpack_from("<BBhi", code)
    return (opcode == 0x8D and immediate == 0) or (opcode in (0xC3, 0xDB) and immediate == -(2**31))


def test_agrees_with_objdump_on_every_opcode(tmp_path: Path) -> None:
    codes = list(sweep())
    code = b"".join(codes)
    found = disassemble(code)
    expected = objdump(assembled(code), tmp_path / "object.o")["prog"]
    assert [instruction.slot for instruction in found] == [slot for slot, _ in expected]
    different = [
        (code.hex(), instruction.text, llvm)
        for code, instruction, (_, llvm) in zip(codes, found, expected, strict=True)
        if instruction.text != llvm
        and not (llvm == UNKNOWN and is_newer_than_llvm_14(code))
        and not is_read_differently(code)
    ]
    assert different == []
    assert sum(llvm != UNKNOWN for _, llvm in expected) > 2000


V4_IR = r"""
target datalayout = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128"
target triple = "bpfel"
declare i64 @llvm.bswap.i64(i64)
declare i32 @llvm.bswap.i32(i32)
declare i16 @llvm.bswap.i16(i16)

define i64 @extend(i64 %a, i32 %b, ptr %p) nounwind {
  %a8 = trunc i64 %a to i8
  %a16 = trunc i64 %a to i16
  %a32 = trunc i64 %a to i32
  %x8 = sext i8 %a8 to i64
  %x16 = sext i16 %a16 to i64
  %x32 = sext i32 %a32 to i64
  %b8 = trunc i32 %b to i8
  %b16 = trunc i32 %b to i16
  %y8 = sext i8 %b8 to i32
  %y16 = sext i16 %b16 to i32
  %y = mul i32 %y8, %y16
  %z = zext i32 %y to i64
  %s = mul i64 %x8, %x16
  %t = mul i64 %s, %x32
  %u = add i64 %t, %z
  %l8 = load i8, ptr %p
  %q16 = getelementptr i8, ptr %p, i64 2
  %l16 = load i16, ptr %q16
  %q32 = getelementptr i8, ptr %p, i64 4
  %l32 = load i32, ptr %q32
  %m8 = sext i8 %l8 to i64
  %m16 = sext i16 %l16 to i64
  %m32 = sext i32 %l32 to i64
  %v = mul i64 %m8, %m16
  %w = mul i64 %v, %m32
  %r = add i64 %u, %w
  ret i64 %r
}

define i64 @divide(i64 %a, i64 %b, i32 %c, i32 %d) nounwind {
  %q = sdiv i64 %a, %b
  %r = srem i64 %q, 10
  %s = sdiv i32 %c, %d
  %t = srem i32 %s, 7
  %u = urem i64 %a, %r
  %v = urem i32 %t, %d
  %w = zext i32 %v to i64
  %x = add i64 %u, %w
  ret i64 %x
}

define i64 @swap(i64 %a) nounwind {
  %b = call i64 @llvm.bswap.i64(i64 %a)
  %c = trunc i64 %b to i32
  %d = call i32 @llvm.bswap.i32(i32 %c)
  %e = trunc i32 %d to i16
  %f = call i16 @llvm.bswap.i16(i16 %e)
  %g = zext i16 %f to i64
  %h = add i64 %b, %g
  ret i64 %h
}

define void @store(ptr %p) nounwind {
  store volatile i8 1, ptr %p
  store volatile i16 -2, ptr %p
  store volatile i32 3, ptr %p
  store volatile i64 -4, ptr %p
  store atomic i64 5, ptr %p release, align 8
  %a = load atomic i32, ptr %p acquire, align 4
  store atomic i32 %a, ptr %p release, align 4
  %b = load atomic i8, ptr %p acquire, align 1
  store atomic i8 %b, ptr %p release, align 1
  ret void
}

define i64 @loop(i64 %n, ptr %p) nounwind {
entry:
  br label %body
body:
  %i = phi i64 [ 0, %entry ], [ %j, %body ]
  store volatile i64 %i, ptr %p
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %n
  br i1 %more, label %body, label %done
done:
  ret i64 %j
}
"""


def assembly(listed: str) -> list[str]:
    """The instructions of LLVM's assembly, with jumps to labels turned into distances as an object has them."""
    instructions: list[str] = []
    labels: dict[str, int] = {}
    for line in (line.partition("#")[0].strip() for line in listed.splitlines()):
        if line.endswith(":"):
            labels[line[:-1]] = len(instructions)
        elif line and not line.startswith("."):
            instructions.append(line.replace("\t", " "))
    assert not any(instruction.endswith(" ll") for instruction in instructions), "slots and instructions are the same"
    return [
        re.sub(r"goto (\S+)$", lambda label, slot=slot: f"goto {labels[label[1]] - slot - 1:+}", instruction)  # type: ignore[misc]
        for slot, instruction in enumerate(instructions)
    ]


def test_agrees_with_llvm_on_version_4() -> None:
    data, listed = compile_ir(V4_IR, cpu="v4")
    code = read_image(data).section(".text")
    assert code is not None
    found = [instruction.text for instruction in disassemble(code.data)]
    assert found == assembly(listed)
    joined = "\n".join(found)
    for part in ("(s8)", "*(s16 *)", "s/=", "s%=", "bswap64", "*(u8 *)(r1 + 0) = 1", "load_acquire", "store_release"):
        assert part in joined


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (encode(0xBF, 1, 2, 8), "r1 = (s8)r2"),
        (encode(0xBC, 1, 2, 16), "w1 = (s16)w2"),
        (encode(0xBF, 1, 2, 32), "r1 = (s32)r2"),
        (encode(0xBF, 1, 2, 1, 1), "r1 = addr_space_cast(r2, 0, 1)"),
        (encode(0x91, 1, 10, -8), "r1 = *(s8 *)(r10 - 8)"),
        (encode(0x81, 1, 2, 4), "r1 = *(s32 *)(r2 + 4)"),
        (encode(0xD7, 3, 0, 0, 32), "r3 = bswap32 r3"),
        (encode(0xD7, 3, 0, 0, 8), UNKNOWN),
        (encode(0xDF, 3, 0, 0, 32), UNKNOWN),
        (encode(0x3F, 1, 2, 1), "r1 s/= r2"),
        (encode(0x94, 1, 0, 1, -7), "w1 s%= -7"),
        (encode(0x97, 1, 0, 0, 7), "r1 %= 7"),
        (encode(0x7A, 10, 0, -8, -1), "*(u64 *)(r10 - 8) = -1"),
        (encode(0x06, 0, 0, 0, 40000), "gotol +40000"),
        (encode(0xE5, 0, 0, 3), "may_goto +3"),
        (encode(0x0D, 4), "gotox r4"),
        (encode(0x8D, 0, 0, 0, 6), "callx r6"),
        (encode(0x8D, 6), "callx r6"),
        (encode(0x45, 1, 0, 2, 16), "if r1 & 16 goto +2"),
        (encode(0x95, 0, 0, 0, 1), UNKNOWN),
        (encode(0xB7, 12), UNKNOWN),
    ],
)
def test_single_instructions(code: bytes, expected: str) -> None:
    assert text(code) == expected


def test_unknown_bytes_are_noted() -> None:
    assert disassemble(bytes.fromhex("ff01020304050607")) == (Instruction(0, 1, UNKNOWN, "ff 01 02 03 04 05 06 07"),)


def test_a_wide_load_cut_in_half_is_unknown() -> None:
    assert text(encode(0x18, 1, 0, 0, 5)) == UNKNOWN


def test_code_must_be_whole_instructions() -> None:
    with pytest.raises(ObjectError, match="12 bytes of code"):
        disassemble(bytes(12))


def test_symbols_replace_what_relocations_say() -> None:
    code = encode(0x18, 1) + bytes(8) + encode(0x85, 0, 1, 0, -1) + encode(0x85, 0, 2, 0, -1)
    references = {0: Reference("counters", ".maps+0"), 2: Reference("bump"), 3: Reference("bpf_kfunc")}
    assert disassemble(code, references) == (
        Instruction(0, 2, "r1 = counters ll", ".maps+0"),
        Instruction(2, 1, "call bump"),
        Instruction(3, 1, "call bpf_kfunc"),
    )


def test_helpers_jumps_and_local_calls_are_explained() -> None:
    code = (
        encode(0x85, 0, 0, 0, 144) + encode(0x15, 0, 0, -2, 0) + encode(0x85, 0, 1, 0, 3) + encode(0x85, 0, 0, 0, 9999)
    )
    assert disassemble(code, functions={6: "bump"}) == (
        Instruction(0, 1, "call 144", "bpf_reserve_hdr_opt"),
        Instruction(1, 1, "if r0 == 0 goto -2", "to 0", 0),
        Instruction(2, 1, "call bump", "", 6),
        Instruction(3, 1, "call 9999"),
    )
    assert disassemble(code)[2] == Instruction(2, 1, "call 3", "", 6)


def uapi_header() -> str:
    path = Path("/usr/include/linux/bpf.h")
    if not path.exists():
        pytest.skip("no kernel headers")
    return path.read_text()


def test_helper_names_are_those_of_the_kernel() -> None:
    names = re.findall(r"\bFN\((\w+)(?:, \d+)?[,)]", uapi_header())
    named = names[names.index("unspec") + 1 :]
    assert len(named) > 150
    assert [f"bpf_{name}" for name in named] == [HELPER_NAMES[number] for number in range(1, len(named) + 1)][
        : len(named)
    ]
    assert HELPER_NAMES[143] == "bpf_store_hdr_opt"
    assert HELPER_NAMES[211] == "bpf_cgrp_storage_delete"


def test_map_type_names_are_those_of_the_kernel() -> None:
    body = re.search(r"enum bpf_map_type \{(.*?)\};", uapi_header(), re.DOTALL)
    assert body is not None
    names = [name.lower() for name in re.findall(r"^\s+BPF_MAP_TYPE_(\w+),", body[1], re.MULTILINE)]
    assert names[0] == "unspec"
    assert names[1:] == [MAP_TYPE_NAMES[number] for number in range(1, len(names))]


def test_the_whole_sample_is_known() -> None:
    objects: list[Callable[[], bytes]] = [clang_object, lambda: compile_ir(IR, cpu="v4")[0]]
    for make in objects:
        for section in read_image(make()).sections:
            if section.is_code:
                assert all(instruction.text != UNKNOWN for instruction in disassemble(section.data))
