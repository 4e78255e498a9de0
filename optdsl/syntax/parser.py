"""Text in, tree out: `parse(source)`.

Lark's LALR parser does the work. Its tables take a quarter of a second to compute, so they are kept in the user's
cache folder under a name that holds a hash of the grammar and of lark's version.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from optdsl.diagnostics import CompileError, Diagnostic
from optdsl.diagnostics import syntax as wording
from optdsl.diagnostics.names import reserved_word
from optdsl.resources import grammar_text
from optdsl.source import Source, Span
from optdsl.syntax import tree
from optdsl.syntax.lalr import UnexpectedTokenError, run
from optdsl.syntax.lexer import Token, UnknownCharacterError
from optdsl.syntax.tables import END, WORD, tables

if TYPE_CHECKING:
    from lark import Lark, ParseTree
    from lark import Token as LarkToken

DEEPEST = 100
"""Blocks, brackets and operators may nest this deep: more is a mistake or an attack that would exhaust the stack."""

_WORDS = {
    "NAME": "a name", "INTEGER": "a number", "QUANTITY": "a quantity such as `100ms`",
    "TEXT": "text in quotation marks",
    "PREFIX": "a prefix such as `10.0.0.0/8`", "ADDRESS": "an address", "DOC": "a `///` comment",
    "COMPARISON": "a comparison", "SUM": "`+` or `-`", "PRODUCT": "`*`, `/` or `%`", "SHIFT": "`<<` or `>>`",
    "_CONNECTION_STATE": "`connection state`", "_ONCE_PER_CONNECTION": "`once per connection`",
    "$END": "the end of the file",
}  # fmt: skip
_OPERATORS = {
    "COMPARISON",
    "SUM",
    "PRODUCT",
    "SHIFT",
    "__ANON",
    "VBAR",
    "CIRCUMFLEX",
    "AMPERSAND",
    "AND",
    "OR",
    "IN",
    "DOT",
    "LSQB",
}

_NAMED = re.compile(r"\s*(?:[=:.,)]|[+-]=)(?!=)")
"""What stands behind a name that is declared or assigned."""
_PIECES = re.compile(r'(?P<comment>//[^\n]*)|"[^"\n]*"|\S')
"""Comments, texts, and every other character that is seen."""


def parse(source: Source) -> tree.File:
    """The tree of a text. Raises CompileError with the first thing that is wrong with it."""
    file = parse_module(source)
    if not file.items:
        raise CompileError(wording.empty_file(source))
    return file


def parse_module(source: Source) -> tree.File:
    """As `parse`, for a text that may hold nothing but comments."""
    from optdsl.syntax.declarations import TreeBuilder

    try:
        file: tree.File = run(tables(), source.text, TreeBuilder(source), DEEPEST)
    except UnknownCharacterError as error:
        raise CompileError(_bad_character(source, error.position)) from None
    except UnexpectedTokenError as error:
        raise CompileError(_unexpected(source, error.token, error.expected)) from None
    return file


def parse_closely(source: Source) -> tuple[list[LarkToken], ParseTree, tree.File]:
    """Every token, lark's parse with the places of all rules, and the tree: for who needs the text as it is written.

    Accepts a text without declarations. Raises CompileError as `parse`.
    """
    file = parse_module(source)
    session = _lark().parse_interactive(source.text)
    tokens = list(session.exhaust_lexer())
    parsed: ParseTree = session.feed_eof(tokens[-1] if tokens else None)  # type: ignore[no-untyped-call]
    return tokens, parsed, file


# ------------------------------------------------------------------------------------------------ the parser


@cache
def _lark() -> Lark:
    from lark import Lark

    path = _cache_path()
    if path is not None and path.is_file():
        with contextlib.suppress(Exception), path.open("rb") as file:
            return Lark.load(file)
    lark = Lark(grammar_text(), start="file", parser="lalr", propagate_positions=True, maybe_placeholders=False)
    if path is not None:
        _save(lark, path)
    return lark


def _cache_path() -> Path | None:
    """The file that keeps the parser's tables, or None where there is no home to keep it in."""
    import hashlib

    import lark

    base = os.environ.get("XDG_CACHE_HOME") or (Path.home() / ".cache" if os.environ.get("HOME") else None)
    if base is None:
        return None
    version = f"{lark.__version__} {sys.version_info[:2]}"
    digest = hashlib.sha256(f"{version}\n{grammar_text()}".encode()).hexdigest()[:16]
    return Path(base) / "optdsl" / f"grammar-{digest}.pickle"


def _save(lark: Lark, path: Path) -> None:
    """Writes the tables whole or not at all; a cache that cannot be written is no error."""
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with temporary.open("wb") as file:
            lark.save(file)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)


# ---------------------------------------------------------------------------------------------------- errors


def _bad_character(source: Source, position: int) -> Diagnostic:
    span = Span(source, position, position + 1)
    return wording.unclosed_text(span) if span.text == '"' else wording.bad_character(span)


def _unexpected(source: Source, token: Token, accepted: set[str]) -> Diagnostic:
    expected = _in_words(accepted)
    if token.terminal == END:
        end = max((match.end() for match in _PIECES.finditer(source.text) if match["comment"] is None), default=0)
        return wording.unexpected_end(Span(source, max(end - 1, 0), end), expected, _unclosed_brace(source))
    span = Span(source, token.start, token.end)
    if token.terminal == "DOC":
        return wording.misplaced_doc(span)
    if WORD in accepted and span.text.isidentifier() and _NAMED.match(source.text, span.end):
        return reserved_word(span, span.text)
    return wording.unexpected(span, f"`{span.text}`", expected)


def _in_words(accepted: set[str]) -> list[str]:
    """What could stand here, in the user's words. Operators that may follow any expression are left out."""
    names = sorted(accepted)
    useful = [name for name in names if not any(name.startswith(operator) for operator in _OPERATORS)] or names
    literals = tables().literals
    words = {_WORDS.get(name) or f"`{literals[name]}`" for name in useful}
    return sorted(words - {_WORDS["DOC"]}, key=lambda word: (not word.startswith("a "), word))


def _unclosed_brace(source: Source) -> Span | None:
    """The innermost bracket that is still open at the end."""
    opened: list[int] = []
    for match in _PIECES.finditer(source.text):
        if match.group() in ("(", "{", "["):
            opened.append(match.start())
        elif match.group() in (")", "}", "]") and opened:
            opened.pop()
    return Span(source, opened[-1], opened[-1] + 1) if opened else None
