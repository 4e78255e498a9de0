"""Numbered metadata nodes of an LLVM module, and the quoting of strings."""

from __future__ import annotations

from collections.abc import Iterable


class Metadata:
    """Collects nodes; equal nodes get one number, so that the text depends on the content alone."""

    __slots__ = ("_nodes", "_numbers")

    def __init__(self) -> None:
        self._nodes: list[str] = []
        self._numbers: dict[str, int] = {}

    def add(self, text: str) -> str:
        """The reference (`!7`) to a node with this text."""
        if text not in self._numbers:
            self._numbers[text] = len(self._nodes)
            self._nodes.append(text)
        return f"!{self._numbers[text]}"

    def tuple(self, references: Iterable[str]) -> str:
        """A node that lists other nodes; `null` may stand among them."""
        return self.add("!{" + ", ".join(references) + "}")

    def reserve(self) -> str:
        """A number for a distinct node, whose text may then refer to nodes that refer to it. See `fill`."""
        self._nodes.append("")
        return f"!{len(self._nodes) - 1}"

    def fill(self, reference: str, text: str) -> None:
        """Gives a reserved node its text."""
        self._nodes[int(reference[1:])] = f"distinct {text}"

    def lines(self) -> list[str]:
        """The nodes as lines of the module."""
        return [f"!{number} = {text}" for number, text in enumerate(self._nodes)]


def quote(data: str | bytes) -> str:
    """A string constant of LLVM IR, quotes included; everything but plain printable ASCII becomes `\\XX`."""
    octets = data.encode() if isinstance(data, str) else data
    return '"' + "".join(map(_character, octets)) + '"'


def _character(octet: int) -> str:
    return chr(octet) if 32 <= octet < 127 and octet not in b'"\\' else f"\\{octet:02X}"
