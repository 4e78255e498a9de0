"""Places in memory as C: members, elements, bytes; and how far addresses are known to be aligned."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from optdsl.backends.c.expression import Expression, Kind, number
from optdsl.backends.c.frame import Frame
from optdsl.backends.c.names import identifier
from optdsl.ir import ops
from optdsl.ir.types import Array, ByteArray, Scalar, Struct, Type
from optdsl.record import record

# How a place has a value inside it printed.
Print = Callable[[ops.Value], Expression]

# Sizes in bytes that one instruction loads or stores, with the number's C type.
_WIDE = {2: Kind.INT, 4: Kind.U32, 8: Kind.U64}

# A byte offset that is no constant is below this (see `ops.LoadBytes`).
_OFFSETS = 64


@record
class Memory:
    """A place as C text: an lvalue, or for bytes and arrays something that decays to a pointer.

    `alignment` is a power of two that divides the address; `qualified` memory is volatile or constant in C.
    """

    text: str
    type: Type
    alignment: int
    qualified: bool = False

    @property
    def pointer(self) -> str:
        """A pointer to the place, as the argument of a call."""
        if isinstance(self.type, ByteArray | Array):
            text = self.text
        else:
            text = self.text[1:] if self.text.startswith("*") else f"&{self.text}"
        return f"(void *){text}" if self.qualified else text


def locate(frame: Frame, place: ops.Place, show: Print) -> Memory:
    """The memory of a place."""
    memory = _root(frame, place.root)
    for step in place.path:
        match memory.type, step:
            case Struct() as struct, str():
                memory = _member(memory, struct, step)
            case Array() as array, (int() | ops.Const()):
                index = step if isinstance(step, int) else step.value
                alignment = _align(memory.alignment, index * array.element.size)
                memory = Memory(f"{memory.text}[{index}]", array.element, alignment, memory.qualified)
            case Array() as array, _ if not isinstance(step, str | int):
                text = f"{memory.text}[{_element(frame, step, array.length, show)}]"
                alignment = _align(memory.alignment, array.element.size)
                memory = Memory(text, array.element, alignment, memory.qualified)
            case _:
                raise ValueError(f"{step!r} does not select anything in {memory.type}")
    return memory


def _root(frame: Frame, root: ops.Root) -> Memory:
    kind = frame.root_type(root)
    match root:
        case ops.GlobalRoot():
            return Memory(identifier(root.name), kind, kind.alignment, qualified=True)
        case ops.PointerRoot():
            star = "*" if isinstance(kind, Scalar | Struct) else ""
            return Memory(f"{star}{frame.names.local(root.name)}", kind, kind.alignment)
        case ops.BufferRoot():
            return Memory(frame.names.local(root.name), kind, kind.alignment)
        case _:
            assert_never(root)


def _member(memory: Memory, struct: Struct, name: str) -> Memory:
    """A member of a struct: `params.divisor`, or `socket->role` behind a pointer."""
    text = f"{memory.text[1:]}->" if memory.text.startswith("*") else f"{memory.text}."
    alignment = _align(memory.alignment, struct.offset(name))
    return Memory(f"{text}{identifier(name)}", struct.member(name).type, alignment, memory.qualified)


def load(memory: Memory) -> Expression:
    """The scalar at a place."""
    if not isinstance(memory.type, Scalar):
        raise ValueError(f"{memory.text} is not a number")
    bits = memory.type.bits
    kind = Kind.INT if bits < 32 else Kind.U32 if bits == 32 else Kind.U64
    return Expression(memory.text, kind=kind, high=(1 << bits) - 1)


def load_bytes(frame: Frame, memory: Memory, offset: ops.Value, size: int, show: Print) -> Expression:
    """`size` bytes from an offset as one number, most significant first."""
    high = (1 << 8 * size) - 1
    if size == 1:
        text = f"{memory.text}[{_index(frame, offset, show)}]"
        is_char = isinstance(memory.type, ByteArray) and memory.type.text
        return Expression(f"(__u8){text}" if is_char else text, kind=Kind.INT, high=high)
    pointer = _pointer(frame, memory, offset, show)
    wide = _wide(memory, offset, size)
    if wide:
        return Expression(f"{frame.support.use(f'load_{wide}')}({pointer})", kind=_WIDE[size], high=high)
    return Expression(f"{frame.support.use('load_be')}({pointer}, {size})", high=high)


def store_bytes(frame: Frame, memory: Memory, offset: ops.Value, size: int, value: ops.Value, show: Print) -> str:
    """The statement that stores the low bytes of a value, most significant first."""
    shown = show(value)
    if isinstance(value, ops.Const):
        low = value.value & ((1 << 8 * size) - 1)
        shown = number(low) if low < 10 or size == 1 else number(low, base=16)
    if size == 1:
        return f"{memory.text}[{_index(frame, offset, show)}] = {shown.text};"
    pointer = _pointer(frame, memory, offset, show)
    wide = _wide(memory, offset, size)
    if wide:
        return f"{frame.support.use(f'store_{wide}')}({pointer}, {shown.text});"
    return f"{frame.support.use('store_be')}({pointer}, {size}, {shown.text});"


def _index(frame: Frame, offset: ops.Value, show: Print) -> str:
    if isinstance(offset, ops.Const):
        return str(offset.value)
    return f"{frame.support.use('below')}({show(offset).text}, {_OFFSETS})"


def _pointer(frame: Frame, memory: Memory, offset: ops.Value, show: Print) -> str:
    """A pointer to `memory[offset]`."""
    if isinstance(offset, ops.Const) and offset.value == 0:
        return memory.pointer
    return f"{memory.pointer} + {_index(frame, offset, show)}"


def _wide(memory: Memory, offset: ops.Value, size: int) -> str:
    """What the type of a number of `size` bytes at an offset is called, or nothing where only single bytes will do."""
    alignment = _align(memory.alignment, offset.value) if isinstance(offset, ops.Const) else 1
    if size not in _WIDE or alignment == 1:
        return ""
    return f"be{8 * size}" if alignment >= size else f"be{8 * size}_at{alignment}"


def _element(frame: Frame, index: ops.Value, length: int, show: Print) -> str:
    """The index of an element; its bound is repeated where the verifier sees it, unless it is that of a loop."""
    text = show(index).exact().text
    if isinstance(index, ops.Local) and frame.loops.get(index.name, length + 1) <= length:
        return text
    return f"{frame.support.use('below')}({text}, {length})"


def _align(alignment: int, offset: int) -> int:
    """The alignment at an offset from an aligned address: the largest power of two that divides both."""
    return alignment if offset == 0 else min(alignment, offset & -offset)
