"""`send` statements: who sends on which packets, how often, when, and what the fields hold."""

from __future__ import annotations

from typing import Final

from property.choices import Chooser
from property.expressions import Expressions
from property.fields import Field, Layout, literal
from property.pieces import Piece
from property.values import Values

CLASSES: Final = ["syn", "synack", "third_ack", "ack", "data", "fin", "any"]
POLICIES: Final = ["", "", " once", " until acked", " every 1us", " every 1h", " every PACKETS packets", " every BYTES"]
"""A duration that always has passed between two packets, and one that never has."""


class Sends:
    """Draws `send` statements of one option."""

    def __init__(self, choose: Chooser, values: Values, layout: Layout) -> None:
        self._choose = choose
        self._values = values
        self._layout = layout
        self._expressions = Expressions(choose.one_of, values.vocabulary(None))

    def statement(self) -> Piece:
        """A statement whose every field has a constant to fall back on."""
        choose = self._choose
        side = choose.one_of(["", "", "from client ", "from server "])
        packets = ", ".join(choose.some(CLASSES[:-1], 3)) if choose.percent(90) else "any"
        policy = choose.one_of(POLICIES).replace("PACKETS", str(choose.number(1, 4)))
        policy = policy.replace("BYTES", choose.one_of(["1B", "500B", "2000B", "1GiB"]))
        guard = f" when {self._expressions.condition(2)}" if choose.percent(35) else ""
        simple = f"when {choose.one_of(['c', 'socket.ipv6', 'received', 'n > 5', 'syn_cookie'])}" if guard else ""
        heads = [f"send {side}on {packets}{policy}{guard}"]
        heads += [f"send {side}on {packets}{policy} {simple}".rstrip(), f"send {side}on {packets} {simple}".rstrip()]
        heads += [f"send on data{policy}", "send on ack, data"]
        return Piece(heads[0], heads[1:], self._body())

    def _body(self) -> list[Piece]:
        lines = []
        for each in self._layout.always:
            text = f"{each.name} = {self._value(each)}"
            if self._choose.percent(20):
                text = f"if {self._condition()} {{ {text} }} else {{ {each.name} = {self._value(each)} }}"
            lines.append(Piece(text, [f"{each.name} = {constant(each)}"]))
        for group in self._layout.groups.values():
            lines.append(
                self._optional([self._given(each) for each in group], [constant_given(each) for each in group])
            )
        if self._layout.trailing:
            lines.append(self._trailing(self._layout.trailing))
        if self._layout.repeated is not None:
            lines.append(self._list(self._layout.repeated))
        return lines

    def _given(self, each: Field) -> str:
        return f"{each.name} = {self._value(each)}"

    def _optional(self, given: list[str], sure: list[str]) -> Piece:
        text, plain = "  ".join(given), "  ".join(sure)
        match self._choose.one_of(["never", "always", "sometimes", "sometimes"]):
            case "never":
                return Piece("")
            case "always":
                return Piece(text, [plain, ""])
            case _:
                condition = self._condition()
                return Piece(
                    f"if {condition} {{ {text} }}", [f"if {condition} {{ {plain} }}", f"if c {{ {plain} }}", plain, ""]
                )

    def _trailing(self, fields: list[Field]) -> Piece:
        """The second only if the first is there."""
        text = plain = ""
        for each in reversed(fields):
            text = f"{self._given(each)}  {text}".rstrip()
            plain = f"{constant_given(each)}  {plain}".rstrip()
            if self._choose.percent(50):
                text, plain = f"if {self._condition()} {{ {text} }}", f"if c {{ {plain} }}"
        return Piece(text, [plain, ""])

    def _list(self, each: Field) -> Piece:
        assert each.repeat is not None
        low, high = each.repeat
        sure = f"{each.name} = [{', '.join([constant(each)] * max(low, 1))}]"

        def given() -> str:
            return (
                f"{each.name} = [{', '.join(self._value(each) for _ in range(self._choose.number(max(low, 1), high)))}]"
            )

        text = given()
        if self._choose.percent(50):
            text = f"if {self._condition()} {{ {text} }} else {{ {given()} }}"
        elif low == 0 and self._choose.percent(50):
            text = f"if {self._condition()} {{ {text} }}"
        return Piece(text, [sure, ""])

    def _condition(self) -> str:
        simple = ["received", "c", "socket.ipv6", "n > 5", "socket.peer.port > 30000", "hue == green"]
        simple += ["syn_cookie"] * 3
        return self._choose.one_of([*simple, self._expressions.condition(1)])

    # ------------------------------------------------------------------------------------------------- values

    def _value(self, each: Field) -> str:
        source = self._values.sources.get(each.name)
        own = [source] * 3 if source is not None else []
        match each.kind:
            case "enum":
                names = [*each.names, f"if {self._condition()} {{ {each.names[0]} }} else {{ {each.names[-1]} }}"]
                return self._choose.one_of([*names, *own])
            case "bool":
                return self._choose.one_of(["true", "false", *own, self._expressions.condition(1)])
            case "ip4":
                return self._choose.one_of(["203.0.113.9", "at4", "socket.local.ip4", "socket.peer.ip4", *own])
            case "ip6":
                return self._choose.one_of(["::1", "at6", "socket.local.address", "socket.peer.address", *own])
            case "bytes":
                return self._choose.one_of([constant(each), *own, *self._values.wide.get(each.bits // 8, [])])
            case _:
                return self._number(each, own)

    def _number(self, each: Field, own: list[str]) -> str:
        """Mostly held in the range; sometimes not, so that the checker has something to prove or to refuse."""
        low, high = literal(each.kind, each.low), literal(each.kind, each.high)
        value = self._expressions.value(each.kind, self._choose.one_of([0, 1, 2]))
        first, second = (literal(each.kind, self._within(each)) for _ in range(2))
        whole = [f"clamp({value}, {low}, {high})"] * 3 + [f"min(max({value}, {low}), {high})", value, *own]
        if each.step > 1:
            whole = [f"{self._choose.one_of(['floor', 'ceil', 'floor'])}({text})" for text in whole]
        whole += [f"saturate({value})", f"if {self._condition()} {{ {first} }} else {{ {second} }}", first]
        return self._choose.one_of(whole)

    def _within(self, each: Field) -> int:
        return self._choose.near(each.low // each.step, each.high // each.step) * each.step


def constant(each: Field) -> str:
    """A value that surely fits."""
    match each.kind:
        case "enum":
            return each.names[0]
        case "bool":
            return "true"
        case "ip4":
            return "203.0.113.9"
        case "ip6":
            return "2001:db8::9"
        case "bytes":
            return f"0x{0xA5A5A5A5A5A5A5A5A5A5A5A5 & ((1 << each.bits) - 1):0{each.bits // 4}X}"
        case unit:
            return literal(unit, each.low)


def constant_given(each: Field) -> str:
    """An assignment that the checker surely accepts."""
    return f"{each.name} = {constant(each)}"
