"""Diagnostics as text, in the manner of rustc.

    error[OPT0203]: value may not fit
      --> delack.opt:19:20
       |
    19 |         segments = wish
       |                    ^^^^ 1..=4096 here, the field holds 1..=64
       |
    help: hold it inside the range
       |
    19 |         segments = clamp(wish, 1, 64)
       |                    ++++++    ++++++++

Pure functions over values: whoever prints decides on the width and on colours (`Style`). No line ends in a blank.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from optdsl.diagnostics.model import Diagnostic, Severity, Suggestion
from optdsl.diagnostics.render_cells import visible
from optdsl.diagnostics.render_rows import Role, Row, Style, painted
from optdsl.diagnostics.render_snippet import Annotation, annotation, snippet_rows
from optdsl.diagnostics.render_suggestion import Replacement, replacement_rows
from optdsl.source import Source

__all__ = ["Style", "headline", "remark", "render", "render_all", "summary"]

PLAIN = Style()
_NARROWEST = 40
_MOST_POINTED_AT = 3


def render_all(diagnostics: Iterable[Diagnostic], style: Style = PLAIN) -> str:
    """Every diagnostic, a blank line behind each, the summary, and behind errors where to read more about them."""
    shown = list(diagnostics)
    if not shown:
        return ""
    return "\n".join([*(render(each, style) for each in shown), f"{summary(shown)}\n"]) + _pointer(shown, style)


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    shown = list(diagnostics)
    errors = sum(each.is_error for each in shown)
    counts = ((errors, "error"), (len(shown) - errors, "warning"))
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count)


def _pointer(diagnostics: Iterable[Diagnostic], style: Style) -> str:
    """`explain: optdsl explain OPT0203`, with the codes of the first errors; empty without errors that have one."""
    codes = list(dict.fromkeys(each.code for each in diagnostics if each.is_error and each.code))[:_MOST_POINTED_AT]
    return f"{painted('explain', Role.HELP, style)}: optdsl explain {' '.join(codes)}\n" if codes else ""


def render(diagnostic: Diagnostic, style: Style = PLAIN) -> str:
    """One diagnostic, ending in a newline."""
    gutter = _gutter_width(diagnostic)
    lines = [headline(diagnostic.severity, diagnostic.message, style, code=diagnostic.code)]
    lines += [row.text(style) for row in _snippets(diagnostic, gutter, style.width)]
    suggestion = diagnostic.suggestion
    replacement = Replacement.of(suggestion) if suggestion else None
    notes = [("note", Role.TITLE, text) for text in diagnostic.notes]
    if suggestion is not None and replacement is None:
        notes.append(("help", Role.HELP, suggestion.text))
    if diagnostic.span is not None and (notes or replacement):
        lines.append(_bar(gutter).text(style))
    for word, role, text in notes:
        lines += _note(word, role, text, gutter, style)
    if suggestion is not None and replacement is not None:
        lines += _help(suggestion, replacement, gutter, style)
    return "\n".join(lines) + "\n"


def headline(severity: Severity, message: str, style: Style = PLAIN, *, code: str = "") -> str:
    """`error[OPT0203]: value may not fit`; without a code `error: cannot read x.opt`."""
    word = f"{severity.value}[{code}]" if code else severity.value
    return painted(word, _role(severity), style) + painted(f": {visible(message)}", Role.TITLE, style)


def remark(word: str, text: str, style: Style = PLAIN) -> str:
    """A line below a headline that has no source: `  = note: ...`."""
    return "\n".join(_note(word, Role.HELP if word == "help" else Role.TITLE, text, 1, style))


def _role(severity: Severity) -> Role:
    return Role.ERROR if severity is Severity.ERROR else Role.WARNING


def _gutter_width(diagnostic: Diagnostic) -> int:
    """Columns that the largest line number takes."""
    spans = [each for each in (diagnostic.span, *(label.span for label in diagnostic.labels)) if each is not None]
    last = max((each.source.position(min(each.end, len(each.source.text)))[0] for each in spans), default=1)
    return len(str(last))


def _snippets(diagnostic: Diagnostic, gutter: int, width: int) -> Iterator[Row]:
    """The snippet of each source that the diagnostic speaks about, that of its own span first."""
    by_source: dict[Source, list[Annotation]] = {}
    if diagnostic.span is not None:
        primary = annotation(diagnostic.span, diagnostic.label, "^", _role(diagnostic.severity))
        by_source[diagnostic.span.source] = [primary]
    for label in diagnostic.labels:
        secondary = annotation(label.span, label.text, "-", Role.SECONDARY)
        by_source.setdefault(label.span.source, []).append(secondary)
    for number, (source, found) in enumerate(by_source.items()):
        first = found[0]
        arrow = "--> " if number == 0 else "::: "
        if number:
            yield _bar(gutter)
        place = f"{visible(source.name)}:{first.first_line}:{first.first + 1}"
        yield Row().put(gutter, arrow, Role.SECONDARY).put(gutter + len(arrow), place)
        yield _bar(gutter)
        yield from snippet_rows(source, found, gutter, width)


def _help(suggestion: Suggestion, replacement: Replacement, gutter: int, style: Style) -> list[str]:
    head = painted("help", Role.HELP, style) + f": {visible(suggestion.text)}"
    rows = [_bar(gutter), *replacement_rows(replacement, gutter, style.width)]
    return [head, *(row.text(style) for row in rows)]


def _note(word: str, role: Role, text: str, gutter: int, style: Style) -> list[str]:
    """`= note: ...`, folded at the width of the terminal."""
    indent = gutter + 3 + len(word) + 2
    lines: Sequence[str] = textwrap.wrap(
        visible(text), max(style.width - indent, _NARROWEST), break_long_words=False, break_on_hyphens=False
    ) or [""]
    equals = painted("=", Role.SECONDARY, style)
    head = f"{' ' * (gutter + 1)}{equals} {painted(word, role, style)}: {lines[0]}".rstrip()
    return [head, *(" " * indent + line for line in lines[1:])]


def _bar(gutter: int) -> Row:
    return Row().put(gutter + 1, "|", Role.SECONDARY)
