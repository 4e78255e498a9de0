"""The option-space budget: bytes used on each class of packet against what the kernel leaves there."""

from __future__ import annotations

from optdsl.diagnostics import Diagnostics
from optdsl.diagnostics import layouts as wording
from optdsl.record import record
from optdsl.semantics import model
from optdsl.source import Span
from optdsl.targets import PacketClass, Role, space_left
from optdsl.targets.space import HANDSHAKE

_ALSO = {
    PacketClass.THIRD_ACK: ({PacketClass.ACK}, {PacketClass.DATA}),
    PacketClass.FIN: ({PacketClass.DATA},),
}
"""What else a packet of a class can be: the third ACK is a pure ACK or carries data, and so may a FIN."""

_ONLY_FROM = {PacketClass.SYN: Role.CLIENT, PacketClass.SYNACK: Role.SERVER, PacketClass.THIRD_ACK: Role.CLIENT}


@record
class BudgetRow:
    """One class of packet: bytes used by all options together, rounded up to 4, and bytes left for programs."""

    packet: PacketClass
    used: int
    left: int
    left_without_timestamps: int
    left_beside_sack: int | None
    """With timestamps and one SACK block; None in the handshake."""


def budget(options: tuple[model.Option, ...]) -> tuple[BudgetRow, ...]:
    """The rows for every class of packet, in the order in which packets come."""
    return tuple(_row(options, packet) for packet in PacketClass)


def _row(options: tuple[model.Option, ...], packet: PacketClass) -> BudgetRow:
    used = sum(_fullest(options, packet).values())
    beside_sack = None if packet in HANDSHAKE else space_left(packet, timestamps=True, sack_blocks=1)
    return BudgetRow(
        packet, used + -used % 4, space_left(packet, timestamps=True), space_left(packet, timestamps=False), beside_sack
    )


def _fullest(options: tuple[model.Option, ...], packet: PacketClass) -> dict[str, int]:
    """Bytes of each option on the fullest packet of a class; nothing where no option is meant for such packets."""
    roles = [_ONLY_FROM[packet]] if packet in _ONLY_FROM else list(Role)
    classes = [{packet}, *({packet} | also for also in _ALSO.get(packet, ()))]
    packets = [
        {option.name: size for option in options if (size := _largest(option, names, role)) > 0}
        for role in roles
        for names in classes
    ]
    return max(packets, key=lambda sizes: sum(sizes.values()))


def _largest(option: model.Option, packets: set[PacketClass], role: Role) -> int:
    sends = [send for send in option.sends if send.packets & packets and send.sender in (None, role)]
    return max((send.largest for send in sends), default=0)


def check_budget(options: tuple[model.Option, ...], diagnostics: Diagnostics, *, timestamps: bool) -> None:
    """Tells where options do not fit, at the packet named in the last `send`; beside SACK it is only a warning.

    A class of packet that no `send` names is full only where another one that it belongs to is full as well.
    """
    for row in budget(options):
        left = row.left if timestamps else row.left_without_timestamps
        where = _last_named(options, row.packet)
        if where is None:
            continue
        shares = _shares(_fullest(options, row.packet))
        if row.used > left:
            whose = "the kernel's own options, timestamps among them," if timestamps else "the kernel's own options"
            because = f"{whose} take {40 - left} of 40 bytes"
            diagnostics.add(wording.no_space(where, row.packet.value, row.used, left, (because, *shares)))
        elif row.left_beside_sack is not None and timestamps and row.used > row.left_beside_sack:
            name, beside = row.packet.value, row.left_beside_sack
            diagnostics.add(wording.no_space_beside_sack(where, name, row.used, beside, shares))


def _shares(sizes: dict[str, int]) -> tuple[str, ...]:
    """What each option takes, where there are several."""
    if len(sizes) < 2:
        return ()
    return (", ".join(f"`{name}` has {size} bytes" for name, size in sizes.items()),)


def _last_named(options: tuple[model.Option, ...], packet: PacketClass) -> Span | None:
    spans = [send.written[packet] for option in options for send in option.sends if packet in send.written]
    return spans[-1] if spans else None
