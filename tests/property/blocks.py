"""Statements of `receive` and `on` blocks."""

from __future__ import annotations

from typing import Final

from property.choices import Chooser
from property.expressions import UNITS, Expressions, Vocabulary
from property.fields import Layout
from property.pieces import Piece
from property.values import Values

_ATTRIBUTES: Final = {
    "socket.mark": ("number", "0", "4294967295"),
    "socket.priority": ("number", "0", "4294967295"),
    "socket.tos": ("number", "0", "255"),
    "socket.keep_count": ("number", "1", "127"),
    "socket.syn_retries": ("number", "1", "127"),
    "socket.keep_idle": ("duration", "1s", "32767s"),
    "socket.keep_interval": ("duration", "1s", "32767s"),
    "socket.user_timeout": ("duration", "20s", "20d"),
    "socket.delack_max": ("duration", "20ms", "200ms"),
    "socket.max_pacing_rate": ("rate", "2gbps", "30gbps"),
    "socket.cwnd_clamp": ("segments", "100mss", "10000mss"),
}
"""What does not disturb a conversation, and between which values: no shorter timers, no lower rates."""
_REASONS: Final = ["odd", "even", "unwanted"]


class Blocks:
    """Draws the statements of one block. `fields` is the layout where its fields can be read."""

    def __init__(self, choose: Chooser, values: Values, fields: Layout | None, prefix: str) -> None:
        self._choose = choose
        self._values = values
        self._fields = fields
        self._prefix = prefix
        self._words: Vocabulary = values.vocabulary(fields)
        self._expressions = Expressions(choose.one_of, self._words)
        self._count = 0
        self._unrolled = 1

    def guard(self) -> str:
        """`when` with a condition, or nothing."""
        return f" when {self._expressions.condition(2)}" if self._choose.percent(35) else ""

    def statements(self, count: int, depth: int = 2) -> list[Piece]:
        """So many statements; what is named inside is known inside."""
        known = list(self._words.lets)
        found = [self._statement(depth) for _ in range(count)]
        self._words.lets = known
        return found

    def _some(self, depth: int) -> list[Piece]:
        return self.statements(self._choose.one_of([1, 1, 2, 3]), depth)

    def _value(self, unit: str, depth: int = 2) -> str:
        return self._expressions.value(unit, depth)

    def _statement(self, depth: int) -> Piece:
        kinds = ["let", "let", "state", "state", "attribute", "emit", "emit", "flag attribute"]
        kinds += ["lookup", "congestion", "reject"] if self._fields is not None else ["congestion"]
        kinds += ["if", "if", "if", "loop"] if depth else []
        match self._choose.one_of(kinds):
            case "let":
                unit, name = self._choose.one_of(UNITS), self._name("v")
                text = f"let {name} = {self._value(unit)}"
                self._words.lets.append((name, unit))
                return Piece(text)
            case "state":
                return self._state()
            case "attribute":
                name = self._choose.one_of(list(_ATTRIBUTES))
                unit, low, high = _ATTRIBUTES[name]
                return Piece(f"{name} = clamp({self._value(unit)}, {low}, {high})")
            case "flag attribute":
                name = self._choose.one_of(["socket.thin_linear_timeouts", "socket.keepalive"])
                return Piece(f"{name} = {self._expressions.condition(1)}")
            case "emit":
                return self._emit()
            case "lookup":
                return self._lookup()
            case "congestion":
                return Piece(
                    f"socket.congestion = {self._choose.one_of(['cc', 'algorithm', chr(34) + 'cubic' + chr(34)])}"
                )
            case "if":
                otherwise = self._some(depth - 1) if self._choose.percent(40) else None
                return Piece(f"if {self._expressions.condition(2)}", [], self._some(depth - 1), otherwise)
            case "loop":
                return self._loop(depth)
            case _:
                reason = self._choose.one_of(_REASONS)
                return Piece(f"if {self._expressions.condition(1)} {{ reject {reason} }}")

    def _name(self, letter: str) -> str:
        self._count += 1
        return f"{self._prefix}{letter}{self._count}"

    def _state(self) -> Piece:
        choose, number = self._choose, self._value("number")
        texts = [
            f"s = min({number}, {choose.one_of(['200', '1000', '300'])})",
            "s = saturate(s + 1)",
            "s += 1",
            f"k = clamp({number}, 2, 100000)",
            f"q = {number}",
            "q -= 1",
            f"l = min({self._value('duration')}, {choose.one_of(['1h', '50d', '2s'])})",
            f"j = {self._expressions.condition(1)}",
            f"inferred = min({number}, {choose.one_of(['5', '70000'])})",
            f"last = {choose.one_of(self._values.wide[6])}",
        ]
        return Piece(choose.one_of(texts))

    def _emit(self) -> Piece:
        units = [self._choose.one_of(UNITS) for _ in range(self._choose.number(1, 3))]
        members = [f"m{number}: {self._value(unit, 1)}" for number, unit in enumerate(units)]
        if self._choose.percent(40):
            length = self._choose.one_of(list(self._values.wide))
            members.append(f"w: {self._choose.one_of(self._wide_names(length))}")
        if self._choose.percent(20):
            members.append(f"b: {self._expressions.condition(0)}")
        return Piece(f"emit {self._name('r')} {{ {', '.join(members)} }}")

    def _wide_names(self, length: int) -> list[str]:
        fields = self._fields.fields if self._fields is not None else []
        names = [each.name for each in fields if not each.is_number and each.bits == 8 * length and each.name != "_"]
        return [*self._values.wide[length], *names, *names]

    def _lookup(self) -> Piece:
        if not self._values.tables:
            return self._emit()
        table, value = self._choose.one_of(self._values.tables).split()
        key = self._value("number", self._choose.one_of([0, 1]))
        top = self._choose.one_of(["15", "255", "9"])
        key = self._choose.one_of([key, f"min({key}, {top})"])
        if value == "text[16]":
            return Piece(f"socket.congestion = {table}[{key}] else reject missing")
        name = self._name("v")
        text = f"let {name} = {table}[{key}] else reject missing"
        self._words.lets.append((name, "duration" if value == "duration" else "number"))
        return Piece(text)

    def _loop(self, depth: int) -> Piece:
        if self._unrolled > 1:
            return self._emit()
        name, repeated = self._name("e"), self._fields.repeated if self._fields is not None else None
        heads = [f"for {name} in 0..=3", "repeat 2", "repeat min(tunable, 3)", f"for {name} in 1..=2"]
        heads += [f"for {name} in {repeated.name}"] * 3 if repeated is not None else []
        heads += [f"for {name} in {table.split()[0]}" for table in self._values.tables]
        self._words.lets.append((name, "number"))
        self._unrolled = 4
        body = self._some(depth - 1)
        self._unrolled = 1
        self._words.lets.remove((name, "number"))
        return Piece(self._choose.one_of(heads), [], body)
