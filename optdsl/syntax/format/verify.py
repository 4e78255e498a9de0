"""The proof of the formatter: the new text says what the old one said, in the same words, with the same comments."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from optdsl.record import fields, is_record
from optdsl.source import Source, Span
from optdsl.syntax import tree
from optdsl.syntax.format.words import Word, comments_of


class FormatError(AssertionError):
    """The formatter has made a mistake; what it made must not be used."""


def verify(old: tree.File, old_words: Sequence[Word], new: tree.File, new_words: Sequence[Word]) -> None:
    """Raises FormatError unless tree, words (but for commas at the end of lists) and comments are the same."""
    if shape(old) != shape(new):
        raise FormatError(f"formatting {old.source.name} would change its meaning")
    if _without_last_commas(old_words) != _without_last_commas(new_words):
        raise FormatError(f"formatting {old.source.name} would change its words")
    if comments_of(old_words) != comments_of(new_words):
        raise FormatError(f"formatting {old.source.name} would change its comments")


def shape(node: object) -> object:
    """A tree as nested tuples, without the places of its nodes."""
    if isinstance(node, Span | Source):
        return None
    if isinstance(node, tuple):
        return tuple(map(shape, node))
    if is_record(node):
        return (type(node).__name__, *(shape(getattr(node, name)) for name in fields(node)))
    return node


def _without_last_commas(words: Sequence[Word]) -> list[str]:
    return [
        word.text for word, behind in pairwise([*words, words[-1]]) if word.text != "," or behind.text not in ("}", "]")
    ]
