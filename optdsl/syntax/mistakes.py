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
_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
_QUANTITY_BEFORE = re.compile(r"(?<![\w.])(?!0[xXbB])(\d[\d_]*(?:\.\d+)?)([ \t]*)([A-Za-z]\w*)\s*$")
_WORD_BEFORE = re.compile(r"([A-Za-z_]\w*)\s*$")
_LONGEST_LOOK = 200
"""Characters before an error that are looked at."""
_LIKENESS = 0.75


def behind(source: Source, span: Span, expected: Sequence[str]) -> Suggestion | None:
    """What was probably meant where `span` was not expected. `expected` are words in back-ticks, and descriptions."""
    keywords = [word.strip("`") for word in expected if word.strip("`").isalpha() and word.startswith("`")]
    return (
        _operator(source, span, expected)
        or _punctuation(source, span, expected)
        or _clause(span, expected)
        or _unit(source, span)
        or _misspelt(span, keywords)
        or _word(source, span)
    )


def at_character(span: Span) -> Suggestion | None:
    """What was probably meant with a character that starts no token."""
    if span.text == "!":
        return Suggestion("negation is a word", span, "not ")
    if span.text == ";":
        return Suggestion("nothing stands between statements, or at their end", span, "")
    if span.text == "#":
        return Suggestion("comments begin with `//`", span, "//")
    if span.text == "?":
        return Suggestion("write `if c { a } else { b }`")
    return Suggestion("names have letters a to z, digits and `_`") if span.text.isalpha() else None


def doc_before(source: Source, span: Span) -> Span | None:
    """The last `///` comment right before a token."""
    found = re.search(r"///[^\n]*(?=\s*\Z)", source.text[: span.start].rstrip())
    return Span(source, found.start(), found.end()) if found is not None else None


def _operator(source: Source, span: Span, expected: Sequence[str]) -> Suggestion | None:
    """`=` where a block should follow a condition, and `==` where a value should be assigned; a second comparison;
    `&&`, `||`, `..` and `++`, whose halves are operators of their own."""
    if span.text == "=" and tuple(expected) == ("`{`",):
        return Suggestion("write `==` to compare", span, "==")
    if span.text == "==" and "`=`" in expected:
        return Suggestion("write `=` to assign", span, "=")
    if span.text in _COMPARISONS and "a value" not in expected and _has_comparison(_line_before(source, span)):
        return Suggestion("comparisons do not chain: join two with `and`, or ask for a range with `in`")
    twice = Span(source, span.start, span.start + 2)
    if twice.text in ("++", "--") and "`=`" in expected:
        return Suggestion(f"write `{span.text}= 1`", twice, f" {span.text}= 1")
    both = Span(source, max(span.start - 1, 0), span.end)
    meant = {"&&": "and", "||": "or", "..": "..="}.get(both.text)
    if meant is None:
        return None
    return Suggestion("a range includes its end" if meant == "..=" else f"write `{meant}`", both, meant)


def _line_before(source: Source, span: Span) -> str:
    """What stands before a token on its line, as far as it is looked at."""
    return source.text[max(span.start - _LONGEST_LOOK, 0) : span.start].rpartition("\n")[2]


def _has_comparison(text: str) -> bool:
    return re.search(r"(?<![<>])(?:[<>=!]=|[<>])(?![<>])", text.partition("//")[0]) is not None


def _punctuation(source: Source, span: Span, expected: Sequence[str]) -> Suggestion | None:
    """Marks of other languages: commas at the ends of lines, `/*`, points and signs in numbers."""
    if span.text == "," and source.text[span.end :].lstrip(" \t")[:1] in ("\n", "\r"):
        return Suggestion("nothing stands between fields, or at their end", span, "")
    if span.text == "/" and source.text[span.end : span.end + 1] == "*":
        return Suggestion("comments begin with `//`")
    if span.text == "-" and "a value" in expected:
        return Suggestion("no value is negative")
    if span.text.isdecimal() and re.search(r"\d\.$", _line_before(source, span)):
        return Suggestion("a number without a unit is whole")
    return None


def _clause(span: Span, expected: Sequence[str]) -> Suggestion | None:
    """Parts of the head of a block that belong to another block, or stand at another place."""
    if span.text in ("at", "from"):
        other = "from" if span.text == "at" else "at"
        if f"`{other}`" in expected:
            return Suggestion("`send` has `from`, `receive` and `on` have `at`", span, other)
    if span.text in ("until", "once", "every") and tuple(expected) == ("`{`",):
        return Suggestion("a policy stands before `when`")
    return None


def _unit(source: Source, span: Span) -> Suggestion | None:
    """`10msec` and `10 ms`, which read as a number and a name; `span` is one of them, or what stands behind."""
    end = span.start
    if span.text.isdecimal() and (name := re.compile(r"[A-Za-z]\w*").match(source.text, span.end)) is not None:
        end = name.end()
    elif span.text.isalpha() and re.search(r"\d[ \t]*$", _line_before(source, span)):
        end = span.end
    first = max(span.start - _LONGEST_LOOK, 0)
    match = _QUANTITY_BEFORE.search(source.text[first:end])
    if match is None:
        return None
    number, blank, word = match.groups()
    whole = Span(source, first + match.start(), first + match.end(3))
    if blank:
        return Suggestion("a unit stands directly behind its number", whole, number + word) if word in _UNITS else None
    meant = _SPELLINGS.get(word.lower())
    text = f"units are {', '.join(_UNITS)}"
    return Suggestion(text, whole, number + meant) if meant else Suggestion(text)


def _word(source: Source, span: Span) -> Suggestion | None:
    """What the word before was meant to be: a name may begin a statement, so the fault shows behind it."""
    before = _word_before(source, span)
    if before is None:
        return None
    if before.text == "while":
        return Suggestion("loops are `for` and `repeat`, and have a fixed number of rounds")
    return _misspelt(before, (*_STATEMENTS, "experimental"))


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
