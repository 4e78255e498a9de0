"""The variables of one function while its body is being translated."""

from __future__ import annotations

from optdsl.backends.llvm.errors import BackendError
from optdsl.backends.llvm.writer import Writer
from optdsl.ir.program import Function, Program
from optdsl.ir.types import Type
from optdsl.record import field, record
from optdsl.source import Span
from optdsl.targets.sockops import CONTEXT_FIELDS, Helper

# The kernel places map values and ring buffer records at multiples of 8.
MAP_ALIGNMENT = 8


def argument(name: str) -> str:
    """The operand of a parameter; the prefix keeps it apart from `%ctx` and from labels."""
    return f"%arg.{name}"


@record
class Pointer:
    """A local pointer: the stack slot that holds it (or, for a parameter, its operand), and what it points to."""

    operand: str
    is_slot: bool
    target: Type
    alignment: int


@record
class Buffer:
    """A byte buffer on the stack; `room` is its size rounded up to whole words."""

    operand: str
    size: int
    room: int


@record(frozen=False)
class Frame:
    """Everything that statements and values of one function refer to by name."""

    program: Program
    function: Function
    writer: Writer
    counter: str
    exit: str = "exit"
    numbers: dict[str, str] = field(default_factory=dict)
    pointers: dict[str, Pointer] = field(default_factory=dict)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    loops: list[str] = field(default_factory=list)
    """The labels behind the loops around this place."""
    rounds: dict[str, int] = field(default_factory=dict)
    """By the counter of such a loop: how often it runs."""
    result: str | None = None

    # ---------------------------------------------------------------------------------------------------- numbers

    def assign(self, name: str, value: str) -> None:
        """Sets a local number, which comes into being with that."""
        if name not in self.numbers:
            self.numbers[name] = self.writer.slot("i64", "0")
        self.writer.effect(f"store i64 {value}, ptr {self.numbers[name]}, align 8")

    def number(self, name: str) -> str:
        """The value of a local number."""
        return self.writer.value(f"load i64, ptr {self.numbers[name]}, align 8")

    # --------------------------------------------------------------------------------------------------- pointers

    def parameter(self, name: str, target: Type) -> None:
        """Declares a pointer parameter, whose memory is aligned as its type demands."""
        self.pointers[name] = Pointer(argument(name), False, target, target.alignment)

    def point(self, name: str, target: Type, value: str) -> None:
        """Sets a local pointer to map memory (or NULL), which comes into being with that."""
        if name not in self.pointers:
            self.pointers[name] = Pointer(self.writer.slot("ptr", "null"), True, target, MAP_ALIGNMENT)
        self.writer.effect(f"store ptr {value}, ptr {self.pointers[name].operand}, align 8")

    def pointer(self, name: str) -> str:
        """The value of a local pointer."""
        pointer = self.pointers[name]
        return self.writer.value(f"load ptr, ptr {pointer.operand}, align 8") if pointer.is_slot else pointer.operand

    # ---------------------------------------------------------------------------------------------------- buffers

    def buffer(self, name: str, size: int) -> Buffer:
        """Declares a buffer, or finds it where a loop comes by again."""
        if name not in self.buffers:
            room = -(-size // 8) * 8
            self.buffers[name] = Buffer(self.writer.slot(f"[{room} x i8]"), size, room)
        return self.buffers[name]

    # ----------------------------------------------------------------------------------------------------- kernel

    def helper(self, helper: Helper, *arguments: str, result: str = "i64") -> str:
        """Calls a helper function of the kernel; an argument is a type and an operand."""
        call = f"call {result} inttoptr (i64 {helper.value} to ptr)({', '.join(arguments)})"
        if result != "void":
            return self.writer.value(call)
        self.writer.effect(call)
        return ""

    def context_field(self, name: str, span: Span) -> tuple[str, int]:
        """The value of a field of the context, and its width in bits; `sk` is a pointer."""
        member, _, index = name.removesuffix("]").partition("[")
        found = CONTEXT_FIELDS.get(member)
        if found is None or int(index or 0) >= found.count:
            raise BackendError("emit", f"struct bpf_sock_ops has no field {name}", span.source.base_name, span.line)
        # Without the intrinsic LLVM may merge two accesses into one at a computed address: "modified ctx ptr".
        base = self.writer.intrinsic("ptr", "preserve.static.offset", "ptr %ctx")
        kind = "ptr" if name == "sk" else f"i{8 * found.size}"
        address = self.writer.offset(base, found.offset + found.size * int(index or 0))
        return self.writer.value(f"load {kind}, ptr {address}, align {found.size}"), 8 * found.size
