"""Checked statements to IR statements: what `receive`, `on` and `send` blocks do."""

from __future__ import annotations

from dataclasses import dataclass, field

from optdsl.ir import ops
from optdsl.ir.types import U32, U64, Member, Struct
from optdsl.lower.builder import FunctionBuilder, Words, binary, const, equals
from optdsl.lower.expressions import ExpressionLowering
from optdsl.lower.memory import EVENTS, Memory, scalar_of
from optdsl.lower.reads import word_size
from optdsl.lower.tables import TableLookup
from optdsl.semantics import model
from optdsl.semantics.types import BytesType
from optdsl.source import Span
from optdsl.targets import Attribute
from optdsl.targets.attribute import Encoding, OptionByFamily, Rounding, SocketOption
from optdsl.targets.sockops import AF_INET


@dataclass(slots=True)
class BlockLowering:
    """Lowers the statements of one function. `chosen` are the locals that take the fields of a `send` block."""

    expressions: ExpressionLowering
    chosen: dict[model.Field, list[str]] = field(default_factory=dict)
    """By field: the locals of its words; of a repeated one: one for each element, and last the count."""
    given: dict[str, str] = field(default_factory=dict)
    """By optional field: the local that says whether it has a value."""

    @property
    def builder(self) -> FunctionBuilder:
        return self.expressions.builder

    @property
    def memory(self) -> Memory:
        return self.expressions.memory

    @property
    def option(self) -> model.Option:
        return self.expressions.reader.option

    def block(self, statements: model.Block) -> None:
        for statement in statements:
            self._statement(statement)

    def _statement(self, node: model.Statement) -> None:
        match node:
            case model.Let():
                self._let(node)
            case model.SetField(span=span, field=target, value=value):
                self._choose(span, target, self.expressions.words(value))
            case model.SetElements():
                self._elements(node)
            case model.SetState(span=span, state=state, value=value):
                self._state(span, state, value)
            case model.SetAttribute():
                self._attribute(node)
            case model.If(span=span, condition=condition, yes=yes, no=no):
                decided = self.expressions.condition(condition)
                with self.builder.block() as first:
                    self.block(yes)
                with self.builder.block() as second:
                    self.block(no)
                if first or second:
                    self.builder.emit(ops.If(span, decided, tuple(first), tuple(second)))
            case model.Reject(span=span, reason=reason):
                self.reject(span, reason)
            case model.Emit():
                self._emit(node)

    def reject(self, span: Span, reason: str) -> None:
        """Counts a reason and leaves."""
        self.count(span, reason)
        self.builder.emit(ops.Return(span))

    def count(self, span: Span, name: str) -> None:
        self.builder.emit(ops.Count(span, self.memory.count(self.option, name)))

    # ------------------------------------------------------------------------------------- lets and fields

    def _let(self, node: model.Let) -> None:
        lets = self.expressions.reader.lets
        if isinstance(node.value, model.Lookup):
            lets[node.symbol] = self._looked_up(node.span, node.value, node.otherwise or "").words()
            return
        words = self.expressions.words(node.value)
        lets[node.symbol] = tuple(self.builder.let(node.span, node.symbol.name, word) for word in words)

    def _looked_up(self, span: Span, node: model.Lookup, reason: str) -> TableLookup:
        """Finds the entry of a table, or leaves with the reason."""
        key = self.builder.let(span, "key", self.expressions.value(node.key))
        lookup = TableLookup(self.builder, self.memory, node.table, key, span)
        lookup.find()
        with self.builder.when(span, equals(span, lookup.found, 0)):
            self.reject(span, reason)
        return lookup

    def _choose(self, span: Span, target: model.Field, words: Words) -> None:
        """Gives a field its value: in locals made here, or in those made before because paths differ."""
        if target not in self.chosen:
            self.chosen[target] = [self.builder.let(span, target.name, word).name for word in words]
            return
        for name, word in zip(self.chosen[target], words, strict=True):
            self.builder.emit(ops.Assign(span, name, word))
        self._note_given(span, target)

    def _note_given(self, span: Span, target: model.Field) -> None:
        name = self.given.get(target.name)
        if name is not None:
            self.builder.emit(ops.Assign(span, name, const(span, 1)))

    def _elements(self, node: model.SetElements) -> None:
        *names, count = self.chosen[node.field]
        for name, element in zip(names, node.elements, strict=False):
            (word,) = self.expressions.words(element)
            self.builder.emit(ops.Assign(node.span, name, word))
        self.builder.emit(ops.Assign(node.span, count, const(node.span, len(node.elements))))

    def _state(self, span: Span, state: model.State, value: model.Expression) -> None:
        place = self.expressions.reader.state_place(state)
        if isinstance(state.type, BytesType):
            self.store_bytes(span, place, state.type.length, self.expressions.words(value))
        else:
            self.builder.emit(ops.Store(span, place, self.expressions.value(value)))

    def store_bytes(self, span: Span, place: ops.Place, length: int, words: Words) -> None:
        """Writes words to memory, most significant byte first."""
        for index, word in enumerate(words):
            self.builder.emit(ops.StoreBytes(span, place, const(span, 8 * index), word_size(length, index), word))

    # ------------------------------------------------------------------------------------------ attributes

    def _attribute(self, node: model.SetAttribute) -> None:
        assert node.attribute.write is not None
        how = node.attribute.write.how
        match how:
            case SocketOption(encoding=Encoding.TEXT):
                self._set(node.span, how, self._text(node))
            case SocketOption():
                value = self.expressions.value(node.value)
                self._set(node.span, how, _in_steps(node.span, value, how))
            case OptionByFamily():
                value = self.builder.let(node.span, _last(node.attribute), self.expressions.value(node.value))
                with self.builder.block() as ip4:
                    self._set(node.span, how.ip4, _in_steps(node.span, value, how.ip4))
                with self.builder.block() as ip6:
                    self._set(node.span, how.ip6, _in_steps(node.span, value, how.ip6))
                is_ip4 = equals(node.span, ops.Context(node.span, "family"), AF_INET)
                self.builder.emit(ops.If(node.span, is_ip4, tuple(ip4), tuple(ip6)))
            case _:
                raise TypeError(f"{node.attribute.path} cannot be set on this target")

    def _set(self, span: Span, how: SocketOption, value: ops.Value | ops.Place) -> None:
        result = self.builder.fresh("error")
        size = 16 if how.encoding is Encoding.TEXT else how.size
        self.builder.emit(ops.SetSocketOption(span, result, int(how.level), how.number, size, value))
        with self.builder.when(span, ops.IsNegative(span, ops.Local(span, result))):
            self.count(span, "set_failed")

    def _text(self, node: model.SetAttribute) -> ops.Place:
        """Text in memory, of 16 bytes, for the kernel to copy."""
        span, value = node.span, node.value
        if isinstance(value, model.Lookup):
            lookup = self._looked_up(span, value, node.otherwise or "")
            words = lookup.words()
        else:
            words = self.expressions.words(value)
        buffer = self.builder.fresh(f"{_last(node.attribute)}_text")
        self.builder.emit(ops.DeclareBuffer(span, buffer, 16))
        place = ops.Place(ops.BufferRoot(buffer))
        kind = value.type
        length = min(kind.length, 16) if isinstance(kind, BytesType) else 16
        self.store_bytes(span, place, length, words[: -(-length // 8)])
        return place

    # --------------------------------------------------------------------------------------------- records

    def _emit(self, node: model.Emit) -> None:
        span = node.span
        struct = record_struct(node.record)
        words = [self.expressions.words(value) for value in node.values]
        kept = [tuple(self._kept(span, name, word) for word in each)
                for (name, _), each in zip(node.record.members, words, strict=True)]  # fmt: skip
        now, pointer = self.builder.fresh("now"), self.builder.fresh(node.record.name)
        self.builder.emit(ops.Now(span, now))
        self.builder.emit(ops.ReserveRecord(span, pointer, EVENTS, struct))
        root = ops.PointerRoot(pointer)
        with self.builder.block() as there:
            self.builder.emit(ops.Store(span, ops.Place(root, ("time",)), ops.Local(span, now)))
            number = const(span, record_number(self.memory, node.record))
            self.builder.emit(ops.Store(span, ops.Place(root, ("record",)), number))
            for (name, kind), value in zip(node.record.members, kept, strict=True):
                place = ops.Place(root, (name,))
                if isinstance(kind, BytesType):
                    self.store_bytes(span, place, kind.length, value)
                else:
                    self.builder.emit(ops.Store(span, place, value[0]))
            self.builder.emit(ops.SubmitRecord(span, pointer))
        with self.builder.block() as full:
            self.count(span, "records_lost")
        self.builder.emit(ops.If(span, ops.Not(span, ops.IsNull(span, pointer)), tuple(there), tuple(full)))

    def _kept(self, span: Span, name: str, value: ops.Value) -> ops.Value:
        return value if isinstance(value, ops.Local | ops.Const) else self.builder.let(span, name, value)


def record_struct(record: model.Record) -> Struct:
    """The form of a record in the ring buffer, widest members first so that nothing is padded inside."""
    members = [Member(name, scalar_of(kind)) for name, kind in record.members]
    members.sort(key=lambda member: -member.type.alignment)
    head = (
        Member("time", U64, "ktime in nanoseconds"),
        Member("record", U32, "the number of this form of record"),
    )
    return Struct(record.name, (*head, *members), f"A record of `emit {record.name}`.")


def record_number(memory: Memory, record: model.Record) -> int:
    """Records are numbered in the order of their names' first `emit`, from 0."""
    return [each.name for each in memory.program.records].index(record.name)


def _in_steps(span: Span, value: ops.Value, how: SocketOption) -> ops.Value:
    """A value in base units as a count of the option's steps."""
    if how.step == 1:
        return value
    match value:
        case ops.Const(value=number):
            up = how.step - 1 if how.rounding is Rounding.UP else 0
            return const(span, (number + up) // how.step)
        case ops.Binary(operator=ops.BinaryOperator.MUL, left=left, right=ops.Const(value=factor)) if (
            factor % how.step == 0
        ):
            return binary(span, ops.BinaryOperator.MUL, left, factor // how.step) if factor != how.step else left
    if how.rounding is Rounding.UP:
        value = binary(span, ops.BinaryOperator.ADD, value, how.step - 1)
    return binary(span, ops.BinaryOperator.DIV, value, how.step)


def _last(attribute: Attribute) -> str:
    return attribute.path.rsplit(".", 1)[-1]
