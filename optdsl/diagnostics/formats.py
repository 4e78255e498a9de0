"""Diagnostics in the form that a reader wants: text for people, and three forms for programs.

The one place that knows which forms there are. Each form is a module with one function, loaded when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from optdsl.diagnostics.model import Diagnostic
    from optdsl.diagnostics.render_rows import Style


class Format(Enum):
    """The value is what `--message-format` is given."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"

    @property
    def is_document(self) -> bool:
        """Whether all diagnostics of a run make one document, which is there even if there are none."""
        return self is Format.SARIF


def rendered(diagnostics: Sequence[Diagnostic], form: Format, style: Style) -> str:
    """All diagnostics of a run, ending in a newline if there is anything. `style` is for text only."""
    match form:
        case Format.TEXT:
            from optdsl.diagnostics.render import render_all

            return render_all(diagnostics, style)
        case Format.JSON:
            from optdsl.diagnostics.render_json import render_json

            return render_json(diagnostics)
        case Format.SARIF:
            from optdsl.diagnostics.render_sarif import render_sarif

            return render_sarif(diagnostics)
        case Format.GITHUB:
            from optdsl.diagnostics.render_github import render_github

            return render_github(diagnostics)
        case _:
            assert_never(form)
