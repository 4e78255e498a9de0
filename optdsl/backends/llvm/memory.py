"""Places in memory: addresses, and loads and stores in the byte order of the machine or of the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from optdsl.backends.llvm.errors import BackendError
from optdsl.backends.llvm.frame import MAP_ALIGNMENT, Frame
from optdsl.ir.ops import BufferRoot, Const, GlobalRoot, Local, Place, PointerRoot, Value
from optdsl.ir.types import Array, ByteArray, Scalar, Section, Struct, Type
from optdsl.record import record, replace
from optdsl.source import Span

# How memory has a value inside a place evaluated.
Evaluate = Callable[[Frame, Value], str]

# An offset into a byte array that is no constant is below 64 by the rules of the IR; this shows it to the verifier.
_OFFSET_MASK = 63


@record
class Address:
    """A pointer operand and what is known of the memory there.

    The address is `residue` bytes behind a multiple of `alignment`, a power of two up to 8. Volatile memory may be
    changed by user space at any time.
    """

    pointer: str
    type: Type
    alignment: int
    residue: int = 0
    volatile: bool = False
    on_stack: bool = False

    @property
    def qualifier(self) -> str:
        return "volatile " if self.volatile else ""


def locate(frame: Frame, place: Place, evaluate: Evaluate) -> Address:
    """The address of a place."""
    address = _root(frame, place)
    offset = 0
    for step in place.path:
        position = step.value if isinstance(step, Const) else step
        if isinstance(address.type, Struct) and isinstance(position, str):
            offset += address.type.offset(position)
            address = replace(address, type=address.type.member(position).type)
        elif isinstance(address.type, Array) and isinstance(position, int):
            offset += address.type.element.size * position
            address = replace(address, type=address.type.element)
        elif isinstance(address.type, Array) and not isinstance(step, str | int):
            base = _moved(frame, address, offset)
            index = evaluate(frame, step)
            if not _is_counted(frame, step, address.type):
                index = _bounded(frame, address.type, index)
            address, offset = _element(frame, base, address.type, index), 0
        else:
            raise BackendError("emit", f"{position!r} does not select anything in {address.type}")
    return _moved(frame, address, offset)


def load(frame: Frame, address: Address) -> str:
    """The scalar at an address, zero-extended to 64 bits."""
    bits, alignment = _scalar(address)
    kind = f"i{bits}"
    value = frame.writer.value(f"load {address.qualifier}{kind}, ptr {address.pointer}, align {alignment}")
    return widen(frame, value, bits)


def store(frame: Frame, address: Address, value: str) -> None:
    """Stores the low bits of a number as the scalar at an address."""
    bits, alignment = _scalar(address)
    narrow = narrowed(frame, value, bits)
    frame.writer.effect(f"store {address.qualifier}i{bits} {narrow}, ptr {address.pointer}, align {alignment}")


def load_bytes(frame: Frame, address: Address, size: int) -> str:
    """`size` bytes, most significant first, as a number."""
    writer = frame.writer
    total = "0"
    for start, width in _chunks(address, size):
        bits = 8 * width
        pointer = writer.offset(address.pointer, start)
        piece = writer.value(f"load {address.qualifier}i{bits}, ptr {pointer}, align {width}")
        if width > 1:
            piece = writer.intrinsic(f"i{bits}", f"bswap.i{bits}", f"i{bits} {piece}")
        piece = widen(frame, piece, bits)
        shift = 8 * (size - start - width)
        if shift:
            piece = writer.value(f"shl i64 {piece}, {shift}")
        total = piece if start == 0 else writer.value(f"or disjoint i64 {total}, {piece}")
    return total


def store_bytes(frame: Frame, address: Address, size: int, value: str) -> None:
    """The low `size` bytes of a number, most significant first."""
    writer = frame.writer
    for start, width in _chunks(address, size):
        bits = 8 * width
        shift = 8 * (size - start - width)
        piece = writer.value(f"lshr i64 {value}, {shift}") if shift else value
        piece = narrowed(frame, piece, bits)
        if width > 1:
            piece = writer.intrinsic(f"i{bits}", f"bswap.i{bits}", f"i{bits} {piece}")
        pointer = writer.offset(address.pointer, start)
        writer.effect(f"store {address.qualifier}i{bits} {piece}, ptr {pointer}, align {width}")


def byte_offset(frame: Frame, address: Address, offset: Value, span: Span, evaluate: Evaluate) -> Address:
    """The address `offset` bytes into a byte array or buffer.

    A variable offset gets a mask that the optimiser cannot remove, because the verifiers of older kernels lose track
    of a bound that was established far from the access. They accept no variable offset into the stack at all.
    """
    if isinstance(offset, Const):
        return _moved(frame, address, offset.value)
    if address.on_stack:
        raise BackendError("emit", "a variable offset into a stack buffer", span.source.base_name, span.line)
    masked = frame.writer.value(f"and i64 {frame.writer.opaque(evaluate(frame, offset))}, {_OFFSET_MASK}")
    return replace(address, pointer=frame.writer.offset(address.pointer, masked), alignment=1, residue=0)


def widen(frame: Frame, value: str, bits: int) -> str:
    """An integer of `bits` zero-extended to 64 bits."""
    return value if bits == 64 else frame.writer.value(f"zext i{bits} {value} to i64")


def narrowed(frame: Frame, value: str, bits: int) -> str:
    """The low `bits` of a 64-bit number."""
    return value if bits == 64 else frame.writer.value(f"trunc i64 {value} to i{bits}")


def _root(frame: Frame, place: Place) -> Address:
    match place.root:
        case GlobalRoot(name):
            variable = frame.program.global_variable(name)
            return Address(f"@{name}", variable.type, MAP_ALIGNMENT, volatile=variable.section is Section.PARAMETERS)
        case PointerRoot(name):
            pointer = frame.pointers[name]
            return Address(frame.pointer(name), pointer.target, pointer.alignment)
        case BufferRoot(name):
            buffer = frame.buffers[name]
            return Address(buffer.operand, ByteArray(buffer.size), MAP_ALIGNMENT, on_stack=True)


def _is_counted(frame: Frame, step: Value, array: Array) -> bool:
    """Whether an index is the counter of a loop around it, whose rounds the verifier follows one by one."""
    return isinstance(step, Local) and frame.rounds.get(step.name, array.length + 1) <= array.length


def _bounded(frame: Frame, array: Array, index: str) -> str:
    """An index with its bound repeated where the verifier sees it next to the access."""
    last = array.length - 1
    bounded = frame.writer.opaque(index)
    if array.length & last == 0:
        return frame.writer.value(f"and i64 {bounded}, {last}")
    return frame.writer.intrinsic("i64", "umin.i64", f"i64 {bounded}", f"i64 {last}")


def _element(frame: Frame, base: Address, array: Array, index: str) -> Address:
    """An element selected at run time by an index that is known to be inside."""
    scaled = frame.writer.value(f"mul nuw nsw i64 {index}, {array.element.size}")
    pointer = frame.writer.offset(base.pointer, scaled)
    alignment = min(base.alignment, _power(array.element.size))
    return replace(base, pointer=pointer, type=array.element, alignment=alignment, residue=base.residue % alignment)


def _moved(frame: Frame, address: Address, offset: int) -> Address:
    pointer = frame.writer.offset(address.pointer, offset)
    return replace(address, pointer=pointer, residue=(address.residue + offset) % address.alignment)


def _scalar(address: Address) -> tuple[int, int]:
    if not isinstance(address.type, Scalar):
        raise BackendError("emit", f"{address.type} is no scalar")
    return address.type.bits, address.type.alignment


def _chunks(address: Address, size: int) -> Iterator[tuple[int, int]]:
    """Offsets and widths of the fewest aligned accesses that cover `size` bytes."""
    start = 0
    while start < size:
        width = _power((address.residue + start) % address.alignment or address.alignment)
        while width > size - start:
            width //= 2
        yield start, width
        start += width


def _power(number: int) -> int:
    """The greatest power of two that divides a number above 0."""
    return number & -number
