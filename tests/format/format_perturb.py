"""Texts that say the same as a program in another layout: other blanks, line ends, and comments between the tokens."""

from __future__ import annotations

import re
from random import Random

from optdsl.source import Source
from optdsl.syntax.format.concrete import concrete

_BLANKS = re.compile(r"(//[^\n]*)|([ \t]+)|(?=\n)")
_COMMENT = re.compile(r'"[^"\n]*"|(//[^\n]*)')


def tokens(text: str) -> list[tuple[str, int, int]]:
    """The tokens of a grammatical text: their text and place."""
    _, found = concrete(Source("program.opt", text))
    return [(text[token.start : token.end], token.start, token.end) for token in found]


def comments(text: str) -> list[str]:
    """Every comment of a text, `//` and `///`, in order."""
    return [match[1].rstrip() for match in _COMMENT.finditer(text) if match[1]]


def _between(text: str) -> list[str]:
    """What stands before the tokens of a text, and behind the last one."""
    places = tokens(text)
    ends = [0, *(end for _, _, end in places)]
    return [text[end:start] for end, start in zip(ends, [*(start for _, start, _ in places), len(text)], strict=True)]


def _joined(text: str, gaps: list[str]) -> str:
    """The tokens of a text with other gaps, or the text itself if they would be other tokens then."""
    words = [token for token, _, _ in tokens(text)]
    changed = "".join(gap + word for gap, word in zip(gaps, [*words, ""], strict=True))
    try:
        same = [token.rstrip() for token, _, _ in tokens(changed)] == [word.rstrip() for word in words]
    except Exception:  # whatever the parser thinks of it: it is another program
        same = False
    return changed if same else text


def with_other_blanks(text: str, random: Random) -> str:
    """Other blanks and tabs: before, between and behind what stands on each line."""

    def other(match: re.Match[str]) -> str:
        return match[1] or random.choice(["", " ", "    ", "\t", "  \t "])

    def gap(old: str) -> str:
        if old.strip(" \t") == "":
            return random.choice([" ", "   ", "\t", " \t "] if old else ["", "", " ", "  "])
        return _BLANKS.sub(other, old)

    return _joined(text, [gap(old) for old in _between(text)])


def with_other_lines(text: str, random: Random) -> str:
    """Line ends, blank lines and new comments between tokens, some of them in place of what was there."""
    number = 0

    def comment() -> str:
        nonlocal number
        number += 1
        end = random.choice(["", " ", "  {", ' "'])
        return f"// {number}{end}\n"

    def other() -> str:
        kind = random.randrange(8)
        if kind < 3:
            return random.choice(["\n", "\n\n", "\n \n\n\n", "\r\n"])
        if kind < 5:
            return " " + comment()
        if kind < 7:
            return "\n" * random.randint(1, 3) + comment() + random.choice(["", "\n", "\n\n"])
        return " " + comment() + "\n" * random.randrange(3) + comment()

    share = random.choice([0.02, 0.1, 0.5])
    gaps = [gap + other() if random.random() < share else gap for gap in _between(text)]
    # A gap that ends in a comment without a line end would swallow the next token; other() always has one.
    return _joined(text, gaps)


def on_few_lines(text: str, random: Random) -> str:
    """Most line ends left out, where no comment needs them."""
    words = tokens(text)
    gaps = _between(text)
    for index, gap in enumerate(gaps):
        behind_doc = index > 0 and words[index - 1][0].startswith("//")
        if "//" not in gap and not behind_doc and random.random() < 0.9:
            gaps[index] = " " if gap else ""
    return _joined(text, gaps)
