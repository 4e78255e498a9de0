"""The pages that explain each code of a diagnostic: what it means, why the compiler insists, what to write instead.

A page is a Markdown file in `pages/`, named after its code. Its first line is `# OPT0203: value may not fit`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from operator import eq

from optdsl.record import record
from optdsl.resources import page_codes, page_text

_FORM = re.compile(r"(?:OPT)?(\d{1,4})", re.IGNORECASE)
_DIGITS = 4


@record
class Page:
    """What is told about one code. `text` is Markdown of at most 80 columns."""

    code: str
    title: str
    text: str


def page(code: str) -> Page:
    """The page of a code, which must have one: `OPT0203`."""
    text = page_text(code)
    return Page(code, text.partition("\n")[0].removeprefix(f"# {code}: "), text)


def every_page() -> list[Page]:
    """All pages, by code."""
    return [page(code) for code in page_codes()]


def code_named(word: str) -> str | None:
    """The code that a user means by `OPT0203`, `opt0203`, `0203` or `203`; None if no page is there for it."""
    form = _FORM.fullmatch(word.strip())
    code = f"OPT{form[1]:0>4}" if form else ""
    return code if code in page_codes() else None


def near_code(word: str) -> str | None:
    """The code that differs in one digit from what was written, the nearest one of several; None if there is none."""
    digits = "".join(each for each in word.upper().replace("O", "0") if each.isdecimal())[-_DIGITS:].zfill(_DIGITS)

    def likeness(code: str) -> tuple[int, int]:
        known = code[-_DIGITS:]
        return sum(map(eq, known, digits)), -abs(int(known) - int(digits))

    near = max(page_codes(), key=likeness)
    return near if likeness(near)[0] >= _DIGITS - 1 else None


def listing(pages: Iterable[Page]) -> str:
    """One line for each page: its code and its title."""
    return "".join(f"{each.code}  {each.title}\n" for each in pages)
