"""Layouts made at random, the option text that sends and receives them, and an encoder that shares no code with ours.

Every field is sent from a param of the same name with `p_` before it. What is received is emitted: record `base` for
the fields that are always there, one record for each group behind a flag, each trailing field, each number of elements.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from lower.driver import HEADER, on_wire, option

Value = int | bytes
_MOST = 36
"""Bytes of content at most: 40 less kind, length and ExID."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One field."""

    name: str
    type: str
    bits: int
    value: Value

    @property
    def number(self) -> int:
        return int.from_bytes(self.value, "big") if isinstance(self.value, bytes) else self.value

    @property
    def param(self) -> str:
        zero = {"ip4": "0.0.0.0", "ip6": "::"}.get(self.type, "0")
        return f"    param p_{self.name} : {self.type} = {zero}"


@dataclass(slots=True)
class RandomLayout:
    """A layout, with the values of one option and which of its optional parts are there."""

    base: list[Piece] = field(default_factory=list)
    """In wire order; `_` is reserved space, with a fixed value."""
    groups: list[tuple[bool, list[Piece], list[Piece]]] = field(default_factory=list)
    """Whether the flag is set, the fields behind it, and those that are always there behind them."""
    trailing: list[tuple[bool, Piece]] = field(default_factory=list)
    elements: list[Piece] = field(default_factory=list)
    most_elements: int = 0

    def text(self) -> str:
        """The option."""
        lines = ["    layout {", *(f"        f{i} : u1" for i in range(len(self.groups)))]
        if spare := -len(self.groups) % 8:
            lines.append(f"        _ : u{spare}")
        lines += [_declared(piece) for piece in self.base]
        for index, (_, behind, after) in enumerate(self.groups):
            lines += [f"{_declared(piece)} when f{index}" for piece in behind] + [_declared(piece) for piece in after]
        lines += [f"{_declared(piece)} optional" for _, piece in self.trailing]
        if self.elements:
            lines.append(f"        r : {self.elements[0].type}[1..={self.most_elements}]")
        lines += ["    }", *(piece.param for piece in self._fields())]
        lines += [f"    param w{index} : bool = {str(there).lower()}" for index, (there, *_) in enumerate(self.groups)]
        lines += [f"    param t{index} : bool = {str(there).lower()}" for index, (there, _) in enumerate(self.trailing)]
        lines += self._numbered_elements()
        return option("\n".join([*lines, *self._send(), *self._receive()]))

    def _fields(self) -> list[Piece]:
        found = self._always()
        for _, behind, _ in self.groups:
            found += behind
        return found + [piece for _, piece in self.trailing]

    def _always(self) -> list[Piece]:
        """The named fields that are always there."""
        return _named([*self.base, *(piece for _, _, after in self.groups for piece in after)])

    def _numbered_elements(self) -> list[str]:
        if not self.elements:
            return []
        values = [self.elements[min(i, len(self.elements) - 1)].number for i in range(self.most_elements)]
        return [f"    param e{i} : {self.elements[0].type} = {value}" for i, value in enumerate(values)] + [
            f"    param number : u8 = {len(self.elements)} in 1..={self.most_elements}"
        ]

    def _send(self) -> list[str]:
        body = [f"{piece.name} = p_{piece.name}" for piece in self._always()]
        for index, (_, behind, _) in enumerate(self.groups):
            body.append(f"if w{index} {{ {' '.join(f'{piece.name} = p_{piece.name}' for piece in behind)} }}")
        nested = ""
        for index, (_, piece) in reversed(list(enumerate(self.trailing))):
            nested = f"if t{index} {{ {piece.name} = p_{piece.name} {nested} }}"
        body += [nested] * bool(nested)
        if self.elements:
            chain = ""
            for number in range(self.most_elements, 0, -1):
                given = f"{{ r = [{', '.join(f'e{i}' for i in range(number))}] }}"
                chain = f"if number == {number} {given} else {chain}" if chain else given
            body.append(chain.strip("{}") if self.most_elements == 1 else chain)
        return ["    send on data {", *(f"        {line}" for line in body), "    }"]

    def _receive(self) -> list[str]:
        always = self._always()
        body = [_emitted("base", always)] * bool(always)
        for index, (_, behind, _) in enumerate(self.groups):
            body.append(f"if f{index} {{ {_emitted(f'group{index}', behind)} }}")
        body += [f"if has {piece.name} {{ {_emitted(f'has_{piece.name}', [piece])} }}" for _, piece in self.trailing]
        if self.elements:
            for index in range(self.most_elements):
                body.append(f"if count(r) > {index} {{ emit element{index} {{ value: r[{index}] }} }}")
        return ["    receive {", *(f"        {line}" for line in body), "    }"]

    def params(self) -> dict[str, Value]:
        """What the params of the fields must be set to."""
        return {f"p_{piece.name}": piece.value for piece in self._fields()}

    def wire(self) -> bytes:
        """The option with its values, as this module encodes it."""
        bits = [(1, int(there)) for there, *_ in self.groups] + [(-len(self.groups) % 8, 0)]
        bits += [(piece.bits, piece.number) for piece in self.base]
        for there, behind, after in self.groups:
            bits += [(piece.bits, piece.number) for piece in (behind if there else []) + after]
        for there, piece in self.trailing:
            if not there:
                break
            bits.append((piece.bits, piece.number))
        bits += [(piece.bits, piece.number) for piece in self.elements]
        joined = "".join(f"{number:0{width}b}" for width, number in bits if width)
        return on_wire(int(joined, 2).to_bytes(len(joined) // 8, "big") if joined else b"", HEADER)

    def lengths(self) -> set[int]:
        """The lengths that an option with these flags may have."""
        bits = (len(self.groups) + 7) // 8 * 8 + sum(piece.bits for piece in self.base)
        for there, behind, after in self.groups:
            bits += sum(piece.bits for piece in (behind if there else []) + after)
        fixed = len(HEADER) + bits // 8
        if self.elements:
            return {fixed + self.elements[0].bits // 8 * number for number in range(1, self.most_elements + 1)}
        ends = [fixed]
        for _, piece in self.trailing:
            ends.append(ends[-1] + piece.bits // 8)
        return set(ends)

    def records(self) -> list[dict[str, Value]]:
        """What the receiver emits, in order."""
        always = self._always()
        found = [_values(always)] * bool(always)
        found += [_values(behind) for there, behind, _ in self.groups if there]
        for there, piece in self.trailing:
            if not there:
                break
            found.append(_values([piece]))
        return found + [{"value": piece.number} for piece in self.elements]


def _named(pieces: list[Piece]) -> list[Piece]:
    return [piece for piece in pieces if piece.name != "_"]


def _declared(piece: Piece) -> str:
    fixed = f" = {piece.number}" if piece.name == "_" else ""
    return f"        {piece.name} : {piece.type}{fixed}"


def _emitted(record: str, pieces: list[Piece]) -> str:
    return f"emit {record} {{ {', '.join(piece.name for piece in pieces)} }}"


def _values(pieces: list[Piece]) -> dict[str, Value]:
    return {piece.name: piece.value for piece in pieces}


class LayoutMaker:
    """Makes layouts; the same seed makes the same one."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._left = _MOST
        self._number = 0

    def make(self) -> RandomLayout:
        """A layout of at most 36 bytes."""
        made, chance = RandomLayout(), self._random
        groups = chance.choice([0, 0, 1, 1, 2, 3])
        self._left -= bool(groups)
        made.base = self._run()
        for _ in range(groups):
            behind = [piece for piece in (self._bytes() for _ in range(chance.randint(1, 2))) if piece is not None]
            if not behind:
                break
            made.groups.append((chance.random() < 0.6, behind, self._run() if chance.random() < 0.5 else []))
        tail = chance.choice(["nothing", "trailing", "elements"])
        if tail == "trailing":
            pieces = [piece for piece in (self._bytes() for _ in range(chance.randint(1, 3))) if piece is not None]
            there = chance.randint(0, len(pieces))
            made.trailing = [(index < there, piece) for index, piece in enumerate(pieces)]
        elif tail == "elements" and self._left >= 2:
            width = chance.choice([1, 2, 3, 4])
            made.most_elements = min(4, self._left // width)
            if made.most_elements:
                self._left -= width * made.most_elements
                count = chance.randint(1, made.most_elements)
                made.elements = [self._piece(f"u{8 * width}", 8 * width) for _ in range(count)]
        return made

    def _run(self) -> list[Piece]:
        """Bit fields that fill whole bytes, and now and then bytes among them."""
        pieces: list[Piece] = []
        bits = 8 * self._random.randint(0, min(12, self._left // 2))
        self._left -= bits // 8
        while bits:
            if bits % 8 == 0 and bits >= 32 and self._random.random() < 0.2:
                pieces.append(self._piece("ip4", 32))
            elif bits % 8 == 0 and bits >= 72 and self._random.random() < 0.4:
                pieces.append(self._piece("bytes[9]", 72))
            else:
                width = min(bits, self._random.choice([1, 2, 3, 5, 7, 8, 11, 16, 23, 24, 31, 32, 48, 57, 61, 63, 64]))
                pieces.append(self._piece(f"u{width}", width, reserved=width < 9 and self._random.random() < 0.15))
            bits -= pieces[-1].bits
        return pieces

    def _bytes(self) -> Piece | None:
        """A field of whole bytes, for optional parts; None without room."""
        kinds = [("u8", 8), ("u16", 16), ("u24", 24), ("u40", 40), ("u64", 64), ("ip4", 32), ("ip6", 128),
                 ("bytes[3]", 24), ("bytes[11]", 88)]  # fmt: skip
        fitting = [kind for kind in kinds if kind[1] // 8 <= self._left]
        if not fitting:
            return None
        name, bits = self._random.choice(fitting)
        self._left -= bits // 8
        return self._piece(name, bits)

    def _piece(self, kind: str, bits: int, *, reserved: bool = False) -> Piece:
        self._number += 1
        number = self._random.choice(
            [0, (1 << bits) - 1, self._random.getrandbits(bits), self._random.getrandbits(bits)]
        )
        value: Value = number if kind.startswith("u") else number.to_bytes(bits // 8, "big")
        return Piece("_" if reserved else f"x{self._number}", kind, bits, value)
