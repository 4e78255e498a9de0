"""Reads the names of checked expressions: params, states, fields, lets, attributes."""

from __future__ import annotations

from optdsl.ir import ops
from optdsl.lower.builder import FunctionBuilder, Words, binary, const, equals
from optdsl.lower.memory import Memory
from optdsl.lower.values import MAPPED, any_member, held, hold, load
from optdsl.record import field, record
from optdsl.semantics import model
from optdsl.semantics.ranges import Interval, of_bits
from optdsl.semantics.types import BytesType, EnumType
from optdsl.source import Span
from optdsl.targets import Attribute
from optdsl.targets.attribute import ByteOrder, ContextAddress, ContextField, OptionByFamily, SocketOption
from optdsl.targets.sockops import AF_INET, AF_INET6


@record(frozen=False)
class Reader:
    """Reads values inside one function of one option."""

    builder: FunctionBuilder
    memory: Memory
    option: model.Option
    fields: dict[model.Field, Words] = field(default_factory=dict)
    """The raw values of the fields of a received option. Those of an optional field mean nothing where it is absent."""
    present: dict[model.Field, ops.Condition] = field(default_factory=dict)
    """By optional field: whether it is there."""
    elements: dict[model.Field, dict[int, Words]] = field(default_factory=dict)
    """Of repeated fields, those that something uses."""
    counts: dict[model.Field, ops.Value] = field(default_factory=dict)
    lets: dict[model.LetSymbol, Words] = field(default_factory=dict)

    def read(self, node: model.Read) -> Words:
        """The words of a name."""
        match node.symbol:
            case model.Param():
                return self._param(node.span, node.symbol)
            case model.State():
                return load(node.span, self.state_place(node.symbol), node.symbol.type)
            case model.Field():
                return self.scaled(node.span, self.fields[node.symbol], node.symbol.step)
            case model.LetSymbol():
                return self.lets[node.symbol]
            case Attribute():
                return self._attribute(node.span, node.symbol)

    def scaled(self, span: Span, words: Words, step: int) -> Words:
        """Raw field values in the base unit of their type."""
        return words if step == 1 else (binary(span, ops.BinaryOperator.MUL, words[0], step),)

    def state_place(self, state: model.State) -> ops.Place:
        """Where a state of this socket is kept."""
        return self.memory.place(self.option, "state", state.name)

    def param_place(self, param: model.Param) -> ops.Place:
        """Where a param is kept."""
        return ops.Place(ops.GlobalRoot(self.memory.params[self.option]), (param.name,))

    def _param(self, span: Span, param: model.Param) -> Words:
        """A param, held inside its range whatever user space has written, and read once."""
        known = self.builder.remembered(param)
        if known is not None:
            return known
        words = load(span, self.param_place(param), param.type)
        if not isinstance(param.type, BytesType):
            words = (held(span, words[0], param.interval, param.type),)
        kept = [self.builder.let(span, param.name, word) for word in words]
        if isinstance(param.type, EnumType) and isinstance(param.initial, int):
            self._hold_member(span, kept[0], param.type, param.initial)
        return self.builder.remember(param, tuple(kept))

    def _hold_member(self, span: Span, local: ops.Local, enum: EnumType, initial: int) -> None:
        """A number between the members of an enumeration is none of them: the initial value stands in for it."""
        known = any_member(span, local, enum)
        if known is not None:
            with self.builder.when(span, ops.Not(span, known)):
                self.builder.emit(ops.Assign(span, local.name, const(span, initial)))

    # ------------------------------------------------------------------------------------------ attributes

    def _attribute(self, span: Span, attribute: Attribute) -> Words:
        known = self.builder.remembered(attribute.path)
        if known is not None:
            return known
        assert attribute.read is not None
        how = attribute.read.how
        name = attribute.path.split(".", 1)[1].replace(".", "_")
        match how:
            case ContextField():
                words: Words = (self._context(span, how),)
            case ContextAddress():
                return self.builder.remember(attribute.path, self.address(span, name, how))
            case SocketOption():
                return self.builder.remember(attribute.path, self._option(span, name, attribute, how))
            case OptionByFamily():
                return self.builder.remember(attribute.path, self._by_family(span, name, attribute, how))
            case _:
                raise TypeError(f"{attribute.path} cannot be read on this target")
        kept = tuple(self.builder.let(span, name, word) for word in words)
        return self.builder.remember(attribute.path, kept)

    def _context(self, span: Span, how: ContextField) -> ops.Value:
        value: ops.Value = ops.Context(span, how.name)
        if how.byte_order is ByteOrder.NETWORK:
            value = ops.SwapBytes(span, 32, value)
        if how.mask is not None:
            value = binary(span, ops.BinaryOperator.AND, value, how.mask)
        if how.shift:
            value = binary(span, ops.BinaryOperator.SHR, value, how.shift)
        if how.equals is not None:
            value = ops.AsNumber(span, equals(span, value, how.equals))
        return value

    def address(self, span: Span, name: str, how: ContextAddress) -> Words:
        """An address as two words, IPv4 as ::ffff:a.b.c.d."""
        builder = self.builder
        high = builder.let(span, f"{name}_high", const(span, 0))
        low = builder.let(span, f"{name}_low", const(span, 0))
        with builder.block() as ip6:
            for half, first in ((high, 0), (low, 2)):
                words = [ops.SwapBytes(span, 32, ops.Context(span, f"{how.ip6}[{first + i}]")) for i in (0, 1)]
                upper = binary(span, ops.BinaryOperator.SHL, words[0], 32)
                builder.emit(ops.Assign(span, half.name, binary(span, ops.BinaryOperator.OR, upper, words[1])))
        with builder.block() as ip4:
            address = ops.SwapBytes(span, 32, ops.Context(span, how.ip4))
            builder.emit(ops.Assign(span, low.name, binary(span, ops.BinaryOperator.OR, address, MAPPED)))
        is_ip6 = equals(span, ops.Context(span, "family"), AF_INET6)
        builder.emit(ops.If(span, is_ip6, tuple(ip6), tuple(ip4)))
        return high, low

    def _option(self, span: Span, name: str, attribute: Attribute, how: SocketOption) -> Words:
        builder = self.builder
        buffer, result = builder.fresh(f"{name}_value"), builder.fresh(f"{name}_error")
        size = 16 if how.encoding == "text" else how.size
        place = ops.Place(ops.BufferRoot(buffer))
        builder.emit(ops.DeclareBuffer(span, buffer, size))
        builder.emit(ops.GetSocketOption(span, result, int(how.level), how.number, size, place))
        if how.encoding == "text":
            return tuple(
                builder.let(span, name, ops.LoadBytes(span, place, const(span, 8 * index), 8)) for index in range(2)
            )
        raw = ops.SwapBytes(span, 8 * size, ops.LoadBytes(span, place, const(span, 0), size))
        assert attribute.read is not None
        bounds = attribute.read.bounds
        value = binary(span, ops.BinaryOperator.MUL, raw, how.step) if how.step != 1 else raw
        possible = of_bits(8 * size).scaled(how.step)
        value = hold(span, value, Interval(bounds.minimum, bounds.maximum), possible)
        failed = ops.IsNegative(span, ops.Local(span, result))
        return (builder.let(span, name, ops.Select(span, failed, const(span, bounds.minimum), value)),)

    def _by_family(self, span: Span, name: str, attribute: Attribute, how: OptionByFamily) -> Words:
        builder = self.builder
        value = builder.let(span, name, const(span, 0))
        branches = []
        for option in (how.ip4, how.ip6):
            with builder.block() as branch:
                (read,) = self._option(span, name, attribute, option)
                builder.emit(ops.Assign(span, value.name, read))
            branches.append(tuple(branch))
        is_ip4 = equals(span, ops.Context(span, "family"), AF_INET)
        builder.emit(ops.If(span, is_ip4, branches[0], branches[1]))
        return (value,)
