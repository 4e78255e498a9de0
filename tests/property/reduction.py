"""Makes a failing program small: takes out blocks, lines and clauses as long as the same thing fails."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Final

_CLAUSES: Final = re.compile(r" when .*(?= \{)| once| until acked| every \S+( packets)?(?=[ {])| from \w+| at \w+")
_SECONDS: Final = 240.0
"""Reducing ends after so long, with what it has then."""


def reduced(text: str, fails: Callable[[str], bool], seconds: float = _SECONDS) -> str:
    """The smallest text found that still fails; `fails` says whether a text does, and False if it is no program."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        smaller = next((each for each in _smaller(text, deadline) if fails(each)), None)
        if smaller is None:
            break
        text = smaller
    return text


def _smaller(text: str, deadline: float) -> Iterator[str]:
    """Texts with something taken out, the largest pieces first."""
    lines = text.splitlines()
    pieces = sorted(_pieces(lines), key=lambda piece: piece.start - piece.stop)
    for piece in pieces:
        if time.monotonic() > deadline:
            return
        yield "".join(f"{line}\n" for number, line in enumerate(lines) if number not in piece)
    for number, line in enumerate(lines):
        for found in _CLAUSES.finditer(line):
            shorter = line[: found.start()] + line[found.end() :]
            yield "".join(f"{shorter if index == number else each}\n" for index, each in enumerate(lines))


def _pieces(lines: list[str]) -> Iterator[range]:
    """The blocks and lines that can be taken out, runs of lines too."""
    for start, line in enumerate(lines):
        if line.lstrip().startswith(("}", "//")):
            continue
        if line.endswith("{"):
            yield range(start, _end(lines, start))
        else:
            yield range(start, start + 1)
            for count in (4, 12):
                if all("{" not in each and "}" not in each for each in lines[start : start + count]):
                    yield range(start, min(start + count, len(lines)))


def _end(lines: list[str], start: int) -> int:
    """Behind the last line of the block that begins at a line."""
    depth = 0
    for number in range(start, len(lines)):
        depth += lines[number].count("{") - lines[number].count("}")
        if depth <= 0:
            return number + 1
    return len(lines)
