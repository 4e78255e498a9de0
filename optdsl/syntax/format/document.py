"""Documents: text that knows where it may be broken into lines, as in Wadler's "A prettier printer".

A `Group` is printed on one line if it fits there; otherwise its own `Break`s are line ends, and those of the groups in
it are decided one by one.

    Group("f(", Nest(Break(""), "a,", Break(" "), "b"), Break(""), ")")    =>    f(a, b)    or    f(
                                                                                                      a,
                                                                                                      b
                                                                                                  )
"""

from __future__ import annotations

from typing import assert_never

from optdsl.record import record
from optdsl.syntax.format.words import Word


@record
class Text:
    """Characters of one line."""

    text: str


@record
class Space:
    """Blanks between what stands on one line: left out at the beginning and the end of a line."""

    width: int = 1


@record
class Token:
    """A word, with its comments."""

    word: Word


@record
class Break:
    """A line end if its group is broken, else a blank or nothing. `blank`: if broken, a blank line as well."""

    width: int = 1
    blank: bool = False


@record
class Hard:
    """A line end in any case, and a blank line if `blank`."""

    blank: bool = False


@record
class IfBroken:
    """What is there only if its group is broken."""

    content: Doc


@record
class IfFlat:
    """What is there only if its group is on one line."""

    content: Doc


@record
class Nest:
    """What has its further lines indented by so many columns more."""

    columns: int
    content: Doc


@record
class Group:
    """What is put on one line if it fits and is not broken for a reason."""

    content: Doc
    broken: bool


@record
class Concat:
    """One after the other. `forced`: a line ends in it in any case."""

    parts: tuple[Doc, ...]
    forced: bool


Doc = Text | Space | Token | Break | Hard | IfBroken | IfFlat | Nest | Group | Concat

NOTHING = Concat((), False)


def concat(*parts: Doc) -> Doc:
    """One after the other."""
    return parts[0] if len(parts) == 1 else Concat(parts, any(map(forced, parts)))


def group(*parts: Doc, broken: bool = False) -> Group:
    """On one line if that fits, if nothing in it ends a line, and if it is not `broken` for another reason."""
    content = concat(*parts)
    return Group(content, broken or forced(content))


def nest(columns: int, *parts: Doc) -> Nest:
    """One after the other, with further lines indented."""
    return Nest(columns, concat(*parts))


def forced(doc: Doc) -> bool:
    """Whether a line ends in a document wherever it is put."""
    match doc:
        case Text() | Space() | Token() | Break() | IfBroken() | IfFlat():
            return False
        case Hard():
            return True
        case Nest(content=content):
            return forced(content)
        case Group(broken=value) | Concat(forced=value):
            return value
        case _:
            assert_never(doc)


def flat_width(doc: Doc) -> int:
    """Columns that a document takes on one line, without comments."""
    match doc:
        case Text(text=text):
            return len(text)
        case Token(word=word):
            return len(word.text)
        case Space(width=width) | Break(width=width):
            return width
        case Hard() | IfBroken():
            return 0
        case IfFlat(content=content) | Nest(content=content) | Group(content=content):
            return flat_width(content)
        case Concat(parts=parts):
            return sum(map(flat_width, parts))
        case _:
            assert_never(doc)
