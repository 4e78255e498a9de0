"""The option-space budget: bytes used on each class of packet against what the kernel leaves there."""

from __future__ import annotations

from dataclasses import dataclass

from optdsl.diagnostics import Diagnostics
from optdsl.diagnostics import layouts as wording
from optdsl.semantics import model
from optdsl.targets import PacketClass, space_left
from optdsl.targets.space import HANDSHAKE


@dataclass(frozen=True, slots=True)
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
    used = sum(option.largest_on(packet) for option in options)
    beside_sack = None if packet in HANDSHAKE else space_left(packet, timestamps=True, sack_blocks=1)
    return BudgetRow(
        packet, used + -used % 4, space_left(packet, timestamps=True), space_left(packet, timestamps=False), beside_sack
    )


def check_budget(options: tuple[model.Option, ...], diagnostics: Diagnostics, *, timestamps: bool) -> None:
    """Tells where options do not fit, at the `send` that goes over; without room beside SACK only a warning."""
    for row in budget(options):
        left = row.left if timestamps else row.left_without_timestamps
        where = _last_sender(options, row.packet)
        if where is None:
            continue
        if row.used > left:
            whose = "the kernel's own options, timestamps among them," if timestamps else "the kernel's own options"
            because = f"{whose} take {40 - left} of 40 bytes"
            diagnostics.add(wording.no_space(where.span, row.packet.value, row.used, left, because))
        elif row.left_beside_sack is not None and timestamps and row.used > row.left_beside_sack:
            diagnostics.add(wording.no_space_beside_sack(where.span, row.packet.value, row.used, row.left_beside_sack))


def _last_sender(options: tuple[model.Option, ...], packet: PacketClass) -> model.Send | None:
    senders = [send for option in options for send in option.sends if packet in send.packets]
    return senders[-1] if senders else None
