"""Whatever the spans: rendering never raises, never exceeds the width with source text, never leaves blanks at ends."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from optdsl.diagnostics import Diagnostic, Label, Suggestion
from optdsl.diagnostics.render import Style, render
from optdsl.diagnostics.render_cells import width_of
from optdsl.source import Source, Span

_TEXT = st.text(alphabet="ab {}\t\n\r語e\u0301\x1b\u202e", max_size=120)


@given(data=st.data(), text=_TEXT, width=st.integers(1, 90))
@settings(max_examples=300, deadline=None)
def test_any_spans(data: st.DataObject, text: str, width: int) -> None:
    source = Source("x.opt", text)

    def span() -> Span:
        start = data.draw(st.integers(0, len(text)))
        return Span(source, start, data.draw(st.integers(start, len(text))))

    labels = tuple(
        Label(span(), data.draw(st.sampled_from(["", "x", "why"]))) for _ in range(data.draw(st.integers(0, 4)))
    )
    replacement = Suggestion("so", span(), data.draw(_TEXT))
    shown = render(Diagnostic("OPT0101", "m", span(), "label", labels, ("note",), replacement), Style(width))
    assert "\x1b" not in shown
    for line in shown.splitlines():
        assert line == line.rstrip(" ")
        # 24 columns of source, marks and remarks are shown on even the narrowest terminal.
        assert width_of(line) <= max(width, 24 + 4 + 6) + 24
