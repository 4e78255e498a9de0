"""The records of `emit`: structs in the ring buffer without a byte that nobody writes.

    emit sample { rtt: socket.srtt, lost: flag }   ->   struct sample { u64 time; u32 record; u8 padding[4];
                                                                         u64 rtt; u8 lost; u8 padding_2[7]; }

Ring buffer memory is not zeroed by the kernel, so padding that a compiler inserts would show user space what was there
before. Here padding has members of its own, which are written like the others.
"""

from __future__ import annotations

from optdsl.ir.types import U32, U64, ByteArray, Member, Struct
from optdsl.lower.names import numbered
from optdsl.lower.storage_types import scalar_of
from optdsl.record import field, record
from optdsl.semantics import model

_ALIGNMENT = 8


@record
class RecordForm:
    """The form of one record; `padding` are the members that are there to be zero."""

    struct: Struct
    number: int
    padding: tuple[Member, ...]


def record_forms(records: tuple[model.Record, ...]) -> dict[str, RecordForm]:
    """The forms of all records by name, numbered in their order from 0."""
    return {record.name: _Packer(record).form(number) for number, record in enumerate(records)}


@record(frozen=False)
class _Packer:
    """Lays members out one behind the other, widest first behind the head."""

    record: model.Record
    taken: set[str] = field(init=False)
    members: list[Member] = field(default_factory=list)
    padding: list[Member] = field(default_factory=list)
    end: int = 0

    def __post_init__(self) -> None:
        self.taken = {name for name, _ in self.record.members}

    def form(self, number: int) -> RecordForm:
        """The form of the record with this number."""
        self._add(Member("time", U64, "ktime in nanoseconds"))
        self._add(Member("record", U32, f"{number}: this form of record"))
        fields = [Member(name, scalar_of(kind)) for name, kind in self.record.members]
        # Among those of one alignment, byte strings that are no whole number of words come last.
        for member in sorted(fields, key=lambda each: (-each.type.alignment, each.type.size % each.type.alignment)):
            self._add(member)
        self._pad(_ALIGNMENT)
        struct = Struct(self.record.name, tuple(self.members), f"A record of `emit {self.record.name}`.")
        return RecordForm(struct, number, tuple(self.padding))

    def _add(self, member: Member) -> None:
        self._pad(member.type.alignment)
        self.members.append(member)
        self.end += member.type.size

    def _pad(self, alignment: int) -> None:
        if gap := -self.end % alignment:
            padding = Member(numbered("padding", self.taken), ByteArray(gap), "zero")
            self.taken.add(padding.name)
            self.padding.append(padding)
            self._add(padding)
