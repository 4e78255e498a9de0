"""Objects for the tests of `optdsl.elf`: compiled from C by clang, and from LLVM IR by llvmlite.

The C source needs no header, so that it compiles wherever clang does.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

PRELUDE = """\
typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32; typedef unsigned long long __u64;
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
#define noinline __attribute__((noinline))
struct bpf_sock_ops { __u32 op; __u32 args[4]; __u32 family; __u32 remote_ip4; __u32 local_ip4; };
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *) 1;
static long (*bpf_trace_printk)(const char *fmt, __u32 size, ...) = (void *) 6;
char _license[] SEC("license") = "GPL";
"""

SAMPLE = """\
typedef __u32 milliseconds;
typedef __u64 bytes_per_second;
enum mode { SLOW, FAST = 7 };
struct point { int x; short y[2]; char name[8]; unsigned a:3, b:5; _Bool set; union { __u8 low; __u16 wide; }; };
struct peer { __u32 address[4]; };
struct { __uint(type, 1); __uint(max_entries, 1024); __type(key, struct peer);
         __type(value, struct { __u64 packets; milliseconds rtt; }); } peers SEC(".maps");
struct { __uint(type, 27); __uint(max_entries, 65536); } events SEC(".maps");
struct { __uint(type, 2); __uint(max_entries, 2); __uint(key_size, 4); __uint(value_size, 8);
         __uint(map_flags, 128); } raw SEC(".maps");
volatile milliseconds wanted SEC(".data.params") = 100;
volatile bytes_per_second rate SEC(".data.params") = 4000000;
const volatile milliseconds steps[4] = {10, 20};
const volatile struct point origin = {.x = -3, .y = {1, -2}, .name = "ab", .a = 5, .b = 17, .set = 1, .wide = 513};
static __u32 counter;
enum mode mode = FAST;
static volatile __u64 more[3];
volatile char buffer[70000];
static noinline int sub(int a) { counter += a; more[1] += a; return a * 3 + more[2]; }
noinline int gsub(int a) { return a / (counter | 1u); }

SEC("sockops") int sample(struct bpf_sock_ops *ctx)
{
    struct peer key = {};
    key.address[0] = ctx->remote_ip4;
    void *value = bpf_map_lookup_elem(&peers, &key);
    if (value)
        __sync_fetch_and_add((__u64 *) value, 1);
    if (ctx->op == 3)
        return (sub(wanted) + origin.y[1] + steps[2]) & 1;
    static const char text[] = "op %d";
    bpf_trace_printk(text, sizeof text, gsub(ctx->op));
    return (gsub((int) rate) + mode) & 1;
}

SEC("sockops") int second(struct bpf_sock_ops *ctx)
{
    return ctx->family == 2;
}
"""

# What the compiler of optdsl produces, in miniature: the source embedded in the debug information, a map, a parameter
# in a section of its own, no DWARF but what LLVM insists on.
IR = r"""
source_filename = "tiny.opt"
target datalayout = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128"
target triple = "bpfel"

@seen = global [4 x ptr] zeroinitializer, section ".maps", align 8, !dbg !10
@divisor = global i32 2, section ".data.params", align 4, !dbg !30
@_license = global [4 x i8] c"GPL\00", section "license", align 1
@llvm.compiler.used = appending global [3 x ptr] [ptr @seen, ptr @divisor, ptr @_license], section "llvm.metadata"

define i32 @tiny(ptr %ctx) nounwind section "sockops" !dbg !40 {
entry:
  #dbg_value(ptr %ctx, !45, !DIExpression(), !50)
  %key = alloca i32, align 8
  %d = load volatile i32, ptr @divisor, align 4, !dbg !51
  store i32 %d, ptr %key, align 8, !dbg !51
  %p = call ptr inttoptr (i64 1 to ptr)(ptr @seen, ptr %key), !dbg !52
  ret i32 1, !dbg !52
}

!llvm.dbg.cu = !{!0}
!llvm.module.flags = !{!1, !2}
!0 = distinct !DICompileUnit(language: DW_LANG_C99, file: !3, producer: "test", isOptimized: true, runtimeVersion: 0,
  emissionKind: DebugDirectivesOnly, globals: !4, nameTableKind: None)
!1 = !{i32 7, !"Dwarf Version", i32 5}
!2 = !{i32 2, !"Debug Info Version", i32 3}
!3 = !DIFile(filename: "tiny.opt", directory: "",
  source: "option tiny {\0A    param divisor : u32 = 2\0A    rtt_divisor = divisor\0A    seen\0A}\0A")
!4 = !{!10, !30}
!5 = !DIBasicType(name: "int", size: 32, encoding: DW_ATE_signed)
!6 = !DIBasicType(name: "unsigned int", size: 32, encoding: DW_ATE_unsigned)
!7 = !DIDerivedType(tag: DW_TAG_typedef, name: "ratio", file: !3, line: 2, baseType: !6)
!8 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !5, size: 64)
!9 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !6, size: 64)
!10 = !DIGlobalVariableExpression(var: !11, expr: !DIExpression())
!11 = distinct !DIGlobalVariable(name: "seen", scope: !0, file: !3, line: 4, type: !12,
  isLocal: false, isDefinition: true)
!12 = distinct !DICompositeType(tag: DW_TAG_structure_type, file: !3, size: 256, elements: !13)
!13 = !{!14, !17, !18, !21}
!14 = !DIDerivedType(tag: DW_TAG_member, name: "type", scope: !12, file: !3, baseType: !15, size: 64, offset: 0)
!15 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !16, size: 64)
!16 = !DICompositeType(tag: DW_TAG_array_type, baseType: !5, size: 32, elements: !19)
!17 = !DIDerivedType(tag: DW_TAG_member, name: "key", scope: !12, file: !3, baseType: !8, size: 64, offset: 64)
!18 = !DIDerivedType(tag: DW_TAG_member, name: "value", scope: !12, file: !3, baseType: !9, size: 64, offset: 128)
!19 = !{!20}
!20 = !DISubrange(count: 1)
!21 = !DIDerivedType(tag: DW_TAG_member, name: "max_entries", scope: !12, file: !3, baseType: !22, size: 64,
  offset: 192)
!22 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !23, size: 64)
!23 = !DICompositeType(tag: DW_TAG_array_type, baseType: !5, size: 512, elements: !24)
!24 = !{!25}
!25 = !DISubrange(count: 16)
!30 = !DIGlobalVariableExpression(var: !31, expr: !DIExpression())
!31 = distinct !DIGlobalVariable(name: "divisor", scope: !0, file: !3, line: 2, type: !7,
  isLocal: false, isDefinition: true)
!40 = distinct !DISubprogram(name: "tiny", scope: !3, file: !3, line: 1, type: !41, scopeLine: 1,
  flags: DIFlagPrototyped | DIFlagAllCallsDescribed, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !0,
  retainedNodes: !44)
!41 = !DISubroutineType(types: !42)
!42 = !{!5, !43}
!43 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: null, size: 64)
!44 = !{!45}
!45 = !DILocalVariable(name: "ctx", arg: 1, scope: !40, file: !3, line: 1, type: !43)
!50 = !DILocation(line: 1, column: 1, scope: !40)
!51 = !DILocation(line: 3, column: 19, scope: !40)
!52 = !DILocation(line: 4, column: 5, scope: !40)
"""


def need(*programs: str) -> None:
    """Skip the test, with the reason, if a program is not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")


@cache
def compile_c(source: str, cpu: str = "v3", debug: bool = True) -> bytes:
    """The object that clang makes of `source`, in a file `sample.c` that sees the prelude."""
    need("clang-14")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "prelude.h").write_text(PRELUDE)
        Path(folder, "sample.c").write_text(source)
        command = ["clang-14", "-O2", *(["-g"] if debug else []), "-target", "bpf", f"-mcpu={cpu}", "-c", "-o", "-"]
        run = subprocess.run(
            [*command, "-include", "prelude.h", "sample.c"], cwd=folder, capture_output=True, check=False
        )
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout


@cache
def compile_ir(text: str, cpu: str = "v3") -> tuple[bytes, str]:
    """The object and the assembly that llvmlite makes of LLVM IR."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = llvm.parse_assembly(text, context=llvm.create_context())
    module.verify()
    machine = llvm.Target.from_triple("bpfel").create_target_machine(cpu=cpu, opt=2, codemodel="default")
    return bytes(machine.emit_object(module)), str(machine.emit_assembly(module))


def clang_object() -> bytes:
    """An object with a bit of everything, from clang."""
    return compile_c(SAMPLE)


def llvmlite_object() -> bytes:
    """A small object as the compiler of optdsl makes them, from llvmlite."""
    return compile_ir(IR)[0]


def assembled(code: bytes) -> bytes:
    """An object with `code` as its only section."""
    need("llvm-mc-14")
    lines = ['.section prog,"ax",@progbits', *(f".byte {byte}" for byte in code)]
    command = ["llvm-mc-14", "-triple=bpfel", "-filetype=obj", "-o", "-"]
    return subprocess.run(command, input="\n".join(lines).encode() + b"\n", capture_output=True, check=True).stdout
