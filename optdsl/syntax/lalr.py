"""Runs the parser's tables over a text and has a builder make the nodes, from the leaves to the root."""

from __future__ import annotations

from typing import Any, Protocol

from optdsl.syntax.lexer import Token, next_token
from optdsl.syntax.tables import END, ParserRule, Tables


class Builder(Protocol):
    """Makes nodes. Beside these methods it has one for each rule: `rule(start, end, children)`."""

    def token(self, terminal: str, start: int, end: int) -> Any:
        """What a token becomes."""

    def node(self, rule: str, start: int, end: int, children: list[Any]) -> Any:
        """What a rule becomes that covers the characters `start..end`."""

    def too_deep(self, start: int) -> Exception:
        """What to raise where nodes are nested deeper than the stages behind can take."""


class UnexpectedTokenError(Exception):
    """A token that the grammar has no place for; `expected` are the terminals that could stand there."""

    def __init__(self, token: Token, expected: set[str]) -> None:
        super().__init__(token, expected)
        self.token = token
        self.expected = expected


class _Entry:
    """A part of the text that has been understood: its value, its place (start below 0 if empty), its height."""

    __slots__ = ("end", "height", "start", "value")

    def __init__(self, value: Any, start: int, end: int, height: int) -> None:
        self.value, self.start, self.end, self.height = value, start, end, height


def run(tables: Tables, text: str, builder: Builder, deepest: int) -> Any:
    """The node of the whole text, at most `deepest` nodes high.

    Raises UnexpectedTokenError, UnknownCharacterError, and what the builder raises.
    """
    states = [tables.start]
    entries: list[_Entry] = []
    position = 0
    while True:
        actions = tables.actions[states[-1]]
        token = next_token(tables, text, position, actions)
        action = actions.get(token.terminal)
        while action is not None and action < 0:
            rule = tables.rules[-1 - action]
            _reduce(rule, states, entries, builder, deepest)
            states.append(tables.gotos[states[-1]][rule.origin])
            if token.terminal == END and states[-1] == tables.end:
                return entries[-1].value
            action = tables.actions[states[-1]].get(token.terminal)
        if action is None:
            raise UnexpectedTokenError(token, expected(tables, states))
        value = builder.token(token.terminal, token.start, token.end)
        entries.append(_Entry(value, token.start, token.end, 0))
        states.append(action - 1)
        position = token.end


def _reduce(rule: ParserRule, states: list[int], entries: list[_Entry], builder: Builder, deepest: int) -> None:
    """Puts one entry in the place of those that a rule is made of."""
    first = len(entries) - rule.length
    parts = entries[first:]
    del entries[first:]
    del states[len(states) - rule.length :]
    seen = [part for part in parts if part.start >= 0]
    start, end = (seen[0].start, seen[-1].end) if seen else (-1, -1)
    height = 0
    children: list[Any] = []
    for place, is_list in rule.kept:
        part = parts[place]
        height = max(height, part.height)
        if is_list:
            # The list belongs to this entry alone; a long one must not be copied for each of its elements.
            children = part.value if not children else children + part.value
        else:
            children.append(part.value)
    if not rule.method:
        entries.append(_Entry(children, start, end, height))
    elif rule.is_transparent and len(children) == 1:
        entries.append(_Entry(children[0], start, end, height))
    elif height >= deepest:
        raise builder.too_deep(max(start, 0))
    else:
        entries.append(_Entry(builder.node(rule.method, max(start, 0), max(end, 0), children), start, end, height + 1))


def expected(tables: Tables, states: list[int]) -> set[str]:
    """The terminals that could come next: a state names some that only a reduction would show to be impossible."""
    return {terminal for terminal in tables.actions[states[-1]] if _is_possible(tables, states, terminal)}


def _is_possible(tables: Tables, states: list[int], terminal: str) -> bool:
    states = list(states)
    while True:
        action = tables.actions[states[-1]].get(terminal)
        if action is None or action > 0:
            return action is not None
        rule = tables.rules[-1 - action]
        del states[len(states) - rule.length :]
        states.append(tables.gotos[states[-1]][rule.origin])
        if terminal == END and states[-1] == tables.end:
            return True
