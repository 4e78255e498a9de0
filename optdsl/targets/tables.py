"""What `optdsl targets` prints: events, attributes and option space of a target, as rows and as aligned text."""

from collections.abc import Sequence

from optdsl.record import record
from optdsl.targets.attribute import Attribute
from optdsl.targets.event import Event
from optdsl.targets.human import interval
from optdsl.targets.mainline import Target
from optdsl.targets.sockops import CallbackFlag
from optdsl.targets.space import PacketClass, space_left
from optdsl.targets.version import KernelVersion
from optdsl.targets.vocabulary import Direction


@record
class EventRow:
    """One event: which ends see it, the callback flag it needs ("" for none), the first kernel, and when it runs."""

    name: str
    roles: str
    flag: str
    since: KernelVersion
    doc: str


@record
class AttributeRow:
    """One attribute: type, range in human units, and the first kernel for each direction (None: not possible)."""

    path: str
    unit: str
    interval: str
    read: KernelVersion | None
    write: KernelVersion | None
    doc: str
    note: str


@record
class SpaceRow:
    """Bytes of option space that one kind of packet leaves, with and without timestamps."""

    packet: str
    sack_blocks: int
    with_timestamps: int
    without_timestamps: int


@record
class TargetTables:
    """Everything that a target offers."""

    target: Target
    events: tuple[EventRow, ...]
    attributes: tuple[AttributeRow, ...]
    space: tuple[SpaceRow, ...]


def target_tables(target: Target) -> TargetTables:
    """The tables of a target, without what its kernel lacks."""
    events = [target.event(name) for name in target.event_names()]
    attributes = [target.attribute(path) for path in target.attribute_names()]
    return TargetTables(
        target,
        tuple(_event_row(event) for event in events if event is not None),
        tuple(_attribute_row(target, attribute) for attribute in attributes if attribute is not None),
        space_rows(),
    )


def space_rows() -> tuple[SpaceRow, ...]:
    """The option space per packet class, and of established packets that also carry 1 to 3 SACK blocks."""
    rows = [_space_row(packet, 0) for packet in PacketClass]
    rows += [_space_row(packet, blocks) for packet in (PacketClass.ACK, PacketClass.DATA) for blocks in (1, 2, 3)]
    order = list(PacketClass)
    return tuple(sorted(rows, key=lambda row: (order.index(PacketClass(row.packet)), row.sack_blocks)))


def render_tables(tables: TargetTables) -> str:
    """The tables as plain text with aligned columns, ending in a newline."""
    kernel = tables.target.kernel
    title = f"target {tables.target.name}" + (f", kernel {kernel}" if kernel is not None else "")
    events = [(row.name, row.roles, row.flag or "-", str(row.since), row.doc) for row in tables.events]
    attributes = [
        (row.path, row.unit, row.interval, _version(row.read), _version(row.write), row.doc)
        for row in tables.attributes
    ]
    space = [(_packet(row), str(row.with_timestamps), str(row.without_timestamps)) for row in tables.space]
    return "\n".join(
        [
            title,
            "",
            *_columns("Events", ("event", "at", "flag", "since", "when"), events),
            "",
            *_columns("Attributes", ("attribute", "type", "range", "read", "write", "meaning"), attributes),
            "",
            *_columns("Option space, bytes left", ("packet", "timestamps", "no timestamps"), space),
            "",
        ]
    )


def _event_row(event: Event) -> EventRow:
    flag = "" if event.flag is CallbackFlag.NONE else event.flag.name or ""
    roles = ", ".join(sorted(event.roles)) or "listener"
    return EventRow(event.name, roles, flag, event.since, event.doc)


def _attribute_row(target: Target, attribute: Attribute) -> AttributeRow:
    read, write = (
        attribute.since(direction) if target.has(attribute.path, direction) else None for direction in Direction
    )
    access = attribute.write if write is not None else attribute.read
    assert access is not None, f"{attribute.path} is offered but can be neither read nor written"
    return AttributeRow(
        attribute.path,
        attribute.unit,
        interval(access.bounds, attribute.unit),
        read,
        write,
        attribute.doc,
        attribute.note,
    )


def _space_row(packet: PacketClass, blocks: int) -> SpaceRow:
    return SpaceRow(
        packet,
        blocks,
        space_left(packet, timestamps=True, sack_blocks=blocks),
        space_left(packet, timestamps=False, sack_blocks=blocks),
    )


def _packet(row: SpaceRow) -> str:
    if row.sack_blocks == 0:
        return row.packet
    return f"{row.packet}, {row.sack_blocks} SACK block{'s' if row.sack_blocks > 1 else ''}"


def _version(since: KernelVersion | None) -> str:
    return "-" if since is None else str(since)


def _columns(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows)]
    return [title, *(f"  {line}".rstrip() for line in lines)]
