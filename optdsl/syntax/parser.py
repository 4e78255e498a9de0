"""Text in, tree out: `parse(source)`.

`tables` has what lark computes from the grammar, `lalr` runs it over the text, `declarations` makes the nodes; errors
become diagnostics here.
"""

from __future__ import annotations

import re
from typing import Any

from optdsl.diagnostics import CompileError, Diagnostic
from optdsl.diagnostics import syntax as wording
from optdsl.diagnostics.names import reserved_word
from optdsl.source import Source, Span
from optdsl.syntax import tree
from optdsl.syntax.lalr import Builder, UnexpectedTokenError, run
from optdsl.syntax.lexer import Token, UnknownCharacterError
from optdsl.syntax.tables import END, WORD, tables

MOST_FURTHER = 4
"""Syntax errors that are told of a file behind the first one."""
_OPTION = r"^(?:option|path_manager)\s+\w+\s*\{"
_RESUMED = (
    rf"{_OPTION}|^[ \t]+(?:layout\s*\{{|(?:param|state)\s+\w+\s*:|send\s+(?:on|from)\b"
    r"|receive\b(?=[^:=\n]*\{)|on\s+\w+(?=[^:=\n]*\{))"
)
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
_STARTS_OF_VALUES = {
    "NAME", "INTEGER", "QUANTITY", "TEXT", "PREFIX", "ADDRESS", "TRUE", "FALSE", "LPAR", "TARGET", "HAS", "IF", "NOT",
    "TILDE",
}  # fmt: skip
_OPERATORS = {
    "COMPARISON",
    "SUM",
    "PRODUCT",
    "SHIFT",
    "VBAR",
    "CIRCUMFLEX",
    "AMPERSAND",
    "AND",
    "OR",
    "IN",
    "DOT",
    "LSQB",
}

_NOT_YET = {"_CONNECTION_STATE", "PATH_MANAGER"}
"""What parses and is refused (OPT0705): nobody is told to write it."""

_NAMED = r"\s*(?:[=:.,)]|[+-]=)(?!=)"
"""What stands behind a name that is declared or assigned."""
_PIECES = r'(?P<comment>//[^\n]*)|"[^"\n]*"|\S'
"""Comments, texts, and every other character that is seen."""


def parse(source: Source) -> tree.File:
    """The tree of a text. Raises CompileError with the first thing that is wrong with it, and with the first thing in
    each of a few options behind."""
    file = parse_module(source)
    if not file.items:
        raise CompileError(wording.empty_file(source))
    return file


def parse_module(source: Source) -> tree.File:
    """As `parse`, for a text that may hold nothing but comments."""
    from optdsl.syntax.declarations import TreeBuilder

    try:
        file: tree.File = parse_with(source, TreeBuilder(source))
    except CompileError as error:
        raise CompileError(*error.diagnostics, *_further(source, error)) from None
    return file


def parse_with(source: Source, builder: Builder) -> Any:
    """What a builder makes of a text. Raises CompileError with the first thing that is not grammatical."""
    return _parse_text(source, source.text, builder)


def _parse_text(source: Source, text: str, builder: Builder) -> Any:
    try:
        return run(tables(), text, builder, DEEPEST)
    except UnknownCharacterError as error:
        raise CompileError(_bad_character(source, error.position)) from None
    except UnexpectedTokenError as error:
        raise CompileError(_unexpected(source, error.token, error.expected)) from None


# ---------------------------------------------------------------------------------------------------- errors


def _further(source: Source, error: CompileError) -> list[Diagnostic]:
    """The errors behind the first one, from safe places on: where an option begins, or a member on a line of its own.

    Blanks take the place of what is left out, so that places stay what they are.
    """
    from optdsl.syntax.declarations import TreeBuilder

    found: list[Diagnostic] = []
    begun = 0
    while len(found) < MOST_FURTHER and (span := error.diagnostics[0].span) is not None:
        start = re.compile(_RESUMED, re.MULTILINE).search(source.text, max(_first_on_line(span), begun + 1))
        if start is None:
            break
        begun = start.start()
        text = _resumed(source.text, begun)
        if not text:
            continue
        try:
            _parse_text(source, text, TreeBuilder(source))
        except CompileError as next_error:
            # An end that is missing may be what was left out.
            if next_error.diagnostics[0].code != wording.ENDS_EARLY:
                error = next_error
                found.extend(error.diagnostics)
        else:
            if len(text) == len(source.text):
                break
    return found


def _first_on_line(span: Span) -> int:
    """Where a span's line begins, if nothing stands before it there; else its own start."""
    line = span.source.text.rfind("\n", 0, span.start) + 1
    return line if span.source.text[line : span.start].isspace() else span.start


def _resumed(text: str, start: int) -> str:
    """A text from `start` on. A member gets the head of its option before it, and nothing from the next option on; it
    is nothing without such a head."""
    if not text[start].isspace():
        return " " * start + text[start:]
    heads = list(re.finditer(_OPTION, text, re.MULTILINE))
    before = [head for head in heads if head.start() < start]
    end = next((head.start() for head in heads if head.start() > start), len(text))
    if not before:
        return ""
    head = before[-1]
    return " " * head.start() + head.group() + " " * (start - head.end()) + text[start:end]


def _bad_character(source: Source, position: int) -> Diagnostic:
    from optdsl.syntax import mistakes

    span = Span(source, position, position + 1)
    if span.text == '"':
        return wording.unclosed_text(span)
    return wording.bad_character(span, mistakes.at_character(span))


def _unexpected(source: Source, token: Token, accepted: set[str]) -> Diagnostic:
    from optdsl.syntax import mistakes

    expected = _in_words(accepted)
    if token.terminal == END:
        end = max((match.end() for match in re.finditer(_PIECES, source.text) if match["comment"] is None), default=0)
        return wording.unexpected_end(Span(source, max(end - 1, 0), end), expected, _unclosed_brace(source))
    span = Span(source, token.start, token.end)
    if token.terminal == "DOC":
        return wording.misplaced_doc(span)
    if span.text == "use" and (doc := mistakes.doc_before(source, span)) is not None:
        return wording.misplaced_doc(doc, span.text)
    if WORD in accepted and span.text.isidentifier() and re.match(_NAMED, source.text[span.end :]):
        return reserved_word(span, span.text)
    return wording.unexpected(span, f"`{span.text}`", expected, mistakes.behind(source, span, expected))


def _in_words(accepted: set[str]) -> list[str]:
    """What could stand here, in the user's words. Operators that may follow any expression are left out."""
    starts_value = {"INTEGER", "TEXT", "LPAR"} <= accepted
    names = sorted(accepted - _STARTS_OF_VALUES if starts_value else accepted)
    hidden = _OPERATORS | _NOT_YET
    useful = [name for name in names if name not in hidden and not name.startswith("__ANON")]
    literals = tables().literals
    words = {_WORDS.get(name) or f"`{literals[name]}`" for name in useful or ([] if starts_value else names)}
    words |= {"a value"} if starts_value else set()
    return sorted(words - {_WORDS["DOC"]}, key=lambda word: (not word.startswith("a "), word))


def _unclosed_brace(source: Source) -> Span | None:
    """The innermost bracket that is still open at the end."""
    opened: list[int] = []
    for match in re.finditer(_PIECES, source.text):
        if match.group() in ("(", "{", "["):
            opened.append(match.start())
        elif match.group() in (")", "}", "]") and opened:
            opened.pop()
    return Span(source, opened[-1], opened[-1] + 1) if opened else None
