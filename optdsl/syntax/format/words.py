"""Words: the tokens of a text with the comments and blank lines around them, so that none of it gets lost.

    let x = 1   // one          `1` has `// one` behind it
    // two                      `let` has `// two` above it
    let y = 2

Everything between two tokens is white space or a comment; what is no comment is not kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from optdsl.record import record, replace
from optdsl.syntax.lexer import Token
from optdsl.syntax.tables import END

_COMMENT = re.compile(r"//[^\n]*")
_STAYS_ON_LINE = {
    "COMMA", "LBRACE", "SUM", "PRODUCT", "SHIFT", "COMPARISON", "VBAR", "CIRCUMFLEX", "AMPERSAND", "AND", "OR",
}  # fmt: skip
"""Terminals that stay on the line of what stands before them: comments between the two go behind them."""


@record
class Comment:
    """A `//` comment, and whether a blank line or a line end stands before it."""

    text: str
    below_blank: bool
    own_line: bool


@record
class Word:
    """A token as it is printed, the comments above it, and the comment behind it on its line ("" for none).

    `below_blank`: a blank line stands directly above it. `on_new_line`: a line ends somewhere before it and behind the
    word before.
    """

    text: str
    above: tuple[Comment, ...] = ()
    behind: str = ""
    below_blank: bool = False
    on_new_line: bool = False

    @property
    def starts_below_blank(self) -> bool:
        """Whether a blank line stands above the word and its comments."""
        return self.above[0].below_blank if self.above else self.below_blank


def words_of(text: str, tokens: Sequence[Token]) -> list[Word]:
    """The words of a text, and behind them an empty one with the comments at its end."""
    result: list[Word] = []
    moved: list[Comment] = []
    end = 0
    for token in [*tokens, Token(END, len(text), len(text))]:
        between = text[end : token.start]
        comments, space = _gap(between, first=end == 0)
        # Only the first comment behind a word can be on its line.
        here = [*moved, *(replace(each, own_line=True) if moved else each for each in comments)]
        moved = here if token.terminal in _STAYS_ON_LINE else []
        if here and not moved and not here[0].own_line:
            result[-1] = replace(result[-1], behind=here.pop(0).text)
        word = _printed(token.terminal, text[token.start : token.end])
        above = () if moved else tuple(here)
        result.append(Word(word, above, below_blank=space.count("\n") > 1, on_new_line="\n" in between))
        end = token.end
    return result


def comments_of(words: Sequence[Word]) -> list[str]:
    """The texts of all comments, in order."""
    return [text for word in words for text in (*(each.text for each in word.above), word.behind) if text]


def _printed(terminal: str, text: str) -> str:
    """A token without what is no part of it: blanks at its end, and line ends between the words of a keyword."""
    match terminal:
        case "DOC":
            return text.rstrip()
        case "_CONNECTION_STATE" | "_ONCE_PER_CONNECTION":
            return " ".join(text.split())
    return text


def _gap(gap: str, *, first: bool) -> tuple[list[Comment], str]:
    """The comments between two tokens, and the white space between the last of them and the second token."""
    comments: list[Comment] = []
    end = 0
    for match in _COMMENT.finditer(gap):
        space = gap[end : match.start()]
        own_line = "\n" in space or bool(comments) or first
        comments.append(Comment(match.group().rstrip(), space.count("\n") > 1, own_line))
        # The line end of a comment counts as white space: two line ends in a row are a blank line.
        end = match.end()
    return comments, gap[end:]
