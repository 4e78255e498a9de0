"""Examples of documents in their one form: fences hold files, members of an option, or statements."""

from __future__ import annotations

import textwrap

from optdsl.source import Source
from optdsl.syntax.format import formatted

_MEMBERS = ("option",)
_STATEMENTS = ("send", "receive", "on")


def fence_form(words: list[str], body: str) -> str:
    """The form of what a fence with these words holds. Raises CompileError if it is not grammatical."""
    form = words[1] if len(words) > 1 else ""
    if form in _MEMBERS:
        return _inside("option whole {", body, "}", 1)
    if form in _STATEMENTS:
        return _inside("option whole {\n    receive {", body, "    }\n}", 2)
    return formatted(Source("fence.opt", body))


def _inside(head: str, body: str, tail: str, levels: int) -> str:
    """The form of a part: line breaks are as if it stood at the margin, for what is short enough."""
    lines = formatted(Source("fence.opt", f"{head}\n{body}{tail}\n")).split("\n")
    return textwrap.dedent("\n".join(lines[levels : -levels - 1]) + "\n")
