"""Text to tokens, one at a time: what a word is depends on what the grammar expects where it stands."""

from __future__ import annotations

import re
from collections.abc import Container
from functools import cache
from typing import NamedTuple

from optdsl.syntax.tables import END, WORD, Tables


class Token(NamedTuple):
    """The characters `start..end` of a text, and the terminal that they are."""

    terminal: str
    start: int
    end: int


class UnknownCharacterError(Exception):
    """No token starts at `position`."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def next_token(tables: Tables, text: str, start: int, expected: Container[str]) -> Token:
    """The token at `start`, or behind what is ignored there; `$END` behind the last.

    Of the terminals that match, the first that is expected wins; a keyword that is not expected is a name. Where none
    is expected, the first that matches is returned, for a message to name. Raises UnknownCharacterError.
    """
    match = _any(tables.patterns).match
    ignored = tables.ignored
    while start < len(text):
        found = match(text, start)
        if found is None or found.lastgroup is None:
            raise UnknownCharacterError(start)
        terminal, end = found.lastgroup, found.end()
        if terminal in ignored:
            start = end
            continue
        if terminal == WORD:
            terminal = _word(tables, found.group(), expected)
        if terminal in expected:
            return Token(terminal, start, end)
        return _other(tables, text, start, expected) or Token(terminal, start, end)
    return Token(END, start, start)


def _other(tables: Tables, text: str, start: int, expected: Container[str]) -> Token | None:
    """A terminal that is expected and matches, though one that is tried earlier matches as well."""
    for terminal, pattern in tables.patterns:
        if terminal in expected or terminal == WORD:
            found = re.compile(pattern).match(text, start)
            if found is not None:
                seen = _word(tables, found.group(), expected) if terminal == WORD else terminal
                return Token(seen, start, found.end())
    return None


def _word(tables: Tables, text: str, expected: Container[str]) -> str:
    keyword = tables.keywords.get(text, WORD)
    return keyword if keyword in expected or WORD not in expected else WORD


@cache
def _any(patterns: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    """One expression for all terminals, with a group for each."""
    return re.compile("|".join(f"(?P<{terminal}>{pattern})" for terminal, pattern in patterns))
