"""Looks up tables: constant entries in an array or a chain of comparisons, before them the map of a tunable one."""

from __future__ import annotations

from dataclasses import dataclass, field

from optdsl.ir import ops
from optdsl.ir.types import U8, Array, GlobalVariable, Initial, MapDefinition, MapKind, Member, Scalar, Section, Struct
from optdsl.lower.builder import FunctionBuilder, Words, compare, const, differs, equals
from optdsl.lower.expressions import split
from optdsl.lower.memory import DENSE, TABLE_ENTRIES, Memory, scalar_of
from optdsl.lower.reads import word_size
from optdsl.semantics import model
from optdsl.semantics.types import BytesType
from optdsl.source import Span


@dataclass(slots=True)
class TableLookup:
    """One lookup: emits the search, then offers what was found."""

    builder: FunctionBuilder
    memory: Memory
    table: model.Table
    key: ops.Value
    span: Span
    found: ops.Value = field(init=False)
    _values: list[str] = field(default_factory=list)

    def find(self) -> None:
        """Emits the search; afterwards `found` is 1 or 0 and the value is in locals."""
        span, builder = self.span, self.builder
        found = builder.let(span, "found", const(span, 0))
        self.found = found
        words = self.table.value.words if isinstance(self.table.value, BytesType) else 1
        self._values = [builder.let(span, "value", const(span, 0)).name for _ in range(words)]
        if not self.table.tunable:
            self._constant(found.name)
            return
        pointer = builder.fresh("entry")
        builder.emit(ops.LookupMap(span, pointer, self._map(), self.key))
        with builder.block() as tuned:
            self._take(found.name, self._words_at(ops.Place(ops.PointerRoot(pointer))))
        with builder.block() as constant:
            self._constant(found.name)
        builder.emit(ops.If(span, ops.Not(span, ops.IsNull(span, pointer)), tuple(tuned), tuple(constant)))

    def words(self) -> Words:
        """The value that was found."""
        return tuple(ops.Local(self.span, value) for value in self._values)

    def _take(self, found: str, words: Words) -> None:
        for name, word in zip(self._values, words, strict=True):
            self.builder.emit(ops.Assign(self.span, name, word))
        self.builder.emit(ops.Assign(self.span, found, const(self.span, 1)))

    def _constant(self, found: str) -> None:
        if not self.table.entries:
            return
        if max(key for key, _ in self.table.entries) < DENSE:
            self._dense(found)
        else:
            self._chain(found)

    def _dense(self, found: str) -> None:
        """An array with one element for each key up to the largest, which says itself whether it is an entry."""
        span, builder = self.span, self.builder
        variable = self._array()
        inside = compare(span, ops.Comparison.LT, self.key, max(key for key, _ in self.table.entries) + 1)
        entry = ops.Place(ops.GlobalRoot(variable), (self.key,))
        with builder.when(span, inside):
            known = ops.Load(span, ops.Place(entry.root, (*entry.path, "known")))
            with builder.when(span, differs(span, known, 0)):
                self._take(found, self._words_at(ops.Place(entry.root, (*entry.path, "value"))))

    def _chain(self, found: str) -> None:
        for key, value in self.table.entries:
            with self.builder.when(self.span, equals(self.span, self.key, key)):
                words = split(value) if isinstance(value, bytes) else [value]
                self._take(found, tuple(const(self.span, word) for word in words))

    def _words_at(self, place: ops.Place) -> Words:
        kind = self.table.value
        if not isinstance(kind, BytesType):
            return (ops.Load(self.span, place),)
        return tuple(
            ops.LoadBytes(self.span, place, const(self.span, 8 * index), word_size(kind.length, index))
            for index in range(kind.words)
        )

    # ------------------------------------------------------------------------------------------ definitions

    def _array(self) -> str:
        """The constant array of the table, defined at its first use."""
        name = self.memory.tables[self.table]
        variable = f"{name}_entries" if self.table.tunable else name
        if all(known.name != variable for known in self.memory.globals):
            value = scalar_of(self.table.value)
            entry = Struct(f"{name}_entry", (Member("value", value), Member("known", U8, "this key is in the table")))
            entries = dict(self.table.entries)
            size = max(entries) + 1
            empty: Initial = b"" if isinstance(self.table.value, BytesType) else 0
            initial: tuple[Initial, ...] = tuple(
                (entries[key], 1) if key in entries else (empty, 0) for key in range(size)
            )
            self.memory.globals.append(
                GlobalVariable(variable, Array(entry, size), Section.CONSTANTS, initial, self.table.doc)
            )
        return variable

    def _map(self) -> str:
        """The map of a tunable table, defined at its first use."""
        name = self.memory.tables[self.table]
        if all(known.name != name for known in self.memory.tunable):
            bits = next(size for size in (8, 16, 32, 64) if size >= self.table.key_bits)
            definition = MapDefinition(
                name, MapKind.HASH, TABLE_ENTRIES, Scalar(bits), scalar_of(self.table.value), self.table.doc
            )
            self.memory.tunable.append(definition)
        return name
