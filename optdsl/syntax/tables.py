"""The parser's tables: what lark computes from the grammar, as plain data that loads in a millisecond.

Computing them takes a quarter of a second and importing lark alone a fortieth, so they are kept in the user's cache
folder, together with the grammar that they are of.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from optdsl import __version__
from optdsl.resources import grammar_text

if TYPE_CHECKING:
    from lark import Lark
    from lark.grammar import Rule
    from lark.lexer import TerminalDef

END = "$END"
"""The terminal behind the last token."""
WORD = "NAME"
"""The terminal that a keyword is where the grammar does not expect it as a keyword."""


class ParserRule(NamedTuple):
    """What a reduction does."""

    origin: str
    length: int
    method: str
    """The builder's method that makes the node; empty where the children take the place of the rule."""
    kept: tuple[tuple[int, bool], ...]
    """The children that the method gets, by their place; true for those whose own children take their place."""
    is_transparent: bool
    """Whether a single child takes the place of the rule."""


class Tables(NamedTuple):
    """An LALR(1) parser and its lexer."""

    patterns: tuple[tuple[str, str], ...]
    """Terminals and their regular expressions: the first that matches is taken."""
    ignored: frozenset[str]
    keywords: dict[str, str]
    """Words that the grammar names, and their terminals."""
    literals: dict[str, str]
    """Terminals that stand for one text, and that text."""
    actions: dict[int, dict[str, int]]
    """For each state and terminal: `1 + state` to go to, or `-1 - rule` to reduce by."""
    gotos: dict[int, dict[str, int]]
    rules: tuple[ParserRule, ...]
    start: int
    end: int


@cache
def tables() -> Tables:
    """The tables of the grammar, from the cache if they are there."""
    grammar = grammar_text()
    path = _cache_path()
    found = None if path is None else _load(path, grammar)
    if found is not None:
        return found
    made = compute_tables(grammar)
    if path is not None:
        _save(made, path, grammar)
    return made


def _cache_path() -> Path | None:
    """The file that keeps the tables, or None where there is no home to keep it in."""
    base = os.environ.get("XDG_CACHE_HOME") or (Path.home() / ".cache" if os.environ.get("HOME") else None)
    if base is None:
        return None
    return Path(base) / "optdsl" / f"tables-{__version__}-{sys.implementation.cache_tag}"


def _load(path: Path, grammar: str) -> Tables | None:
    """The tables in the cache, if they are of this grammar and whole."""
    try:
        stored: Any = marshal.loads(path.read_bytes())
        known, *parts, rules, start, end = stored
        if known != [grammar, Tables._fields, ParserRule._fields]:
            return None
        return Tables(*parts, tuple(ParserRule(*rule) for rule in rules), start, end)  # type: ignore[call-arg]
    except (OSError, ValueError, EOFError, TypeError):
        return None


def _save(made: Tables, path: Path, grammar: str) -> None:
    """Writes the tables whole or not at all; a cache that cannot be written is no error."""
    temporary = path.with_suffix(f".{os.getpid()}")
    known = [grammar, Tables._fields, ParserRule._fields]
    plain: Any = (known, *made[:6], tuple(tuple(rule) for rule in made.rules), made.start, made.end)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.write_bytes(marshal.dumps(plain))
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()


# ------------------------------------------------------------------------------------------- from lark's tables


def compute_tables(grammar: str) -> Tables:
    """Has lark compute the tables of a grammar with the start symbol `file`."""
    import re

    from lark import Lark

    lark = Lark(grammar, start="file", parser="lalr", maybe_placeholders=False)
    parser: Any = lark.parser
    table = parser.parser._parse_table
    # The order in which lark's lexer tries terminals.
    terminals = sorted(lark.terminals, key=_order)
    word = re.compile(next(each.pattern.to_regexp() for each in terminals if each.name == WORD))
    literals = {each.name: each.pattern.value for each in terminals if each.pattern.type == "str"}
    keywords = {text: name for name, text in literals.items() if word.fullmatch(text)}
    rules: dict[Rule, int] = {}
    actions: dict[int, dict[str, int]] = {}
    gotos: dict[int, dict[str, int]] = {}
    for state, row in table.states.items():
        actions[state], gotos[state] = {}, {}
        for symbol, (action, target) in row.items():
            if str(action) == "Reduce":
                actions[state][symbol] = -1 - rules.setdefault(target, len(rules))
            elif _is_terminal(lark, symbol):
                actions[state][symbol] = 1 + target
            else:
                gotos[state][symbol] = target
    return Tables(
        tuple((each.name, each.pattern.to_regexp()) for each in terminals if each.name not in keywords.values()),
        frozenset(parser.lexer_conf.ignore),
        keywords, literals, actions, gotos,
        tuple(map(_rule, rules)), table.start_states["file"], table.end_states["file"],
    )  # fmt: skip


def _order(terminal: TerminalDef) -> tuple[int, int, int, str]:
    pattern = terminal.pattern
    return -terminal.priority, -pattern.max_width, -len(pattern.value), terminal.name


def _is_terminal(lark: Lark, symbol: str) -> bool:
    return symbol == END or any(each.name == symbol for each in lark.terminals)


def _rule(rule: Rule) -> ParserRule:
    """How lark would treat the children: tokens written as text in the grammar and rules named `_...` vanish."""
    keeps_all = rule.options.keep_all_tokens
    kept = tuple(
        (place, not symbol.is_term and symbol.name.startswith("_"))
        for place, symbol in enumerate(rule.expansion)
        if keeps_all or not (symbol.is_term and getattr(symbol, "filter_out", False))
    )
    origin = str(rule.origin.name)
    method = "" if origin.startswith("_") else str(rule.alias or origin)
    return ParserRule(origin, len(rule.expansion), method, kept, bool(rule.options.expand1 and not rule.alias))
