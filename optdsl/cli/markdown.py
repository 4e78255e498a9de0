"""Pages of Markdown for a terminal with colours."""

from __future__ import annotations

import io
import re
from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.highlighter import RegexHighlighter
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement
from rich.padding import Padding
from rich.text import Text
from rich.theme import Theme

WIDEST = 80
"""Columns that prose takes at most: longer lines are hard to read."""

# Named colours follow the terminal's own palette, and no background is set: both light and dark terminals are fine.
_THEME = Theme({
    "markdown.h1": "bold", "markdown.h2": "bold", "markdown.code": "cyan",
    "opt.word": "bold", "opt.number": "cyan", "opt.text": "green", "opt.comment": "dim",
})  # fmt: skip
_HEADINGS = {"Wrong": "bold red", "Right": "bold green"}
_WORDS = (
    "after|and|const|else|emit|enum|every|fn|for|from|has|if|in|kind|layout|let|not|of|on|once|option|optional|or|param"
    "|path_manager|receive|reject|repeat|send|state|table|until acked|use|when"
)

_ENDINGS = re.compile(r"(?: |\x1b\[[0-9;]*m)+$", re.MULTILINE)


class _Highlighter(RegexHighlighter):
    """Colours of the language in examples. A name behind a dot is a member, whatever it is called."""

    base_style = "opt."
    highlights: ClassVar[list[str]] = [
        rf"(?<![.\w])(?P<word>{_WORDS})\b",
        r"(?<![.\w])(?P<number>[0-9][\w.]*%?)",
        r'(?P<text>"[^"]*")',
        r"(?P<comment>//.*)",
    ]


class _Heading(Heading):
    """On the left, unlike rich's own."""

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        self.text.stylize(_HEADINGS.get(self.text.plain, ""))
        yield self.text


class _Example(CodeBlock):
    """Indented, without a background; transcripts of commands stay as they are."""

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        text = Text(str(self.text).rstrip())
        if self.lexer_name == "opt":
            _Highlighter().highlight(text)
        yield Padding(text, (0, 0, 0, 4))


class _Page(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements, "heading_open": _Heading, "fence": _Example,
    }  # fmt: skip


def colored(text: str, width: int) -> str:
    """A page with colours, for a terminal of this many columns; no line ends in a blank."""
    console = Console(
        file=io.StringIO(), force_terminal=True, color_system="standard", width=min(width, WIDEST), theme=_THEME,
        legacy_windows=False,
    )  # fmt: skip
    with console.capture() as captured:
        console.print(_Page(text))
    return _ENDINGS.sub(lambda ending: ending[0].replace(" ", ""), captured.get())
