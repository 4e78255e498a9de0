"""Runs the code of an object, instruction by instruction, and counts: what an invocation costs, without any noise.

    machine = ObjectMachine(Path("delack.bpf.o").read_b"")
    run = machine.run(SockOpsContext(SockOp.HDR_OPT_LEN_CB, socket="a", space=28))
    print(run.executed, run.helpers, run.kernel.space)

The kernel's side is that of the IR's interpreter (`optdsl.ir.invocation`). Only what sock_ops programs of this
repository use is there. Source of the instructions: RFC 9669.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from optdsl.elf.encoding import SLOT_SIZE, Callee, Class, Jump, Word, words
from optdsl.elf.image import read_image
from optdsl.elf.model import Function
from optdsl.elf.object import read_object
from optdsl.ir.invocation import Invocation, SockOpsContext
from optdsl.targets.sockops import CONTEXT_FIELDS
from optdsl.uapi import HELPER_NAMES
from performance.object_alu import MASK_32, MASK_64, arithmetic, distance, taken
from performance.object_memory import ObjectMemory

_STACK_SIZE: Final = 512
_SOCKET_STORAGE_CREATE: Final = 1
_NUMBER_SIZE: Final = 4
_FIELDS: Final = {
    member.offset + member.size * index: name if member.count == 1 else f"{name}[{index}]"
    for name, member in CONTEXT_FIELDS.items()
    for index in range(member.count)
    if not name.startswith("reply")  # the same bytes as `args`
}


@dataclass(slots=True)
class Run:
    """What one invocation has executed: instructions (a wide load is one), helpers by name, and its effects."""

    kernel: Invocation
    executed: int = 0
    helpers: list[str] = field(default_factory=list)


class ObjectMachine:
    """One CPU with one program. Maps and variables live as long as the machine."""

    def __init__(self, data: bytes) -> None:
        made = read_object(data)
        self._memory = ObjectMemory()
        self._entry = made.programs[0]
        self._functions = {(each.section, each.slot): each for each in (*made.programs, *made.subprograms)}
        self._code = {
            (each.section, each.slot): {word.slot: word for word in words(each.code)}
            for each in self._functions.values()
        }
        self._sections = {
            section.name: self._memory.allocate(section.data.ljust(section.size, b"\0"))
            for section in read_image(data).sections
            if section.name.startswith((".data", ".rodata", ".bss"))
        }
        self._variables = {
            each.name: self._sections[each.section] + each.offset
            for each in made.variables
            if each.section in self._sections
        }
        self._context = self._memory.allocate(b"")
        self._socket = self._memory.allocate(b"")
        self._maps = {each.name: self._memory.allocate(b"") for each in made.maps}
        self._sizes = {self._maps[each.name]: each.value.size for each in made.maps if each.value is not None}
        self._arrays: dict[int, int] = {}
        self._storage: dict[Hashable, int] = {}

    def counters(self) -> bytes:
        """The value of the map `counters`."""
        return self._memory.content(self._array(self._maps["counters"]))

    def set_variable(self, name: str, offset: int, value: bytes) -> None:
        """Writes to a global variable, as user space writes to its section's map."""
        self._memory.write(self._variables[name] + offset, value)

    def run(self, context: SockOpsContext) -> Run:
        """Runs the program once. Raises ValueError if it does not return 1."""
        run = Run(Invocation(context))
        if self._call(self._entry, [0, self._context, 0, 0, 0, 0], run) & MASK_32 != 1:
            raise ValueError("the program cancels the options of the packet")
        return run

    # ------------------------------------------------------------------------------------------ instructions

    def _call(self, function: Function, arguments: list[int], run: Run) -> int:
        code = self._code[function.section, function.slot]
        stack = self._memory.allocate(bytes(_STACK_SIZE))
        registers = [*arguments, 0, 0, 0, 0, stack + _STACK_SIZE]
        slot = 0
        while True:
            word = code[slot]
            run.executed += 1
            slot += word.width
            match word.kind:
                case Class.ALU | Class.ALU64:
                    registers[word.destination] = arithmetic(word, registers)
                case Class.LD:
                    registers[word.destination] = self._address(word, function)
                case Class.LDX:
                    registers[word.destination] = self._load(registers[word.source] + word.offset, word.bits, run)
                case Class.ST | Class.STX:
                    value = registers[word.source] if word.kind is Class.STX else word.immediate
                    self._store(registers[word.destination] + word.offset, word.bits, value)
                case Class.JMP | Class.JMP32 if word.operation == Jump.EXIT:
                    self._memory.free(stack)
                    return registers[0]
                case Class.JMP | Class.JMP32 if word.operation == Jump.CALL:
                    registers[0] = self._any_call(word, function, registers, run)
                case _:
                    slot += distance(word) if taken(word, registers) else 0

    def _address(self, word: Word, function: Function) -> int:
        """The immediate of a wide load, or the map or variable that it refers to."""
        for relocation in function.relocations:
            if relocation.slot == word.slot:
                section, offset = _place(relocation.place)
                return self._maps[relocation.symbol] if section == ".maps" else self._sections[section] + offset
        return word.immediate & MASK_64

    def _load(self, address: int, bits: int, run: Run) -> int:
        if address >> 32 != self._context >> 32:
            return int.from_bytes(self._memory.read(address, bits // 8), "little")
        name = _FIELDS[address - self._context]
        if name == "sk":
            return self._socket if run.kernel.context.socket is not None else 0
        return run.kernel.field(name)

    def _store(self, address: int, bits: int, value: int) -> None:
        self._memory.write(address, (value & ((1 << bits) - 1)).to_bytes(bits // 8, "little"))

    def _any_call(self, word: Word, function: Function, registers: list[int], run: Run) -> int:
        if word.source != Callee.LOCAL:
            name = HELPER_NAMES[word.immediate]
            run.helpers.append(name)
            return self._helper(name, registers[1:6], run.kernel) & MASK_64
        section, slot = function.section, function.slot + word.slot + 1 + word.immediate
        for relocation in function.relocations:
            if relocation.slot == word.slot:
                section, offset = _place(relocation.place)
                slot = offset // SLOT_SIZE
        return self._call(self._functions[section, slot], registers[:6], run)

    # ---------------------------------------------------------------------------------------------- helpers

    def _helper(self, name: str, arguments: list[int], kernel: Invocation) -> int:
        first, second, third, fourth, fifth = arguments
        match name:
            case "bpf_map_lookup_elem":
                return self._array(first)
            case "bpf_sk_storage_get":
                return self._socket_storage(first, fourth, kernel)
            case "bpf_sock_ops_cb_flags_set":
                return kernel.set_flags(second & MASK_32)
            case "bpf_reserve_hdr_opt":
                return kernel.reserve(second & MASK_32)
            case "bpf_store_hdr_opt":
                return kernel.store(self._memory.read(second, third & MASK_32))
            case "bpf_load_hdr_opt":
                result, copied = kernel.load(self._memory.read(second, third & MASK_32), fourth)
                self._memory.write(second, copied)
                return result
            case "bpf_setsockopt":
                raw = self._memory.read(fourth, fifth & MASK_32)
                value = int.from_bytes(raw, "little") if len(raw) == _NUMBER_SIZE else raw
                return kernel.set_socket_option(second & MASK_32, third & MASK_32, value, lambda *_: 0)
        raise NotImplementedError(name)

    def _array(self, handle: int) -> int:
        """The address of the only value of an array."""
        if handle not in self._arrays:
            self._arrays[handle] = self._memory.allocate(bytes(self._sizes[handle]))
        return self._arrays[handle]

    def _socket_storage(self, handle: int, flags: int, kernel: Invocation) -> int:
        socket = kernel.context.socket
        if socket not in self._storage:
            if not flags & _SOCKET_STORAGE_CREATE:
                return 0
            self._storage[socket] = self._memory.allocate(bytes(self._sizes[handle]))
        return self._storage[socket]


def _place(text: str) -> tuple[str, int]:
    """Section and offset of a place such as `.data.params+4`."""
    section, _, offset = text.rpartition("+")
    return section, int(offset)
