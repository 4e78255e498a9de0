"""The formatter: `formatted(source)` gives a program its one form. No options, no IO; nothing but layout changes.

A text is taken apart into words with their comments (`words`) and the rules of the grammar over them (`concrete`).
`declarations`, `statements` and `expressions` make a document of that (`document`), which knows where lines may end;
`printer` decides where they do. `verify` proves that nothing was lost.
"""

from __future__ import annotations

from optdsl.source import Source
from optdsl.syntax.format.concrete import concrete
from optdsl.syntax.format.declarations import Declarations
from optdsl.syntax.format.printer import printed
from optdsl.syntax.format.verify import FormatError, verify
from optdsl.syntax.format.words import words_of
from optdsl.syntax.parser import parse_module

__all__ = ["FormatError", "formatted"]


def formatted(source: Source) -> str:
    """The text in its one form, which is that of itself. Raises CompileError if it is not grammatical.

    Raises FormatError if the outcome does not say the same, which is a defect of the formatter.
    """
    syntax, tokens = concrete(source)
    words = words_of(source.text, tokens)
    text = printed(Declarations(words).doc(syntax))
    new = Source(source.name, text)
    verify(parse_module(source), words, parse_module(new), words_of(text, concrete(new)[1]))
    return text
