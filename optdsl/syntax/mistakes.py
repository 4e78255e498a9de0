"""What a syntax error is probably about: words of other languages, misspelt keywords, units that are none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from optdsl.diagnostics.model import Suggestion
from optdsl.source import Source, Span

_UNITS = ("us", "ms", "s", "min", "h", "d", "bps", "kbps", "mbps", "gbps", "B", "kB", "MB", "GB", "KiB", "MiB", "GiB",
          "mss")  # fmt: skip
_SPELLINGS = {
    "usec": "us", "microseconds": "us", "msec": "ms", "millis": "ms", "milliseconds": "ms", "sec": "s", "secs": "s",
    "second": "s", "seconds": "s", "mins": "min", "minute": "min", "minutes": "min", "hour": "h", "hours": "h",
    "day": "d", "days": "d", "bit": "bps", "kbit": "kbps", "mbit": "mbps", "gbit": "gbps", "bytes": "B",
    "segments": "mss",
} | {unit.lower(): unit for unit in reversed(_UNITS)}  # fmt: skip
_STATEMENTS = ("let", "if", "for", "repeat", "reject", "emit", "else")
_QUANTITY_BEFORE = re.compile(r"(?<![\w.])(\d[\d_]*(?:\.\d+)?)([ \t]*)([A-Za-z]\w*)\s*$")
_WORD_BEFORE = re.compile(r"([A-Za-z_]\w*)\s*$")
_LONGEST_LOOK = 200
"""Characters before an error that are looked at."""
_LIKENESS = 0.75


def behind(source: Source, span: Span, expected: Sequence[str]) -> Suggestion | None:
    """What was probably meant where `span` was not expected. `expected` are words in back-ticks, and descriptions."""
    keywords = [word.strip("`") for word in expected if word.strip("`").isalpha() and word.startswith("`")]
    return (
        _operator(source, span, expected)
        or _unit(source, span)
        or _misspelt(span, keywords)
        or (_misspelt(before, _STATEMENTS) if (before := _word_before(source, span)) is not None else None)
    )


def at_character(span: Span) -> Suggestion | None:
    """What was probably meant with a character that starts no token."""
    if span.text == "!":
        return Suggestion("negation is a word", span, "not ")
    if span.text == ";":
        return Suggestion("nothing stands between statements, or at their end", span, "")
    return None


def doc_before(source: Source, span: Span) -> Span | None:
    """The last `///` comment right before a token."""
    found = re.search(r"///[^\n]*(?=\s*\Z)", source.text[: span.start].rstrip())
    return Span(source, found.start(), found.end()) if found is not None else None


def _operator(source: Source, span: Span, expected: Sequence[str]) -> Suggestion | None:
    """`=` where a block should follow a condition; `&&`, `||` and `..`, whose halves are operators of their own."""
    if span.text == "=" and tuple(expected) == ("`{`",):
        return Suggestion("write `==` to compare", span, "==")
    both = Span(source, max(span.start - 1, 0), span.end)
    meant = {"&&": "and", "||": "or", "..": "..="}.get(both.text)
    if meant is None:
        return None
    return Suggestion("a range includes its end" if meant == "..=" else f"write `{meant}`", both, meant)


def _unit(source: Source, span: Span) -> Suggestion | None:
    """`10msec` and `10 ms`, which read as a number and a name."""
    first = max(span.start - _LONGEST_LOOK, 0)
    match = _QUANTITY_BEFORE.search(source.text[first : span.start])
    if match is None:
        return None
    number, blank, word = match.groups()
    whole = Span(source, first + match.start(), first + match.end(3))
    if blank:
        return Suggestion("a unit stands directly behind its number", whole, number + word) if word in _UNITS else None
    meant = _SPELLINGS.get(word.lower())
    text = f"units are {', '.join(_UNITS)}"
    return Suggestion(text, whole, number + meant) if meant else Suggestion(text)


def _word_before(source: Source, span: Span) -> Span | None:
    first = max(span.start - _LONGEST_LOOK, 0)
    match = _WORD_BEFORE.search(source.text[first : span.start])
    return Span(source, first + match.start(1), first + match.end(1)) if match else None


def _misspelt(span: Span, words: Sequence[str]) -> Suggestion | None:
    from difflib import get_close_matches

    if span.text in ("elif", "elsif", "elseif") and "else" in words:
        return Suggestion("write `else if`", span, "else if")
    if not span.text.isalpha() or span.text in words or len(span.text) > _LONGEST_LOOK:
        return None
    near = get_close_matches(span.text, words, n=1, cutoff=_LIKENESS)
    return Suggestion(f"did you mean `{near[0]}`?", span, near[0]) if near else None
