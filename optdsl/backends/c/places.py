"""Places in memory as C: members, elements, bytes; and how far addresses are known to be aligned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optdsl.backends.c.expression import Expression, Kind, number
from optdsl.backends.c.frame import Frame
from optdsl.backends.c.names import identifier
from optdsl.ir import ops
from optdsl.ir.types import Array, ByteArray, Scalar, Struct, Type

# How a place has a value inside it printed.
Print = Callable[[ops.Value], Expression]

# Sizes in bytes that one instruction loads or stores, with the number's C type.
_WIDE = {2: Kind.INT, 4: Kind.U32, 8: Kind.U64}


@dataclass(frozen=True, slots=True)
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
    kind = frame.root_type(place.root)
    alignment, text, qualified = kind.alignment, identifier(place.root.name), False
    path = place.path
    match place.root:
        case ops.GlobalRoot():
            qualified = True
        case ops.PointerRoot():
            text = frame.names.local(place.root.name)
            if path and isinstance(kind, Struct):
                kind, alignment = _member(kind, str(path[0]), alignment)
                text, path = f"{text}->{identifier(str(path[0]))}", path[1:]
            elif isinstance(kind, Scalar | Struct):
                text = f"*{text}"
        case ops.BufferRoot():
            text = frame.names.local(place.root.name)
    for step in path:
        match kind, step:
            case Struct(), str():
                kind, alignment = _member(kind, step, alignment)
                text += f".{identifier(step)}"
            case Array(), (int() | ops.Const()):
                index = step if isinstance(step, int) else step.value
                kind, alignment = kind.element, _align(alignment, index * kind.element.size)
                text += f"[{index}]"
            case Array(), _ if not isinstance(step, str):
                kind, alignment = kind.element, _align(alignment, kind.element.size)
                text += f"[{show(step).text}]"
            case _:
                raise ValueError(f"{step!r} does not select anything in {kind}")
    return Memory(text, kind, alignment, qualified)


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
    if size in _WIDE and _offset_alignment(memory, offset) >= size:
        return Expression(f"{frame.support.use(f'load_be{8 * size}')}({pointer})", kind=_WIDE[size], high=high)
    return Expression(f"{frame.support.use('load_be')}({pointer}, {size})", high=high)


def store_bytes(
    frame: Frame, memory: Memory, offset: ops.Value, size: int, value: ops.Value, show: Print
) -> str:
    """The statement that stores the low bytes of a value, most significant first."""
    shown = show(value)
    if isinstance(value, ops.Const):
        low = value.value & ((1 << 8 * size) - 1)
        shown = number(low) if low < 10 or size == 1 else number(low, base=16)
    if size == 1:
        return f"{memory.text}[{_index(frame, offset, show)}] = {shown.text};"
    pointer = _pointer(frame, memory, offset, show)
    if size in _WIDE and _offset_alignment(memory, offset) >= size:
        return f"{frame.support.use(f'store_be{8 * size}')}({pointer}, {shown.text});"
    return f"{frame.support.use('store_be')}({pointer}, {size}, {shown.text});"


def _index(frame: Frame, offset: ops.Value, show: Print) -> str:
    if isinstance(offset, ops.Const):
        return str(offset.value)
    return f"{frame.support.use('below_64')}({show(offset).text})"


def _pointer(frame: Frame, memory: Memory, offset: ops.Value, show: Print) -> str:
    """A pointer to `memory[offset]`."""
    if isinstance(offset, ops.Const) and offset.value == 0:
        return memory.pointer
    return f"{memory.pointer} + {_index(frame, offset, show)}"


def _offset_alignment(memory: Memory, offset: ops.Value) -> int:
    return _align(memory.alignment, offset.value) if isinstance(offset, ops.Const) else 1


def _member(struct: Struct, name: str, alignment: int) -> tuple[Type, int]:
    return struct.member(name).type, _align(alignment, struct.offset(name))


def _align(alignment: int, offset: int) -> int:
    """The alignment at an offset from an aligned address: the largest power of two that divides both."""
    return alignment if offset == 0 else min(alignment, offset & -offset)
