"""Generates blocks for the checker: expressions of all units, conditions near the edges, nested ifs, loops, states.

A block is a list of statements, one a line. Those that the checker refuses are left out one by one until the rest
is accepted, so that nearly every example says something.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from optdsl.compiler import Options, analyse
from optdsl.diagnostics import CompileError, Diagnostics
from optdsl.semantics.model import CheckedProgram
from optdsl.source import Source
from property.expressions import FUNCTIONS, UNITS, Expressions, Vocabulary

Draw = Callable[[st.SearchStrategy[str]], str]

HEAD = (
    FUNCTIONS
    + """
option generated {
    kind experimental 0x7010
    layout {
        a : u8
        b : u8 in 1..=64
        w : u16 in 300..=40000
        q : u64
        t : u8 of 10ms in 10ms..=2s
        v : u16 of 1mbps
        e : u2 { none, one, two }
        f : u1
        g : bool
        h : u4 in 3..=9
        o : u8 when g
        x : u16 when g
        OPTIONAL
    }
    param p : u8 = 5 in 3..=200
    param n : u64 = 5
    param d : duration = 1s
    param r : rate = 1mbps in 1kbps..=10gbps
    param z : size = 1MB
    param m : segments = 10mss in 1mss..=1000mss
    param c : bool = true
    param i : ratio = 50%
    state s : u16 = 7
    state k : u32 = 5 in 2..=100000
    state l : duration = 0s
    state j : bool
"""
)
TAIL = "}\n"
TRAILING = "y : u8 optional  u : u32 optional"
REPEATED = "y : u16[0..=3]"

_NAMES = {
    "number": ["a", "b", "w", "q", "h", "o", "x", "p", "n", "s", "k", "f", "socket.peer.port"],
    "duration": ["t", "d", "l", "socket.srtt", "socket.min_rtt"],
    "rate": ["v", "r"],
    "size": ["z", "socket.bytes_acked", "socket.mss"],
    "segments": ["m", "socket.cwnd"],
    "ratio": ["i"],
}
_FLAGS = ["f", "g", "c", "j", "e == one", "e != none", "f == 1", "g == true", "has o", "socket.ipv6"]
_NARROW = ["a", "b", "p", "(a & b)", "(a ^ p)", "(a | 7)", "h"]


def _vocabulary(repeated: bool) -> Vocabulary:
    """The names above, with those that exist in this layout only."""
    more = ["count(y)", "y[0]", "y[1]"] if repeated else ["y", "u"]
    flags = ["count(y) > 1", "count(y) == 1"] if repeated else ["has y", "has u"]
    return Vocabulary({**_NAMES, "number": _NAMES["number"] + more}, _FLAGS + flags, _NARROW)


class Generator(Expressions):
    """Draws texts."""

    def __init__(self, draw: Callable[[st.SearchStrategy[str]], str], repeated: bool) -> None:
        super().__init__(lambda choices: draw(st.sampled_from(choices)), _vocabulary(repeated))
        self.repeated = repeated
        self.count = 0

    # -------------------------------------------------------------------------------------------- statements

    def statement(self, depth: int) -> str:
        kinds = ["let", "let", "state", "state", "attribute", "emit"]
        kinds += ["if", "if", "if", "if", "reject", "loop", "read anew", "assigned anew"] if depth else []
        match self.one_of(kinds):
            case "let":
                unit, self.count = self.one_of(UNITS), self.count + 1
                name = f"let_{self.count}"
                text = f"let {name} = {self.value(unit, 2)}"
                self.words.lets.append((name, unit))
                return text
            case "state":
                return self._state()
            case "attribute":
                return f"socket.user_timeout = min({self.value('duration', 2)}, 20d)"
            case "emit":
                self.count += 1
                return f"emit record_{self.count} {{ value: {self.value(self.one_of(UNITS), 2)} }}"
            case "if":
                otherwise = f" else {{ {self.block(depth - 1)} }}" if self.one_of(["yes", "no"]) == "yes" else ""
                return f"if {self.condition(2)} {{ {self.block(depth - 1)} }}{otherwise}"
            case "read anew":
                return self._read_anew()
            case "assigned anew":
                change = self.one_of([f"s = min({self.value('number', 1)}, 300)", "k = 5", f"j = {self.condition(1)}"])
                return f"if s + a < 200 {{ {change}  k = clamp(1000 / (200 - (s + a)), 2, 1000) }}"
            case "loop":
                heads = ["for z1 in 0..=3", "repeat 2", "repeat min(a, 3)", *(["for z1 in y"] if self.repeated else [])]
                return f"{self.one_of(heads)} {{ {self.block(depth - 1)} }}"
            case _:
                return f"if {self.condition(1)} {{ reject odd }}"

    def _read_anew(self) -> str:
        """What both branches show of a value, used behind them."""
        name, bound = self.one_of(["p", "n", "q", "s", "k", "socket.peer.port"]), self.one_of(["3", "7", "64"])
        check = f"if {name} <= {bound} {{ reject odd }}"
        before = self.one_of(["", f"if {name} == 5 {{ reject odd }}  "])
        return f"{before}if {self.condition(1)} {{ {check} }} else {{ {check} }}  k = max(9 / ({name} - {bound}), 2)"

    def _state(self) -> str:
        match self.one_of(["s", "k", "l", "j"]):
            case "s":
                return f"s = min({self.value('number', 2)}, {self.one_of(['200', '65535', '300'])})"
            case "k":
                return self.one_of([f"k = clamp({self.value('number', 2)}, 2, 100000)", f"k = {self.leaf('number')}"])
            case "l":
                return f"l = min({self.value('duration', 2)}, {self.one_of(['1h', '50d', '2s'])})"
            case _:
                return f"j = {self.condition(1)}"

    def block(self, depth: int) -> str:
        known = list(self.words.lets)
        lines = [self.statement(depth) for _ in range(int(self.one_of(["1", "1", "2", "3"])))]
        self.words.lets = known
        return "  ".join(lines)


@st.composite
def blocks(draw: Callable[[st.SearchStrategy[str]], str]) -> tuple[bool, list[str]]:
    """Whether the layout has a repeated field, and statements of a `receive` block."""
    repeated = draw(st.sampled_from(["yes", "no"])) == "yes"
    generator = Generator(draw, repeated)
    return repeated, [generator.statement(2) for _ in range(int(draw(st.sampled_from(["2", "4", "6", "8"]))))]


def accepted(repeated: bool, lines: list[str]) -> tuple[CheckedProgram, str]:
    """The program of the statements that the checker does not refuse, and its text."""
    head = HEAD.replace("OPTIONAL", REPEATED if repeated else TRAILING)
    while True:
        text = head + "    receive {\n" + "".join(f"{line}\n" for line in lines) + "    }\n" + TAIL
        diagnostics = Diagnostics()
        try:
            return analyse([Source("generated.opt", text)], Options(), lambda _: None, diagnostics), text
        except CompileError:
            start = head.count("\n") + 2
            wrong = {each.span.line - start for each in diagnostics.found if each.is_error and each.span is not None}
            assert wrong & set(range(len(lines))), [str(each) for each in diagnostics.found]
            lines = [line for number, line in enumerate(lines) if number not in wrong]


# --------------------------------------------------------------------------------------------------- sending

SEND_HEAD = """
option generated {
    kind experimental 0x7010
    layout {
        a : u8
        b : u8 in 1..=64
        t : u8 of 10ms in 10ms..=2s
        w : u16 of 1KiB
        f : u1
        has_x : u1
        has_z : bool
        _ : u5
        x : u8 when has_x
        y : u16 when has_x
        z : u8 when has_z
        OPTIONAL
    }
    param p : u8 = 5 in 3..=200
    param n : u64 = 5
    param d : duration = 1s in 10ms..=2s
    param e : size = 1MB
    state s : u16 = 7 in 0..=1000
    receive when a > 1 { s = min(a * 3, 1000) }
    send on data when n > 5 {
"""
_ALWAYS = {"a": "number", "b": "number", "t": "duration", "w": "size", "f": "number"}
_PLAIN = {
    "a": "a = 1",
    "b": "b = 2",
    "t": "t = 100ms",
    "w": "w = 4KiB",
    "f": "f = 1",
    "x": "x = 1  y = 2",
    "z": "z = 3",
}
_SEND_NAMES = {"number": ["p", "n", "s", "1", "64", "65", "255", "256", "300"], "duration": ["d", "10ms", "15ms", "2s"],
               "size": ["e", "1KiB", "64KiB", "63MiB", "1B"]}  # fmt: skip
_SEND_FORMS = [
    "VALUE", "VALUE", "floor(VALUE)", "ceil(VALUE)", "saturate(VALUE)", "(VALUE + VALUE)", "min(VALUE, VALUE)",
    "(VALUE / 2)", "saturate(VALUE - VALUE)", "floor(VALUE / 3)", "(VALUE * 10)",
    "(if CONDITION { VALUE } else { VALUE })",
]  # fmt: skip


class SendGenerator:
    """Draws the assignments of a `send` block."""

    def __init__(self, draw: Callable[[st.SearchStrategy[str]], str]) -> None:
        self.draw = draw

    def one_of(self, choices: list[str]) -> str:
        return self.draw(st.sampled_from(choices))

    def value(self, unit: str, depth: int = 2) -> str:
        if depth == 0:
            return self.one_of(_SEND_NAMES[unit])
        form = self.one_of(_SEND_FORMS)
        while "VALUE" in form:
            form = form.replace("VALUE", self.value(unit, depth - 1), 1)
        return form.replace("CONDITION", self.condition())

    def condition(self) -> str:
        left, right = self.one_of(_SEND_NAMES["number"][:3]), self.one_of(_SEND_NAMES["number"])
        return self.one_of([f"{left} {self.one_of(['<', '>=', '=='])} {right}", "received", "socket.ipv6"])

    def line(self, field: str, unit: str) -> str:
        if self.one_of(["plain", "branches"]) == "plain":
            return f"{field} = {self.value(unit)}"
        return f"if {self.condition()} {{ {field} = {self.value(unit)} }} else {{ {field} = {self.value(unit)} }}"

    def optional(self, text: str) -> str:
        return self.one_of(["", text, f"if {self.condition()} {{ {text} }}"])

    def lines(self, repeated: bool) -> list[tuple[str, str]]:
        """Each line with one that is surely right, which takes its place where the checker refuses it."""
        found = [(self.line(field, unit), _PLAIN[field]) for field, unit in _ALWAYS.items()]
        found.append((self.optional(f"x = {self.value('number')}  y = {self.value('number')}"), ""))
        found.append((self.optional(f"z = {self.value('number')}"), ""))
        if repeated:
            lists = [f"[{', '.join(self.value('number') for _ in range(count))}]" for count in (1, 2, 3)]
            found.append((self.optional(f"c = {self.one_of(lists)}"), ""))
        else:
            found.append((self.optional(f"v = {self.value('number')}  {self.optional('u = 7')}"), ""))
        return found


@st.composite
def sends(draw: Callable[[st.SearchStrategy[str]], str]) -> tuple[bool, list[tuple[str, str]]]:
    repeated = draw(st.sampled_from(["yes", "no"])) == "yes"
    return repeated, SendGenerator(draw).lines(repeated)


def accepted_send(repeated: bool, lines: list[tuple[str, str]]) -> tuple[CheckedProgram, str]:
    """The program that sends with these lines, or with the sure ones where the checker refuses them."""
    head = SEND_HEAD.replace("OPTIONAL", "c : u8[0..=3]" if repeated else "v : u8 optional  u : u8 optional")
    while True:
        text = head + "".join(f"{line}\n" for line, _ in lines) + "    }\n" + TAIL
        diagnostics = Diagnostics()
        try:
            return analyse([Source("generated.opt", text)], Options(), lambda _: None, diagnostics), text
        except CompileError:
            start = head.count("\n") + 1
            wrong = {each.span.line - start for each in diagnostics.found if each.is_error and each.span is not None}
            assert wrong & set(range(len(lines))), f"{diagnostics.found}\n{text}"
            lines = [(sure, sure) if number in wrong else (line, sure) for number, (line, sure) in enumerate(lines)]
