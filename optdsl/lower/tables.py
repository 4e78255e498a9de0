"""Looks up tables: constant entries in an array or a chain of comparisons, before them the map of a tunable one.

    names[id] else reject unknown   ->   if (id >= 18) reject;  value = names[id];  if (!value) reject;

An array has an element for every number up to the largest key. Where no entry is zero, zero says that there is none;
otherwise each element says so itself.
"""

from __future__ import annotations

from collections.abc import Callable

from optdsl.ir import ops
from optdsl.ir.types import U8, Array, GlobalVariable, Initial, MapDefinition, MapKind, Member, Scalar, Section, Struct
from optdsl.lower.builder import FunctionBuilder, Words, all_of, compare, const, equals
from optdsl.lower.memory import Memory
from optdsl.lower.storage_types import scalar_of
from optdsl.lower.values import any_member, held, load, split
from optdsl.record import record
from optdsl.semantics import model
from optdsl.semantics.types import BytesType, EnumType
from optdsl.source import Span

TABLE_ENTRIES = 1024
"""Room in the map of a tunable table."""
DENSE = 1024
"""Tables whose keys are below this are arrays; others are a chain of comparisons."""


@record
class TableLookup:
    """One lookup. `missing` emits what leaves the function where there is no entry."""

    builder: FunctionBuilder
    memory: Memory
    table: model.Table
    span: Span
    missing: Callable[[], None]

    def find(self, key: ops.Value) -> Words:
        """Emits the search for a key in a local, or a constant one; the value is in locals afterwards."""
        return self._tunable(key) if self.table.tunable else self._constant(key)

    def text(self, key: ops.Value, size: int) -> ops.Place | None:
        """Emits the search for a text that the kernel will copy `size` bytes of: the text where it stands.

        None, and nothing is emitted, where it stands nowhere as a whole.
        """
        kind, table = self.table.value, self.table
        is_whole = isinstance(kind, BytesType) and kind.form == "text" and kind.length >= size and self._zero_is_none
        if table.tunable or not is_whole or not table.entries or self._largest_key >= DENSE:
            return None
        if isinstance(key, ops.Const) and key.value not in dict(table.entries):
            return None
        element = self._element(key)
        if len(table.entries) <= self._largest_key:
            self._reject_zero((ops.LoadBytes(self.span, element, const(self.span, 0), 1),))
        return element

    def _tunable(self, key: ops.Value) -> Words:
        """An entry that user space has made goes first. A number there that is no member of an enumeration is none."""
        span, builder, table = self.span, self.builder, self.table
        found = self._zeros()
        pointer = builder.fresh("entry")
        builder.emit(ops.LookupMap(span, pointer, self._map(), key))
        with builder.block() as tuned:
            words = load(span, ops.Place(ops.PointerRoot(pointer)), table.value)
            if not isinstance(table.value, BytesType):
                words = (held(span, words[0], table.values, table.value),)
            self._assign(found, words)
            member = any_member(span, found[0], table.value) if isinstance(table.value, EnumType) else None
            if member is not None:
                with builder.when(span, ops.Not(span, member)):
                    self.missing()
        with builder.block() as constant:
            self._assign(found, self._constant(key))
        builder.branch(span, ops.Not(span, ops.IsNull(span, pointer)), tuned, constant)
        return found

    def _constant(self, key: ops.Value) -> Words:
        entries = dict(self.table.entries)
        if not entries or (isinstance(key, ops.Const) and key.value not in entries):
            found = self._zeros()
            self.missing()
            return found
        return self._dense(key) if self._largest_key < DENSE else self._chain(key)

    @property
    def _largest_key(self) -> int:
        return max(key for key, _ in self.table.entries)

    @property
    def _zero_is_none(self) -> bool:
        """Whether no entry is zero, so that zero can stand for none. Of a text the first word tells it."""
        if isinstance(self.table.value, BytesType) and self.table.value.form == "text":
            return all(isinstance(value, bytes) and any(value[:1]) for _, value in self.table.entries)
        return all(any(value) if isinstance(value, bytes) else value for _, value in self.table.entries)

    def _dense(self, key: ops.Value) -> Words:
        element = self._element(key)
        words = tuple(self.builder.let(self.span, "value", word) for word in load(self.span, element, self.table.value))
        if len(self.table.entries) <= self._largest_key and self._zero_is_none:
            self._reject_zero(self._telling(words))
        return words

    def _element(self, key: ops.Value) -> ops.Place:
        """The element of a key, which is there; it may be zero for none."""
        span, table = self.span, self.table
        holes = len(table.entries) <= self._largest_key
        element = ops.Place(ops.GlobalRoot(self._array()), (key,))
        outside = compare(span, ops.Comparison.GT, key, self._largest_key)
        if holes and not self._zero_is_none:
            known = ops.Load(span, ops.Place(element.root, (key, "known")))
            outside = ops.Either(span, outside, equals(span, known, 0))
            element = ops.Place(element.root, (key, "value"))
        if self._largest_key < table.key.high or holes:
            with self.builder.when(span, outside):
                self.missing()
        return element

    def _chain(self, key: ops.Value) -> Words:
        span, builder = self.span, self.builder
        found = self._zeros()
        known = None if self._zero_is_none else builder.let(span, "known", const(span, 0))
        for number, value in self.table.entries:
            with builder.when(span, equals(span, key, number)):
                words = split(value) if isinstance(value, bytes) else [value]
                self._assign(found, tuple(const(span, word) for word in words))
                if known is not None:
                    builder.emit(ops.Assign(span, known.name, const(span, 1)))
        self._reject_zero(self._telling(found) if known is None else (known,))
        return found

    def _telling(self, words: Words) -> Words:
        """The words that are zero, all of them, only where there is no entry."""
        kind = self.table.value
        return words[:1] if isinstance(kind, BytesType) and kind.form == "text" else words

    def _reject_zero(self, words: Words) -> None:
        with self.builder.when(self.span, all_of(self.span, [equals(self.span, word, 0) for word in words])):
            self.missing()

    def _zeros(self) -> tuple[ops.Local, ...]:
        words = self.table.value.words if isinstance(self.table.value, BytesType) else 1
        return tuple(self.builder.let(self.span, "value", const(self.span, 0)) for _ in range(words))

    def _assign(self, found: tuple[ops.Local, ...], words: Words) -> None:
        for local, word in zip(found, words, strict=True):
            self.builder.emit(ops.Assign(self.span, local.name, word))

    # ------------------------------------------------------------------------------------------ definitions

    def _array(self) -> str:
        """The constant array of the table, defined at its first use."""
        variable = self.memory.arrays[self.table]
        if all(known.name != variable for known in self.memory.globals):
            self.memory.globals.append(self._array_variable(variable))
        return variable

    def _array_variable(self, variable: str) -> GlobalVariable:
        value, entries, size = scalar_of(self.table.value), dict(self.table.entries), self._largest_key + 1
        empty: Initial = b"" if isinstance(self.table.value, BytesType) else 0
        if len(entries) == size or self._zero_is_none:
            plain = tuple(entries.get(key, empty) for key in range(size))
            return GlobalVariable(variable, Array(value, size), Section.CONSTANTS, plain, self.table.doc)
        entry = Struct(
            f"{self.memory.tables[self.table]}_entry",
            (Member("value", value), Member("known", U8, "this key is in the table")),
        )
        initial = tuple((entries.get(key, empty), int(key in entries)) for key in range(size))
        return GlobalVariable(variable, Array(entry, size), Section.CONSTANTS, initial, self.table.doc)

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
