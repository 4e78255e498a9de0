"""Mistakes behind the lowering: the IR's rules and meaning, both back ends, and what reads and strips objects."""

from __future__ import annotations

from typing import Final

from mutation.mutant import Mutant

_LLVM: Final = "tests/backends/test_llvm_kernel.py"
_LLVM_COMPUTES: Final = f"{_LLVM}::test_the_kernel_computes_what_the_ir_means"
_LLVM_ACCEPTED: Final = f"{_LLVM}::test_libbpf_and_the_verifier_accept_the_object"
_C: Final = "tests/backends/test_c_kernel.py"
_C_COMPUTES: Final = f"{_C}::test_the_kernel_computes_what_the_ir_means"
_C_ACCEPTED: Final = f"{_C}::test_the_verifier_accepts_the_object"
_CONVERSATION: Final = "tests/differential/test_differential_conversations.py::test_a_conversation"
_STATEMENTS: Final = "tests/ir/test_ir_check_statements.py"
_IR_PROGRAMS: Final = "tests/ir/test_ir_check_programs.py"
_INTERPRETER: Final = "tests/ir/test_ir_interpreter.py"

_IR: Final = (
    Mutant(
        "stack",
        "the IR may have buffers of more than the 512 bytes of a BPF stack",
        "optdsl/ir/check.py",
        "_STACK = 512",
        "_STACK = 520",
        (_IR_PROGRAMS,),
    ),
    Mutant(
        "call-chain",
        "the stack of the functions that a function calls is not counted",
        "optdsl/ir/check.py",
        "depth[function.name] = own + max((depth[s.function]",
        "depth[function.name] = own + 0 * max((depth[s.function]",
        (_IR_PROGRAMS,),
    ),
    Mutant(
        "null-pointer",
        "the IR may use a pointer that may be null",
        "optdsl/ir/check_values.py",
        "if PointerState.NULL in states:",
        "if PointerState.NULL in states and PointerState.DEAD in states:",
        (_STATEMENTS,),
    ),
    Mutant(
        "wrong-callback",
        "the IR may write options in callbacks where the kernel refuses it",
        "optdsl/ir/check_callbacks.py",
        "if callbacks != frozenset({int(allowed)}):",
        "if callbacks is not None and int(allowed) not in callbacks:",
        (_IR_PROGRAMS, _STATEMENTS),
    ),
    Mutant(
        "network-order",
        "the interpreter reads bytes of the network in the order of the machine",
        "optdsl/ir/evaluate.py",
        'int.from_bytes(place.region.read(place.offset, value.size), "big")',
        'int.from_bytes(place.region.read(place.offset, value.size), "little")',
        (_INTERPRETER,),
    ),
    Mutant(
        "sign-bit",
        "the interpreter takes the smallest negative number for a positive one",
        "optdsl/ir/evaluate.py",
        "return self.value(frame, condition.value) >= _SIGN",
        "return self.value(frame, condition.value) > _SIGN",
        (_INTERPRETER,),
    ),
)

_LLVM_MUTANTS: Final = (
    Mutant(
        "signed-compare",
        "LLVM: numbers are compared with their sign",
        "optdsl/backends/llvm/values.py",
        'Comparison.GT: "ugt"',
        'Comparison.GT: "sgt"',
        (_LLVM_COMPUTES,),
    ),
    Mutant(
        "arithmetic-shift",
        "LLVM: a shift to the right copies the sign",
        "optdsl/backends/llvm/values.py",
        'BinaryOperator.SHR: "lshr"',
        'BinaryOperator.SHR: "ashr"',
        (_LLVM_COMPUTES,),
    ),
    Mutant(
        "both-or-either",
        "LLVM: where the left side of `or` does not hold, the right one is not asked",
        "optdsl/backends/llvm/values.py",
        "branch(frame, condition.left, yes, middle)",
        "branch(frame, condition.left, yes, no)",
        (_LLVM_COMPUTES, _LLVM),
    ),
    Mutant(
        "others-flags",
        "LLVM: asking for callbacks takes away those that other programs have asked for",
        "optdsl/backends/llvm/calls.py",
        'f"or i32 {flags}, {statement.flags}"',
        'f"or i32 0, {statement.flags}"',
        ("tests/differential/test_differential_together.py",),
    ),
    Mutant(
        "c-others-flags",
        "C: asking for callbacks takes away those that other programs have asked for",
        "optdsl/backends/c/support_text.py",
        "ctx->bpf_sock_ops_cb_flags | flags);",
        "flags);",
        ("tests/differential/test_differential_together.py",),
    ),
    Mutant(
        "kept-syn",
        "LLVM: the server looks for options of the SYN in the packet at hand",
        "optdsl/backends/llvm/calls.py",
        "str(LOAD_HDR_OPT_TCP_SYN if from_syn.value else 0)",
        '"0"',
        (f"{_CONVERSATION}[handshake-llvm-IPv4]",),
    ),
    Mutant(
        "u16-swap",
        "LLVM: a field of 16 bits is read without swapping its bytes",
        "optdsl/backends/llvm/memory.py",
        'ptr {pointer}, align {width}")\n        if width > 1:',
        'ptr {pointer}, align {width}")\n        if width > 2:',
        (_LLVM_COMPUTES, f"{_CONVERSATION}[layout-1-llvm-IPv4]"),
    ),
    Mutant(
        "alignment",
        "LLVM: bytes behind an odd offset are read as if they were aligned",
        "optdsl/backends/llvm/memory.py",
        "_power((address.residue + start) % address.alignment or address.alignment)",
        "address.alignment",
        ("tests/backends/test_llvm_text.py", _LLVM),
    ),
    Mutant(
        "offset-mask",
        "LLVM: the mask of an offset that is known only at run time is removed",
        "optdsl/backends/llvm/memory.py",
        "_OFFSET_MASK = 63",
        "_OFFSET_MASK = (1 << 64) - 1",
        (_LLVM_ACCEPTED,),
    ),
    Mutant(
        "index-bound",
        "LLVM: the bound of an index is not repeated where the verifier sees it",
        "optdsl/backends/llvm/memory.py",
        'f"i64 {bounded}", f"i64 {last}")',
        'f"i64 {bounded}", "i64 -1")',
        (_LLVM_ACCEPTED,),
    ),
)

_C_MUTANTS: Final = (
    Mutant(
        "negated-compare",
        "the opposite of `<` is `>`",
        "optdsl/ir/ops_values.py",
        "Comparison.LT: Comparison.GE,",
        "Comparison.LT: Comparison.GT,",
        (_C_COMPUTES,),
    ),
    Mutant(
        "c-index-bound",
        "C: an index is not brought below the number of elements where that is a power of two",
        "optdsl/backends/c/support_text.py",
        "return index & last;",
        "return index;",
        (_C_ACCEPTED,),
    ),
    Mutant(
        "c-byte-order",
        "C: numbers of any size are stored with their least significant byte first",
        "optdsl/backends/c/support_text.py",
        "for (int i = size - 1; i >= 0; i--) {",
        "for (int i = 0; i < size; i++) {",
        (_C_COMPUTES, f"{_CONVERSATION}[layout-1-c-IPv4]"),
    ),
    Mutant(
        "c-signed-compare",
        "C: a result that may be an error is compared with its sign",
        "optdsl/backends/c/expression.py",
        "return self if self.high <= self.kind.capacity else self.as_u64()",
        "return self",
        (_C_COMPUTES,),
    ),
    Mutant(
        "c-narrow-product",
        "C: the product of narrow numbers is computed in 32 bits",
        "optdsl/backends/c/expression.py",
        "most = left.high * right.high",
        "most = max(left.high, right.high)",
        (_C_COMPUTES,),
    ),
    Mutant(
        "c-parentheses",
        "C: `a - (b - c)` loses its parentheses",
        "optdsl/backends/c/expression.py",
        "Binding(binding + 1) if right else binding",
        "binding",
        (_C_COMPUTES,),
    ),
)

_READERS: Final = (
    Mutant(
        "codec-range",
        "captured options are shown with values that a receiver rejects",
        "optdsl/backends/codec.py",
        "return None if raw in field.raw else",
        "return None if raw <= field.raw.high else",
        ("tests/backends/test_codec_options.py",),
    ),
    Mutant(
        "relocations",
        "stripping leaves relocations pointing to the numbers that symbols had before",
        "optdsl/elf/strip.py",
        "symbol_numbers[info >> 32] << 32",
        "(info >> 32) << 32",
        ("tests/elf/test_elf_strip.py",),
    ),
    Mutant(
        "local-symbols",
        "stripping tells the loader that all symbols are local",
        "optdsl/elf/strip.py",
        "locals_count = sum(symbols[index].is_local for index in kept)",
        "locals_count = len(kept)",
        ("tests/elf/test_elf_strip.py",),
    ),
    Mutant(
        "signed-enum",
        "values of signed enumerations are read as unsigned ones, and the other way round",
        "optdsl/elf/btf.py",
        "_SIGNED_ENUM_VALUE if flag else _ENUM_VALUE",
        "_ENUM_VALUE if flag else _SIGNED_ENUM_VALUE",
        ("tests/elf/test_elf_btf.py",),
    ),
    Mutant(
        "source-line",
        "the line and the column of an instruction are told apart at the wrong bit",
        "optdsl/elf/btf_ext.py",
        "line, column = position >> 10, position & 0x3FF",
        "line, column = position >> 11, position & 0x7FF",
        ("tests/elf/test_elf_btf.py",),
    ),
    Mutant(
        "relocated-types",
        "offsets of variables that the linker has yet to fill in are taken as they stand",
        "optdsl/elf/image.py",
        '"little") + relocation.symbol.value',
        '"little")',
        ("tests/elf/test_elf_object.py",),
    ),
)

MUTANTS: Final = (*_IR, *_LLVM_MUTANTS, *_C_MUTANTS, *_READERS)
