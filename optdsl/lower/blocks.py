"""Checked statements to IR statements: what `receive`, `on` and `send` blocks do."""

from __future__ import annotations

from collections.abc import Sequence

from optdsl.ir import ops
from optdsl.lower.attributes import TEXT_BYTES, AttributeSetter
from optdsl.lower.builder import FunctionBuilder, Words, const
from optdsl.lower.expressions import ExpressionLowering
from optdsl.lower.memory import Memory
from optdsl.lower.names import EVENTS
from optdsl.lower.tables import TableLookup
from optdsl.lower.values import store, store_constant
from optdsl.record import field, record
from optdsl.semantics import model
from optdsl.source import Span


@record(frozen=False)
class BlockLowering:
    """Lowers the statements of one function. `chosen` are the values of the fields of a `send` block.

    Where paths differ in them, they are locals that were there before the block.
    """

    expressions: ExpressionLowering
    chosen: dict[model.Field, list[ops.Value]] = field(default_factory=dict)
    """By field: its words; of a repeated one: its elements, and last their number."""
    given: dict[model.Field, ops.Local] = field(default_factory=dict)
    """By the first of optional fields that come together: the local that says whether they have values."""

    @property
    def builder(self) -> FunctionBuilder:
        """Of the function."""
        return self.expressions.builder

    @property
    def memory(self) -> Memory:
        """Of the program."""
        return self.expressions.memory

    @property
    def option(self) -> model.Option:
        """Whose block it is."""
        return self.expressions.reader.option

    def block(self, statements: model.Block) -> None:
        """Emits the statements of a block."""
        for statement in statements:
            self._statement(statement)

    def _statement(self, node: model.Statement) -> None:
        match node:
            case model.Let():
                self._let(node)
            case model.SetField(span=span, field=target, value=value):
                self._give(span, target, self.expressions.words(value))
            case model.SetElements():
                self._give_elements(node)
            case model.SetState(span=span, state=state, value=value):
                place = self.expressions.reader.state_place(state)
                store(self.builder, span, place, state.type, self.expressions.words(value))
            case model.SetAttribute():
                self._set_attribute(node)
            case model.If(span=span, condition=condition, yes=yes, no=no):
                decided = self.expressions.condition(condition)
                with self.builder.block() as first:
                    self.block(yes)
                with self.builder.block() as second:
                    self.block(no)
                self.builder.branch(span, decided, first, second)
            case model.Reject(span=span, reason=reason):
                self.reject(span, reason)
            case model.Emit():
                self._emit(node)

    def _set_attribute(self, node: model.SetAttribute) -> None:
        span, value = node.span, node.value
        setter = AttributeSetter(self.builder, self.memory, self.option)
        if isinstance(value, model.Lookup) and setter.takes_text(node.attribute):
            text = self._lookup(span, value, node.otherwise).text(self._key(value), TEXT_BYTES)
            if text is not None:
                setter.set_text(span, node.attribute, text)
                return
        setter.set(span, node.attribute, value.type, self._value_or_entry(span, value, node.otherwise))

    def reject(self, span: Span, reason: str) -> None:
        """Counts a reason and leaves."""
        self.count(span, reason)
        self.builder.emit(ops.Return(span))

    def count(self, span: Span, name: str) -> None:
        """Counts something of this option."""
        self.builder.emit(ops.Count(span, self.memory.count(self.option, name)))

    # ------------------------------------------------------------------------------------------------ values

    def _let(self, node: model.Let) -> None:
        words = self._value_or_entry(node.span, node.value, node.otherwise)
        kept = tuple(self._kept(node.span, node.symbol.name, word) for word in words)
        self.expressions.reader.lets[node.symbol] = kept

    def _value_or_entry(self, span: Span, node: model.Expression, otherwise: str | None) -> Words:
        """A value; of a table lookup, the entry, or the handler is left with the reason."""
        if not isinstance(node, model.Lookup):
            return self.expressions.words(node)
        return self._lookup(span, node, otherwise).find(self._key(node))

    def _key(self, node: model.Lookup) -> ops.Value:
        return self._kept(node.span, "key", self.expressions.value(node.key))

    def _lookup(self, span: Span, node: model.Lookup, otherwise: str | None) -> TableLookup:
        def missing() -> None:
            self.reject(span, otherwise or "missing")

        return TableLookup(self.builder, self.memory, node.table, span, missing)

    def _kept(self, span: Span, name: str, word: ops.Value) -> ops.Value:
        """A word that nothing changes any more: a constant, or a local, made for it if it is neither."""
        return word if isinstance(word, ops.Local | ops.Const) else self.builder.let(span, name, word)

    # ------------------------------------------------------------------------------------------------ fields

    def _give(self, span: Span, target: model.Field, words: Words) -> None:
        """Gives a field its value."""
        if target not in self.chosen:
            self.chosen[target] = [self._kept(span, target.name, word) for word in words]
            return
        self._assign(span, self.chosen[target], words)
        if target in self.given:
            self._assign(span, [self.given[target]], (const(span, 1),))

    def _give_elements(self, node: model.SetElements) -> None:
        span, target = node.span, node.field
        words = tuple(self.expressions.value(element) for element in node.elements)
        count = const(span, len(words))
        if target not in self.chosen:
            kept = [self._kept(span, f"{target.name}_{index}", word) for index, word in enumerate(words)]
            self.chosen[target] = [*kept, count]
            return
        *elements, number = self.chosen[target]
        self._assign(span, elements[: len(words)], words)
        self._assign(span, [number], (count,))

    def _assign(self, span: Span, places: Sequence[ops.Value], words: Words) -> None:
        for place, word in zip(places, words, strict=True):
            assert isinstance(place, ops.Local)
            self.builder.emit(ops.Assign(span, place.name, word))

    # ----------------------------------------------------------------------------------------------- records

    def _emit(self, node: model.Emit) -> None:
        """Everything is computed before the record is reserved, which must be submitted on every path."""
        span, builder, form = node.span, self.builder, self.memory.records[node.record.name]
        words = []
        for (name, _), value in zip(node.record.members, node.values, strict=True):
            words.append(tuple(self._kept(span, name, word) for word in self.expressions.words(value)))
        now, pointer = builder.fresh("now"), builder.fresh(node.record.name)
        builder.emit(ops.Now(span, now))
        builder.emit(ops.ReserveRecord(span, pointer, EVENTS, form.struct))
        root = ops.PointerRoot(pointer)
        with builder.block() as there:
            builder.emit(ops.Store(span, ops.Place(root, ("time",)), ops.Local(span, now)))
            builder.emit(ops.Store(span, ops.Place(root, ("record",)), const(span, form.number)))
            for (name, kind), value_words in zip(node.record.members, words, strict=True):
                store(builder, span, ops.Place(root, (name,)), kind, value_words)
            for padding in form.padding:
                store_constant(builder, span, ops.Place(root, (padding.name,)), bytes(padding.type.size))
            builder.emit(ops.SubmitRecord(span, pointer))
        with builder.block() as full:
            self.count(span, "records_lost")
        builder.branch(span, ops.Not(span, ops.IsNull(span, pointer)), there, full)
