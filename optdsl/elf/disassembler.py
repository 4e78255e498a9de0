"""Disassembler for BPF in the syntax of LLVM, instruction set versions v1 to v4.

    85 00 00 00 01 00 00 00    call 1                      # bpf_map_lookup_elem
    18 01 00 00 00 00 .. ..    r1 = counters ll            # map
    16 00 05 00 03 00 00 00    if w0 == 3 goto +5          # to 12

The text is what `llvm-objdump -d` of LLVM 14 prints, which knows v1 to v3; what came later (v4, `%=`, acquire and
release, `may_goto`) is written as newer versions of LLVM write it. Where the caller says to which symbol an instruction
refers, the symbol replaces a number that means nothing before linking, as in LLVM's assembly. What a reader would
otherwise look up is kept apart, as a note.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from optdsl.elf.encoding import LAST_REGISTER, Alu, Atomic, Callee, Class, Jump, Mode, Word, words
from optdsl.record import record
from optdsl.uapi import HELPER_NAMES

UNKNOWN = "<unknown>"
"""Text of an instruction that no instruction set defines."""

_ASSIGNMENTS = {
    Alu.ADD: "+=", Alu.SUB: "-=", Alu.MUL: "*=", Alu.DIV: "/=", Alu.OR: "|=", Alu.AND: "&=", Alu.LSH: "<<=",
    Alu.RSH: ">>=", Alu.MOD: "%=", Alu.XOR: "^=", Alu.MOV: "=", Alu.ARSH: "s>>=",
}  # fmt: skip
_COMPARISONS = {
    Jump.JEQ: "==", Jump.JGT: ">", Jump.JGE: ">=", Jump.JSET: "&", Jump.JNE: "!=", Jump.JSGT: "s>", Jump.JSGE: "s>=",
    Jump.JLT: "<", Jump.JLE: "<=", Jump.JSLT: "s<", Jump.JSLE: "s<=",
}  # fmt: skip
_ATOMICS = {Atomic.ADD: ("+=", "add"), Atomic.OR: ("|=", "or"), Atomic.AND: ("&=", "and"), Atomic.XOR: ("^=", "xor")}

# The offset field of these selects the signed variant of the instruction.
_SIGNED_DIVISION = 1
_SIGN_EXTENDED_BITS = (8, 16, 32)
_ADDRESS_SPACE_CAST = 1


@record
class Reference:
    """What an instruction refers to by a relocation: a symbol, and a few words on where or what it is."""

    symbol: str
    note: str = ""


@record
class Instruction:
    """One instruction of a listing.

    `slot` counts 8-byte slots from the start of the code; `width` is 2 for a 64-bit immediate load, else 1. `target` is
    the slot that a jump or a call of a local function leads to, counted alike, and may lie outside of the code.
    """

    slot: int
    width: int
    text: str
    note: str = ""
    target: int | None = None


_NO_REFERENCES: Mapping[int, Reference] = {}
_NO_FUNCTIONS: Mapping[int, str] = {}


def disassemble(
    code: bytes,
    references: Mapping[int, Reference] = _NO_REFERENCES,
    functions: Mapping[int, str] = _NO_FUNCTIONS,
) -> tuple[Instruction, ...]:
    """The instructions of `code`, one for each.

    `references` holds, by slot, what relocations say; `functions` names the functions of the same section by the slot
    at which they start, relative to `code` as well. Without both, each text is that of llvm-objdump.

    Raises `ObjectError` if the length of `code` is not a multiple of 8.
    """
    return tuple(_instruction(word, references.get(word.slot), functions) for word in words(code))


def _instruction(word: Word, reference: Reference | None, functions: Mapping[int, str]) -> Instruction:
    instruction: Instruction | None = None
    if max(word.destination, word.source) <= LAST_REGISTER:
        if word.kind in (Class.JMP, Class.JMP32):
            instruction = _control_flow(word, reference, functions)
        elif word.is_wide_load:
            instruction = _wide_load(word, reference)
        else:
            text = _STRAIGHT_LINE[word.kind](word)
            instruction = Instruction(word.slot, 1, text) if text else None
    return instruction or Instruction(word.slot, word.width, UNKNOWN, word.raw.hex(" "))


# --- Operands ---------------------------------------------------------------------------------------------------------


def _prefix(word: Word) -> str:
    """`w` names the lower half of a register, `r` the whole."""
    return "w" if word.kind in (Class.ALU, Class.JMP32) else "r"


def _second_operand(word: Word) -> str:
    return f"{_prefix(word)}{word.source}" if word.takes_register else str(word.immediate)


def _memory_register(word: Word, number: int) -> str:
    """The register that is loaded or stored: accesses of less than 64 bits use its lower half."""
    return f"{'r' if word.bits == 64 else 'w'}{number}"


def _address(word: Word, base: int) -> str:
    return f"r{base} {'-' if word.offset < 0 else '+'} {abs(word.offset)}"


def _place(word: Word, base: int, signedness: str = "u") -> str:
    return f"({signedness}{word.bits} *)({_address(word, base)})"


# --- Arithmetic -------------------------------------------------------------------------------------------------------


def _arithmetic(word: Word) -> str | None:
    result = f"{_prefix(word)}{word.destination}"
    if word.operation == Alu.NEG:
        return None if word.takes_register else f"{result} = -{result}"
    if word.operation == Alu.END:
        return _byte_order(word)
    if word.operation == Alu.MOV and word.takes_register and word.offset:
        return _extending_move(word, result)
    if word.operation not in _ASSIGNMENTS:
        return None
    signed = "s" if word.operation in (Alu.DIV, Alu.MOD) and word.offset == _SIGNED_DIVISION else ""
    return f"{result} {signed}{_ASSIGNMENTS[Alu(word.operation)]} {_second_operand(word)}"


def _byte_order(word: Word) -> str | None:
    if word.immediate not in (16, 32, 64):
        return None
    if word.kind == Class.ALU64:
        name = None if word.takes_register else "bswap"
    else:
        name = "be" if word.takes_register else "le"
    return f"r{word.destination} = {name}{word.immediate} r{word.destination}" if name else None


def _extending_move(word: Word, result: str) -> str:
    if word.offset in _SIGN_EXTENDED_BITS:
        return f"{result} = (s{word.offset}){_second_operand(word)}"
    if word.offset == _ADDRESS_SPACE_CAST and word.immediate:
        to_space, from_space = word.immediate >> 16 & 0xFFFF, word.immediate & 0xFFFF
        return f"{result} = addr_space_cast({_second_operand(word)}, {to_space}, {from_space})"
    return f"{result} = {_second_operand(word)}"


# --- Memory -----------------------------------------------------------------------------------------------------------


def _packet_load(word: Word) -> str | None:
    """The packet access instructions inherited from classic BPF (RFC 9669, section 5.5)."""
    if word.bits == 64 or word.mode not in (Mode.ABS, Mode.IND):
        return None
    index = f"{word.immediate}" if word.mode == Mode.ABS else f"r{word.source}"
    return f"r0 = *(u{word.bits} *)skb[{index}]"


def _load(word: Word) -> str | None:
    if word.mode == Mode.MEM:
        return f"{_memory_register(word, word.destination)} = *{_place(word, word.source)}"
    if word.mode == Mode.MEMSX and word.bits != 64:
        return f"r{word.destination} = *{_place(word, word.source, 's')}"
    return None


def _store_immediate(word: Word) -> str | None:
    return f"*{_place(word, word.destination)} = {word.immediate}" if word.mode == Mode.MEM else None


def _store(word: Word) -> str | None:
    if word.mode == Mode.MEM:
        return f"*{_place(word, word.destination)} = {_memory_register(word, word.source)}"
    if word.mode != Mode.ATOMIC:
        return None
    if word.immediate == Atomic.LOAD_ACQUIRE:
        return f"{_memory_register(word, word.destination)} = load_acquire({_place(word, word.source)})"
    if word.immediate == Atomic.STORE_RELEASE:
        return f"store_release({_place(word, word.destination)}, {_memory_register(word, word.source)})"
    return _read_modify_write(word) if word.bits >= 32 else None


def _read_modify_write(word: Word) -> str | None:
    value, old = _memory_register(word, word.source), _memory_register(word, 0)
    address, place = _address(word, word.destination), _place(word, word.destination)
    suffix = "_64" if word.bits == 64 else "32_32"
    if word.immediate == Atomic.XCHG:
        return f"{value} = xchg{suffix}({address}, {value})"
    if word.immediate == Atomic.CMPXCHG:
        return f"{old} = cmpxchg{suffix}({address}, {old}, {value})"
    operation, fetches = word.immediate & ~Atomic.FETCH, word.immediate & Atomic.FETCH
    if operation not in _ATOMICS:
        return None
    operator, name = _ATOMICS[Atomic(operation)]
    return f"{value} = atomic_fetch_{name}({place}, {value})" if fetches else f"lock *{place} {operator} {value}"


def _wide_load(word: Word, reference: Reference | None) -> Instruction | None:
    """A 64-bit constant, or the address of what a relocation names; once loaded also a map or a variable by number."""
    if word.width == 1 or word.offset:
        return None
    if reference:
        text, note = f"r{word.destination} = {reference.symbol} ll", reference.note
    elif word.source:
        text, note = f"ld_pseudo r{word.destination}, {word.source}, {word.immediate & 0xFFFFFFFF}", ""
    else:
        text, note = f"r{word.destination} = {word.immediate} ll", ""
    return Instruction(word.slot, word.width, text, note)


_STRAIGHT_LINE: Mapping[Class, Callable[[Word], str | None]] = {
    Class.LD: _packet_load,
    Class.LDX: _load,
    Class.ST: _store_immediate,
    Class.STX: _store,
    Class.ALU: _arithmetic,
    Class.ALU64: _arithmetic,
}


# --- Jumps and calls --------------------------------------------------------------------------------------------------


def _control_flow(word: Word, reference: Reference | None, functions: Mapping[int, str]) -> Instruction | None:
    if word.operation in _COMPARISONS:
        left = f"{_prefix(word)}{word.destination}"
        condition = f"{left} {_COMPARISONS[Jump(word.operation)]} {_second_operand(word)}"
        return _jump(word, f"if {condition} goto", word.offset)
    match word.operation, word.kind, word.takes_register:
        case Jump.JA, Class.JMP, False:
            return _jump(word, "goto", word.offset)
        case Jump.JA, Class.JMP32, False:
            return _jump(word, "gotol", word.immediate)
        case Jump.JA, Class.JMP, True:
            return Instruction(word.slot, 1, f"gotox r{word.destination}")
        case Jump.JCOND, Class.JMP, False:
            return _jump(word, "may_goto", word.offset)
        case Jump.CALL, Class.JMP, False:
            return _call(word, reference, functions)
        case Jump.CALL, Class.JMP, True:
            # LLVM put the register into the immediate before it used the destination.
            number = word.immediate or word.destination
            return Instruction(word.slot, 1, f"callx r{number}") if 0 <= number <= LAST_REGISTER else None
        case Jump.EXIT, Class.JMP, False if not word.immediate:
            return Instruction(word.slot, 1, "exit")
        case _:
            return None


def _jump(word: Word, verb: str, distance: int) -> Instruction:
    target = word.slot + 1 + distance
    return Instruction(word.slot, 1, f"{verb} {distance:+}", f"to {target}", target)


def _call(word: Word, reference: Reference | None, functions: Mapping[int, str]) -> Instruction:
    if reference:
        return Instruction(word.slot, 1, f"call {reference.symbol}", reference.note)
    if word.source == Callee.LOCAL:
        target = word.slot + 1 + word.immediate
        return Instruction(word.slot, 1, f"call {functions.get(target, word.immediate)}", target=target)
    note = HELPER_NAMES.get(word.immediate, "") if word.source == Callee.HELPER else ""
    return Instruction(word.slot, 1, f"call {word.immediate}", note)
