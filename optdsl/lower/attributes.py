"""Sets attributes of the socket: `socket.user_timeout = 30s` becomes a call of `bpf_setsockopt()`."""

from __future__ import annotations

from optdsl.ir import ops
from optdsl.lower.builder import FunctionBuilder, Words, binary, const, equals
from optdsl.lower.memory import Memory
from optdsl.lower.values import store_bytes
from optdsl.record import record
from optdsl.semantics import model
from optdsl.semantics.types import BytesType, Type
from optdsl.source import Span
from optdsl.targets import Attribute
from optdsl.targets.attribute import Encoding, OptionByFamily, Rounding, SocketOption
from optdsl.targets.sockops import AF_INET

TEXT_BYTES = 16
"""What the kernel copies of a text at most: TCP_CA_NAME_MAX (`include/net/tcp.h`)."""


@record
class AttributeSetter:
    """Sets attributes in one function of one option; what the kernel refuses is counted."""

    builder: FunctionBuilder
    memory: Memory
    option: model.Option

    def set(self, span: Span, attribute: Attribute, kind: Type, words: Words) -> None:
        """Gives an attribute a value of a type: a number in its base unit, or text."""
        assert attribute.write is not None
        name = attribute.path.rsplit(".", 1)[-1]
        match attribute.write.how:
            case SocketOption(encoding=Encoding.TEXT) as how:
                self._call(span, how, TEXT_BYTES, self._text(span, name, kind, words))
            case SocketOption() as how:
                self._call(span, how, how.size, in_steps(span, words[0], how))
            case OptionByFamily() as how:
                value = self.builder.let(span, name, words[0])
                with self.builder.block() as ip4:
                    self._call(span, how.ip4, how.ip4.size, in_steps(span, value, how.ip4))
                with self.builder.block() as ip6:
                    self._call(span, how.ip6, how.ip6.size, in_steps(span, value, how.ip6))
                self.builder.branch(span, equals(span, ops.Context(span, "family"), AF_INET), ip4, ip6)
            case _:
                raise TypeError(f"{attribute.path} cannot be set on this target")

    def takes_text(self, attribute: Attribute) -> bool:
        """Whether an attribute is set to a text."""
        how = attribute.write.how if attribute.write is not None else None
        return isinstance(how, SocketOption) and how.encoding is Encoding.TEXT

    def set_text(self, span: Span, attribute: Attribute, text: ops.Place) -> None:
        """Gives an attribute a text of `TEXT_BYTES` in constant memory, which the kernel reads where it stands."""
        assert attribute.write is not None
        assert isinstance(attribute.write.how, SocketOption)
        self._call(span, attribute.write.how, TEXT_BYTES, text)

    def _call(self, span: Span, how: SocketOption, size: int, value: ops.Value | ops.Place) -> None:
        result = self.builder.fresh("error")
        self.builder.emit(ops.SetSocketOption(span, result, int(how.level), how.number, size, value))
        with self.builder.when(span, ops.IsNegative(span, ops.Local(span, result))):
            self.builder.emit(ops.Count(span, self.memory.count(self.option, "set_failed")))

    def _text(self, span: Span, name: str, kind: Type, words: Words) -> ops.Place:
        """Text on the stack, padded with NUL, for the kernel to copy; the kernel cuts off the last byte itself."""
        buffer = self.builder.fresh(f"{name}_text")
        self.builder.emit(ops.DeclareBuffer(span, buffer, TEXT_BYTES))
        place = ops.Place(ops.BufferRoot(buffer))
        assert isinstance(kind, BytesType)
        store_bytes(self.builder, span, place, min(kind.length, TEXT_BYTES), words[: TEXT_BYTES // 8])
        return place


def in_steps(span: Span, value: ops.Value, how: SocketOption) -> ops.Value:
    """A value in base units as a count of the option's steps."""
    if how.step == 1:
        return value
    up = how.step - 1 if how.rounding is Rounding.UP else 0
    match value:
        case ops.Const(value=number):
            return const(span, (number + up) // how.step)
        case ops.Binary(operator=ops.BinaryOperator.MUL, left=left, right=ops.Const(value=factor)) if (
            factor % how.step == 0
        ):
            return left if factor == how.step else binary(span, ops.BinaryOperator.MUL, left, factor // how.step)
    if up:
        value = binary(span, ops.BinaryOperator.ADD, value, up)
    return binary(span, ops.BinaryOperator.DIV, value, how.step)
