"""What places, values and conditions mean: the part of the reference semantics that has no effects."""

from __future__ import annotations

from typing import assert_never

from optdsl.ir import ops
from optdsl.ir.invocation import Invocation
from optdsl.ir.memory import InterpreterError, Pointer, ProgramMemory, Region
from optdsl.ir.types import Array, ByteArray, Scalar, Struct

MASK = (1 << 64) - 1
_SIGN = 1 << 63
# The back ends mask an offset that is no constant with this.
_LARGEST_OFFSET = 63


class Frame:
    """The names of one call. A pointer is None where it is NULL."""

    __slots__ = ("buffers", "numbers", "pointers", "returned")

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.pointers: dict[str, Pointer | None] = {}
        self.buffers: dict[str, Region] = {}
        self.returned: int | None = None


class Evaluator:
    """Evaluates in one invocation. Raises InterpreterError for what has no meaning."""

    def __init__(self, memory: ProgramMemory, invocation: Invocation) -> None:
        self._memory = memory
        self._kernel = invocation

    # ----------------------------------------------------------------------------------------------- values

    def value(self, frame: Frame, value: ops.Value) -> int:
        """The unsigned 64-bit number that a value has now."""
        match value:
            case ops.Local():
                found = frame.numbers.get(value.name)
                if found is None:
                    raise InterpreterError(f"{value.name} is not declared")
                return found
            case ops.Const():
                return value.value
            case ops.Binary():
                return _binary(value.operator, self.value(frame, value.left), self.value(frame, value.right))
            case ops.Load():
                place = self.scalar(frame, value.place)
                return int.from_bytes(place.region.read(place.offset, place.type.size), "little")
            case ops.LoadBytes():
                place = self.bytes_at(frame, value.place, value.offset, value.size)
                return int.from_bytes(place.region.read(place.offset, value.size), "big")
            case ops.Context():
                return self._kernel.field(value.field)
            case ops.Select():
                yes, no = self.value(frame, value.yes), self.value(frame, value.no)
                return yes if self.condition(frame, value.condition) else no
            case ops.AsNumber():
                return int(self.condition(frame, value.condition))
            case ops.SwapBytes():
                size = value.bits // 8
                low = self.value(frame, value.value) & ((1 << value.bits) - 1)
                return int.from_bytes(low.to_bytes(size, "little"), "big")
            case _:
                assert_never(value)

    def condition(self, frame: Frame, condition: ops.Condition) -> bool:
        """Whether a condition holds now."""
        match condition:
            case ops.Compare():
                left, right = self.value(frame, condition.left), self.value(frame, condition.right)
                return _compare(condition.comparison, left, right)
            case ops.Both():
                return self.condition(frame, condition.left) and self.condition(frame, condition.right)
            case ops.Either():
                return self.condition(frame, condition.left) or self.condition(frame, condition.right)
            case ops.Not():
                return not self.condition(frame, condition.condition)
            case ops.IsNegative():
                return self.value(frame, condition.value) >= _SIGN
            case ops.IsNull(pointer="ctx.sk"):
                return self._kernel.context.socket is None
            case ops.IsNull():
                if condition.pointer not in frame.pointers:
                    raise InterpreterError(f"{condition.pointer} is not declared")
                return frame.pointers[condition.pointer] is None
            case ops.Always():
                return condition.holds
            case _:
                assert_never(condition)

    # ----------------------------------------------------------------------------------------------- places

    def pointer(self, frame: Frame, name: str) -> Pointer:
        """What a local pointer points to, which must be there."""
        if name not in frame.pointers:
            raise InterpreterError(f"{name} is not declared")
        pointer = frame.pointers[name]
        if pointer is None:
            raise InterpreterError(f"{name} is null")
        if not pointer.region.alive:
            raise InterpreterError(f"uses {pointer.region.name} after it was submitted")
        return pointer

    def place(self, frame: Frame, place: ops.Place) -> Pointer:
        """A pointer to a place."""
        match place.root:
            case ops.PointerRoot(name):
                root = self.pointer(frame, name)
            case ops.GlobalRoot(name):
                variable = self._memory.globals.get(name)
                if variable is None:
                    raise InterpreterError(f"there is no global variable {name}")
                root = Pointer(variable, 0, variable.type)
            case ops.BufferRoot(name):
                buffer = frame.buffers.get(name)
                if buffer is None:
                    raise InterpreterError(f"buffer {name} is not declared")
                root = Pointer(buffer, 0, buffer.type)
            case _:
                assert_never(place.root)
        if not place.path:
            return root
        steps = [step if isinstance(step, (str, int)) else self.value(frame, step) for step in place.path]
        return self.select(root, tuple(steps))

    def select(self, root: Pointer, path: tuple[str | int, ...]) -> Pointer:
        """What a path selects from where a pointer points."""
        offset, kind = root.offset, root.type
        for step in path:
            if isinstance(step, str):
                if not isinstance(kind, Struct):
                    raise InterpreterError(f"there is no member {step} in what is no struct")
                start, kind = self._memory.member(kind, step)
                offset += start
            else:
                if not isinstance(kind, Array) or step >= kind.length:
                    raise InterpreterError(f"there is no element {step}")
                offset += step * kind.element.size
                kind = kind.element
        return Pointer(root.region, offset, kind)

    def scalar(self, frame: Frame, place: ops.Place) -> Pointer:
        """A pointer to a place that holds a number."""
        found = self.place(frame, place)
        if not isinstance(found.type, Scalar):
            raise InterpreterError("loads or stores what is no number")
        return found

    def first(self, frame: Frame, place: ops.Place, size: int) -> Pointer:
        """The first `size` bytes of a byte array or buffer."""
        found = self.place(frame, place)
        if not isinstance(found.type, ByteArray) or size > found.type.size:
            raise InterpreterError(f"there are no {size} bytes")
        return found

    def bytes_at(self, frame: Frame, place: ops.Place, offset: ops.Value, size: int) -> Pointer:
        """`size` bytes from `offset` of a byte array or buffer."""
        start = self.value(frame, offset)
        found = self.place(frame, place)
        if not isinstance(offset, ops.Const) and start > _LARGEST_OFFSET:
            raise InterpreterError(f"offset {start} that is no constant, the most is {_LARGEST_OFFSET}")
        if not 1 <= size <= 8 or not isinstance(found.type, ByteArray) or start + size > found.type.size:
            raise InterpreterError(f"bytes {start}..{start + size} of what has {found.type.size}")
        return Pointer(found.region, found.offset + start, found.type)


def _binary(operator: ops.BinaryOperator, left: int, right: int) -> int:
    match operator:
        case ops.BinaryOperator.ADD:
            return (left + right) & MASK
        case ops.BinaryOperator.SUB:
            return (left - right) & MASK
        case ops.BinaryOperator.MUL:
            return (left * right) & MASK
        case ops.BinaryOperator.AND:
            return left & right
        case ops.BinaryOperator.OR:
            return left | right
        case ops.BinaryOperator.XOR:
            return left ^ right
        case ops.BinaryOperator.MIN:
            return min(left, right)
        case ops.BinaryOperator.MAX:
            return max(left, right)
        case ops.BinaryOperator.DIV | ops.BinaryOperator.MOD if right == 0:
            raise InterpreterError("division by zero")
        case ops.BinaryOperator.DIV:
            return left // right
        case ops.BinaryOperator.MOD:
            return left % right
        case ops.BinaryOperator.SHL | ops.BinaryOperator.SHR if right >= 64:
            raise InterpreterError(f"shift by {right}, the most is 63")
        case ops.BinaryOperator.SHL:
            return (left << right) & MASK
        case ops.BinaryOperator.SHR:
            return left >> right
        case _:
            assert_never(operator)


def _compare(comparison: ops.Comparison, left: int, right: int) -> bool:
    match comparison:
        case ops.Comparison.EQ:
            return left == right
        case ops.Comparison.NE:
            return left != right
        case ops.Comparison.LT:
            return left < right
        case ops.Comparison.LE:
            return left <= right
        case ops.Comparison.GT:
            return left > right
        case ops.Comparison.GE:
            return left >= right
        case _:
            assert_never(comparison)
