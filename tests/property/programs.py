"""Whole programs: several options, each with a kind, a layout, values, `send`, `receive` and `on`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hypothesis import strategies as st

from lower.driver import load_module
from optdsl.compiler import Options, analyse
from optdsl.diagnostics import Diagnostics
from optdsl.semantics.model import CheckedProgram
from optdsl.source import Source
from property.blocks import Blocks
from property.choices import Chooser, Drawn, Seeded
from property.expressions import FUNCTIONS
from property.fields import Layout, LayoutMaker
from property.pieces import Piece, accept
from property.sending import Sends
from property.values import SHARED, Values, declare

NAME: Final = "generated"
NO_TIMESTAMPS: Final = "// no timestamps"
"""The first line of programs for networks where timestamps are switched off."""
_EVENTS: Final = ["established", "connect", "connect", "closed", "closed", "rtt", "listen", "rto", "retransmit"]
_LOOSE: Final = frozenset({"rtt", "rto", "retransmit"})
"""Events that come when the kernel likes: what their handlers do must not show anywhere else."""


def checked(text: str, found: Diagnostics | None = None) -> CheckedProgram:
    """The checked program of a text, with room for timestamps or not as its first line says. Raises CompileError."""
    options = Options(NAME, timestamps=not text.startswith(NO_TIMESTAMPS))
    return analyse([Source(f"{NAME}.opt", text)], options, load_module, Diagnostics() if found is None else found)


def program_of(seed: int) -> tuple[str, CheckedProgram | None]:
    """The program of a number: its text, and what the checker makes of it; None if nothing of it is accepted."""
    return accept(Programs(Chooser(Seeded(seed))).program(), checked)


@st.composite
def programs(draw: Callable[[st.SearchStrategy[Any]], Any]) -> tuple[str, CheckedProgram | None]:
    """The same programs, drawn by hypothesis."""
    return accept(Programs(Chooser(Drawn(draw))).program(), checked)


class Programs:
    """Draws programs."""

    def __init__(self, choose: Chooser) -> None:
        self._choose = choose

    def program(self) -> list[Piece]:
        """The pieces of one program."""
        count = self._choose.one_of([1, 1, 1, 2, 2, 3])
        pieces = [Piece(NO_TIMESTAMPS)] if self._choose.percent(40) else []
        pieces += [Piece(line) for line in (SHARED + FUNCTIONS).splitlines() if line]
        return pieces + [self._option(number, count) for number in range(count)]

    def _option(self, number: int, count: int) -> Piece:
        choose = self._choose
        # Behind kind, length and an ExID of four bytes.
        room = min(choose.one_of([4, 6, 8, 12, 16, 30, 34]) // count + 1, 34)
        layout = LayoutMaker(choose, room).make()
        values = declare(choose, layout)
        fields = Piece("layout", [], [Piece(each.declaration, is_fixed=True) for each in layout.fields], is_fixed=True)
        body = [Piece(self._kind(number), is_fixed=True), fields, *values.pieces]
        sends = Sends(choose, values, layout)
        body += [sends.statement() for _ in range(choose.one_of([0, 1, 1, 2, 2, 3]))]
        receives = choose.one_of([0, 1, 1, 1, 2])
        body += [self._receive(values, layout, f"x{number}{index}") for index in range(receives)]
        if receives == 0 and not any(piece.text.startswith("send") for piece in body):
            body.append(Piece("receive", [], []))
        body += [self._handler(values, f"y{number}{index}") for index in range(choose.one_of([0, 1, 1, 2]))]
        return Piece(f"option o{number}", [], body, is_fixed=True)

    def _kind(self, number: int) -> str:
        choose = self._choose
        low = choose.number(0, 0xFFFF)
        match choose.one_of(["short", "short", "long", "plain", "chosen"]):
            case "short":
                return f"kind experimental 0x{0x7100 + number:04X}"
            case "long":
                return f"kind experimental 0x{0x7200 + number:04X}_{low:04X}"
            case "plain":
                return f"kind {choose.one_of([80, 140, 199, 240]) + number}"
            case _:
                return f"kind {choose.one_of([253, 254])} exid 0x{0x7300 + number:04X}"

    def _receive(self, values: Values, layout: Layout, prefix: str) -> Piece:
        blocks = Blocks(self._choose, values, layout, prefix)
        side = self._choose.one_of(["", "", "", " at client", " at server"])
        head = f"receive{side}"
        guard = blocks.guard()
        fallbacks = [head] if guard else []
        return Piece(head + guard, fallbacks, blocks.statements(self._choose.one_of([1, 3, 5])))

    def _handler(self, values: Values, prefix: str) -> Piece:
        event = self._choose.one_of(_EVENTS)
        if event in _LOOSE:
            return self._loose(event, prefix)
        blocks = Blocks(self._choose, values, None, prefix)
        side = self._choose.one_of(["", "", " at client", " at server"])
        head, guard = f"on {event}", blocks.guard()
        body = blocks.statements(self._choose.one_of([1, 2, 4]))
        return Piece(head + side + guard, [head + guard, head], body)

    def _loose(self, event: str, prefix: str) -> Piece:
        members = ["loose: 1", "w: loosely", "srtt: socket.srtt", "lost: socket.lost_out", "acked: socket.bytes_acked"]
        body = [Piece(f"emit {prefix}loose {{ {', '.join(members[: self._choose.number(1, 5)])} }}")]
        body.append(Piece("loosely = saturate(loosely + 1)"))
        body.append(Piece("if socket.cwnd > 5mss and n > 3 { loosely = min(socket.segs_in / 1mss, 77) }"))
        return Piece(f"on {event}", [], body)
