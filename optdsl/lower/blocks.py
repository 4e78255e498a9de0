"""Checked statements to IR statements: what `receive`, `on` and `send` blocks do."""

from __future__ import annotations

from dataclasses import dataclass, field

from optdsl.ir import ops
from optdsl.lower.attributes import AttributeSetter
from optdsl.lower.builder import FunctionBuilder, Words, const
from optdsl.lower.expressions import ExpressionLowering
from optdsl.lower.memory import Memory
from optdsl.lower.names import EVENTS
from optdsl.lower.tables import TableLookup
from optdsl.lower.values import store, store_constant
from optdsl.semantics import model
from optdsl.source import Span


@dataclass(slots=True)
class BlockLowering:
    """Lowers the statements of one function. `chosen` are the locals that take the fields of a `send` block."""

    expressions: ExpressionLowering
    chosen: dict[model.Field, list[str]] = field(default_factory=dict)
    """By field: the locals of its words; of a repeated one: one for each element, and last the count."""
    given: dict[model.Field, str] = field(default_factory=dict)
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
            case model.SetAttribute(span=span, attribute=attribute, value=value, otherwise=otherwise):
                words = self._value_or_entry(span, value, otherwise)
                AttributeSetter(self.builder, self.memory, self.option).set(span, attribute, value.type, words)
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
        key = self.expressions.value(node.key)
        return TableLookup(
            self.builder, self.memory, node.table, span, lambda: self.reject(span, otherwise or "missing")
        ).find(key)

    def _kept(self, span: Span, name: str, word: ops.Value) -> ops.Value:
        """A word that nothing changes any more: in a local of its own, if it is none."""
        return word if isinstance(word, ops.Local | ops.Const) else self.builder.let(span, name, word)

    # ------------------------------------------------------------------------------------------------ fields

    def _give(self, span: Span, target: model.Field, words: Words) -> None:
        """Gives a field its value: in locals made here, or in those made before because paths differ."""
        if target not in self.chosen:
            self.chosen[target] = [self.builder.let(span, target.name, word).name for word in words]
            return
        for name, word in zip(self.chosen[target], words, strict=True):
            self.builder.emit(ops.Assign(span, name, word))
        if target in self.given:
            self.builder.emit(ops.Assign(span, self.given[target], const(span, 1)))

    def _give_elements(self, node: model.SetElements) -> None:
        *names, count = self.chosen[node.field]
        for name, element in zip(names, node.elements, strict=False):
            (word,) = self.expressions.words(element)
            self.builder.emit(ops.Assign(node.span, name, word))
        self.builder.emit(ops.Assign(node.span, count, const(node.span, len(node.elements))))

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
            builder.emit(ops.Store(span, ops.Place(root, (form.time,)), ops.Local(span, now)))
            builder.emit(ops.Store(span, ops.Place(root, (form.record,)), const(span, form.number)))
            for (name, kind), value_words in zip(node.record.members, words, strict=True):
                store(builder, span, ops.Place(root, (name,)), kind, value_words)
            for padding in form.padding:
                store_constant(builder, span, ops.Place(root, (padding.name,)), bytes(padding.type.size))
            builder.emit(ops.SubmitRecord(span, pointer))
        with builder.block() as full:
            self.count(span, "records_lost")
        builder.branch(span, ops.Not(span, ops.IsNull(span, pointer)), there, full)
