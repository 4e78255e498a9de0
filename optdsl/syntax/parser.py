"""Text in, tree out: `parse(source)`.

Lark's LALR parser does the work. Its tables take a quarter of a second to compute, so they are kept in the user's
cache folder under a name that holds a hash of the grammar and of lark's version.
"""

from __future__ import annotations

import contextlib
import hashlib
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

if TYPE_CHECKING:
    from lark import Lark, ParseTree, Token

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
    """The tree of a text. Raises CompileError with the first thing that is not grammatical."""
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken, VisitError

    from optdsl.syntax.declarations import TreeBuilder

    try:
        parsed = _lark().parse(source.text)
        _check_levels(source, parsed)
        file: tree.File = TreeBuilder(source).transform(parsed)
    except UnexpectedCharacters as error:
        raise CompileError(_bad_character(source, error.pos_in_stream or 0)) from None
    except UnexpectedToken as error:
        raise CompileError(_unexpected(source, error.token, set(error.accepts or error.expected))) from None
    except VisitError as error:
        if isinstance(error.orig_exc, CompileError):
            raise error.orig_exc from None
        raise
    if not file.items:
        raise CompileError(wording.empty_file(source))
    return file


def parse_module(source: Source) -> tree.File:
    """As `parse`, for a text that may hold nothing but comments."""
    return parse(source)


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
    if token.type == "$END":
        end = max((match.end() for match in _PIECES.finditer(source.text) if match["comment"] is None), default=0)
        return wording.unexpected_end(Span(source, max(end - 1, 0), end), expected, _unclosed_brace(source))
    start = token.start_pos or 0
    span = Span(source, start, start + len(token))
    if token.type == "DOC":
        return wording.misplaced_doc(span)
    if "NAME" in accepted and token.isidentifier() and _NAMED.match(source.text, span.end):
        return reserved_word(span, str(token))
    return wording.unexpected(span, f"`{token}`", expected)


def _in_words(accepted: set[str]) -> list[str]:
    """What could stand here, in the user's words. Operators that may follow any expression are left out."""
    names = sorted(accepted)
    useful = [name for name in names if not any(name.startswith(operator) for operator in _OPERATORS)] or names
    terminals = {terminal.name: terminal.pattern for terminal in _lark().terminals}
    words = {_WORDS.get(name) or f"`{terminals[name].value}`" for name in useful if name in terminals or name in _WORDS}
    return sorted(words - {_WORDS["DOC"]}, key=lambda word: (not word.startswith("a "), word))


def _check_levels(source: Source, parsed: ParseTree) -> None:
    """Raises where something is nested too deeply for the stages behind, which recurse."""
    from lark import Tree

    waiting: list[tuple[ParseTree, int]] = [(parsed, 0)]
    while waiting:
        node, level = waiting.pop()
        if level > DEEPEST:
            start = 0 if node.meta.empty else node.meta.start_pos
            raise CompileError(wording.too_deep(Span(source, start, start + 1)))
        waiting.extend((child, level + 1) for child in reversed(node.children) if isinstance(child, Tree))


def _unclosed_brace(source: Source) -> Span | None:
    """The innermost bracket that is still open at the end."""
    opened: list[int] = []
    for match in _PIECES.finditer(source.text):
        if match.group() in ("(", "{", "["):
            opened.append(match.start())
        elif match.group() in (")", "}", "]") and opened:
            opened.pop()
    return Span(source, opened[-1], opened[-1] + 1) if opened else None
